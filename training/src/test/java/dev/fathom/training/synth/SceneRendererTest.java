package dev.fathom.training.synth;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.training.data.Sample;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.zip.CRC32;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

final class SceneRendererTest {

  @ParameterizedTest
  @EnumSource(Domain.class)
  void skyIsInfinitelyFarAndNothingElseIs(Domain domain) {
    int[][] sizes = {{1, 1}, {37, 23}, {13, 41}};
    for (int[] size : sizes) {
      Sample sample = SceneRenderer.render(domain, 3, 1, size[0], size[1]);
      assertEquals(domain.label() + "/000001", sample.id());
      assertEquals(size[0], sample.picture().width());
      assertEquals(size[1], sample.picture().height());
      for (int i = 0; i < size[0] * size[1]; i++) {
        float depth = sample.truth().values()[i];
        int kind = sample.classes().at(i % size[0], i / size[0]);
        assertTrue(kind < SceneClass.values().length);
        if (kind == SceneClass.SKY.code()) {
          assertEquals(Float.POSITIVE_INFINITY, depth);
        } else {
          assertTrue(depth > 0.2f && depth <= Scene.FARTHEST, "depth " + depth);
        }
      }
    }
  }

  /** What was trained on scenes is repeated only while these stay the same. */
  @ParameterizedTest
  @CsvSource({
    "room, c98a6e6f",
    "corridor, 9c2f730b",
    "warehouse, c749b139",
    "street-day, 74f7230c",
    "street-dusk, 1a6da83a",
    "hills, 8d0c7c01",
    "forest-fog, 7370a1fc",
    "canyon, c4823c42",
    "snow, ae2bdace",
    "park, 5c7f8a7e"
  })
  void theBitsDoNotChange(String label, String expected) {
    CRC32 sum = new CRC32();
    for (int scene = 0; scene < 3; scene++) {
      Sample sample = SceneRenderer.render(Domain.named(label), 20, scene, 52, 37);
      sum.update(sample.picture().rgb());
      ByteBuffer depth = ByteBuffer.allocate(4 * 52 * 37);
      depth.asFloatBuffer().put(sample.truth().values());
      sum.update(depth.array());
      for (int pixel = 0; pixel < 52 * 37; pixel++) {
        sum.update(sample.classes().at(pixel % 52, pixel / 52));
      }
    }
    assertEquals(expected, String.format(Locale.ROOT, "%08x", sum.getValue()));
  }

  /** No wall right before the lens, no black or white frame, several things to see. */
  @ParameterizedTest
  @EnumSource(Domain.class)
  void picturesHaveReliefAndContrast(Domain domain) {
    Set<Integer> kinds = new HashSet<>();
    for (int scene = 0; scene < 8; scene++) {
      int side = 48;
      Sample sample = SceneRenderer.render(domain, 11, scene, side, side);
      float[] disparity = sample.truth().targetDisparity();
      float[] hits = new float[disparity.length];
      int count = 0;
      for (float value : disparity) {
        if (value > 0) {
          hits[count++] = value;
        }
      }
      assertTrue(count > disparity.length / 4, sample.id() + ": mostly sky");
      Arrays.sort(hits, 0, count);
      double far = hits[count / 20];
      double near = hits[count - 1 - count / 20];
      assertTrue(far / near < 0.7, sample.id() + ": flat, " + far + " to " + near);
      int[] grey = new int[side * side];
      for (int i = 0; i < grey.length; i++) {
        grey[i] = sample.picture().at(i % side, i / side) >> 8 & 255;
        kinds.add(sample.classes().at(i % side, i / side));
      }
      Arrays.sort(grey);
      int spread = grey[grey.length * 95 / 100] - grey[grey.length * 5 / 100];
      assertTrue(spread > 25, sample.id() + ": " + spread + " levels of grey");
      int middle = grey[grey.length / 2];
      assertTrue(middle > 15 && middle < 245, sample.id() + ": median " + middle);
    }
    assertTrue(kinds.size() >= 4, domain + " shows " + kinds);
  }

