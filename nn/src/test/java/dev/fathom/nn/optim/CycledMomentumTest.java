package dev.fathom.nn.optim;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.fathom.nn.autograd.Parameters;
import dev.fathom.nn.cpu.CpuBackend;
import dev.fathom.nn.op.Scalar;
import dev.fathom.nn.tensor.NativeMemory;
import dev.fathom.nn.tensor.Tensor;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/**
 * AdamW with the rate and beta1 of a one-cycle schedule, against torch's AdamW and OneCycleLR in
 * float64: the scheduler sets both before each step, and the moment's correction is 1 - beta1^step
 * with the beta1 of that step.
 */
class CycledMomentumTest {

  private static final int SIZE = 173;
  private static final int STEPS = 10;
  private static final double RATE = 0.02;
  private static final AdamW.Settings SETTINGS = new AdamW.Settings(0.9, 0.99, 1e-8, 0.05);
  private static final Schedule SCHEDULE =
      new Schedule.OneCycle(0.3, 25, 1e4, new Schedule.Momentum(0.85, 0.95));

  /** max_lr = 1, pct_start = 0.3, total_steps = 10: up in steps 0 to 2, down in 2 to 9. */
  private static double share(int step) {
    return step <= 2
        ? (1 - Math.cos(Math.PI * step / 2)) / 2
        : (1 + Math.cos(Math.PI * (step - 2) / 7)) / 2;
  }

  private static float[] gradient(int step) {
    SplittableRandom random = new SplittableRandom(step);
    float[] gradient = new float[SIZE];
    for (int i = 0; i < SIZE; i++) {
      gradient[i] = (float) random.nextDouble(-1, 1) * (step + 1);
    }
    return gradient;
  }

  private static double[] reference() {
    double[] value = new double[SIZE];
    double[] m = new double[SIZE];
    double[] v = new double[SIZE];
    for (int step = 0; step < STEPS; step++) {
      double low = step <= 2 ? 1.0 / 25 : 1.0 / 25 / 1e4;
      double rate = RATE * (low + (1 - low) * share(step));
      double beta1 = 0.95 - 0.1 * share(step);
      float[] g = gradient(step);
      for (int i = 0; i < SIZE; i++) {
        value[i] -= rate * 0.05 * value[i];
        m[i] += (1 - beta1) * (g[i] - m[i]);
        v[i] = 0.99 * v[i] + 0.01 * g[i] * g[i];
        double root = Math.sqrt(v[i] / (1 - Math.pow(0.99, step + 1.0))) + 1e-8;
        value[i] -= rate / (1 - Math.pow(beta1, step + 1.0)) * m[i] / root;
      }
    }
    return value;
  }

  /** The values and the optimiser, which steps as a stage's loop does. */
  private static final class Run implements AutoCloseable {
    final CpuBackend backend = new CpuBackend(1);
    final NativeMemory memory = new NativeMemory();
    final Parameters parameters;
    final AdamW optimiser;

    Run() {
      SequencedMap<String, long[]> shapes = new LinkedHashMap<>();
      shapes.put("x", new long[] {SIZE});
      parameters = new Parameters(backend, memory, shapes);
      var _ = parameters.add("x", null);
      optimiser =
          new AdamW(
              backend,
              memory,
              parameters,
              List.of(new AdamW.Group("all", RATE, _ -> true)),
              SETTINGS);
    }

    void steps(int from, int to) {
      for (int step = from; step < to; step++) {
        parameters.gradients().slice(0, SIZE).set(gradient(step));
        var _ =
            optimiser.step(
                SCHEDULE.factor(step, STEPS),
                SCHEDULE.beta1(step, STEPS, SETTINGS.beta1()),
                List.of(Scalar.of(1)),
                new AdamW.Limits(0, Double.POSITIVE_INFINITY),
                null);
      }
    }

    List<Tensor> state() {
      return List.of(parameters.values(), optimiser.firstMoments(), optimiser.secondMoments());
    }

    @Override
    public void close() {
      memory.close();
      backend.close();
    }
  }

  @Test
  void followsTheReference() {
    double[] expected = reference();
    try (Run run = new Run()) {
      run.steps(0, STEPS);
      float[] actual = run.parameters.values().slice(0, SIZE).toArray();
      for (int i = 0; i < SIZE; i++) {
        assertEquals(expected[i], actual[i], 2e-6 * Math.max(Math.abs(expected[i]), 1e-2), "" + i);
      }
    }
  }

  @Test
  void goesOnFromAnyStepWithTheSameBits() {
    try (Run whole = new Run()) {
      whole.steps(0, STEPS);
      for (int stop = 1; stop < STEPS; stop++) {
        try (Run first = new Run();
            Run second = new Run()) {
          first.steps(0, stop);
          for (int i = 0; i < 3; i++) {
            var _ = second.state().get(i).set(first.state().get(i).toArray());
          }
          second.optimiser.restore(first.optimiser.steps());
          second.steps(stop, STEPS);
          for (int i = 0; i < 3; i++) {
            assertArrayEquals(
                whole.state().get(i).toArray(), second.state().get(i).toArray(), "from " + stop);
          }
        }
      }
    }
  }
}
