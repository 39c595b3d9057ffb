package dev.fathom.nn.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.bindings.CpuIsa;
import dev.fathom.bindings.FathomException;
import dev.fathom.nn.Golden;
import dev.fathom.nn.op.LossOps;
import dev.fathom.nn.op.LossOps.Alignment;
import dev.fathom.nn.op.LossOps.Box;
import dev.fathom.nn.op.Scalar;
import dev.fathom.nn.tensor.NativeMemory;
import dev.fathom.nn.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The losses against values and gradients of the published code in float64. A residual of nearly 0
 * may have another sign in float32, so gradients are compared as a whole, not one by one.
 */
class LossGoldenTest {

  private static final int B = 3;
  private static final int H = 37;
  private static final int W = 41;

  /** Relative. */
  private static final double VALUE = 1e-6;

  private static final double GRADIENT = 2e-4;

  private static final List<Box> BOXES =
      List.of(new Box(5, 7, 20, 30), new Box(0, 0, 37, 12), new Box(10, 3, 11, 38));

  /** Instruction sets of this machine, each with 1, 2 and 5 threads. */
  static Stream<Arguments> devices() {
    List<Arguments> devices = new ArrayList<>();
    for (CpuIsa isa : CpuIsa.values()) {
      if (isa != CpuIsa.AUTO && isa.code() <= CpuIsa.best().code()) {
        for (int threads : new int[] {1, 2, 5}) {
          devices.add(Arguments.of(isa, threads));
        }
      }
    }
    return devices.stream();
  }

  /** A loss on the maps below, which writes its gradient. */
  private interface Loss {
    Scalar value(LossOps loss, NativeMemory memory, Tensor gradient);
  }

  private static Tensor hashed(NativeMemory memory, String name, long... shape) {
    return memory.allocate(shape).set(Golden.hashed(name, (int) Tensor.sizeOf(shape)));
  }

  private static Tensor mask(NativeMemory memory, int batch) {
    float[] mask = Golden.hashed("loss.mask", batch * H * W);
    for (int i = 0; i < mask.length; i++) {
      mask[i] = mask[i] > -0.5f ? 1 : 0;
    }
    return memory.allocate(batch, H, W).set(mask);
  }

  private static void check(
      CpuIsa isa, int threads, String name, double value, Loss loss, long... shape) {
    try (CpuBackend backend = new CpuBackend(threads, isa);
        NativeMemory memory = new NativeMemory()) {
      Tensor gradient = memory.allocate(shape);
      assertEquals(value, loss.value(backend.loss(), memory, gradient).get(), VALUE * value);
      float[] actual = gradient.toArray();
      float[] expected = Golden.load(name).values();
      double error = Golden.relativeError(actual, expected);
      assertTrue(error <= GRADIENT, name + ": relative error " + error);
      float[] probe = Golden.hashed(name + "#probe", actual.length);
      double difference = 0;
      double norm = 0;
      for (int i = 0; i < probe.length; i++) {
        difference += (double) probe[i] * (actual[i] - expected[i]);
        norm += (double) expected[i] * expected[i];
      }
      assertEquals(0, difference, GRADIENT * Math.sqrt(norm));
    }
  }

  @ParameterizedTest
  @MethodSource("devices")
  void scaleShiftInvariant(CpuIsa isa, int threads) {
    check(isa, threads, "loss.ssi.grad", 1.331957236657722, ssi(0), B, H, W);
  }

  @ParameterizedTest
  @MethodSource("devices")
  void trimmed(CpuIsa isa, int threads) {
    check(isa, threads, "loss.trimmed.grad", 1.126786788683208, ssi(0.1), B, H, W);
  }

  private static Loss ssi(double trim) {
    return (loss, memory, gradient) ->
        loss.scaleShiftInvariant(
            hashed(memory, "loss.pred", B, H, W),
            hashed(memory, "loss.target", B, H, W),
            mask(memory, B),
            trim,
            1,
            gradient);
  }

  @ParameterizedTest
  @MethodSource("devices")
  void cutMix(CpuIsa isa, int threads) {
    check(
        isa,
        threads,
        "loss.cutmix.grad",
        1.3103635577707446,
        (loss, memory, gradient) ->
            loss.cutMix(
                hashed(memory, "loss.pred", B, H, W),
                hashed(memory, "loss.teacher_a", B, H, W),
                hashed(memory, "loss.teacher_b", B, H, W),
                BOXES,
                1,
                gradient),
        B,
        H,
        W);
  }

  @ParameterizedTest
  @MethodSource("devices")
  void gradientMatching(CpuIsa isa, int threads) {
    check(
        isa,
        threads,
        "loss.gradient_matching.grad",
        9.991882487264572,
        (loss, memory, gradient) ->
            loss.gradientMatching(
                hashed(memory, "loss.pred", B, H, W),
                hashed(memory, "loss.target", B, H, W),
                mask(memory, B),
                1,
                gradient),
        B,
        H,
        W);
  }

