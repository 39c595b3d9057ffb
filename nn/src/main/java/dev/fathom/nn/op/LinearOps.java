package dev.fathom.nn.op;

import dev.fathom.nn.tensor.Memory;
import dev.fathom.nn.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** Linear layers and the gated unit of the giant's MLP. */
public interface LinearOps {

  /** A weight [out,in] in the order in which the kernel reads it. */
  Tensor packLinear(Tensor weight, Memory memory);

  /**
   * y = residual + scale * activation(x weight^T + bias); null parts are left out.
   *
   * @param x [...,in]
   * @param packed from {@link #packLinear}
   * @param bias [out]
   * @param scale [out], LayerScale's gamma
   * @param residual [...,out]; may be y
   * @param y [...,out]
   */
  void linear(
      Tensor x,
      Tensor packed,
      @Nullable Tensor bias,
      Activation activation,
      @Nullable Tensor scale,
      @Nullable Tensor residual,
      Tensor y);

  /** y = silu(first half of x) * second half. x [...,2C], y [...,C]. */
  void swiglu(Tensor x, Tensor y);
}
