package dev.fathom.bench.gpu;

import dev.fathom.nn.op.GradientCheck;
import dev.fathom.nn.op.OptimOps;
import dev.fathom.nn.op.TransferOps;
import dev.fathom.nn.op.VectorOps;
import dev.fathom.nn.tensor.Tensor;
import java.util.List;

/** The optimiser, and what is done to whole tensors. Bytes: each operand once, read or written. */
final class VectorRates {

  static final String SECTION = "Kernels that move data";

  private final Rig rig;

  VectorRates(Rig rig) {
    this.rig = rig;
  }

  void run(NetworkShape at, long parameters) {
    optimiser(parameters);
    activations(at);
    maps(at);
  }

  private void optimiser(long parameters) {
    String shape = ", %d parameters".formatted(parameters);
    rig.group(
        "the optimiser",
        operands -> {
          OptimOps ops = rig.backend().optim();
          VectorOps vectors = rig.backend().vector();
          Tensor value = operands.floats(parameters);
          Tensor gradient = operands.floats(parameters);
          Tensor first = operands.floats(parameters);
          Tensor second = operands.positive(parameters);
          Tensor average = operands.floats(parameters);
          Tensor copy = operands.elements(parameters);
          GradientCheck check = ops.newCheck(operands.memory());
          OptimOps.Betas betas = new OptimOps.Betas(0.9, 0.999);
          double count = parameters;
          rig.bytes(
              SECTION,
              "norm and check of gradients" + shape,
              4 * count,
              () -> {
                var _ = check.check(gradient, List.of(), 1, Double.POSITIVE_INFINITY, betas);
              });
          OptimOps.Arrays arrays =
              new OptimOps.Arrays(value, gradient, first, second, copy, average, 0.999);
          OptimOps.Rates rates = new OptimOps.Rates(1e-6, betas, 1e-8, 0.01);
          rig.bytes(
              SECTION,
              "checked AdamW with average and rounded copy" + shape,
              36 * count + rig.elementBytes(count),
              () -> ops.adamW(arrays, rates, 1, check));
          rig.bytes(
              SECTION,
              "AdamW" + shape,
              28 * count,
              () -> ops.adamW(value, gradient, first, second, 10, 1e-6, 0.9, 0.999, 1e-8, 0.01, 1));
          rig.bytes(
              SECTION,
              "sum of squares" + shape,
              4 * count,
              () -> {
                var _ = vectors.sumOfSquares(gradient);
              });
          rig.bytes(SECTION, "fill" + shape, 4 * count, () -> vectors.fill(gradient, 0));
          rig.bytes(
              SECTION,
              "axpby of float32" + shape,
              12 * count,
              () -> vectors.axpby(0.5f, average, 0.5f, gradient));
          rig.bytes(
              SECTION,
              "rounding" + shape,
              4 * count + rig.elementBytes(count),
              () -> vectors.round(value, copy));
        });
  }

  private void activations(NetworkShape at) {
    long dim = at.model().embedDim();
    String shape = " of %s, [%d,%d]".formatted(at, at.rows(), dim);
    double each = rig.elementBytes((double) at.rows() * dim);
    rig.group(
        "activations",
        operands -> {
          VectorOps vectors = rig.backend().vector();
          TransferOps transfer = rig.backend().transfer();
          Tensor x = operands.elements(at.rows(), dim);
          Tensor y = operands.elements(at.rows(), dim);
          rig.bytes(
              SECTION, "axpby of activations" + shape, 3 * each, () -> vectors.axpby(1, x, 1, y));
          rig.bytes(SECTION, "fill of activations" + shape, each, () -> vectors.fill(y, 0));
          rig.bytes(
              SECTION,
              "copy of activations" + shape,
              2 * each,
              () -> rig.backend().resample().copy(x, y));
          Tensor few = x.slice(0, at.tokens(), dim);
          double bytes = rig.elementBytes((double) few.size()) + 4.0 * few.size();
          String sizes = ", [%d,%d]".formatted(at.tokens(), dim);
          rig.bytes(
              SECTION,
              "activations to the host as float32" + sizes,
              bytes,
              () -> {
                var _ = transfer.read(few);
              });
          float[] values = transfer.read(few);
          rig.bytes(
              SECTION,
              "activations from the host as float32" + sizes,
              bytes,
              () -> transfer.write(values, few));
        });
  }

  private void maps(NetworkShape at) {
    int side = at.side();
    rig.group(
        "maps",
        operands -> {
          Tensor x = operands.floats(at.batch(), side, side);
          Tensor mask = operands.floats(at.batch(), side, side);
          rig.bytes(
              SECTION,
              "places without a number, batch %d, %d x %d".formatted(at.batch(), side, side),
              12.0 * x.size(),
              () -> rig.backend().vector().splitNan(x, mask));
        });
  }
}
