package dev.fathom.nn.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.bindings.CpuIsa;
import dev.fathom.bindings.FathomException;
import dev.fathom.nn.Golden;
import dev.fathom.nn.op.AugmentOps.ColorOp;
import dev.fathom.nn.op.AugmentOps.ColorStep;
import dev.fathom.nn.op.AugmentOps.Crop;
import dev.fathom.nn.op.AugmentOps.Distortion;
import dev.fathom.nn.op.LossOps.Box;
import dev.fathom.nn.tensor.NativeMemory;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Distortion against torchvision's results on float images; reading and pasting. */
class AugmentGoldenTest {

  private static final int H = 40;
  private static final int W = 52;
  private static final float[] ZERO = {0, 0, 0};
  private static final float[] ONE = {1, 1, 1};

  static Stream<Arguments> devices() {
    return LossGoldenTest.devices();
  }

  private static float[] picture() {
    float[] planes = Golden.hashed("augment", 3 * H * W);
    for (int i = 0; i < planes.length; i++) {
      planes[i] = Math.abs(planes[i]);
    }
    return interleaved(planes);
  }

  /** [3,H,W] as [H,W,3]. */
  private static float[] interleaved(float[] planes) {
    float[] result = new float[planes.length];
    for (int i = 0; i < planes.length; i++) {
      result[i % (H * W) * 3 + i / (H * W)] = planes[i];
    }
    return result;
  }

  private static void check(CpuIsa isa, int threads, String name, Distortion distortion) {
    try (CpuBackend backend = new CpuBackend(threads, isa);
        NativeMemory memory = new NativeMemory()) {
      Tensor x = memory.allocate(1, H, W, 3).set(picture());
      Tensor y = memory.allocate(1, H, W, 3);
      backend.augment().distort(x, List.of(distortion), null, null, ZERO, ONE, y);
      assertArrayEquals(interleaved(Golden.load(name).values()), y.toArray(), 2e-6f, name);
    }
  }

  private static Distortion jitter(ColorOp op, float factor) {
    return new Distortion(List.of(new ColorStep(op, factor)), false, 0);
  }

  @ParameterizedTest
  @MethodSource("devices")
  void everyOperation(CpuIsa isa, int threads) {
    check(isa, threads, "augment.brightness", jitter(ColorOp.BRIGHTNESS, 1.37f));
    check(isa, threads, "augment.contrast", jitter(ColorOp.CONTRAST, 0.62f));
    check(isa, threads, "augment.saturation", jitter(ColorOp.SATURATION, 1.45f));
    check(isa, threads, "augment.hue", jitter(ColorOp.HUE, -0.17f));
    check(isa, threads, "augment.gray", new Distortion(List.of(), true, 0));
    check(isa, threads, "augment.blur", new Distortion(List.of(), false, 1.7f));
    check(
        isa,
        threads,
        "augment.chain",
        new Distortion(
            List.of(
                new ColorStep(ColorOp.BRIGHTNESS, 1.2f),
                new ColorStep(ColorOp.CONTRAST, 0.8f),
                new ColorStep(ColorOp.SATURATION, 1.3f),
                new ColorStep(ColorOp.HUE, 0.1f)),
            false,
            0));
  }

