package dev.fathom.nn.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.fathom.bindings.cuda.CudaEvent;
import dev.fathom.nn.Golden;
import dev.fathom.nn.cpu.CpuBackend;
import dev.fathom.nn.op.AugmentOps.Crop;
import dev.fathom.nn.op.AugmentOps.Distortion;
import dev.fathom.nn.op.Backend;
import dev.fathom.nn.op.GradientCheck;
import dev.fathom.nn.op.LossOps.Box;
import dev.fathom.nn.op.OptimOps;
import dev.fathom.nn.op.Scalar;
import dev.fathom.nn.tensor.BlockMemory;
import dev.fathom.nn.tensor.ElementType;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * The host ahead of the device: what it gives away it may change at once, what it asks for is
 * there. The emulator does everything as late as it may.
 */
class CudaAsynchronyTest {

  @BeforeEach
  void asLateAsItMay() {
    Emulated.configure(0, true);
  }

  @AfterEach
  void asItWas() {
    Emulated.configure(0, false);
  }

  private static float[] numbers(int count, int seed) {
    float[] numbers = new float[count];
    for (int i = 0; i < count; i++) {
      numbers[i] = (i * 31 + seed * 17) % 251;
    }
    return numbers;
  }

  /** More than all the page-locked memory, there and back. */
  @Test
  void aTensorLargerThanTheRing() {
    try (Backend backend = Emulated.backend(ElementType.FLOAT32);
        BlockMemory memory = backend.newMemory()) {
      int count = (70 << 20) / Float.BYTES + 13;
      float[] values = numbers(count, 3);
      Tensor tensor = memory.allocate(count);
      backend.transfer().write(values, tensor);
      Arrays.fill(values, -1);
      assertArrayEquals(numbers(count, 3), backend.transfer().read(tensor));
    }
  }

  /** The same array for all of them, in both types, far around the ring. */
  @ParameterizedTest
  @EnumSource(ElementType.class)
  void whatIsUploadedMayBeChangedAtOnce(ElementType type) {
    try (Backend backend = Emulated.backend(type);
        BlockMemory memory = backend.newMemory()) {
      int count = 300_001;
      float[] values = new float[count];
      List<Tensor> tensors = new ArrayList<>();
      for (int i = 0; i < 80; i++) {
        System.arraycopy(numbers(count, i), 0, values, 0, count);
        Tensor tensor = memory.allocate(type, count);
        backend.transfer().write(values, tensor);
        tensors.add(tensor);
      }
      for (int i = 0; i < tensors.size(); i++) {
        assertArrayEquals(
            numbers(count, i), backend.transfer().read(tensors.get(i)), "tensor " + i);
      }
    }
  }

  @Test
  void resultsMayBeAskedForMuchLater() {
    try (Backend backend = Emulated.backend(ElementType.FLOAT32);
        BlockMemory memory = backend.newMemory()) {
      Tensor x = memory.allocate(10);
      List<Scalar> sums = new ArrayList<>();
      for (int i = 0; i < 700; i++) {
        backend.vector().fill(x, i);
        sums.add(backend.vector().sumOfSquares(x));
      }
      for (int i = 699; i >= 0; i--) {
        assertEquals(10.0 * i * i, sums.get(i).get(), "sum " + i);
        assertEquals(10.0 * i * i, sums.get(i).get(), "sum " + i + " again");
      }
    }
  }

