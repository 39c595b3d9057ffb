package dev.fathom.training.random;

/** What random numbers are drawn for. The codes are part of a run's result: they never change. */
public enum Purpose {
  /** First weights of a network. */
  WEIGHTS(1),
  /** Order of the samples of an epoch. */
  SHUFFLE(2),
  /** Crop and flip of a sample. */
  CROP(3),
  /** Distortion of a picture. */
  DISTORTION(4),
  /** CutMix boxes of a batch. */
  CUTMIX(5),
  /** A rendered scene. */
  SCENE(6),
  /** Resampling of results for confidence intervals. */
  BOOTSTRAP(7),
  /** Which samples are set aside for validation. */
  SPLIT(8);

  private final int code;

  Purpose(int code) {
    this.code = code;
  }

  int code() {
    return code;
  }
}
