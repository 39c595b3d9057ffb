package dev.fathom.nn.op;

import dev.fathom.nn.tensor.Memory;
import dev.fathom.nn.tensor.Tensor;
import org.jspecify.annotations.Nullable;

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

  /**
   * What a step reads and changes, all of one size.
   *
   * @param value [n], changed
   * @param gradient [n]
   * @param m [n], first moment, changed
   * @param v [n], second moment, changed
   * @param copy [n] in the backend's type of activations, overwritten with the new values; null for
   *     none
   * @param average [n], = averageDecay * average + (1 - averageDecay) * value; null for none
   * @param averageDecay share of the old average that is kept
   */
  record Arrays(
      Tensor value,
      Tensor gradient,
      Tensor m,
      Tensor v,
      @Nullable Tensor copy,
      @Nullable Tensor average,
      double averageDecay) {}

  /** The decays of the moments, which may differ from step to step; see the formula above. */
  record Betas(double beta1, double beta2) {}

  /** The numbers of a step; see the formula above. */
  record Rates(double rate, Betas betas, double eps, double weightDecay) {}

  /**
   * What decides about the steps of an optimiser; no step is counted yet.
   *
   * @param memory keeps what it needs on the device
   */
  GradientCheck newCheck(Memory memory);

  /**
   * A step of AdamW, as above, if the last check let it be taken; else nothing changes, the average
   * included. The gradients are multiplied by the check's factor as well, and the step's number is
   * the count of the steps taken.
   *
   * @param check of this backend's {@link #newCheck}, asked with the same betas
   * @throws IllegalArgumentException if the sizes or types do not fit, or the check is another's
   */
  void adamW(Arrays arrays, Rates rates, double gradientScale, GradientCheck check);
}
