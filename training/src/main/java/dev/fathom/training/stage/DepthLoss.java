package dev.fathom.training.stage;

import dev.fathom.nn.op.Backend;
import dev.fathom.nn.op.Scalar;
import dev.fathom.nn.tensor.CachingMemory;
import dev.fathom.nn.tensor.Tensor;
import dev.fathom.training.config.RunConfig;
import java.util.List;

/**
 * The loss of predicted against labelled disparity, as the configuration wants it: scale-shift
 * invariant, trimmed, with gradient matching beside it. Not that of pictures mixed by CutMix, which
 * has neither trimming nor gradient matching.
 */
final class DepthLoss {

  /** A value, and the gradient times the factor; the gradient is the caller's to release. */
  record Value(StepLoss loss, Tensor gradient) {}

  private final RunConfig.Loss settings;

  DepthLoss(RunConfig.Loss settings) {
    this.settings = settings;
  }

  Value of(
      Backend backend,
      CachingMemory memory,
      Tensor prediction,
      Tensor target,
      Tensor mask,
      double factor) {
    Tensor gradient = memory.allocate(prediction.shape());
    Scalar loss =
        backend
            .loss()
            .scaleShiftInvariant(prediction, target, mask, settings.trim(), factor, gradient);
    double weight = settings.gradientMatching();
    if (weight <= 0) {
      return new Value(StepLoss.of(loss), gradient);
    }
    Tensor more = memory.allocate(prediction.shape());
    Scalar matching =
        backend.loss().gradientMatching(prediction, target, mask, weight * factor, more);
    backend.vector().axpby(1, more, 1, gradient);
    memory.release(more);
    return new Value(
        new StepLoss(() -> loss.get() + weight * matching.get(), List.of(loss, matching)),
        gradient);
  }
}
