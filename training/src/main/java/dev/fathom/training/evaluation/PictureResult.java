package dev.fathom.training.evaluation;

import org.jspecify.annotations.Nullable;

/**
 * The metrics of one picture.
 *
 * @param id of the sample
 * @param pixels that were valid
 * @param metrics over those
 * @param alignment of the prediction; null in the metric protocol
 */
public record PictureResult(
    String id, int pixels, DepthMetrics metrics, @Nullable Alignment alignment) {

  /** Whether the network said the same of every pixel; only known in the relative protocol. */
  public boolean constantPrediction() {
    return alignment != null && alignment.constant();
  }
}
