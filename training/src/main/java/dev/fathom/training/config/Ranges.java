package dev.fathom.training.config;

import dev.fathom.training.UserException;
import java.util.List;

/** Checks of values; what fails is named with its key. */
final class Ranges {

  private final String source;

  Ranges(String source) {
    this.source = source;
  }

  void require(String key, boolean condition, String problem) {
    if (!condition) {
      throw new UserException(source, "'" + key + "': " + problem);
    }
  }

  void atLeast(String key, long value, long least) {
    require(key, value >= least, value + " is below " + least);
  }

  void notNegative(String key, double value) {
    require(key, value >= 0 && value < Double.POSITIVE_INFINITY, value + " is not 0 or more");
  }

  /** Rates and decays beyond any use would carry the weights beyond what a float holds. */
  void rate(String key, double value) {
    require(key, value >= 0 && value <= 1000, value + " is outside 0 to 1000");
  }

  void share(String key, double value) {
    require(key, value >= 0 && value <= 1, value + " is outside 0 to 1");
  }

  void oneOf(String key, String value, String... known) {
    require(
        key,
        List.of(known).contains(value),
        "'" + value + "' is not known; known: " + String.join(", ", known));
  }

  void schedule(String key, String value) {
    oneOf(key, value, "constant", "linear", "poly", "one-cycle");
  }

  void stage(String stage, double epochs, long steps) {
    atLeast(stage + ".steps", steps, 0);
    notNegative(stage + ".epochs", epochs);
    require(stage + ".epochs", steps > 0 || epochs > 0, "with steps 0, must be above 0");
  }

  void range(String key, List<Double> range, double least) {
    require(
        key,
        range.size() == 2
            && range.get(0) >= least
            && range.get(0) <= range.get(1)
            && range.get(1) < Double.POSITIVE_INFINITY,
        range + " is not a range [low, high] above " + least);
  }

  void distortion(RunConfig.Distortion distortion) {
    String prefix = "student.distortion.";
    share(prefix + "jitter", distortion.jitter());
    share(prefix + "brightness", distortion.brightness());
    share(prefix + "contrast", distortion.contrast());
    share(prefix + "saturation", distortion.saturation());
    require(
        prefix + "hue",
        distortion.hue() >= 0 && distortion.hue() <= 0.5,
        distortion.hue() + " is outside 0 to 0.5");
    share(prefix + "grey", distortion.grey());
    share(prefix + "blur", distortion.blur());
    range(prefix + "blur-sigma", distortion.blurSigma(), 0);
    share(prefix + "cutmix", distortion.cutmix());
    range(prefix + "cutmix-area", distortion.cutmixArea(), 0);
    require(
        prefix + "cutmix-area", distortion.cutmixArea().get(1) <= 1, "an area above 1 cannot be");
    range(prefix + "cutmix-aspect", distortion.cutmixAspect(), 1e-3);
  }
}
