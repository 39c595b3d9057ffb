package dev.fathom.training.data;

import dev.fathom.training.UserException;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Where a data set is and how its files are read; {@link DataSets#open} opens it.
 *
 * <p>Files belong together by patterns over their paths below the set's folder, or over the names
 * of a shard's members. A pattern is a path with {@code /} between its parts and
 *
 * <ul>
 *   <li>{@code {id}}: what names the sample, possibly with folders; equal in all its files;
 *   <li>{@code *}, {@code ?}, {@code [a-z]} within one name, <code>**</code> over any number of
 *       folders; without {@code {id}}, what they match names the sample;
 *   <li>{@code {a,b}}: either.
 * </ul>
 *
 * So {@code {id}.png} goes with {@code {id}.depth.png}, and {@code rgb/*.jpg} with {@code
 * depth/*.png}. A file that several patterns match belongs to the one that leaves the shortest id.
 *
 * @param path a folder; a list with a header (.csv, .tsv); a shard (.tar), a folder of shards, or a
 *     pattern of them such as {@code train-{0000..0012}.tar}
 * @param picture pattern of the pictures; null for every file named like a picture that no other
 *     pattern matches
 * @param depth pattern of the depth maps; null if there are none. Pictures without one are left out
 * @param mask pattern of the masks, 0 where the depth is not valid; null if there are none
 * @param sky pattern of the sky masks, not 0 where there is sky, which is infinitely far whatever
 *     depth and mask say; null if there are none
 * @param classes pattern of the maps of object classes, 255 where none is known; null if there are
 *     none
 * @param kind what the numbers in the depth files are; null for what a file says itself, or depth
 *     if it says nothing
 * @param scale stored number x scale = metres (1 / metres for {@link Kind#INVERSE_DEPTH}): 0.001
 *     for millimetres, 1/256 for KITTI
 * @param invalid stored numbers that mean "no reading"; null for 0 in a PNG that does not say what
 *     its samples mean, and none elsewhere. Numbers that are no depth are never valid: not finite,
 *     negative, or a depth of 0
 * @param min depths below are not valid, in metres; 0 for no limit
 * @param max depths above are not valid, in metres; infinity for no limit
 */
public record DataSpec(
    String path,
    @Nullable String picture,
    @Nullable String depth,
    @Nullable String mask,
    @Nullable String sky,
    @Nullable String classes,
    @Nullable Kind kind,
    double scale,
    @Nullable List<Double> invalid,
    double min,
    double max) {

  /** What the numbers in a depth file are. */
  public enum Kind {
    /** Distance along the camera's axis. */
    DEPTH,
    /** Inverse of depth up to an unknown factor. */
    DISPARITY,
    /** 1 / metres. */
    INVERSE_DEPTH;

    /** The name as a person types it, such as {@code inverse-depth}. */
    public String label() {
      return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
  }

  private static final List<String> KEYS =
      List.of(
          "path", "picture", "depth", "mask", "sky", "classes", "kind", "scale", "invalid", "min",
          "max");

  /**
   * Checks the numbers.
   *
   * @throws UserException if one is out of its range
   */
  public DataSpec {
    invalid = invalid == null ? null : List.copyOf(invalid);
    if (path.isBlank()) {
      throw UserException.of("a data set needs a path");
    }
    if (!(scale > 0 && scale < Double.POSITIVE_INFINITY)) {
      throw new UserException(path, "a scale of " + scale + " must be a positive number");
    }
    if (!(min >= 0 && min < max)) {
      throw new UserException(
          path, "depth limits from " + min + " to " + max + " must not be negative and ascend");
    }
    if (kind == Kind.DISPARITY && (min > 0 || max < Double.POSITIVE_INFINITY)) {
      throw new UserException(path, "disparity has no unit: min and max need depth");
    }
  }

  /** Pictures alone, or what a list says. */
  public static DataSpec of(String path) {
    return new DataSpec(
        path, null, null, null, null, null, null, 1, null, 0, Double.POSITIVE_INFINITY);
  }

  /** As {@link #of(String)}. */
  public static DataSpec of(Path path) {
    return of(path.toString());
  }

  /**
   * From the keys and values of a configuration file: the components by their names. {@code kind}
   * is {@code depth}, {@code disparity} or {@code inverse-depth}; {@code scale} a number or a
   * fraction such as {@code 1/256}; {@code invalid} a number, a list of them, or {@code none}.
   *
   * @param entries strings, numbers and lists of them, by key
   * @param base folder that a relative path is relative to
   * @throws UserException if a key is unknown or missing, or a value is not one
   */
  public static DataSpec parse(Map<String, ?> entries, Path base) {
    for (String key : entries.keySet()) {
      if (!KEYS.contains(key)) {
        throw new UserException(
            "data set", "unknown key '" + key + "': the keys are " + String.join(", ", KEYS));
      }
    }
    String given = text(entries, "path");
    if (given == null || given.isBlank()) {
      throw UserException.of("a data set needs a path");
    }
    return new DataSpec(
        resolve(base, given),
        text(entries, "picture"),
        text(entries, "depth"),
        text(entries, "mask"),
        text(entries, "sky"),
        text(entries, "classes"),
        kindNamed(given, text(entries, "kind")),
        number(given, "scale", entries.get("scale"), 1),
        invalidNumbers(given, entries.get("invalid")),
        number(given, "min", entries.get("min"), 0),
        number(given, "max", entries.get("max"), Double.POSITIVE_INFINITY));
  }

  /** This set with patterns of its pictures and depth maps. */
  public DataSpec withPatterns(@Nullable String pictures, @Nullable String depths) {
    return new DataSpec(path, pictures, depths, mask, sky, classes, kind, scale, invalid, min, max);
  }

  /** This set with patterns of its masks, sky masks and classes. */
  public DataSpec withMaps(
      @Nullable String masks, @Nullable String skies, @Nullable String classMaps) {
    return new DataSpec(
        path, picture, depth, masks, skies, classMaps, kind, scale, invalid, min, max);
  }

  /** This set with another meaning of its numbers. */
  public DataSpec withNumbers(@Nullable Kind meaning, double factor) {
    return new DataSpec(
        path, picture, depth, mask, sky, classes, meaning, factor, invalid, min, max);
  }

  /** This set with the stored numbers that mean "no reading". */
  public DataSpec withInvalid(@Nullable List<Double> numbers) {
    return new DataSpec(path, picture, depth, mask, sky, classes, kind, scale, numbers, min, max);
  }

  /** This set with limits of depth. */
  public DataSpec withLimits(double nearest, double farthest) {
    return new DataSpec(
        path, picture, depth, mask, sky, classes, kind, scale, invalid, nearest, farthest);
  }

  /** Whether it has any pattern. */
  boolean hasPatterns() {
    return picture != null || depth != null || mask != null || sky != null || classes != null;
  }

  private static String resolve(Path base, String path) {
    // Joined as text: a pattern is not a path on every file system.
    try {
      return Path.of(path).isAbsolute() ? path : base.resolve(path).toString();
    } catch (InvalidPathException e) {
      String folder = base.toString();
      return folder.isEmpty() ? path : folder + "/" + path;
    }
  }

  private static @Nullable String text(Map<String, ?> entries, String key) {
    Object value = entries.get(key);
    return value == null ? null : value.toString();
  }

  private static @Nullable Kind kindNamed(String path, @Nullable String name) {
    if (name == null) {
      return null;
    }
    for (Kind kind : Kind.values()) {
      if (kind.label().equals(name.strip().toLowerCase(Locale.ROOT).replace('_', '-'))) {
        return kind;
      }
    }
    throw new UserException(
        path, "no kind of map is called '" + name + "': depth, disparity or inverse-depth");
  }

  private static @Nullable List<Double> invalidNumbers(String path, @Nullable Object value) {
    if (value == null) {
      return null;
    }
    List<Double> numbers = new ArrayList<>();
    if (value instanceof Iterable<?> items) {
      for (Object item : items) {
        numbers.add(number(path, "invalid", item, Double.NaN));
      }
    } else if (!value.toString().strip().equals("none")) {
      for (String item : value.toString().split(",", -1)) {
        numbers.add(number(path, "invalid", item, Double.NaN));
      }
    }
    return numbers;
  }

  private static double number(String path, String key, @Nullable Object value, double otherwise) {
    if (value == null) {
      return otherwise;
    }
    if (value instanceof Number number) {
      return number.doubleValue();
    }
    String[] parts = value.toString().split("/", -1);
    try {
      double number = Double.parseDouble(parts[0].strip());
      if (parts.length == 1) {
        return number;
      }
      if (parts.length == 2) {
        return number / Double.parseDouble(parts[1].strip());
      }
    } catch (NumberFormatException e) {
      // Said below, with the key.
    }
    throw new UserException(path, key + " is '" + value + "', not a number");
  }
}