  @Test
  void batchesAndLossesWaitForNothing() {
    try (Backend backend = Emulated.backend(ElementType.FLOAT32);
        BlockMemory memory = backend.newMemory();
        Arena arena = Arena.ofConfined()) {
      CudaEvent begin = Emulated.mark(backend);
      MemorySegment pixels = arena.allocate(3 * 31 * 23).fill((byte) 77);
      float[] mean = {0.4f, 0.5f, 0.6f};
      float[] std = {0.2f, 0.3f, 0.25f};
      backend.resample().preprocess(pixels, 31, 23, mean, std, memory.allocate(1, 14, 28, 3));
      Tensor pictures = memory.allocate(2, 20, 20, 3);
      Crop crop = new Crop(0, 0, 23, 23, false);
      for (int b = 0; b < 2; b++) {
        backend
            .augment()
            .readPicture(pixels, 31, 23, crop, pictures.slice(b * 1200L, 1, 20, 20, 3));
      }
      Tensor map = memory.allocate(23, 31);
      backend.transfer().write(numbers(23 * 31, 1), map);
      Tensor target = memory.allocate(2, 20, 20);
      backend.vector().fill(target, 1);
      backend.augment().readMap(map, crop, target.slice(0, 20, 20));
      List<Box> boxes = List.of(new Box(1, 2, 9, 7), new Box(0, 0, 0, 0));
      Tensor input = memory.allocate(2, 20, 20, 3);
      List<Distortion> none = List.of(Distortion.NONE, Distortion.NONE);
      backend.augment().distort(pictures, none, List.of(1, 0), boxes, mean, std, input);
      Tensor prediction = memory.allocate(2, 20, 20);
      backend.transfer().write(Golden.hashed("ahead", 800), prediction);
      var loss = backend.loss();
      List<Scalar> losses =
          List.of(
              loss.scaleShiftInvariant(prediction, target, null, 0.1, 1, null),
              loss.cutMix(prediction, target, target, boxes, 1, null),
              loss.gradientMatching(prediction, target, null, 1, null),
              loss.crossEntropy(prediction.view(40, 20), target.view(40, 20), 1, null),
              loss.alignment(prediction, target, 0.9, 1, null).kept(),
              backend.vector().sumOfSquares(input));
      assertFalse(begin.hasHappened(), "something waited for the device");
      losses.forEach(value -> assertTrue(Double.isFinite(value.get())));
    }
  }

  /** What a few checked steps leave behind. */
  private record Trained(
      List<float[]> arrays, List<Double> norms, List<Boolean> good, long count) {}

  private static Trained train(Backend backend) {
    try (BlockMemory memory = backend.newMemory()) {
      List<Tensor> tensors = new ArrayList<>();
      for (int i = 0; i < 4; i++) {
        Tensor tensor = memory.allocate(40_003);
        backend.transfer().write(Golden.hashed("check" + i, 40_003), tensor);
        tensors.add(tensor);
      }
      backend.vector().fill(tensors.get(3), 0.25f);
      Tensor gradient = memory.allocate(40_003);
      GradientCheck check = backend.optim().newCheck(memory);
      check.restore(5);
      OptimOps.Arrays arrays =
          new OptimOps.Arrays(
              tensors.get(0), gradient, tensors.get(1), tensors.get(3), null, tensors.get(2), 0.75);
      List<GradientCheck.Finding> findings = new ArrayList<>();
      float[] values = Golden.hashed("gradient", 40_003);
      // Clipped; a bad loss; a gradient that is no number; a norm beyond the limit; not clipped.
      double[] losses = {1, Double.NaN, 1, 1, Double.MIN_VALUE};
      double[] clips = {2, 2, 0, 0, 1e6};
      double[] limits = {1e3, 1e3, 1e3, 50, Double.POSITIVE_INFINITY};
      for (int step = 0; step < losses.length; step++) {
        float kept = values[777];
        values[777] = step == 2 ? Float.POSITIVE_INFINITY : kept;
        backend.transfer().write(values, gradient);
        values[777] = kept;
        // As with a schedule that changes beta1.
        OptimOps.Betas betas = new OptimOps.Betas(0.95 - 0.02 * step, 0.999);
        // One loss that the device found, one that the host knows.
        Scalar found = backend.vector().sumOfSquares(tensors.get(3));
        findings.add(
            check.check(
                gradient,
                List.of(found, Scalar.of(losses[step])),
                clips[step],
                limits[step],
                betas));
        backend.optim().adamW(arrays, rates(betas), 0.5, check);
      }
      OptimOps.Betas betas = new OptimOps.Betas(0.8, 0.999);
      check.accept(betas);
      backend.optim().adamW(arrays, rates(betas), 0.5, check);
      return new Trained(
          tensors.stream().map(backend.transfer()::read).toList(),
          findings.stream().map(finding -> finding.norm().get()).toList(),
          findings.stream().map(GradientCheck.Finding::isGood).toList(),
          check.updates());
    }
  }

  private static OptimOps.Rates rates(OptimOps.Betas betas) {
    return new OptimOps.Rates(1e-2, betas, 1e-8, 0.01);
  }

  @Test
  void theDeviceDecidesAboutStepsAsTheCpuDoes() {
    Trained expected;
    Trained actual;
    try (Backend cpu = new CpuBackend(2)) {
      expected = train(cpu);
    }
    try (Backend backend = Emulated.backend(ElementType.FLOAT32)) {
      actual = train(backend);
    }
    assertEquals(List.of(true, false, false, false, true), expected.good());
    assertEquals(expected.good(), actual.good());
    assertEquals(5 + 3, expected.count());
    assertEquals(expected.count(), actual.count());
    for (int i = 0; i < expected.norms().size(); i++) {
      double norm = expected.norms().get(i);
      assertEquals(norm, actual.norms().get(i), Double.isFinite(norm) ? 1e-12 * norm : 0);
    }
    for (int i = 0; i < 4; i++) {
      double error = Golden.relativeError(actual.arrays().get(i), expected.arrays().get(i));
      assertTrue(error < 2e-6, "array " + i + ": " + error);
    }
  }

