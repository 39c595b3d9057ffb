package dev.fathom.bench.gpu;

import dev.fathom.nn.op.NormOps;
import dev.fathom.nn.tensor.Tensor;

/** Layer normalisation. Bytes: each operand once, read or written. */
final class NormRates {

  static final String SECTION = "Layer normalisation";

  private static final float EPS = 1e-6f;

  private final Rig rig;

  NormRates(Rig rig) {
    this.rig = rig;
  }

  /** In inference, and in training, where it keeps each token's mean and deviation. */
  void forward(NetworkShape at) {
    long dim = at.model().embedDim();
    rig.group(
        "layerNorm " + at,
        operands -> {
          NormOps ops = rig.backend().norm();
          Tensor x = operands.elements(at.batch(), at.tokens(), dim);
          Tensor y = operands.elements(at.batch(), at.tokens(), dim);
          Tensor weight = operands.floats(dim);
          Tensor bias = operands.floats(dim);
          rig.bytes(
              SECTION,
              "layerNorm " + at,
              2 * rig.elementBytes((double) at.rows() * dim),
              () -> ops.layerNorm(x, 0, weight, bias, EPS, y, null, null));
        });
  }

  void backward(NetworkShape at) {
    backward(SECTION, at.toString(), at, at.model().embedDim());
  }

  /** The same for tokens of other widths. */
  void backward(String section, String name, NetworkShape at, long dim) {
    rig.group(
        "layerNorm backward " + name,
        operands -> {
          NormOps ops = rig.backend().norm();
          Tensor x = operands.elements(at.batch(), at.tokens(), dim);
          Tensor y = operands.elements(at.batch(), at.tokens(), dim);
          Tensor dx = operands.elements(at.batch(), at.tokens(), dim);
          Tensor weight = operands.floats(dim);
          Tensor bias = operands.floats(dim);
          Tensor mean = operands.floats(at.batch(), at.tokens());
          Tensor rstd = operands.floats(at.batch(), at.tokens());
          Tensor dWeight = operands.floats(dim);
          Tensor dBias = operands.floats(dim);
          double each = rig.elementBytes((double) at.rows() * dim);
          rig.bytes(
              section,
              "layerNorm in training " + name,
              2 * each,
              () -> ops.layerNorm(x, 0, weight, bias, EPS, y, mean, rstd));
          rig.bytes(
              section,
              "layerNorm backward " + name,
              4 * each,
              () -> ops.layerNormBackward(x, 0, weight, mean, rstd, y, dx, true, dWeight, dBias));
        });
  }
}
