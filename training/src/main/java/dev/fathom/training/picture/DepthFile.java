package dev.fathom.training.picture;

import dev.fathom.nn.DepthMap;
import java.io.IOException;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** Numbers read from a depth file, and what they mean if the file says so. */
public final class DepthFile {

  private final int width;
  private final int height;
  private final float[] values;
  private final DepthMap.@Nullable Kind kind;
  private final boolean plainSamples;

  DepthFile(int width, int height, float[] values, DepthMap.@Nullable Kind kind) {
    this(width, height, values, kind, false);
  }

  DepthFile(
      int width, int height, float[] values, DepthMap.@Nullable Kind kind, boolean plainSamples) {
    this.width = width;
    this.height = height;
    this.values = values;
    this.kind = kind;
    this.plainSamples = plainSamples;
  }

  /** Numbers in a row. */
  public int width() {
    return width;
  }

  /** Rows. */
  public int height() {
    return height;
  }

  /** All numbers, [height, width] row by row from the top; not a copy. */
  public float[] values() {
    return values;
  }

  /** What the numbers mean; null if the file does not say. */
  public DepthMap.@Nullable Kind kind() {
    return kind;
  }

  /**
   * Whether the numbers are the samples of a picture (PNG) that does not say what they mean.
   * Sensors and data sets store 0 there where they have no reading.
   */
  public boolean plainSamples() {
    return plainSamples;
  }

  /**
   * The numbers as a depth map, over the same array.
   *
   * @param otherwise what they mean if the file does not say
   */
  public DepthMap toDepthMap(DepthMap.Kind otherwise) {
    return new DepthMap(width, height, kind != null ? kind : otherwise, values);
  }

  /**
   * Refuses sizes that are not one or are over the limit, before anything is allocated.
   *
   * @throws IOException with the size
   */
  static void checkSize(long width, long height, long pixelLimit) throws IOException {
    if (width < 1 || height < 1) {
      throw new IOException("a depth map of " + width + " x " + height);
    }
    if (width > Integer.MAX_VALUE
        || height > Integer.MAX_VALUE
        || width * height > Math.min(pixelLimit, Integer.MAX_VALUE - 8)) {
      throw new IOException(
          String.format(
              Locale.ROOT,
              "%d x %d values are over the limit of %d million",
              width,
              height,
              pixelLimit / 1_000_000));
    }
  }

  /** The kind of a name as {@link DepthWriter} stores it; null if it is none. */
  static DepthMap.@Nullable Kind kindNamed(@Nullable String name) {
    for (DepthMap.Kind kind : DepthMap.Kind.values()) {
      if (kind.name().equalsIgnoreCase(name)) {
        return kind;
      }
    }
    return null;
  }
}
