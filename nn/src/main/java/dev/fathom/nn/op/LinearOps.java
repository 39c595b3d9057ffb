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

  /** y = silu(first half of x) * second half. x [...,2C], y [...,C]. */
  void swiglu(Tensor x, Tensor y);

  /** Backward of {@link #swiglu}: dx [...,2C] is overwritten. */
  void swigluBackward(Tensor x, Tensor dy, Tensor dx);
}
