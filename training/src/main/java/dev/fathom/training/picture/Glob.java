package dev.fathom.training.picture;

import java.io.File;
import java.io.IOException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.PathMatcher;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.PatternSyntaxException;

/**
 * A pattern over paths as shells have it: {@code *}, {@code ?}, {@code [a-z]} and {@code {a,b}}
 * within a name, and {@code **} for any number of folders, none included. Names that begin with a
 * dot match only where the pattern has the dot.
 *
 * @param root the folder before the first part with a wildcard
 * @param parts the names and patterns below it
 */
record Glob(Path root, List<String> parts) {

  /** Whether a text has wildcards. */
  static boolean isGlob(String text) {
    return text.chars().anyMatch(c -> c == '*' || c == '?' || c == '[' || c == '{');
  }

  /** A pattern; parts are separated by {@code /} and, on Windows, by {@code \}. */
  static Glob parse(String pattern) {
    String unified = File.separatorChar == '\\' ? pattern.replace('\\', '/') : pattern;
    List<String> parts = new ArrayList<>(List.of(unified.split("/", -1)));
    StringBuilder root = new StringBuilder();
    while (!isGlob(parts.getFirst())) {
      root.append(parts.removeFirst()).append('/');
    }
    parts.removeIf(part -> part.isEmpty() || part.equals("."));
    return new Glob(Path.of(root.isEmpty() ? "." : root.toString()), List.copyOf(parts));
  }

  /**
   * The files that match, in the order of their paths.
   *
   * @throws PatternSyntaxException if a part is not a pattern
   * @throws IOException if a folder cannot be read
   */
  List<Path> files() throws IOException {
    List<PathMatcher> matchers = new ArrayList<>();
    for (String part : parts) {
      matchers.add(root.getFileSystem().getPathMatcher("glob:" + part));
    }
    Set<Path> found = new HashSet<>();
    search(root, 0, matchers, new HashSet<>(), found);
    List<Path> files = new ArrayList<>(found);
    files.sort(null);
    return files;
  }

  private void search(
      Path folder, int part, List<PathMatcher> matchers, Set<Path> above, Set<Path> found)
      throws IOException {
    if (!Files.isDirectory(folder)) {
      return;
    }
    if (parts.get(part).equals("**")) {
      Path real = folder.toRealPath();
      if (!above.add(real)) {
        return;
      }
      boolean last = part == parts.size() - 1;
      for (Path entry : entries(folder)) {
        if (isHidden(entry)) {
          continue;
        }
        if (Files.isDirectory(entry)) {
          search(entry, part, matchers, above, found);
        } else if (last) {
          found.add(entry);
        }
      }
      above.remove(real);
      if (!last) {
        search(folder, part + 1, matchers, above, found);
      }
      return;
    }
    boolean last = part == parts.size() - 1;
    for (Path entry : entries(folder)) {
      if ((isHidden(entry) && !parts.get(part).startsWith("."))
          || !matchers.get(part).matches(entry.getFileName())) {
        continue;
      }
      if (!last) {
        search(entry, part + 1, matchers, above, found);
      } else if (!Files.isDirectory(entry)) {
        found.add(entry);
      }
    }
  }

  private static boolean isHidden(Path entry) {
    return entry.getFileName().toString().startsWith(".");
  }

  private static List<Path> entries(Path folder) throws IOException {
    List<Path> entries = new ArrayList<>();
    try (DirectoryStream<Path> stream = Files.newDirectoryStream(folder)) {
      stream.forEach(entries::add);
    } catch (DirectoryIteratorException e) {
      throw e.getCause();
    }
    return entries;
  }
}
