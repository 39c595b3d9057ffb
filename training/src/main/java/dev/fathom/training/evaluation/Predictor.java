package dev.fathom.training.evaluation;

import dev.fathom.nn.DepthMap;
import dev.fathom.nn.RgbImage;

/** What is evaluated: {@code model::estimateRaw}, or a network in training. */
@FunctionalInterface
public interface Predictor {

  /**
   * Estimates a picture's depth.
   *
   * @return disparity or metres, as its kind says; a map of the whole picture, at any size
   * @throws IllegalArgumentException if the picture cannot be taken; the message says why, and the
   *     evaluation goes on without it
   */
  DepthMap predict(RgbImage picture);
}