  @ParameterizedTest
  @MethodSource("devices")
  void alignment(CpuIsa isa, int threads) {
    int tokens = 35;
    int channels = 64;
    check(
        isa,
        threads,
        "loss.alignment.grad",
        0.45558880478428204,
        (loss, memory, gradient) -> {
          Tensor student = hashed(memory, "loss.feature", 2, tokens, channels);
          float[] values = student.toArray();
          float[] frozen = Golden.hashed("loss.feature_frozen", values.length);
          for (int i = 0; i < frozen.length; i++) {
            double blend = i / channels % tokens / (tokens - 1.0);
            frozen[i] = (float) (0.5 * frozen[i] + values[i] * blend);
          }
          Tensor other = memory.allocate(2, tokens, channels).set(frozen);
          Alignment alignment = loss.alignment(student, other, 0.85, 1, gradient);
          assertEquals(56, alignment.kept().get());
          return alignment.loss();
        },
        2,
        tokens,
        channels);
  }

  @ParameterizedTest
  @MethodSource("devices")
  void siLog(CpuIsa isa, int threads) {
    check(
        isa,
        threads,
        "loss.silog.grad",
        11.751697580566018,
        (loss, memory, gradient) ->
            loss.siLog(
                depth(memory, "loss.silog.pred"),
                depth(memory, "loss.silog.target"),
                mask(memory, 2),
                0.15,
                1,
                gradient),
        2,
        H,
        W);
  }

  private static Tensor depth(NativeMemory memory, String name) {
    float[] values = Golden.hashed(name, 2 * H * W);
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) (0.2 + 9 * Math.abs((double) values[i]));
    }
    return memory.allocate(2, H, W).set(values);
  }

  @Test
  void theFactorMultipliesTheGradientOnly() {
    try (CpuBackend backend = new CpuBackend(2);
        NativeMemory memory = new NativeMemory()) {
      Tensor prediction = hashed(memory, "loss.pred", B, H, W);
      Tensor target = hashed(memory, "loss.target", B, H, W);
      Tensor once = memory.allocate(B, H, W);
      Tensor half = memory.allocate(B, H, W);
      double value = backend.loss().scaleShiftInvariant(prediction, target, null, 0, 1, once).get();
      assertEquals(
          value, backend.loss().scaleShiftInvariant(prediction, target, null, 0, 0.5, half).get());
      assertEquals(
          value, backend.loss().scaleShiftInvariant(prediction, target, null, 0, 1, null).get());
      float[] halves = half.toArray();
      float[] wholes = once.toArray();
      for (int i = 0; i < halves.length; i++) {
        assertEquals(wholes[i] / 2, halves[i]);
      }
    }
  }

  @Test
  void rejectsWhatDoesNotFit() {
    try (CpuBackend backend = new CpuBackend(1);
        NativeMemory memory = new NativeMemory()) {
      LossOps loss = backend.loss();
      Tensor map = memory.allocate(1, 4, 5).set(new float[20]);
      Tensor other = memory.allocate(1, 5, 4).set(new float[20]);
      assertThrows(
          IllegalArgumentException.class,
          () -> loss.scaleShiftInvariant(map, other, null, 0, 1, null));
      assertThrows(
          IllegalArgumentException.class, () -> loss.siLog(map, map, other, 0.15, 1, null));
      assertThrows(
          IllegalArgumentException.class, () -> loss.cutMix(map, map, map, List.of(), 1, null));
      assertThrows(
          FathomException.class,
          () -> loss.cutMix(map, map, map, List.of(new Box(0, 0, 5, 5)), 1, null));
      assertThrows(
          FathomException.class, () -> loss.scaleShiftInvariant(map, map, null, 1, 1, null));
      assertThrows(
          FathomException.class,
          () -> loss.gradientMatching(map, other.view(1, 4, 5), map, 1, map));
    }
  }

  @Test
  void aConstantMapAddsNothing() {
    try (CpuBackend backend = new CpuBackend(2);
        NativeMemory memory = new NativeMemory()) {
      float[] constant = new float[H * W];
      Arrays.fill(constant, 3);
      Tensor prediction = memory.allocate(1, H, W).set(constant);
      Tensor target = hashed(memory, "loss.target", 1, H, W);
      Tensor gradient = memory.allocate(1, H, W);
      assertEquals(
          0, backend.loss().scaleShiftInvariant(prediction, target, null, 0, 1, gradient).get());
      for (float element : gradient.toArray()) {
        assertEquals(0, element);
      }
    }
  }
}