  @Test
  void pastesThePartnersDistortedPicture() {
    try (CpuBackend backend = new CpuBackend(2);
        NativeMemory memory = new NativeMemory()) {
      Tensor x = memory.allocate(2, H, W, 3);
      x.slice(0, 1, H, W, 3).set(picture());
      x.slice(3L * H * W, 1, H, W, 3).set(Golden.hashed("other", 3 * H * W));
      List<Distortion> distortions =
          List.of(jitter(ColorOp.CONTRAST, 0.7f), new Distortion(List.of(), false, 1));
      Tensor alone = memory.allocate(2, H, W, 3);
      Tensor mixed = memory.allocate(2, H, W, 3);
      float[] mean = {0.485f, 0.456f, 0.406f};
      float[] std = {0.229f, 0.224f, 0.225f};
      backend.augment().distort(x, distortions, null, null, mean, std, alone);
      Box box = new Box(3, 0, 20, 31);
      backend
          .augment()
          .distort(
              x, distortions, List.of(1, 0), List.of(box, new Box(0, 0, 0, 0)), mean, std, mixed);
      float[] from = alone.toArray();
      float[] actual = mixed.toArray();
      int picture = 3 * H * W;
      for (int i = 0; i < from.length; i++) {
        int row = i % picture / (3 * W);
        int column = i % (3 * W) / 3;
        boolean inside =
            i < picture
                && row >= box.top()
                && row < box.bottom()
                && column >= box.left()
                && column < box.right();
        assertEquals(from[inside ? i + picture : i], actual[i], 1e-5f);
      }
    }
  }

  @Test
  void readsACropMirrored() {
    try (CpuBackend backend = new CpuBackend(2);
        NativeMemory memory = new NativeMemory();
        Arena arena = Arena.ofConfined()) {
      int width = 9;
      int height = 7;
      byte[] bytes = new byte[3 * width * height];
      for (int i = 0; i < bytes.length; i++) {
        bytes[i] = (byte) (i * 37);
      }
      MemorySegment pixels = arena.allocate(bytes.length);
      pixels.copyFrom(MemorySegment.ofArray(bytes));
      Tensor y = memory.allocate(1, 4, 5, 3);
      backend.augment().readPicture(pixels, width, height, new Crop(2, 3, 4, 5, true), y);
      float[] actual = y.toArray();
      Tensor map = memory.allocate(height, width);
      float[] values = new float[width * height];
      for (int i = 0; i < values.length; i++) {
        values[i] = i % 5 == 0 ? Float.NaN : i;
      }
      Tensor cropped = memory.allocate(4, 5);
      backend.augment().readMap(map.set(values), new Crop(2, 3, 4, 5, true), cropped);
      float[] depth = cropped.toArray();
      for (int row = 0; row < 4; row++) {
        for (int column = 0; column < 5; column++) {
          int source = (row + 2) * width + 3 + 4 - column;
          assertEquals(values[source], depth[row * 5 + column]);
          for (int c = 0; c < 3; c++) {
            assertEquals(
                (bytes[3 * source + c] & 0xff) / 255f, actual[(row * 5 + column) * 3 + c], 1e-6f);
          }
        }
      }
    }
  }

  @Test
  void rejectsWhatDoesNotFit() {
    try (CpuBackend backend = new CpuBackend(1);
        NativeMemory memory = new NativeMemory();
        Arena arena = Arena.ofConfined()) {
      Tensor x = memory.allocate(1, 4, 5, 3).set(new float[60]);
      Tensor y = memory.allocate(1, 4, 5, 3);
      MemorySegment pixels = arena.allocate(60);
      Crop whole = new Crop(0, 0, 4, 5, false);
      assertThrows(
          IllegalArgumentException.class,
          () -> backend.augment().distort(x, List.of(), null, null, ZERO, ONE, y));
      assertThrows(
          FathomException.class,
          () ->
              backend
                  .augment()
                  .distort(x, List.of(jitter(ColorOp.HUE, 0.7f)), null, null, ZERO, ONE, y));
      assertThrows(
          FathomException.class,
          () -> backend.augment().distort(x, List.of(Distortion.NONE), null, null, ZERO, ONE, x));
      assertThrows(
          IllegalArgumentException.class,
          () -> backend.augment().readPicture(pixels, 5, 5, whole, y));
      assertThrows(
          FathomException.class,
          () -> backend.augment().readPicture(pixels, 5, 4, new Crop(1, 0, 4, 5, false), y));
      String message =
          assertThrows(
                  IllegalArgumentException.class,
                  () -> backend.augment().readMap(x, whole, memory.allocate(4, 5)))
              .getMessage();
      assertTrue(String.valueOf(message).contains("readMap"), message);
    }
  }
}
