package dev.fathom.nn.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.bindings.CpuIsa;
import dev.fathom.nn.Golden;
import dev.fathom.nn.autograd.Parameter;
import dev.fathom.nn.autograd.Parameters;
import dev.fathom.nn.autograd.Tape;
import dev.fathom.nn.cpu.CpuBackend;
import dev.fathom.nn.layer.Loader;
import dev.fathom.nn.layer.Pass;
import dev.fathom.nn.op.Backend;
import dev.fathom.nn.optim.AdamW;
import dev.fathom.nn.tensor.CachingMemory;
import dev.fathom.nn.tensor.Tensor;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The way back and the optimiser against the published code's float64 results. */
class GoldenGradientTest {

  /** Relative error of a gradient's norm and elements; medians and signs may flip an element. */
  private static final double TOLERANCE = 2e-4;

  /** Norms below are rounding. */
  private static final double SMALLEST = 1e-3;

  private static final long[] SHAPE = {2, 70, 98};

  /** The small network in training on the reference batch. */
  private static final class Training implements AutoCloseable {
    final Backend backend;
    final CachingMemory memory = new CachingMemory();
    final Parameters parameters;
    final DepthAnything network;
    private final Tensor image;
    private final Tensor target;
    private final Tensor mask;
    private final boolean checkpoints;

    Training(Backend backend, boolean checkpoints) {
      this.backend = backend;
      this.checkpoints = checkpoints;
      parameters = new Parameters(backend, memory, ParameterShapes.of(GoldenForwardTest.TINY));
      network =
          new DepthAnything(
              new Loader(backend, memory, Golden.weights(), parameters), GoldenForwardTest.TINY);
      image = memory.allocate(2, 70, 98, 3).set(Golden.input("tiny.input", 2, 70, 98));
      int pixels = 2 * 70 * 98;
      float[] targets = Golden.hashed("tiny.target", pixels);
      float[] masks = Golden.hashed("tiny.mask", pixels);
      for (int i = 0; i < pixels; i++) {
        targets[i] = 1 + 0.9f * targets[i];
        masks[i] = masks[i] > -0.6f ? 1 : 0;
      }
      target = memory.allocate(SHAPE).set(targets);
      mask = memory.allocate(SHAPE).set(masks);
    }

    /** The loss; gradients are added to the parameters'. */
    double differentiate() {
      try (Tape tape = new Tape(backend, memory)) {
        Pass pass = Pass.training(backend, memory, tape, checkpoints);
        Tensor depth = network.forward(pass, image);
        Tensor gradient = memory.allocate(SHAPE);
        double loss = backend.loss().scaleShiftInvariant(depth, target, mask, 0, 1, gradient).get();
        tape.seed(depth, gradient);
        memory.release(depth);
        tape.backward();
        return loss;
      }
    }

    @Override
    public void close() {
      memory.close();
    }
  }

  @ParameterizedTest
  @MethodSource("dev.fathom.nn.model.GoldenForwardTest#devices")
  void everyParameterHasItsGradient(CpuIsa isa, int threads) throws IOException {
    String expected = text("tiny.gradients.json");
    try (CpuBackend backend = new CpuBackend(threads, isa);
        Training training = new Training(backend, false)) {
      int live = training.memory.liveTensors();
      double loss = training.differentiate();
      assertEquals(number(expected, "\"loss\""), loss, 1e-5);
      int compared = 0;
      double worst = 0;
      for (Parameter parameter : training.parameters.all()) {
        Tensor tensor = parameter.gradient();
        assertTrue(tensor != null);
        float[] gradient = tensor.toArray();
        float[] probe = Golden.hashed(parameter.name() + "#probe", gradient.length);
        double squares = 0;
        double product = 0;
        for (int i = 0; i < gradient.length; i++) {
          squares += (double) gradient[i] * gradient[i];
          product += (double) gradient[i] * probe[i];
        }
        String entry = object(expected, parameter.name());
        double l2 = number(entry, "\"l2\"");
        // The last bias has no gradient at all: the loss does not see a shift.
        double scale = Math.max(l2, SMALLEST);
        assertEquals(l2, Math.sqrt(squares), TOLERANCE * scale, parameter + ": norm");
        // The probe of a random direction: its error is that of the gradient, not of the product.
        double error = Math.abs(number(entry, "\"probe\"") - product) / scale;
        worst = Math.max(worst, error);
        assertTrue(error < TOLERANCE, parameter + ": probe differs by " + error + " of the norm");
        compared++;
      }
      assertEquals(ParameterShapes.of(GoldenForwardTest.TINY).size(), compared);
      assertEquals(live, training.memory.liveTensors() - packedForms(training), "leaked tensors");
      for (String name :
          List.of(
              "pretrained.patch_embed.proj.bias",
              "pretrained.blocks.1.attn.qkv.weight",
              "depth_head.scratch.refinenet2.out_conv.weight")) {
        Tensor tensor = training.parameters.get(name).gradient();
        assertTrue(tensor != null);
        String shorter = name.replace("pretrained.", "").replace("depth_head.scratch.", "");
        double error =
            Golden.relativeError(tensor.toArray(), Golden.load("tiny.grad." + shorter).values());
        assertTrue(error < TOLERANCE, name + ": relative error " + error);
      }
    }
  }

