package dev.fathom.nn.op;

import dev.fathom.nn.tensor.Tensor;

/** Layer normalisation. */
public interface NormOps {

  /**
   * y = (x - mean) / sqrt(variance + eps) * weight + bias over the last dimension.
   *
   * @param x [B,T,C]
   * @param skip leading tokens of each batch entry left out: 1 drops the class token
   * @param weight [C]
   * @param bias [C]
   * @param y [B,T-skip,C]
   */
  void layerNorm(Tensor x, int skip, Tensor weight, Tensor bias, float eps, Tensor y);
}
