package dev.fathom.training.evaluation;

import java.util.Arrays;
import java.util.Locale;

/** Which part of a map counts. */
public enum Crop {
  /** All of it. */
  NONE,
  /** NYUv2, 480 x 640: rows 45 to 470, columns 41 to 600, counted from 0 (Eigen et al., 2014). */
  NYU_EIGEN,
  /** KITTI: shares of the rows and columns (Garg et al., 2016). */
  KITTI_GARG;

  private static final int NYU_WIDTH = 640;
  private static final int NYU_HEIGHT = 480;
  private static final Window NYU = new Window(45, 471, 41, 601);
  private static final double GARG_TOP = 0.40810811;
  private static final double GARG_BOTTOM = 0.99189189;
  private static final double GARG_LEFT = 0.03594771;
  private static final double GARG_RIGHT = 0.96405229;

  /** Rows top to bottom - 1, columns left to right - 1. */
  record Window(int top, int bottom, int left, int right) {}

  /** Its name on the command line and in files: {@code nyu-eigen}, {@code kitti-garg}, none. */
  public String label() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  /**
   * The crop of a label.
   *
   * @throws IllegalArgumentException if there is none; the message lists the labels
   */
  public static Crop named(String label) {
    for (Crop crop : values()) {
      if (crop.label().equalsIgnoreCase(label)) {
        return crop;
      }
    }
    throw new IllegalArgumentException(
        "no crop is called '"
            + label
            + "': choose one of "
            + Arrays.stream(values()).map(Crop::label).toList());
  }

  /** The cap in metres that goes with the data set that the crop is for; 80 without a crop. */
  public double usualCap() {
    return this == NYU_EIGEN ? 10 : 80;
  }

  /**
   * The part that counts of a map of this size.
   *
   * @throws IllegalArgumentException if the crop is not for maps of this size
   */
  Window window(int width, int height) {
    return switch (this) {
      case NONE -> new Window(0, height, 0, width);
      case NYU_EIGEN -> {
        if (width != NYU_WIDTH || height != NYU_HEIGHT) {
          throw new IllegalArgumentException(
              "a map of "
                  + width
                  + " x "
                  + height
                  + "; the crop nyu-eigen is for "
                  + NYU_WIDTH
                  + " x "
                  + NYU_HEIGHT);
        }
        yield NYU;
      }
      case KITTI_GARG ->
          new Window(
              (int) (GARG_TOP * height),
              (int) (GARG_BOTTOM * height),
              (int) (GARG_LEFT * width),
              (int) (GARG_RIGHT * width));
    };
  }
}
