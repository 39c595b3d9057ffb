package dev.fathom.nn.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.bindings.FathomException;
import dev.fathom.nn.op.GradientCheck;
import dev.fathom.nn.op.OptimOps;
import dev.fathom.nn.op.Scalar;
import dev.fathom.nn.tensor.NativeMemory;
import dev.fathom.nn.tensor.Tensor;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** AdamW over several steps against torch.optim.AdamW's formula in float64. */
class CpuOptimTest {

  private static final int SIZE = 20_011;
  private static final double BETA1 = 0.9;
  private static final double BETA2 = 0.999;
  private static final double EPS = 1e-8;
  private static final OptimOps.Betas BETAS = new OptimOps.Betas(BETA1, BETA2);

  /** The formula as torch.optim.AdamW's documentation states it, one parameter at a time. */
  private static final class Reference {
    final double[] value;
    final double[] m = new double[SIZE];
    final double[] v = new double[SIZE];

    Reference(float[] start) {
      value = widened(start);
    }

    void step(float[] gradient, long step, double rate, double decay, double scale) {
      for (int i = 0; i < SIZE; i++) {
        double g = scale * gradient[i];
        value[i] -= rate * decay * value[i];
        m[i] = BETA1 * m[i] + (1 - BETA1) * g;
        v[i] = BETA2 * v[i] + (1 - BETA2) * g * g;
        double mHat = m[i] / (1 - Math.pow(BETA1, (double) step));
        double vHat = v[i] / (1 - Math.pow(BETA2, (double) step));
        value[i] -= rate * mHat / (Math.sqrt(vHat) + EPS);
      }
    }
  }

  private static double[] widened(float[] values) {
    double[] wide = new double[values.length];
    for (int i = 0; i < values.length; i++) {
      wide[i] = values[i];
    }
    return wide;
  }

  private static float[] uniform(long seed, double scale) {
    SplittableRandom random = new SplittableRandom(seed);
    float[] values = new float[SIZE];
    for (int i = 0; i < SIZE; i++) {
      values[i] = (float) (scale * random.nextDouble(-1, 1));
    }
    return values;
  }

  /** Euclidean norm of the difference over that of what is expected. */
  private static double relativeError(double[] expected, float[] actual) {
    double error = 0;
    double norm = 0;
    for (int i = 0; i < expected.length; i++) {
      error += Math.pow(actual[i] - expected[i], 2);
      norm += Math.pow(expected[i], 2);
    }
    return Math.sqrt(error / norm);
  }

  /** Twelve steps with a falling rate; the gradients' size changes from step to step. */
  private static float[][] train(int threads, Reference reference) {
    try (CpuBackend backend = new CpuBackend(threads);
        NativeMemory memory = new NativeMemory()) {
      Tensor value = memory.allocate(SIZE).set(uniform(0, 0.5));
      Tensor gradient = memory.allocate(SIZE);
      Tensor m = memory.allocate(SIZE);
      Tensor v = memory.allocate(SIZE);
      backend.vector().fill(m, 0);
      backend.vector().fill(v, 0);
      for (long step = 1; step <= 12; step++) {
        double rate = 1e-3 * (1 - (double) step / 20);
        double scale = step % 3 == 0 ? 0.25 : 1;
        float[] g = uniform(step, 0.1 * step);
        gradient.set(g);
        backend.optim().adamW(value, gradient, m, v, step, rate, BETA1, BETA2, EPS, 0.05, scale);
        reference.step(g, step, rate, 0.05, scale);
      }
      return new float[][] {value.toArray(), m.toArray(), v.toArray()};
    }
  }

  @Test
  void followsTheFormulaOverSeveralSteps() {
    Reference reference = new Reference(uniform(0, 0.5));
    float[][] state = train(2, reference);
    assertEquals(0, relativeError(reference.value, state[0]), 5e-7);
    assertEquals(0, relativeError(reference.m, state[1]), 1e-6);
    assertEquals(0, relativeError(reference.v, state[2]), 1e-6);
    // The way that the parameters went, without where they came from.
    float[] start = uniform(0, 0.5);
    double[] expected = new double[SIZE];
    float[] actual = new float[SIZE];
    for (int i = 0; i < SIZE; i++) {
      expected[i] = reference.value[i] - start[i];
      actual[i] = state[0][i] - start[i];
    }
    assertEquals(0, relativeError(expected, actual), 2e-5);
  }