  @Test
  void aCheckTakesAsManyLossesAsItHasRoomFor() {
    try (Backend backend = Emulated.backend(ElementType.FLOAT32);
        BlockMemory memory = backend.newMemory()) {
      GradientCheck check = backend.optim().newCheck(memory);
      OptimOps.Betas betas = new OptimOps.Betas(0.9, 0.999);
      Tensor gradient = memory.allocate(3);
      backend.vector().fill(gradient, 2);
      List<Scalar> losses = new ArrayList<>();
      for (int i = 0; i < 32; i++) {
        losses.add(Scalar.of(i));
      }
      assertTrue(check.check(gradient, losses, 0, 10, betas).isGood());
      losses.set(31, Scalar.of(Double.NEGATIVE_INFINITY));
      assertFalse(check.check(gradient, losses, 0, 10, betas).isGood());
      losses.add(Scalar.of(1));
      assertThrows(
          IllegalArgumentException.class, () -> check.check(gradient, losses, 0, 10, betas));
    }
  }

  @Test
  void tooLargeARequestSaysSoAndLeavesTheBackendUsable() {
    try (Backend backend = Emulated.backend(ElementType.FLOAT32);
        BlockMemory memory = backend.newMemory()) {
      Tensor kept = memory.allocate(1000);
      backend.transfer().write(numbers(1000, 1), kept);
      long before = memory.bytes();
      OutOfMemoryError error =
          assertThrows(OutOfMemoryError.class, () -> memory.allocate(1L << 40));
      String message = String.valueOf(error.getMessage());
      assertTrue(message.contains(String.format("%,d bytes", 4L << 40)), message);
      assertTrue(message.contains("are in use by this context"), message);
      assertEquals(before, memory.bytes());
      Tensor other = memory.allocate(1000);
      backend.resample().copy(kept, other);
      assertArrayEquals(numbers(1000, 1), backend.transfer().read(other));
    }
  }

  /** An operator's scratch memory: a picture enlarged beyond all measure. */
  @Test
  void scratchMemoryWithoutRoomSaysSoAndLeavesTheBackendUsable() {
    try (Backend backend = Emulated.backend(ElementType.FLOAT32);
        BlockMemory memory = backend.newMemory();
        Arena arena = Arena.ofConfined()) {
      MemorySegment pixels = arena.allocate(3 * 6 * 5);
      pixels.fill((byte) 51);
      Crop crop = new Crop(0, 0, 5, 6, false);
      Tensor y = memory.allocate(1, 4, 7, 3);
      backend.augment().readPicture(pixels, 6, 5, crop, y);
      float[] expected = backend.transfer().read(y);
      Tensor huge = Tensor.onDevice(y.address(), ElementType.FLOAT32, 1, 4, 1 << 28, 3);
      OutOfMemoryError error =
          assertThrows(
              OutOfMemoryError.class,
              () -> backend.augment().readPicture(pixels, 6, 5, crop, huge));
      assertTrue(String.valueOf(error.getMessage()).startsWith("no room for "), error::getMessage);
      assertEquals(0, backend.scratchBytes());
      backend.vector().fill(y, 0);
      backend.augment().readPicture(pixels, 6, 5, crop, y);
      assertArrayEquals(expected, backend.transfer().read(y));
      assertEquals(0.2f, expected[0], 1e-6f);
    }
  }

  /** What was released is there again for a larger tensor, though the device has yet to free it. */
  @Test
  void releasedMemoryCanBeHadAtOnce() {
    String limit = System.getenv("FATHOM_EMULATOR_MEMORY");
    assumeTrue(limit != null, "the emulator's memory is as large as it comes");
    long third = Long.parseLong(limit) / 3 / Float.BYTES;
    try (Backend backend = Emulated.backend(ElementType.FLOAT32);
        BlockMemory memory = backend.newMemory()) {
      for (int i = 0; i < 5; i++) {
        Tensor tensor = memory.allocate(third + i);
        backend.vector().fill(tensor.slice(0, 100), i);
        memory.release(tensor);
      }
      assertEquals(0, memory.bytes());
    }
  }
}
