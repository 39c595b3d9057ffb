package dev.fathom.training.data;

/** The class of each pixel of a picture, 0 to 254; 255 where none is known. */
public final class ClassMap {

  /** No class known. */
  public static final int UNKNOWN = 255;

  private final int width;
  private final int height;
  private final byte[] values;

  /** A map; the array, row-major, is kept, not copied. */
  public ClassMap(int width, int height, byte[] values) {
    if (width < 1 || height < 1 || values.length != Math.multiplyExact(width, height)) {
      throw new IllegalArgumentException(
          values.length + " values for a map of " + width + "x" + height);
    }
    this.width = width;
    this.height = height;
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

  /** The class at a pixel. */
  public int at(int x, int y) {
    return values[y * width + x] & 0xFF;
  }
}
