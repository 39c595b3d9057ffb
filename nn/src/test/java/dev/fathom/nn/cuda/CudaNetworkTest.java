package dev.fathom.nn.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.bindings.cuda.CudaEvent;
import dev.fathom.nn.Golden;
import dev.fathom.nn.autograd.Parameter;
import dev.fathom.nn.autograd.Parameters;
import dev.fathom.nn.autograd.Tape;
import dev.fathom.nn.cpu.CpuBackend;
import dev.fathom.nn.layer.Loader;
import dev.fathom.nn.layer.Pass;
import dev.fathom.nn.model.DepthAnything;
import dev.fathom.nn.model.Inference;
import dev.fathom.nn.model.ModelConfig;
import dev.fathom.nn.model.ParameterShapes;
import dev.fathom.nn.model.Release;
import dev.fathom.nn.op.Backend;
import dev.fathom.nn.op.GradientCheck;
import dev.fathom.nn.op.Scalar;
import dev.fathom.nn.optim.AdamW;
import dev.fathom.nn.optim.MovingAverage;
import dev.fathom.nn.tensor.BlockMemory;
import dev.fathom.nn.tensor.CachingMemory;
import dev.fathom.nn.tensor.ElementType;
import dev.fathom.nn.tensor.Tensor;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * The whole network on the GPU's kernels, through the driver, against the published code's results
 * and the CPU's: forward, backward, optimiser. On the emulator, small, where whatever is
 * asynchronous happens as late as it may.
 */
class CudaNetworkTest {

  /** Relative error of the variant of the kernels in float32. */
  private static final double FLOAT_TOLERANCE = 1e-4;

  /**
   * Bfloat16 kernels may err twice as much as plain bfloat16 operators do on the same input, and a
   * quarter of a bfloat16's last bit.
   */
  private static final double TIMES_PLAIN = 2;

  private static final double QUARTER_ULP = 0.25 / 256;

  static final ModelConfig TINY =
      new ModelConfig(
          "tiny",
          128,
          4,
          2,
          false,
          List.of(0, 1, 2, 3),
          32,
          List.of(16, 32, 64, 128),
          Release.V1,
          0,
          14,
          37);

  private static final long[] SHAPE = {2, 70, 98};

  @BeforeEach
  void asLateAsItMay() {
    Emulated.configure(1, true);
  }

  @AfterEach
  void asItWas() {
    Emulated.configure(0, false);
  }

  /** The relative error that a depth may have. */
  private static double tolerance(ElementType elements, float[] image, float[] expected) {
    if (elements == ElementType.FLOAT32) {
      return FLOAT_TOLERANCE;
    }
    try (Backend cpu = new CpuBackend(2);
        BlockMemory memory = cpu.newMemory()) {
      Backend plain = new PlainBfloat16(cpu).backend();
      DepthAnything network = new DepthAnything(new Loader(plain, memory, Golden.weights()), TINY);
      float[] depth =
          new Inference(network, plain, memory)
              .run(
                  new long[] {2, 70, 98, 3},
                  input -> cpu.transfer().write(image, input),
                  cpu.transfer()::read);
      return TIMES_PLAIN * Golden.relativeError(depth, expected) + QUARTER_ULP;
    }
  }

  @ParameterizedTest
  @EnumSource(ElementType.class)
  void depthIsThatOfThePublishedCode(ElementType elements) {
    float[] image = Golden.input("tiny.input", 2, 70, 98);
    try (Backend backend = Emulated.backend(elements);
        BlockMemory memory = backend.newMemory()) {
      DepthAnything network =
          new DepthAnything(new Loader(backend, memory, Golden.weights()), TINY);
      Inference inference = new Inference(network, backend, memory);
      long[] shape = {2, 70, 98, 3};
      float[] first =
          inference.run(
              shape, input -> backend.transfer().write(image, input), backend.transfer()::read);
      float[] expected = Golden.load("tiny.depth").values();
      double error = Golden.relativeError(first, expected);
      double limit = tolerance(elements, image, expected);
      assertTrue(error < limit, "relative error " + error + ", limit " + limit);
      float[] second =
          inference.run(
              shape, input -> backend.transfer().write(image, input), backend.transfer()::read);
      assertArrayEquals(first, second, "a recorded run gives other numbers");
      float[] other = Golden.input("tiny.other", 2, 70, 98);
      float[] third =
          inference.run(
              shape, input -> backend.transfer().write(other, input), backend.transfer()::read);
      assertTrue(Golden.relativeError(third, first) > 1e-3, "the input of a replay is not read");
      float[] fourth =
          inference.run(
              shape, input -> backend.transfer().write(image, input), backend.transfer()::read);
      assertArrayEquals(first, fourth, "a replayed run gives other numbers");
    }
  }

