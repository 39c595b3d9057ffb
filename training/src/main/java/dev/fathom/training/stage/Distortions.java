package dev.fathom.training.stage;

import dev.fathom.nn.op.AugmentOps.ColorOp;
import dev.fathom.nn.op.AugmentOps.ColorStep;
import dev.fathom.nn.op.AugmentOps.Crop;
import dev.fathom.nn.op.AugmentOps.Distortion;
import dev.fathom.nn.op.LossOps.Box;
import dev.fathom.training.config.RunConfig;
import dev.fathom.training.random.Philox;
import dev.fathom.training.random.Purpose;
import java.util.ArrayList;
import java.util.List;

/**
 * Draws what is random in a batch. Each draw is named by the seed and by the position of the
 * picture in its stream, so that it is the same whatever came before.
 */
final class Distortions {

  private static final int BOX_ATTEMPTS = 100;

  private final long seed;
  private final RunConfig.Distortion settings;

  Distortions(long seed, RunConfig.Distortion settings) {
    this.seed = seed;
    this.settings = settings;
  }

  /**
   * A square crop of the largest size, at random along the longer side, and a flip.
   *
   * @param position of the picture in its stream
   */
  static Crop crop(long seed, int stream, long position, int width, int height, double flip) {
    Philox random = new Philox(seed, Purpose.CROP, stream, position);
    int side = Math.min(width, height);
    int top = random.nextInt(height - side + 1);
    int left = random.nextInt(width - side + 1);
    return new Crop(top, left, side, side, random.chance(flip));
  }

  /** The crop in the middle, for validation. */
  static Crop center(int width, int height) {
    int side = Math.min(width, height);
    return new Crop((height - side) / 2.0, (width - side) / 2.0, side, side, false);
  }

  /** Colours and blur of one picture. */
  Distortion distortion(long position) {
    Philox random = new Philox(seed, Purpose.DISTORTION, 0, position);
    List<ColorStep> jitter = new ArrayList<>();
    if (random.chance(settings.jitter())) {
      ColorOp[] operations = ColorOp.values();
      for (int i : random.permutation(operations.length)) {
        double strength =
            switch (operations[i]) {
              case BRIGHTNESS -> settings.brightness();
              case CONTRAST -> settings.contrast();
              case SATURATION -> settings.saturation();
              case HUE -> settings.hue();
            };
        double middle = operations[i] == ColorOp.HUE ? 0 : 1;
        double factor = random.uniform(middle - strength, middle + strength);
        if (strength > 0) {
          jitter.add(new ColorStep(operations[i], (float) factor));
        }
      }
    }
    boolean grey = random.chance(settings.grey());
    double sigma = 0;
    if (random.chance(settings.blur())) {
      sigma = random.uniform(settings.blurSigma().get(0), settings.blurSigma().get(1));
    }
    return new Distortion(jitter, grey, (float) sigma);
  }

  /**
   * The CutMix boxes of a batch, empty for pictures that stay whole.
   *
   * @param first position of the batch's first picture
   */
  List<Box> boxes(long first, int batch, int side) {
    List<Box> boxes = new ArrayList<>();
    for (int b = 0; b < batch; b++) {
      boxes.add(box(new Philox(seed, Purpose.CUTMIX, 0, first + b), batch, side));
    }
    return boxes;
  }

  /** Area and aspect are drawn until a box fits, as in UniMatch. */
  private Box box(Philox random, int batch, int side) {
    if (batch < 2 || !random.chance(settings.cutmix())) {
      return new Box(0, 0, 0, 0);
    }
    for (int attempt = 0; attempt < BOX_ATTEMPTS; attempt++) {
      double area =
          random.uniform(settings.cutmixArea().get(0), settings.cutmixArea().get(1)) * side * side;
      double aspect =
          random.uniform(settings.cutmixAspect().get(0), settings.cutmixAspect().get(1));
      int height = (int) Math.sqrt(area * aspect);
      int width = (int) Math.sqrt(area / aspect);
      int top = random.nextInt(side);
      int left = random.nextInt(side);
      if (height > 0 && width > 0 && top + height <= side && left + width <= side) {
        return new Box(top, left, top + height, left + width);
      }
    }
    return new Box(0, 0, 0, 0);
  }
}
