package dev.fathom.nn.op;

import dev.fathom.nn.tensor.Tensor;
import org.jspecify.annotations.Nullable;

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
   * @param mean [B,T-skip], kept for the backward pass, or null
   * @param rstd [B,T-skip], 1 / sqrt(variance + eps), kept for the backward pass, or null
   */
  void layerNorm(
      Tensor x,
      int skip,
      Tensor weight,
      Tensor bias,
      float eps,
      Tensor y,
      @Nullable Tensor mean,
      @Nullable Tensor rstd);

  /**
   * Backward of {@link #layerNorm}.
   *
   * @param x [B,T,C], as in the forward pass
   * @param weight [C]
   * @param mean [B,T-skip], from the forward pass
   * @param rstd [B,T-skip], from the forward pass
   * @param dy [B,T-skip,C]
   * @param dx [B,T,C]; null if nobody wants it. The skipped tokens get 0 (nothing, if accumulating)
   * @param accumulate whether to add to dx rather than overwrite it
   * @param dWeight [C], added to; null if nobody wants it
   * @param dBias [C], added to; null if nobody wants it
   */
  void layerNormBackward(
      Tensor x,
      int skip,
      Tensor weight,
      Tensor mean,
      Tensor rstd,
      Tensor dy,
      @Nullable Tensor dx,
      boolean accumulate,
      @Nullable Tensor dWeight,
      @Nullable Tensor dBias);
}
