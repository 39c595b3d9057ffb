package dev.fathom.training.synth;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.training.UserException;
import dev.fathom.training.data.DataSet;
import dev.fathom.training.data.DataSets;
import dev.fathom.training.data.DataSpec;
import dev.fathom.training.data.Sample;
import dev.fathom.training.picture.DepthFormat;
import dev.fathom.training.picture.DepthReader;
import dev.fathom.training.picture.PictureReader;
import java.awt.image.Raster;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class SynthFolderTest {
  @TempDir private Path folder;

  private final SynthDataSet set =
      new SynthDataSet(List.of(Domain.HILLS, Domain.ROOM), 4, 0, 2, 33, 21);

  @Test
  void theSameBytesOnAnyNumberOfThreads() throws Exception {
    AtomicInteger steps = new AtomicInteger();
    write("one", DepthFormat.EXR, 1, steps::incrementAndGet);
    write("three", DepthFormat.EXR, 3, () -> {});
    assertEquals(set.size(), steps.get());
    Map<String, byte[]> one = contents(folder.resolve("one"));
    Map<String, byte[]> three = contents(folder.resolve("three"));
    assertEquals(one.keySet(), three.keySet());
    assertEquals(4 * set.size() + 3, one.size(), "nothing but the results: " + one.keySet());
    one.forEach((name, bytes) -> assertArrayEquals(bytes, three.get(name), name));
    write("one", DepthFormat.EXR, 2, () -> {});
    contents(folder.resolve("one"))
        .forEach((name, bytes) -> assertArrayEquals(three.get(name), bytes, name));
  }

  @Test
  void filesHoldWhatWasRendered() throws Exception {
    for (DepthFormat format : List.of(DepthFormat.NPY, DepthFormat.PFM, DepthFormat.EXR)) {
      Path out = write(format.label(), format, 2, () -> {});
      List<String> index = Files.readAllLines(out.resolve(SynthFolder.INDEX));
      assertEquals("id\tpicture\tdepth\tsky\tclasses", index.getFirst());
      assertEquals(set.size() + 1, index.size());
      for (int i = 0; i < set.size(); i++) {
        Sample sample = set.read(i);
        String[] line = line(index, sample.id());
        assertArrayEquals(sample.picture().rgb(), PictureReader.read(out.resolve(line[1])).rgb());
        assertArrayEquals(sample.truth().values(), DepthReader.read(out.resolve(line[2])).values());
        Raster sky = raster(out.resolve(line[3]));
        Raster classes = raster(out.resolve(line[4]));
        for (int p = 0; p < 33 * 21; p++) {
          int x = p % 33;
          int y = p / 33;
          assertEquals(sample.classes().at(x, y), classes.getSample(x, y, 0));
          boolean infinite = Float.isInfinite(sample.truth().values()[p]);
          assertEquals(infinite ? 255 : 0, sky.getSample(x, y, 0));
        }
      }
      assertTrue(Files.readString(out.resolve("README.txt")).contains("in metres"));
    }
  }

  @Test
  void millimetresOfWhatIsNear() throws Exception {
    Path out = write("png", DepthFormat.PNG16, 2, () -> {});
    List<String> index = Files.readAllLines(out.resolve(SynthFolder.INDEX));
    int near = 0;
    for (int i = 0; i < set.size(); i++) {
      Sample sample = set.read(i);
      Raster depth = raster(out.resolve(line(index, sample.id())[2]));
      for (int p = 0; p < 33 * 21; p++) {
        float metres = sample.truth().values()[p];
        int sample16 = depth.getSample(p % 33, p / 33, 0);
        if (metres > 65.5351) {
          assertEquals(0, sample16);
        } else if (metres < 65.535) {
          assertEquals(metres, sample16 / 1000.0, 0.000501);
          near++;
        }
      }
    }
    assertTrue(near > 500);
    assertTrue(Files.readString(out.resolve("README.txt")).contains("in millimetres"));
  }

  @Test
  void shardsHaveTheFilesOfAFolder() throws Exception {
    Map<String, byte[]> plain = contents(write("plain", DepthFormat.NPY, 2, () -> {}));
    Path out = folder.resolve("shards");
    new SynthFolder(out, set, DepthFormat.NPY, 3).write(1, () -> {});
    Map<String, byte[]> one = contents(out);
    new SynthFolder(out, set, DepthFormat.NPY, 3).write(3, () -> {});
    Map<String, byte[]> three = contents(out);
    assertEquals(one.keySet(), three.keySet());
    one.forEach((name, bytes) -> assertArrayEquals(bytes, three.get(name), name));
    assertEquals(3 + 3, one.size(), one.keySet().toString());
    List<String> index = Files.readAllLines(out.resolve(SynthFolder.INDEX));
    assertEquals("shard\tsamples\tbytes", index.getFirst());
    assertEquals(
        List.of("1", "1", "2"), index.stream().skip(1).map(l -> l.split("\t", -1)[1]).toList());

    DataSpec spec =
        DataSpec.parse(
            Map.of(
                "path", out.toString(),
                "picture", "{id}.png",
                "depth", "{id}.depth.npy",
                "sky", "{id}.sky.png",
                "classes", "{id}.classes.png"),
            Path.of(""));
    try (DataSet read = DataSets.open(spec)) {
      assertEquals(set.size(), read.size());
      for (int i = 0; i < set.size(); i++) {
        Sample expected = set.read(i);
        Sample sample = read.read(i);
        assertTrue(sample.id().endsWith("/" + expected.id()), sample.id());
        assertArrayEquals(expected.picture().rgb(), sample.picture().rgb());
        assertArrayEquals(
            expected.truth().targetDisparity(), sample.truth().targetDisparity(), 1e-6f);
        for (int p = 0; p < 33 * 21; p++) {
          assertEquals(expected.classes().at(p % 33, p / 33), sample.classes().at(p % 33, p / 33));
        }
        assertTrue(plain.containsKey(expected.id() + ".depth.npy"));
      }
    }
    // Readers take every shard of a folder: one of an earlier, longer set is in the way.
    UserException thrown =
        assertThrows(
            UserException.class,
            () -> new SynthFolder(out, set, DepthFormat.NPY, 2).write(1, () -> {}));
    assertTrue(thrown.getMessage().contains("shard-000002.tar"), thrown.getMessage());
    assertTrue(Files.exists(out.resolve(SynthFolder.INDEX)), "what is there is left alone");
    assertThrows(
        IllegalArgumentException.class, () -> new SynthFolder(out, set, DepthFormat.NPY, 5));
  }

  @Test
  void shardsThatCannotBeFinishedLeaveNothingHalf() throws Exception {
    Path out = folder.resolve("stopped-shards");
    AtomicInteger steps = new AtomicInteger();
    Runnable stop =
        () -> {
          if (steps.incrementAndGet() == 3) {
            throw new IllegalStateException("stop");
          }
        };
    SynthFolder stopped = new SynthFolder(out, set, DepthFormat.NPY, 2);
    assertThrows(IllegalStateException.class, () -> stopped.write(2, stop));
    assertEquals(Set.of("shard-000000.tar"), contents(out).keySet());
  }

  @Test
  void aFolderThatCannotBeFinishedHasNoIndex() throws Exception {
    Path out = write("broken", DepthFormat.NPY, 2, () -> {});
    Path inTheWay = out.resolve(set.id(2) + ".depth.npy");
    Files.delete(inTheWay);
    Files.createDirectories(inTheWay);
    assertThrows(IOException.class, () -> write("broken", DepthFormat.NPY, 2, () -> {}));
    assertFalse(Files.exists(out.resolve(SynthFolder.INDEX)));
    assertThrows(IllegalArgumentException.class, () -> new SynthFolder(out, set, DepthFormat.PLY));
  }

  /** A caller may delete the folder once the method is left, however it is left. */
  @Test
  void nothingIsWrittenAfterAFailure() throws Exception {
    Path out = folder.resolve("stopped");
    AtomicInteger steps = new AtomicInteger();
    Runnable stop =
        () -> {
          steps.incrementAndGet();
          throw new IllegalStateException("stop");
        };
    SynthFolder stopped = new SynthFolder(out, set, DepthFormat.NPY);
    assertThrows(IllegalStateException.class, () -> stopped.write(2, stop));
    assertEquals(1, steps.get());
    Map<String, byte[]> left = contents(out);
    Thread.sleep(300);
    assertEquals(left.keySet(), contents(out).keySet());
  }

  private Path write(String name, DepthFormat format, int threads, Runnable step)
      throws IOException, InterruptedException {
    Path out = folder.resolve(name);
    new SynthFolder(out, set, format).write(threads, step);
    return out;
  }

  private static String[] line(List<String> index, String id) {
    return index.stream()
        .map(line -> line.split("\t", -1))
        .filter(columns -> columns[0].equals(id))
        .findFirst()
        .orElseThrow();
  }

  private static Raster raster(Path file) throws IOException {
    return ImageIO.read(file.toFile()).getRaster();
  }

  private static Map<String, byte[]> contents(Path folder) throws IOException {
    Map<String, byte[]> contents = new TreeMap<>();
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        contents.put(folder.relativize(file).toString(), Files.readAllBytes(file));
      }
    }
    return contents;
  }
}
