package dev.fathom.nn.op;

import dev.fathom.nn.tensor.Tensor;

/** Optimisers on flat vectors of parameters. */
public interface OptimOps {

  /**
   * One step of AdamW (Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019), as
   * torch.optim.AdamW computes it: value *= 1 - rate * weightDecay; m = beta1 m + (1 - beta1) g; v
   * = beta2 v + (1 - beta2) g^2; value -= rate / (1 - beta1^step) * m / (sqrt(v / (1 - beta2^step))
   * + eps), where g = gradientScale * gradient.
   *
   * @param value [n], changed
   * @param gradient [n]
   * @param m [n], first moment, changed
   * @param v [n], second moment, changed
   * @param step the number of this step, from 1
   * @param gradientScale a factor for the gradient: below 1 where its norm is clipped
   * @throws IllegalArgumentException if the sizes differ
   * @throws dev.fathom.bindings.FathomException if the step or a number is out of its range
   */
  void adamW(
      Tensor value,
      Tensor gradient,
      Tensor m,
      Tensor v,
      long step,
      double rate,
      double beta1,
      double beta2,
      double eps,
      double weightDecay,
      double gradientScale);
}
