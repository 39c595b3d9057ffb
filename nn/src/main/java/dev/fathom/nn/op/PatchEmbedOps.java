package dev.fathom.nn.op;

import dev.fathom.nn.tensor.Memory;
import dev.fathom.nn.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** The first layer of the encoder. */
public interface PatchEmbedOps {

  /** A weight [C,3,P,P] in the order in which the kernel reads it. */
  Tensor packPatchEmbed(Tensor weight, Memory memory);

  /**
   * tokens[:,0] = cls + position[0]; tokens[:,1+i] = patch_i weight^T + bias + position[1+i].
   *
   * @param image [B,H,W,3], normalised; H and W multiples of P
   * @param packed from {@link #packPatchEmbed}
   * @param bias [C]
   * @param cls [C]
   * @param position [1 + H/P*W/P,C]
   * @param tokens [B,1 + H/P*W/P,C]
   */
  void patchEmbed(
      Tensor image,
      int patch,
      Tensor packed,
      Tensor bias,
      Tensor cls,
      Tensor position,
      Tensor tokens);

  /**
   * Backward of {@link #patchEmbed}; pictures get no gradient.
   *
   * @param image [B,H,W,3], as in the forward pass
   * @param dTokens [B,1 + H/P*W/P,C]
   * @param dWeight [C,3,P,P], added to; null if nobody wants it
   * @param dBias [C], added to; null if nobody wants it
   * @param dCls [C], added to; null if nobody wants it
   * @param dPosition [1 + H/P*W/P,C], added to; null if nobody wants it
   */
  void patchEmbedBackward(
      Tensor image,
      int patch,
      Tensor dTokens,
      @Nullable Tensor dWeight,
      @Nullable Tensor dBias,
      @Nullable Tensor dCls,
      @Nullable Tensor dPosition);
}