  /** Parameters whose operators read another form: one tensor each, made at the first step. */
  private static int packedForms(Training training) {
    return (int)
        training.parameters.all().stream()
            .filter(parameter -> parameter.packed() != parameter.value())
            .count();
  }

  @Test
  void resultsDoNotDependOnThreadsOrCheckpointing() {
    float[] expected = null;
    for (int threads : new int[] {1, 2, 3, 5}) {
      for (boolean checkpoints : new boolean[] {false, true}) {
        try (CpuBackend backend = new CpuBackend(threads);
            Training training = new Training(backend, checkpoints)) {
          training.differentiate();
          float[] gradients = training.parameters.gradients().toArray();
          if (expected == null) {
            expected = gradients;
          }
          assertArrayEquals(expected, gradients, threads + " threads, checkpoints " + checkpoints);
        }
      }
    }
  }

  @Test
  void checkpointingTakesLessMemory() {
    try (CpuBackend backend = new CpuBackend(2);
        Training kept = new Training(backend, false);
        Training again = new Training(backend, true)) {
      kept.differentiate();
      again.differentiate();
      assertTrue(
          again.memory.peakBytes() < kept.memory.peakBytes(),
          again.memory.peakBytes() + " bytes instead of " + kept.memory.peakBytes());
    }
  }

  @ParameterizedTest
  @MethodSource("dev.fathom.nn.model.GoldenForwardTest#devices")
  void twentyStepsOfAdamWFollowTheReference(CpuIsa isa, int threads) throws IOException {
    String expected = text("tiny.adamw.json");
    Matcher list = Pattern.compile("\"loss\":\\s*\\[([^\\]]*)").matcher(expected);
    assertTrue(list.find());
    String[] losses = list.group(1).split(",", -1);
    try (CpuBackend backend = new CpuBackend(threads, isa);
        Training training = new Training(backend, false)) {
      AdamW optimiser =
          new AdamW(
              backend,
              training.memory,
              training.parameters,
              List.of(
                  new AdamW.Group("encoder", 5e-5, name -> name.startsWith("pretrained.")),
                  new AdamW.Group("head", 5e-4, name -> name.startsWith("depth_head."))),
              AdamW.Settings.DEFAULT);
      for (int step = 0; step < losses.length; step++) {
        training.parameters.zeroGradients();
        double loss = training.differentiate();
        double reference = Double.parseDouble(losses[step].strip());
        // Adam divides small gradients by their own size, so that rounding grows from step to step;
        // PyTorch's own float32 and float64 runs part in the same way.
        double tolerance = step < 3 ? 1e-4 : 1e-2;
        assertEquals(reference, loss, tolerance * reference, "step " + step);
        optimiser.step(1, 1);
      }
      assertEquals(losses.length, optimiser.steps());
    }
  }

  @Test
  void frozenParametersKeepTheirValuesAndCostNoWayBack() {
    try (CpuBackend backend = new CpuBackend(2);
        Training training = new Training(backend, false)) {
      training.parameters.freeze(name -> name.startsWith("pretrained."));
      float[] before =
          training.parameters.get("pretrained.blocks.0.attn.qkv.weight").value().toArray();
      training.differentiate();
      AdamW optimiser =
          new AdamW(
              backend,
              training.memory,
              training.parameters,
              List.of(new AdamW.Group("all", 1e-3, _ -> true)),
              AdamW.Settings.DEFAULT);
      optimiser.step(1, 1);
      assertArrayEquals(
          before, training.parameters.get("pretrained.blocks.0.attn.qkv.weight").value().toArray());
      // The arena still has room for the gradients of frozen parameters: they stay 0.
      Parameter qkv = training.parameters.get("pretrained.blocks.0.attn.qkv.weight");
      float[] part = training.parameters.slice(training.parameters.gradients(), qkv).toArray();
      for (float value : part) {
        assertEquals(0, value);
      }
    }
  }

  private static String text(String name) throws IOException {
    try (InputStream in = Golden.class.getResourceAsStream("/golden/" + name)) {
      if (in == null) {
        throw new IOException("no reference " + name);
      }
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }
  }

  private static String object(String json, String name) {
    int start = json.indexOf('"' + name + '"');
    assertTrue(start >= 0, "no reference gradient of " + name);
    return json.substring(start, json.indexOf('}', start));
  }

  private static double number(String json, String key) {
    Matcher matcher = Pattern.compile(key + ":\\s*([-+.eE0-9]+)").matcher(json);
    assertTrue(matcher.find(), "no " + key);
    return Double.parseDouble(matcher.group(1));
  }
}