  @Test
  void aPictureDependsOnAllOfItsName() {
    Sample one = SceneRenderer.render(Domain.ROOM, 1, 1, 31, 31);
    List<Sample> others =
        List.of(
            SceneRenderer.render(Domain.ROOM, 1, 2, 31, 31),
            SceneRenderer.render(Domain.ROOM, 2, 1, 31, 31),
            SceneRenderer.render(Domain.CORRIDOR, 1, 1, 31, 31));
    for (Sample other : others) {
      assertFalse(Arrays.equals(one.truth().values(), other.truth().values()));
    }
    Sample again = SceneRenderer.render(Domain.ROOM, 1, 1, 31, 31);
    assertArrayEquals(one.picture().rgb(), again.picture().rgb());
  }

  @Test
  void anyThreadReadsTheSame() throws Exception {
    SynthDataSet set = new SynthDataSet(List.of(Domain.values()), 5, 3, 2, 29, 21);
    List<Future<Sample>> read = new ArrayList<>();
    try (ExecutorService pool = Executors.newFixedThreadPool(4)) {
      for (int i = set.size() - 1; i >= 0; i--) {
        int index = i;
        read.addFirst(pool.submit(() -> set.read(index)));
      }
    }
    Set<String> ids = new HashSet<>();
    for (int i = 0; i < set.size(); i++) {
      Sample here = set.read(i);
      Sample there = read.get(i).get();
      assertEquals(set.id(i), here.id());
      assertEquals(here.id(), there.id());
      assertTrue(ids.add(here.id()));
      assertArrayEquals(here.picture().rgb(), there.picture().rgb());
      assertArrayEquals(here.truth().values(), there.truth().values());
      for (int p = 0; p < 29 * 21; p++) {
        assertEquals(here.classes().at(p % 29, p / 29), there.classes().at(p % 29, p / 29));
      }
    }
    assertEquals(2 * Domain.values().length, ids.size());
  }

  @Test
  void wrongArgumentsAreRefused() {
    List<Domain> rooms = List.of(Domain.ROOM);
    assertThrows(
        IllegalArgumentException.class, () -> SceneRenderer.render(Domain.ROOM, 0, -1, 5, 5));
    assertThrows(
        IllegalArgumentException.class, () -> SceneRenderer.render(Domain.ROOM, 0, 0, 0, 5));
    assertThrows(
        IllegalArgumentException.class, () -> SceneRenderer.render(Domain.ROOM, 0, 0, 5, 9000));
    assertThrows(IllegalArgumentException.class, () -> new SynthDataSet(List.of(), 0, 0, 1, 5, 5));
    assertThrows(
        IllegalArgumentException.class,
        () -> new SynthDataSet(List.of(Domain.ROOM, Domain.ROOM), 0, 0, 1, 5, 5));
    assertThrows(IllegalArgumentException.class, () -> new SynthDataSet(rooms, 0, -1, 1, 5, 5));
    assertThrows(IllegalArgumentException.class, () -> new SynthDataSet(rooms, 0, 0, 0, 5, 5));
    assertThrows(
        IllegalArgumentException.class,
        () -> new SynthDataSet(rooms, 0, Integer.MAX_VALUE, 1, 5, 5));
    SynthDataSet one = new SynthDataSet(rooms, 0, 0, 1, 5, 5);
    assertThrows(IndexOutOfBoundsException.class, () -> one.read(1));
    assertThrows(IndexOutOfBoundsException.class, () -> one.id(-1));
  }

  @Test
  void domainsAreFoundByTheirLabels() {
    Set<Integer> codes = new HashSet<>();
    for (Domain domain : Domain.values()) {
      assertEquals(domain, Domain.named(domain.label()));
      assertTrue(codes.add(domain.code()));
      assertNotEquals("", domain.description());
    }
    IllegalArgumentException unknown =
        assertThrows(IllegalArgumentException.class, () -> Domain.named("moon"));
    assertTrue(unknown.getMessage().contains("street-day"), unknown.getMessage());
  }
}
