package dev.fathom.training.evaluation;

/**
 * What is measured, and how.
 *
 * @param protocol relative or metric
 * @param cap true depths of this and more are not valid, predicted ones are held to it; metres (the
 *     truth's unit)
 * @param minDepth true depths of this and less are not valid; in the metric protocol predicted ones
 *     are raised to it
 * @param crop which part of a map counts
 * @param kittiBenchmarkCrop whether picture and truth are first cut to the lowest, middle 352 rows
 *     and 1216 columns, as KITTI's depth benchmark does
 * @param flip whether the prediction is averaged with that of the mirrored picture
 * @param resamples bootstrap resamples for the confidence intervals
 * @param seed of the resamples
 */
public record EvaluationSettings(
    Protocol protocol,
    double cap,
    double minDepth,
    Crop crop,
    boolean kittiBenchmarkCrop,
    boolean flip,
    int resamples,
    long seed) {

  /** Smallest depth that is valid in the field's protocols, in metres. */
  public static final double MIN_DEPTH = 1e-3;

  /** Checks the numbers. */
  public EvaluationSettings {
    if (!(minDepth > 0 && cap > minDepth && cap < Double.POSITIVE_INFINITY)) {
      throw new IllegalArgumentException(
          "depths from " + minDepth + " to a cap of " + cap + "; they must be positive and rise");
    }
    if (resamples < 1) {
      throw new IllegalArgumentException(resamples + " resamples; at least 1 is needed");
    }
  }

  /** The whole map, no mirror image, 2000 resamples. */
  public static EvaluationSettings of(Protocol protocol, double cap) {
    return new EvaluationSettings(
        protocol, cap, MIN_DEPTH, Crop.NONE, false, false, Bootstrap.RESAMPLES, 0);
  }

  /** With a given crop. */
  public EvaluationSettings withCrop(Crop newCrop) {
    return new EvaluationSettings(
        protocol, cap, minDepth, newCrop, kittiBenchmarkCrop, flip, resamples, seed);
  }

  /** With KITTI's benchmark crop or without. */
  public EvaluationSettings withKittiBenchmarkCrop(boolean cut) {
    return new EvaluationSettings(protocol, cap, minDepth, crop, cut, flip, resamples, seed);
  }

  /** With the mirrored picture's prediction or without. */
  public EvaluationSettings withFlip(boolean newFlip) {
    return new EvaluationSettings(
        protocol, cap, minDepth, crop, kittiBenchmarkCrop, newFlip, resamples, seed);
  }

  /** With a given number of resamples and their seed. */
  public EvaluationSettings withBootstrap(int newResamples, long newSeed) {
    return new EvaluationSettings(
        protocol, cap, minDepth, crop, kittiBenchmarkCrop, flip, newResamples, newSeed);
  }
}
