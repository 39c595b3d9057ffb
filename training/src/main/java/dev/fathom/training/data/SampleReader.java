package dev.fathom.training.data;

import dev.fathom.nn.DepthMap;
import dev.fathom.nn.RgbImage;
import dev.fathom.training.UserException;
import dev.fathom.training.picture.DepthFile;
import dev.fathom.training.picture.DepthReader;
import dev.fathom.training.picture.LabelReader;
import dev.fathom.training.picture.PictureException;
import dev.fathom.training.picture.PictureReader;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** From a sample's files to a {@link Sample}, by the rules of {@link DataSpec}. Thread-safe. */
final class SampleReader {

  private final DataSpec spec;
  private final boolean exact;

  /** A reader of users' files: a map must have the proportions of its picture. */
  SampleReader(DataSpec spec) {
    this(spec, true);
  }

  private SampleReader(DataSpec spec, boolean exact) {
    this.spec = spec;
    this.exact = exact;
  }

  /**
   * A reader of maps that are known to cover the whole picture, though not quite in its
   * proportions: a network's, whose sides are rounded to whole patches.
   */
  static SampleReader ofNetworkMaps(DataSpec spec) {
    return new SampleReader(spec, false);
  }

  Sample read(SampleParts parts) throws BadSampleException {
    require(spec.depth(), parts.depth(), "depth map", parts);
    if (parts.depth() != null) {
      require(spec.mask(), parts.mask(), "mask", parts);
      require(spec.sky(), parts.sky(), "sky mask", parts);
    }
    require(spec.classes(), parts.classes(), "class map", parts);
    RgbImage picture = picture(parts.picture());
    Part depth = parts.depth();
    Part classes = parts.classes();
    return new Sample(
        parts.id(),
        picture,
        depth == null ? null : truth(depth, parts.mask(), parts.sky(), picture),
        classes == null ? null : classMap(classes, picture));
  }

  /** A pattern that matches some samples' files but not this one's leaves it without its map. */
  private static void require(
      @Nullable String pattern, @Nullable Part part, String what, SampleParts parts)
      throws BadSampleException {
    if (pattern != null && part == null) {
      throw new BadSampleException(
          parts.picture().path(), "no " + what + " of it matches '" + pattern + "'", null);
    }
  }

  private static RgbImage picture(Part part) throws BadSampleException {
    try {
      return PictureReader.decode(part.path(), part.bytes());
    } catch (PictureException e) {
      throw bad(e);
    }
  }

  /** The truth in a depth file, with masks if there are any, for a picture it must fit. */
  GroundTruth truth(Part part, @Nullable Part mask, @Nullable Part sky, RgbImage picture)
      throws BadSampleException {
    DepthFile file;
    try {
      file = DepthReader.decode(part.path(), part.bytes());
    } catch (PictureException e) {
      throw bad(e);
    }
    if (exact) {
      checkFit(part.path(), "depth", file, picture);
    }
    GroundTruth.Kind kind = convert(file, kind(part.path(), file));
    float[] values = file.values();
    if (mask != null) {
      float[] keep = labels(mask, "mask", file, picture);
      for (int i = 0; i < values.length; i++) {
        if (keep[i] == 0) {
          values[i] = Float.NaN;
        }
      }
    }
    if (sky != null) {
      float far = kind == GroundTruth.Kind.DEPTH ? Float.POSITIVE_INFINITY : 0;
      float[] isSky = labels(sky, "sky mask", file, picture);
      for (int i = 0; i < values.length; i++) {
        if (isSky[i] != 0) {
          values[i] = far;
        }
      }
    }
    GroundTruth truth = new GroundTruth(file.width(), file.height(), kind, values);
    if (truth.valid() == 0) {
      throw new BadSampleException(part.path(), "the map has no valid pixel", null);
    }
    return truth;
  }

  /** What the numbers are: as the set says, or the file, or depth. */
  private DataSpec.Kind kind(Path path, DepthFile file) throws BadSampleException {
    DataSpec.Kind told = spec.kind();
    DepthMap.Kind own = file.kind();
    if (own != null && told != null) {
      boolean fits = (own == DepthMap.Kind.METRES) == (told == DataSpec.Kind.DEPTH);
      if (!fits) {
        throw new BadSampleException(
            path,
            "the file says "
                + (own == DepthMap.Kind.METRES ? "depth" : "disparity")
                + ", the data set says "
                + told.label(),
            null);
      }
    }
    if (told != null) {
      return told;
    }
    return own == DepthMap.Kind.DISPARITY ? DataSpec.Kind.DISPARITY : DataSpec.Kind.DEPTH;
  }

