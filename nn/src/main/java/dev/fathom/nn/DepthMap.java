package dev.fathom.nn;

/**
 * What the network says of a picture: one number per pixel.
 *
 * <p>For V1 and V2 a disparity, known up to scale and shift: larger is nearer. For the metric
 * models a depth in metres: larger is farther.
 */
public final class DepthMap {

  /** What the numbers of a depth map mean. */
  public enum Kind {
    /** Disparity up to scale and shift; larger is nearer. */
    DISPARITY,
    /** Depth in metres; larger is farther. */
    METRES
  }

  private final int width;
  private final int height;
  private final Kind kind;
  private final float[] values;

  /**
   * A depth map over an array, which is not copied.
   *
   * @param values {@code height * width} numbers, row by row
   * @throws IllegalArgumentException if the sizes do not fit
   */
  public DepthMap(int width, int height, Kind kind, float[] values) {
    if (width < 1 || height < 1 || (long) width * height != values.length) {
      throw new IllegalArgumentException(
          values.length + " values for a depth map of " + width + " x " + height);
    }
    this.width = width;
    this.height = height;
    this.kind = kind;
    this.values = values;
  }

  /** Pixels in a row. */
  public int width() {
    return width;
  }

  /** Rows. */
  public int height() {
    return height;
  }

  /** What the numbers mean. */
  public Kind kind() {
    return kind;
  }

  /**
   * The value at column {@code x}, row {@code y}, counted from the top left.
   *
   * @throws IndexOutOfBoundsException if there is no such pixel
   */
  public float at(int x, int y) {
    if (x < 0 || y < 0 || x >= width || y >= height) {
      throw new IndexOutOfBoundsException(
          "(" + x + ", " + y + ") in a depth map of " + width + " x " + height);
    }
    return values[y * width + x];
  }

  /** All values, [height, width] row by row; the map's own array. */
  public float[] values() {
    return values;
  }

  /** The smallest finite value; NaN if there is none. */
  public float min() {
    float min = Float.NaN;
    for (float v : values) {
      if (Float.isFinite(v) && !(v >= min)) {
        min = v;
      }
    }
    return min;
  }

  /** The largest finite value; NaN if there is none. */
  public float max() {
    float max = Float.NaN;
    for (float v : values) {
      if (Float.isFinite(v) && !(v <= max)) {
        max = v;
      }
    }
    return max;
  }
}
