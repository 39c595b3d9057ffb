package dev.fathom.nn.op;

import dev.fathom.nn.tensor.Tensor;
import java.util.List;

/**
 * What decides about the steps of an optimiser: the norm of the gradients, what they are clipped
 * by, whether a step is taken. It is made where the gradients lie, so that a device that runs
 * behind the host need not be waited for, and counts the steps taken, on which AdamW's corrections
 * depend. The steps that {@link OptimOps#adamW(OptimOps.Arrays, OptimOps.Rates, double,
 * GradientCheck)} is then asked for are those of the last check. Not thread-safe.
 */
public interface GradientCheck {

  /**
   * What a check found.
   *
   * @param norm of the gradients, Euclidean; NaN or infinite if one of them is
   * @param good 1 if the step is taken, else 0
   */
  record Finding(Scalar norm, Scalar good) {

    /** Whether the step is taken; waits for the device. */
    public boolean isGood() {
      return good.get() != 0;
    }
  }

  /**
   * Looks at the gradients of a step, which is taken if norm and losses are finite and the norm is
   * not too large. Its gradients are multiplied by maxNorm / norm where that is below 1.
   *
   * @param gradients float32
   * @param losses values that must be finite, too
   * @param maxNorm the norm that gradients are clipped to; 0 for no clipping
   * @param limit the largest norm of a step that is taken; may be infinite
   * @param betas of the step
   */
  Finding check(
      Tensor gradients, List<Scalar> losses, double maxNorm, double limit, OptimOps.Betas betas);

  /**
   * Lets a step be taken whose gradients nobody looks at; they are not clipped.
   *
   * @param betas of the step
   */
  void accept(OptimOps.Betas betas);

  /** Steps taken; waits for the device. */
  long updates();

  /** Says how many steps were taken before. */
  void restore(long updates);
}