  /** Stored numbers to depths or disparities in place, NaN where they are not valid. */
  private GroundTruth.Kind convert(DepthFile file, DataSpec.Kind kind) {
    List<Double> listed = spec.invalid();
    float[] invalid;
    if (listed == null) {
      invalid = file.plainSamples() ? new float[1] : new float[0];
    } else {
      invalid = new float[listed.size()];
      for (int i = 0; i < invalid.length; i++) {
        invalid[i] = listed.get(i).floatValue();
      }
    }
    float[] values = file.values();
    for (int i = 0; i < values.length; i++) {
      values[i] = isOneOf(invalid, values[i]) ? Float.NaN : converted(values[i], kind);
    }
    return kind == DataSpec.Kind.DEPTH ? GroundTruth.Kind.DEPTH : GroundTruth.Kind.DISPARITY;
  }

  private float converted(float stored, DataSpec.Kind kind) {
    float value = (float) (stored * spec.scale());
    if (!Float.isFinite(value) || value < 0) {
      return Float.NaN;
    }
    double depth =
        switch (kind) {
          case DEPTH -> value;
          case INVERSE_DEPTH -> 1.0 / value;
          case DISPARITY -> 1;
        };
    boolean within =
        kind == DataSpec.Kind.DISPARITY || (depth >= spec.min() && depth <= spec.max());
    // A depth so near 0 that its inverse is no number is no reading either.
    boolean invertible = kind != DataSpec.Kind.DEPTH || Float.isFinite(1 / value);
    return within && invertible ? value : Float.NaN;
  }

  private static boolean isOneOf(float[] numbers, float value) {
    for (float number : numbers) {
      if (number == value) {
        return true;
      }
    }
    return false;
  }

  /** A map of labels at the depth map's size: at each of its pixels the nearest label. */
  private static float[] labels(Part part, String what, DepthFile depth, RgbImage picture)
      throws BadSampleException {
    DepthFile map = labelFile(part);
    checkFit(part.path(), what, map, picture);
    int width = depth.width();
    int height = depth.height();
    if (map.width() == width && map.height() == height) {
      return map.values();
    }
    float[] labels = new float[width * height];
    for (int y = 0; y < height; y++) {
      int row = nearest(y, height, map.height()) * map.width();
      for (int x = 0; x < width; x++) {
        labels[y * width + x] = map.values()[row + nearest(x, width, map.width())];
      }
    }
    return labels;
  }

  /** The pixel of a map of another size that holds the middle of this one. */
  private static int nearest(int at, int size, int otherSize) {
    return (int) ((2L * at + 1) * otherSize / (2L * size));
  }

  private static ClassMap classMap(Part part, RgbImage picture) throws BadSampleException {
    DepthFile map = labelFile(part);
    checkFit(part.path(), "class map", map, picture);
    byte[] classes = new byte[map.values().length];
    for (int i = 0; i < classes.length; i++) {
      float value = map.values()[i];
      if (!(value >= 0 && value <= ClassMap.UNKNOWN) || value != (int) value) {
        throw new BadSampleException(
            part.path(), "a class of " + value + ", not a whole number from 0 to 255", null);
      }
      classes[i] = (byte) (int) value;
    }
    return new ClassMap(map.width(), map.height(), classes);
  }

  private static DepthFile labelFile(Part part) throws BadSampleException {
    try {
      return LabelReader.decode(part.path(), part.bytes());
    } catch (PictureException e) {
      throw bad(e);
    }
  }

  /** A map covers the whole picture: its sides must be in exactly the same proportion. */
  private static void checkFit(Path path, String what, DepthFile map, RgbImage picture)
      throws BadSampleException {
    if ((long) map.width() * picture.height() != (long) map.height() * picture.width()) {
      throw new BadSampleException(
          path,
          "picture %dx%d and %s %dx%d do not fit"
              .formatted(picture.width(), picture.height(), what, map.width(), map.height()),
          null);
    }
  }

  /** Lack of memory is the machine's fault: skipping the sample would change the run. */
  private static BadSampleException bad(PictureException e) {
    if (e.getCause() instanceof OutOfMemoryError) {
      throw new UserException(
          e.file().toString(),
          "not enough memory to read it: give Java more with -Xmx, or use fewer loader threads",
          e);
    }
    return new BadSampleException(e.file(), e.problem(), e);
  }
}
