package dev.fathom.training.data;

import dev.fathom.training.UserException;
import dev.fathom.training.picture.PictureReader;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Puts the files of samples together by the patterns of a {@link DataSpec}: files go in in any
 * order, samples come out in the order in which their first file went in.
 */
final class SampleTable {

  /** What a file is to its sample. */
  private enum Role {
    PICTURE,
    DEPTH,
    MASK,
    SKY,
    CLASSES
  }

  private final DataSpec spec;
  private final String source;
  private final boolean members;
  private final Map<Role, PathPattern> patterns = new EnumMap<>(Role.class);
  private final Map<String, Map<Role, Part>> samples = new LinkedHashMap<>();

  /**
   * An empty table.
   *
   * @param source the set, for messages
   * @param members whether the files are a shard's, whose keys end at the first dot of a name
   */
  SampleTable(DataSpec spec, String source, boolean members) {
    this.spec = spec;
    this.source = source;
    this.members = members;
    addPattern(Role.PICTURE, spec.picture());
    addPattern(Role.DEPTH, spec.depth());
    addPattern(Role.MASK, spec.mask());
    addPattern(Role.SKY, spec.sky());
    addPattern(Role.CLASSES, spec.classes());
  }

  private void addPattern(Role role, @Nullable String pattern) {
    if (pattern != null) {
      patterns.put(role, PathPattern.compile(pattern));
    }
  }

  /** Takes a file in, if a pattern matches it. */
  void add(Part file) {
    Map<Role, String> ids = new EnumMap<>(Role.class);
    patterns.forEach((role, pattern) -> {
      Optional<String> id = pattern.id(file.name());
      id.ifPresent(text -> ids.put(role, text));
    });
    if (ids.isEmpty()) {
      if (spec.picture() == null && isPicture(file.name())) {
        put(stem(file.name(), members), Role.PICTURE, file);
      }
      return;
    }
    int shortest = ids.values().stream().mapToInt(String::length).min().orElseThrow();
    ids.forEach((role, id) -> {
      if (id.length() == shortest) {
        put(id, role, file);
      }
    });
  }

  private void put(String id, Role role, Part file) {
    Map<Role, Part> parts = samples.computeIfAbsent(id, _ -> new EnumMap<>(Role.class));
    Part other = parts.put(role, file);
    if (other != null) {
      throw new UserException(
          source,
          "'%s' and '%s' are both the %s of '%s'"
              .formatted(other.name(), file.name(), role.name().toLowerCase(Locale.ROOT), id));
    }
  }

  private boolean isPicture(String name) {
    String base = name.substring(name.lastIndexOf('/') + 1);
    int dot = base.indexOf('.');
    // In a shard "1.seg.png" is a member "seg.png" of the sample "1", not a picture.
    boolean plain = !members || base.indexOf('.', dot + 1) < 0;
    return dot >= 0 && plain && PictureReader.isPictureName(Path.of(base));
  }

  /** A name without its extension. */
  private static String stem(String name, boolean atFirstDot) {
    int base = name.lastIndexOf('/') + 1;
    int dot = atFirstDot ? name.indexOf('.', base) : name.lastIndexOf('.');
    return dot > base ? name.substring(0, dot) : name;
  }

  /**
   * The samples that have a picture, and a depth map if the set has them.
   *
   * @param everyPicture whether those that lack their depth map are among them all the same
   * @throws UserException if there are none
   */
  List<SampleParts> samples(boolean everyPicture) {
    List<SampleParts> found = new ArrayList<>();
    boolean anyPicture = false;
    boolean anyPair = false;
    for (Map.Entry<String, Map<Role, Part>> entry : samples.entrySet()) {
      Map<Role, Part> parts = entry.getValue();
      Part picture = parts.get(Role.PICTURE);
      Part depth = parts.get(Role.DEPTH);
      anyPicture |= picture != null;
      boolean pair = picture != null && (spec.depth() == null || depth != null);
      anyPair |= pair;
      if (picture != null && (pair || everyPicture)) {
        found.add(
            new SampleParts(
                entry.getKey(),
                picture,
                depth,
                parts.get(Role.MASK),
                parts.get(Role.SKY),
                parts.get(Role.CLASSES)));
      }
    }
    if (!anyPair) {
      throw new UserException(source, nothing(anyPicture));
    }
    return found;
  }

  private String nothing(boolean anyPicture) {
    if (anyPicture) {
      return "no picture has a depth map that matches '" + spec.depth() + "'";
    }
    return spec.picture() == null ? "no picture in it" : "no file matches '" + spec.picture() + "'";
  }

  /** The stems of files as ids if no two are the same, otherwise their whole names. */
  static List<String> ids(List<String> names) {
    Set<String> known = new HashSet<>();
    List<String> stems = new ArrayList<>(names.size());
    for (String name : names) {
      String stem = stem(name, false);
      stems.add(stem);
      known.add(stem);
    }
    return known.size() == names.size() ? stems : List.copyOf(names);
  }
}