  /** The small network in training on the reference batch. */
  private static final class Training implements AutoCloseable {
    final Backend backend;
    final CachingMemory memory;
    final Parameters parameters;
    final DepthAnything network;
    final Tensor image;
    private final Tensor target;
    private final Tensor mask;
    private final boolean checkpoints;

    Training(Backend backend, boolean checkpoints) {
      this.backend = backend;
      this.checkpoints = checkpoints;
      memory = new CachingMemory(backend.newMemory());
      parameters = new Parameters(backend, memory, ParameterShapes.of(TINY));
      network = new DepthAnything(new Loader(backend, memory, Golden.weights(), parameters), TINY);
      image = memory.allocate(2, 70, 98, 3);
      backend.transfer().write(Golden.input("tiny.input", 2, 70, 98), image);
      int pixels = 2 * 70 * 98;
      float[] targets = Golden.hashed("tiny.target", pixels);
      float[] masks = Golden.hashed("tiny.mask", pixels);
      for (int i = 0; i < pixels; i++) {
        targets[i] = 1 + 0.9f * targets[i];
        masks[i] = masks[i] > -0.6f ? 1 : 0;
      }
      target = memory.allocate(SHAPE);
      mask = memory.allocate(SHAPE);
      backend.transfer().write(targets, target);
      backend.transfer().write(masks, mask);
    }

    /** In plain bfloat16, trained values in float32. */
    static Training plain(Backend cpu) {
      PlainBfloat16 plain = new PlainBfloat16(cpu);
      Training training = new Training(plain.backend(), false);
      plain.train(training.parameters);
      return training;
    }

    /** The losses of the first steps of AdamW. */
    double[] steps(int count) {
      AdamW optimiser =
          new AdamW(
              backend,
              memory,
              parameters,
              List.of(
                  new AdamW.Group("encoder", 5e-5, name -> name.startsWith("pretrained.")),
                  new AdamW.Group("head", 5e-4, name -> name.startsWith("depth_head."))),
              AdamW.Settings.DEFAULT);
      double[] losses = new double[count];
      for (int step = 0; step < count; step++) {
        parameters.zeroGradients();
        losses[step] = differentiate();
        optimiser.step(1, 1);
      }
      return losses;
    }

    double differentiate() {
      return differentiate(null).get();
    }

    /**
     * One way forth and back.
     *
     * @param given what goes back instead of the loss's gradient
     */
    Scalar differentiate(float @Nullable [] given) {
      try (Tape tape = new Tape(backend, memory)) {
        Pass pass = Pass.training(backend, memory, tape, checkpoints);
        Tensor depth = network.forward(pass, image);
        Tensor gradient = memory.allocate(SHAPE);
        Scalar loss = backend.loss().scaleShiftInvariant(depth, target, mask, 0, 1, gradient);
        if (given != null) {
          backend.transfer().write(given, gradient);
        }
        tape.seed(depth, gradient);
        memory.release(depth);
        tape.backward();
        return loss;
      }
    }

    Map<String, float[]> gradients() {
      Map<String, float[]> gradients = new LinkedHashMap<>();
      for (Parameter parameter : parameters.all()) {
        Tensor gradient = parameter.gradient();
        if (gradient != null) {
          gradients.put(parameter.name(), backend.transfer().read(gradient));
        }
      }
      return gradients;
    }

    @Override
    public void close() {
      memory.close();
    }
  }

  /** The CPU's gradients are compared with the published code's elsewhere. */
  @Test
  void gradientsAreThoseOfTheCpu() {
    Map<String, float[]> expected;
    double expectedLoss;
    try (Backend cpu = new CpuBackend(2);
        Training training = new Training(cpu, false)) {
      expectedLoss = training.differentiate();
      expected = training.gradients();
    }
    try (Backend backend = Emulated.backend(ElementType.FLOAT32);
        Training training = new Training(backend, true)) {
      assertEquals(expectedLoss, training.differentiate(), 1e-5);
      Map<String, float[]> gradients = training.gradients();
      assertEquals(expected.keySet(), gradients.keySet());
      expected.forEach((name, values) -> {
        // The last bias has no gradient at all: the loss does not see a shift.
        double error = error(gradients.get(name), values, 1e-3);
        assertTrue(error < FLOAT_TOLERANCE, name + ": " + error);
      });
    }
  }

