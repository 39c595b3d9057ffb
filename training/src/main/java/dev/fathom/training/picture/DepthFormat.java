package dev.fathom.training.picture;

import java.util.Arrays;
import java.util.Locale;

/** The file formats in which a depth map is written. */
public enum DepthFormat {
  /** 8-bit colours of the normalised map, as the published scripts draw it. */
  PNG("_depth.png"),
  /**
   * 16-bit grey over the map's whole range. The text chunks {@code fathom:scale} and {@code
   * fathom:offset} give the values back: {@code value = sample * scale + offset}; {@code
   * fathom:kind} is {@code disparity} or {@code metres}; where some values are not finite, {@code
   * fathom:invalid} is the sample that stands for them, 0, and the others begin at 1.
   */
  PNG16("_depth16.png"),
  /** Portable float map: float32, rows from the bottom up, little-endian. */
  PFM("_depth.pfm"),
  /** NumPy array, float32 [height, width]. */
  NPY("_depth.npy"),
  /** OpenEXR with one float channel Y, ZIP-compressed; {@code fathom:kind} is an attribute. */
  EXR("_depth.exr"),
  /** Coloured points in space: binary PLY. Needs the picture. */
  PLY("_points.ply"),
  /** The picture, 50 white columns and the coloured map side by side: PNG. Needs the picture. */
  SIDE_BY_SIDE("_side.png");

  private final String suffix;

  DepthFormat(String suffix) {
    this.suffix = suffix;
  }

  /**
   * What follows a picture's stem in the file's name. No suffix is the end of another, so that
   * different stems never give the same file; and none is a bare extension, so that output never
   * lies over the picture it was made of.
   */
  public String suffix() {
    return suffix;
  }

  /** Whether {@link DepthWriter#write} needs the picture too. */
  public boolean needsPicture() {
    return this == PLY || this == SIDE_BY_SIDE;
  }

  /** The name as a person types it, such as {@code side-by-side}. */
  public String label() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  /**
   * The format of a name such as {@code png16} or {@code side-by-side}, in either case.
   *
   * @throws IllegalArgumentException if there is no such format; the message lists them
   */
  public static DepthFormat named(String name) {
    String key = name.strip().toLowerCase(Locale.ROOT).replace('_', '-');
    for (DepthFormat format : values()) {
      if (format.label().equals(key)) {
        return format;
      }
    }
    throw new IllegalArgumentException(
        "no depth format is called '"
            + name
            + "': choose one of "
            + Arrays.stream(values()).map(DepthFormat::label).toList());
  }
}
