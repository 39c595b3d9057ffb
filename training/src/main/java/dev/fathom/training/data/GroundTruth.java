package dev.fathom.training.data;

/**
 * What is known of a picture's depth, one number per pixel of a map that covers the whole picture.
 * NaN where nothing is known. Sky is infinitely far: positive infinity in a map of depths, 0 in a
 * map of disparities or inverse depths.
 */
public final class GroundTruth {

  /** What the numbers are. */
  public enum Kind {
    /** Distance along the camera's axis, in metres or any other unit. */
    DEPTH,
    /** Inverse of depth up to a factor. */
    DISPARITY
  }

  private final int width;
  private final int height;
  private final Kind kind;
  private final float[] values;

  /**
   * A map; the array is kept, not copied.
   *
   * @param values row-major
   */
  public GroundTruth(int width, int height, Kind kind, float[] values) {
    if (width < 1 || height < 1 || values.length != Math.multiplyExact(width, height)) {
      throw new IllegalArgumentException(
          values.length + " values for a map of " + width + "x" + height);
    }
    this.width = width;
    this.height = height;
    this.kind = kind;
    this.values = values;
  }

  /** Columns. */
  public int width() {
    return width;
  }

  /** Rows. */
  public int height() {
    return height;
  }

  /** What the numbers are. */
  public Kind kind() {
    return kind;
  }

  /** The numbers, row-major; not a copy. */
  public float[] values() {
    return values;
  }

  /** Number of pixels of which something is known. */
  public int valid() {
    int count = 0;
    for (float value : values) {
      if (!Float.isNaN(value)) {
        count++;
      }
    }
    return count;
  }

  /**
   * The training target: disparity (1 / depth) scaled to 0..1 by the map's largest, 0 for sky, NaN
   * where nothing is known. All NaN if nothing is known at all, or all 0 if all is sky.
   */
  public float[] targetDisparity() {
    float[] target = new float[values.length];
    float largest = 0;
    for (int i = 0; i < values.length; i++) {
      float disparity = kind == Kind.DEPTH ? 1 / values[i] : values[i];
      target[i] = disparity;
      if (disparity > largest) {
        largest = disparity;
      }
    }
    if (largest > 0) {
      for (int i = 0; i < target.length; i++) {
        target[i] /= largest;
      }
    }
    return target;
  }
}
