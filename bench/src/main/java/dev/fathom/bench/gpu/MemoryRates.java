package dev.fathom.bench.gpu;

import dev.fathom.nn.cuda.CudaBackend;
import dev.fathom.nn.model.ModelConfig;
import dev.fathom.nn.op.AugmentOps.ColorOp;
import dev.fathom.nn.op.AugmentOps.ColorStep;
import dev.fathom.nn.op.AugmentOps.Distortion;
import dev.fathom.nn.tensor.Tensor;
import java.util.List;
import java.util.stream.IntStream;

/** The kernels that move data, at a network's shapes. Bytes: each operand once, read or written. */
final class MemoryRates {

  static final String SECTION = "Kernels that move data";

  private static final float[] MEAN = {0.485f, 0.456f, 0.406f};
  private static final float[] STD = {0.229f, 0.224f, 0.225f};

  private final CudaBackend backend;
  private final GpuTimer timer;
  private final Results results;

  MemoryRates(CudaBackend backend, GpuTimer timer, Results results) {
    this.backend = backend;
    this.timer = timer;
    this.results = results;
  }

  private void row(String name, double bytes, Runnable work) {
    results.add(Row.bytes(SECTION, name, timer.warm(work), bytes));
  }

  void run(ModelConfig model, int batch, int side, long parameters) {
    norms(model, batch, side);
    resizing(model, batch, side);
    losses(batch, side);
    pictures(batch, side);
    optimiser(parameters);
  }

  private void norms(ModelConfig model, int batch, int side) {
    long tokens = tokens(model, side);
    long dim = model.embedDim();
    double each = (double) backend.activationType().bytes() * batch * tokens * dim;
    try (Operands operands = new Operands(backend)) {
      Tensor x = operands.elements(batch, tokens, dim);
      Tensor y = operands.elements(batch, tokens, dim);
      Tensor weight = operands.floats(dim);
      Tensor bias = operands.floats(dim);
      Tensor mean = operands.floats(batch, tokens);
      Tensor rstd = operands.floats(batch, tokens);
      Tensor dWeight = operands.floats(dim);
      Tensor dBias = operands.floats(dim);
      var ops = backend.norm();
      String shape = " %s, batch %d".formatted(model.name(), batch);
      row(
          "layerNorm" + shape,
          2 * each,
          () -> ops.layerNorm(x, 0, weight, bias, 1e-6f, y, mean, rstd));
      Tensor dx = operands.elements(batch, tokens, dim);
      row(
          "layerNorm backward" + shape,
          4 * each,
          () -> ops.layerNormBackward(x, 0, weight, mean, rstd, y, dx, true, dWeight, dBias));
    }
  }

  static long tokens(ModelConfig model, int side) {
    long patches = side / model.patch();
    return patches * patches + 1;
  }

  private void resizing(ModelConfig model, int batch, int side) {
    long grid = 4L * (side / model.patch());
    long channels = model.features();
    double small = (double) backend.activationType().bytes() * batch * grid * grid * channels;
    try (Operands operands = new Operands(backend)) {
      Tensor x = operands.elements(batch, grid, grid, channels);
      Tensor y = operands.elements(batch, 2 * grid, 2 * grid, channels);
      String shape =
          " %d x %d to twice that, batch %d, %d channels".formatted(grid, grid, batch, channels);
      row("resizeBilinear" + shape, 5 * small, () -> backend.resample().resizeBilinear(x, true, y));
      row(
          "resizeBilinear backward" + shape,
          5 * small,
          () -> backend.resample().resizeBilinearBackward(y, true, x, false));
    }
  }

  private void losses(int batch, int side) {
    double map = 4.0 * batch * side * side;
    String shape = ", batch %d, %d x %d".formatted(batch, side, side);
    try (Operands operands = new Operands(backend)) {
      Tensor prediction = operands.floats(batch, side, side);
      Tensor target = operands.floats(batch, side, side);
      Tensor gradient = operands.floats(batch, side, side);
      var ops = backend.loss();
      row(
          "scale-shift-invariant loss and gradient" + shape,
          3 * map,
          () -> {
            var _ = ops.scaleShiftInvariant(prediction, target, null, 0, 1, gradient);
          });
      row(
          "gradient matching and gradient" + shape,
          3 * map,
          () -> {
            var _ = ops.gradientMatching(prediction, target, null, 1, gradient);
          });
    }
  }

  private void pictures(int batch, int side) {
    double bytes = 12.0 * batch * side * side;
    String shape = ", batch %d, %d x %d".formatted(batch, side, side);
    Distortion jitter =
        new Distortion(
            List.of(
                new ColorStep(ColorOp.BRIGHTNESS, 1.2f),
                new ColorStep(ColorOp.CONTRAST, 0.8f),
                new ColorStep(ColorOp.SATURATION, 1.1f),
                new ColorStep(ColorOp.HUE, 0.05f)),
            false,
            0);
    Distortion blurred = new Distortion(jitter.jitter(), false, 1.5f);
    try (Operands operands = new Operands(backend)) {
      Tensor x = operands.floats(batch, side, side, 3);
      Tensor y = operands.floats(batch, side, side, 3);
      for (Distortion one : List.of(jitter, blurred)) {
        List<Distortion> all = IntStream.range(0, batch).mapToObj(_ -> one).toList();
        row(
            (one.blurSigma() > 0 ? "colour jitter and blur" : "colour jitter") + shape,
            2 * bytes,
            () -> backend.augment().distort(x, all, null, null, MEAN, STD, y));
      }
    }
  }

  private void optimiser(long parameters) {
    try (Operands operands = new Operands(backend)) {
      Tensor value = operands.floats(parameters);
      Tensor gradient = operands.floats(parameters);
      Tensor first = operands.floats(parameters);
      Tensor second = operands.floats(parameters);
      backend.vector().fill(second, 1);
      String shape = ", %d parameters".formatted(parameters);
      row(
          "AdamW" + shape,
          28.0 * parameters,
          () ->
              backend
                  .optim()
                  .adamW(value, gradient, first, second, 10, 1e-6, 0.9, 0.999, 1e-8, 0.01, 1));
      row(
          "sum of squares" + shape,
          4.0 * parameters,
          () -> {
            var _ = backend.vector().sumOfSquares(gradient);
          });
    }
  }
}