  @Test
  void givesTheSameBitsForAnyNumberOfThreads() {
    float[][] one = train(1, new Reference(uniform(0, 0.5)));
    for (int threads : new int[] {2, 5}) {
      float[][] several = train(threads, new Reference(uniform(0, 0.5)));
      for (int i = 0; i < one.length; i++) {
        assertArrayEquals(one[i], several[i]);
      }
    }
  }

  /** A checked step has the bits of the step of its number with the clipped gradients. */
  @Test
  void aCheckClipsCountsAndSkips() {
    try (CpuBackend backend = new CpuBackend(2);
        NativeMemory memory = new NativeMemory()) {
      Tensor gradient = memory.allocate(SIZE).set(uniform(3, 0.1));
      double norm = Math.sqrt(backend.vector().sumOfSquares(gradient).get());
      List<Tensor> plain = state(memory);
      List<Tensor> checked = state(memory);
      Tensor average = memory.allocate(SIZE).set(uniform(4, 0.5));
      Tensor expectedAverage = memory.allocate(SIZE).set(uniform(4, 0.5));
      backend
          .optim()
          .adamW(
              plain.get(0),
              gradient,
              plain.get(1),
              plain.get(2),
              5,
              1e-3,
              BETA1,
              BETA2,
              EPS,
              0.05,
              2 / norm);
      backend.vector().axpby(0.25f, plain.get(0), 0.75f, expectedAverage);
      GradientCheck check = backend.optim().newCheck(memory);
      check.restore(4);
      OptimOps.Arrays arrays =
          new OptimOps.Arrays(
              checked.get(0), gradient, checked.get(1), checked.get(2), null, average, 0.75);
      OptimOps.Rates rates = new OptimOps.Rates(1e-3, BETAS, EPS, 0.05);
      GradientCheck.Finding finding = check.check(gradient, List.of(Scalar.of(1)), 2, norm, BETAS);
      assertEquals(norm, finding.norm().get());
      assertTrue(finding.isGood());
      backend.optim().adamW(arrays, rates, 1, check);
      // Neither a bad loss nor a norm above the limit changes anything.
      assertFalse(check.check(gradient, List.of(Scalar.of(Double.NaN)), 2, norm, BETAS).isGood());
      backend.optim().adamW(arrays, rates, 1, check);
      assertFalse(check.check(gradient, List.of(), 2, norm * 0.999, BETAS).isGood());
      backend.optim().adamW(arrays, rates, 1, check);
      assertEquals(5, check.updates());
      for (int i = 0; i < plain.size(); i++) {
        assertArrayEquals(plain.get(i).toArray(), checked.get(i).toArray());
      }
      assertArrayEquals(expectedAverage.toArray(), average.toArray());
    }
  }

  private static List<Tensor> state(NativeMemory memory) {
    return List.of(
        memory.allocate(SIZE).set(uniform(0, 0.5)),
        memory.allocate(SIZE).set(uniform(1, 0.01)),
        memory.allocate(SIZE).set(squares(uniform(2, 0.01))));
  }

  private static float[] squares(float[] x) {
    float[] y = new float[x.length];
    for (int i = 0; i < x.length; i++) {
      y[i] = x[i] * x[i];
    }
    return y;
  }

  @Test
  void rejectsWhatIsNoStep() {
    try (CpuBackend backend = new CpuBackend(1);
        NativeMemory memory = new NativeMemory()) {
      CpuOptim optim = (CpuOptim) backend.optim();
      Tensor value = memory.allocate(8);
      Tensor gradient = memory.allocate(8);
      Tensor m = memory.allocate(8);
      Tensor v = memory.allocate(8);
      Tensor shorter = memory.allocate(7);
      assertThrows(
          IllegalArgumentException.class,
          () -> optim.adamW(value, shorter, m, v, 1, 1e-3, BETA1, BETA2, EPS, 0, 1));
      assertThrows(
          FathomException.class,
          () -> optim.adamW(value, gradient, m, v, 0, 1e-3, BETA1, BETA2, EPS, 0, 1));
      assertThrows(
          FathomException.class,
          () -> optim.adamW(value, gradient, m, m, 1, 1e-3, BETA1, BETA2, EPS, 0, 1));
    }
  }
}