  /**
   * In bfloat16 what goes back is given: the loss's own gradient hangs on single pixels, the
   * medians, which another rounding replaces by others.
   */
  @Test
  void bfloat16GradientsAreNearThoseOfTheCpu() {
    float[] given = Golden.hashed("smooth", 2 * 70 * 98);
    for (int i = 0; i < given.length; i++) {
      given[i] = 1 + 0.5f * given[i];
    }
    Map<String, float[]> expected;
    try (Backend cpu = new CpuBackend(2);
        Training training = new Training(cpu, false)) {
      var _ = training.differentiate(given);
      expected = training.gradients();
    }
    Map<String, float[]> plain;
    try (Backend cpu = new CpuBackend(2);
        Training training = Training.plain(cpu)) {
      var _ = training.differentiate(given);
      plain = training.gradients();
    }
    List<Double> plainErrors = new ArrayList<>();
    expected.forEach((name, values) -> plainErrors.add(error(plain.get(name), values, 1e-3)));
    double usual = plainErrors.stream().sorted().toList().get(plainErrors.size() / 2);
    try (Backend backend = Emulated.backend(ElementType.BFLOAT16);
        Training training = new Training(backend, false)) {
      var _ = training.differentiate(given);
      Map<String, float[]> gradients = training.gradients();
      expected.forEach((name, values) -> {
        double error = error(gradients.get(name), values, 1e-3);
        // By chance a single parameter may err less than usual in plain bfloat16.
        double plainError = Math.max(error(plain.get(name), values, 1e-3), usual);
        double limit = TIMES_PLAIN * plainError + QUARTER_ULP;
        assertTrue(error < limit, name + ": " + error + ", limit " + limit);
      });
    }
  }

  /** The norm of the difference by that of the expected values, or by {@code least}. */
  private static double error(float[] actual, float[] expected, double least) {
    double error = 0;
    double norm = 0;
    for (int i = 0; i < expected.length; i++) {
      double difference = (double) actual[i] - expected[i];
      error += difference * difference;
      norm += (double) expected[i] * expected[i];
    }
    return Math.sqrt(error) / Math.max(Math.sqrt(norm), least);
  }

  @Test
  void threeStepsOfAdamWFollowTheReference() {
    // tiny.adamw.json, computed in float64.
    float[] reference = Emulated.losses("tiny.adamw.json");
    try (Backend backend = Emulated.backend(ElementType.FLOAT32);
        Training training = new Training(backend, false)) {
      double[] losses = training.steps(3);
      for (int step = 0; step < 3; step++) {
        assertEquals(reference[step], losses[step], 1e-4, "step " + step);
      }
    }
  }

  @Test
  void threeStepsOfAdamWInBfloat16AreAsNearAsPlainOnes() {
    float[] reference = Emulated.losses("tiny.adamw.json");
    double plainError = 0;
    try (Backend cpu = new CpuBackend(2);
        Training training = Training.plain(cpu)) {
      double[] losses = training.steps(3);
      for (int step = 0; step < 3; step++) {
        plainError = Math.max(plainError, Math.abs(losses[step] / reference[step] - 1));
      }
    }
    try (Backend backend = Emulated.backend(ElementType.BFLOAT16);
        Training training = new Training(backend, false)) {
      double[] losses = training.steps(3);
      double limit = TIMES_PLAIN * plainError + QUARTER_ULP;
      for (int step = 0; step < 3; step++) {
        assertEquals(1, losses[step] / reference[step], limit, "step " + step);
      }
    }
  }

  /** From the upload of a batch to the optimiser's step, with the average and the check. */
  @Test
  void aTrainingStepWaitsForNothing() {
    float[] pictures = Golden.input("tiny.input", 2, 70, 98);
    try (Backend backend = Emulated.backend(ElementType.BFLOAT16);
        Training training = new Training(backend, true)) {
      AdamW optimiser =
          new AdamW(
              backend,
              training.memory,
              training.parameters,
              List.of(new AdamW.Group("all", 1e-4, _ -> true)),
              AdamW.Settings.DEFAULT);
      MovingAverage average = new MovingAverage(backend, training.memory, training.parameters, 0.9);
      CudaEvent begin = Emulated.mark(backend);
      backend.transfer().write(pictures, training.image);
      training.parameters.zeroGradients();
      Scalar loss = training.differentiate(null);
      GradientCheck.Finding finding =
          optimiser.step(1, 0.9, List.of(loss), new AdamW.Limits(1, 1e9), average);
      assertFalse(begin.hasHappened(), "something waited for the device");
      assertTrue(finding.isGood());
      assertTrue(Double.isFinite(loss.get()));
      assertEquals(1, optimiser.steps());
      Tensor kept = training.parameters.currentRounded();
      assertNotNull(kept, "the optimiser has not kept the rounded values");
      Tensor again = training.memory.allocate(ElementType.BFLOAT16, kept.size());
      backend.vector().round(training.parameters.values(), again);
      assertArrayEquals(backend.transfer().read(again), backend.transfer().read(kept));
    }
  }
}
