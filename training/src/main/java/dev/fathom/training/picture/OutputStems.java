package dev.fathom.training.picture;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * A name of its own for what is made of each picture, without an extension and relative to the
 * output folder.
 *
 * <p>A picture found in a folder keeps its place below that folder; one named by itself its file
 * name. Where two would take the same name, whether or not the file system tells upper case from
 * lower: pictures of several folders keep their path below the folder common to them; pictures that
 * differ only in their extension keep it as {@code x_jpg}; what is left gets a number, in the order
 * found.
 */
final class OutputStems {

  private OutputStems() {}

  /**
   * The stems of pictures, in their order.
   *
   * @param files absolute, normalised, no two the same
   * @param wanted for each file its path relative to where it was found
   */
  static List<Path> of(List<Path> files, List<Path> wanted) {
    List<Path> stems = new ArrayList<>();
    wanted.forEach(path -> stems.add(withName(path, withoutExtension(name(path)))));
    for (List<Integer> same : clashes(stems)) {
      List<Path> group = same.stream().map(files::get).toList();
      if (group.stream().map(OutputStems::parent).distinct().count() == 1) {
        continue;
      }
      Path common = commonFolder(group);
      for (int i : same) {
        Path below = common.relativize(files.get(i));
        stems.set(i, withName(below, withoutExtension(name(below))));
      }
    }
    for (List<Integer> same : clashes(stems)) {
      for (int i : same) {
        String name = name(files.get(i));
        String plain = withoutExtension(name);
        if (plain.length() < name.length()) {
          String extension = name.substring(plain.length() + 1);
          stems.set(i, withName(stems.get(i), plain + "_" + extension));
        }
      }
    }
    Set<String> taken = new HashSet<>();
    Set<Integer> numbered = new HashSet<>();
    clashes(stems).forEach(same -> numbered.addAll(same.subList(1, same.size())));
    for (int i = 0; i < stems.size(); i++) {
      if (!numbered.contains(i)) {
        taken.add(key(stems.get(i)));
      }
    }
    for (int i = 0; i < stems.size(); i++) {
      if (numbered.contains(i)) {
        Path stem = stems.get(i);
        for (int n = 2; !taken.add(key(stems.get(i))); n++) {
          stems.set(i, withName(stem, name(stem) + "_" + n));
        }
      }
    }
    return stems;
  }

  /** The groups of indices whose stems are the same, each in ascending order. */
  private static List<List<Integer>> clashes(List<Path> stems) {
    Map<String, List<Integer>> groups = new LinkedHashMap<>();
    for (int i = 0; i < stems.size(); i++) {
      groups.computeIfAbsent(key(stems.get(i)), _ -> new ArrayList<>()).add(i);
    }
    return groups.values().stream().filter(group -> group.size() > 1).toList();
  }

  private static String key(Path stem) {
    return stem.toString().toLowerCase(Locale.ROOT);
  }

  /** The deepest folder that all files lie below. */
  private static Path commonFolder(List<Path> files) {
    Path common = parent(files.getFirst());
    for (Path file : files) {
      while (!file.startsWith(common)) {
        common = parent(common);
      }
    }
    return common;
  }

  private static Path parent(Path path) {
    Path parent = path.getParent();
    return parent != null ? parent : path;
  }

  private static String name(Path path) {
    Path name = path.getFileName();
    return name == null ? "" : name.toString();
  }

  private static Path withName(Path path, String name) {
    return path.resolveSibling(name);
  }

  private static String withoutExtension(String name) {
    int dot = name.lastIndexOf('.');
    return dot <= 0 ? name : name.substring(0, dot);
  }
}
