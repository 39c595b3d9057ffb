package dev.fathom.nn;

import java.util.Arrays;
import java.util.Locale;

/**
 * Colours for depth: 256 sRGB colours from a map's smallest value to its largest.
 *
 * <p>The tables give the bytes of the published scripts: {@link #INFERNO} is the first version's
 * (OpenCV's {@code COLORMAP_INFERNO}), {@link #SPECTRAL_R} the second version's for disparity and
 * {@link #SPECTRAL} its for metric depth (matplotlib's, times 255 and cut to an integer). In all
 * three, and so whatever the kind of map, warm colours are near. {@link #TURBO} and {@link
 * #VIRIDIS} are OpenCV's too.
 */
public enum Colormap {
  /** Black over violet and orange to pale yellow. */
  INFERNO,
  /** ColorBrewer's Spectral: red for the smallest value, blue for the largest. */
  SPECTRAL,
  /** Spectral the other way round: blue for the smallest value, red for the largest. */
  SPECTRAL_R,
  /** Dark blue over green to dark red. */
  TURBO,
  /** Violet over green to yellow. */
  VIRIDIS,
  /** Black to white. */
  GRAY;

  /**
   * The colour map of a name as a person types it: {@code inferno}, {@code spectral}, {@code
   * spectral_r}, {@code turbo}, {@code viridis} or {@code gray}, in either case. {@code spectral}
   * means the direction in which red is near: {@link #SPECTRAL_R} for disparity, {@link #SPECTRAL}
   * for metres, as published.
   *
   * @throws IllegalArgumentException if there is no such map; the message lists the names
   */
  public static Colormap named(String name, DepthMap.Kind kind) {
    String key = name.strip().replace('-', '_').toUpperCase(Locale.ROOT);
    if (key.equals("SPECTRAL")) {
      return kind == DepthMap.Kind.DISPARITY ? SPECTRAL_R : SPECTRAL;
    }
    for (Colormap map : values()) {
      if (map.name().equals(key) || (map == GRAY && key.matches("GREY|GRAYSCALE|GREYSCALE"))) {
        return map;
      }
    }
    throw new IllegalArgumentException(
        "no colour map is called '"
            + name
            + "': choose one of "
            + Arrays.toString(values()).toLowerCase(Locale.ROOT));
  }

  /**
   * The colour of an index as 0xRRGGBB.
   *
   * @throws IndexOutOfBoundsException if the index is not in 0..255
   */
  public int rgb(int index) {
    if (index < 0 || index > 255) {
      throw new IndexOutOfBoundsException(index + " is not in 0..255");
    }
    byte[] table = ColormapTables.of(this);
    int i = 3 * index;
    return (table[i] & 0xff) << 16 | (table[i + 1] & 0xff) << 8 | (table[i + 2] & 0xff);
  }

  /**
   * The index of a value, as the published scripts compute it in float32: {@code (value - min) /
   * (max - min) * 255}, cut to an integer. Values outside the range, infinite ones too, take the
   * nearer end; not-a-number, and everything where {@code min == max}, takes 0.
   */
  public static int index(float value, float min, float max) {
    // The cast turns NaN, and so 0 / 0, into 0 and holds infinities.
    return Math.clamp((int) ((value - min) / (max - min) * 255f), 0, 255);
  }

  /** A depth map in colour, from its smallest finite value to its largest. */
  public RgbImage apply(DepthMap depth) {
    return apply(depth, depth.min(), depth.max());
  }

  /**
   * A depth map in colour over a range of values, as {@link #index} places them; not-a-number is
   * black. Give the same range to all pictures of a film to keep it from flickering.
   *
   * @throws IllegalArgumentException if the map has more pixels than an array of bytes holds
   */
  public RgbImage apply(DepthMap depth, float min, float max) {
    int width = depth.width();
    int height = depth.height();
    if (3L * width * height > Integer.MAX_VALUE - 8) {
      throw new IllegalArgumentException(
          "a depth map of " + width + " x " + height + " is too large for a picture");
    }
    byte[] rgb = new byte[3 * width * height];
    for (int y = 0; y < height; y++) {
      row(depth, y, min, max, rgb, 3 * y * width);
    }
    return new RgbImage(width, height, rgb);
  }

  /**
   * One row of a depth map in colour: {@code 3 * width} bytes into {@code rgb} from {@code offset}.
   * For writers that hold no whole picture.
   *
   * @throws IndexOutOfBoundsException if there is no such row or no room for it
   */
  public void row(DepthMap depth, int y, float min, float max, byte[] rgb, int offset) {
    byte[] table = ColormapTables.of(this);
    float[] values = depth.values();
    int start = y * depth.width();
    for (int x = 0, o = offset; x < depth.width(); x++, o += 3) {
      float value = values[start + x];
      if (Float.isNaN(value)) {
        rgb[o] = 0;
        rgb[o + 1] = 0;
        rgb[o + 2] = 0;
      } else {
        int i = 3 * index(value, min, max);
        rgb[o] = table[i];
        rgb[o + 1] = table[i + 1];
        rgb[o + 2] = table[i + 2];
      }
    }
  }
}
