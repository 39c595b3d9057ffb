package dev.fathom.training.evaluation;

import dev.fathom.nn.DepthMap;
import dev.fathom.training.data.Sample;

/** Is told of each picture, in the data set's order, on the thread that evaluates. */
public interface EvaluationListener {

  /** Listens to nothing. */
  EvaluationListener NONE = new EvaluationListener() {};

  /**
   * A picture was evaluated.
   *
   * @param sample as it was compared, so after the KITTI benchmark's crop if that was asked for
   * @param prediction as the predictor gave it, averaged with the mirrored one if that was asked
   *     for, not resized and not aligned
   */
  default void evaluated(PictureResult result, Sample sample, DepthMap prediction) {}

  /** A picture was left out. */
  default void skipped(SkippedPicture picture) {}
}
