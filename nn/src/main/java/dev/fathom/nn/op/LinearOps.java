package dev.fathom.nn.op;

import dev.fathom.nn.tensor.Memory;
import dev.fathom.nn.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** Linear layers and the gated unit of the giant's MLP. */
public interface LinearOps {

  /** A weight [out,in] in the order in which the kernel reads it. */
  Tensor packLinear(Tensor weight, Memory memory);

  /**
   * Whether a packed weight of rows of so many numbers is no more than the weight itself, rounded
   * to the type of activations.
   */
  default boolean packsByRounding(long in) {
    return false;
  }

  /**
   * y = residual + scale * activation(x weight^T + bias); null parts are left out.
   *
   * @param x [...,in]
   * @param packed from {@link #packLinear}
   * @param bias [out]
   * @param scale [out], LayerScale's gamma
   * @param residual [...,out]; may be y
   * @param y [...,out]
   * @param preActivation [...,out]: x weight^T + bias, kept for the backward pass
   */
  void linear(
      Tensor x,
      Tensor packed,
      @Nullable Tensor bias,
      Activation activation,
      @Nullable Tensor scale,
      @Nullable Tensor residual,
      Tensor y,
      @Nullable Tensor preActivation);

  /**
   * Backward of {@link #linear}. With dz = dy * scale * activation'(preActivation): dx = dz weight,
   * dWeight += dz^T x, dBias += the sum of dz over the rows, dScale += the sum over the rows of dy
   * * (x weight^T + bias), which is found from dy^T x and needs no kept product. The gradient of
   * the residual is dy itself.
   *
   * @param x [...,in], as in the forward pass; may be null where dWeight and dScale are
   * @param weight [out,in], as in the checkpoints (not packed)
   * @param packed the same from {@link #packLinear}, as in the forward pass
   * @param bias [out]; needed for dScale if the layer has one
   * @param activation NONE, RELU or GELU; NONE with a scale
   * @param preActivation [...,out]; needed with an activation
   * @param scale [out]
   * @param dy [...,out]
   * @param dx [...,in]; null if nobody wants it
   * @param accumulate whether to add to dx rather than overwrite it
   * @param dWeight [out,in], added to; null if nobody wants it
   * @param dBias [out], added to; null if nobody wants it
   * @param dScale [out], added to; null if nobody wants it
   */
  void linearBackward(
      @Nullable Tensor x,
      Tensor weight,
      Tensor packed,
      @Nullable Tensor bias,
      Activation activation,
      @Nullable Tensor preActivation,
      @Nullable Tensor scale,
      Tensor dy,
      @Nullable Tensor dx,
      boolean accumulate,
      @Nullable Tensor dWeight,
      @Nullable Tensor dBias,
      @Nullable Tensor dScale);

  /**
   * Whether there is {@link #activatedLinear}. With it a layer's activation can be left to the
   * layer that reads it, so that training keeps one tensor of hidden units instead of two.
   */
  default boolean activatesInputs() {
    return false;
  }

  /**
   * y = residual + scale * (GELU(x) weight^T + bias); null parts are left out.
   *
   * @param x [...,in], before the GELU
   * @param packed from {@link #packLinear}
   * @param bias [out]
   * @param scale [out], LayerScale's gamma
   * @param residual [...,out]; may be y
   * @param y [...,out]
   * @throws UnsupportedOperationException unless {@link #activatesInputs}
   */
  default void activatedLinear(
      Tensor x,
      Tensor packed,
      @Nullable Tensor bias,
      @Nullable Tensor scale,
      @Nullable Tensor residual,
      Tensor y) {
    throw new UnsupportedOperationException("no linear layer that activates its input");
  }

  /**
   * Backward of {@link #activatedLinear}: as {@link #linearBackward} with GELU(x) in x's place, and
   * dx is the gradient of x itself, before the GELU.
   *
   * @param x [...,in], as in the forward pass
   * @param weight [out,in], as in the checkpoints (not packed)
   * @param bias [out]; needed for dScale if the layer has one
   * @param scale [out]
   * @param dy [...,out]
   * @param dx [...,in]; null if nobody wants it
   * @param accumulate whether to add to dx rather than overwrite it
   * @param dWeight [out,in], added to; null if nobody wants it
   * @param dBias [out], added to; null if nobody wants it
   * @param dScale [out], added to; null if nobody wants it
   * @throws UnsupportedOperationException unless {@link #activatesInputs}
   */
  default void activatedLinearBackward(
      Tensor x,
      Tensor weight,
      @Nullable Tensor bias,
      @Nullable Tensor scale,
      Tensor dy,
      @Nullable Tensor dx,
      boolean accumulate,
      @Nullable Tensor dWeight,
      @Nullable Tensor dBias,
      @Nullable Tensor dScale) {
    throw new UnsupportedOperationException("no linear layer that activates its input");
  }

  /** y = silu(first half of x) * second half. x [...,2C], y [...,C]. */
  void swiglu(Tensor x, Tensor y);

  /** Backward of {@link #swiglu}: dx [...,2C] is overwritten. */
  void swigluBackward(Tensor x, Tensor dy, Tensor dx);
}
