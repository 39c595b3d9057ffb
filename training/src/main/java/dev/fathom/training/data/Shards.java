package dev.fathom.training.data;

import dev.fathom.training.UserException;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/** The shards that a path or pattern means. */
final class Shards {

  private static final Pattern BRACES = Pattern.compile("\\{([^{}]*)\\}");
  private static final Pattern RANGE = Pattern.compile("(\\d{1,9})\\.\\.(\\d{1,9})");
  private static final int MOST_SHARDS = 1_000_000;

  private Shards() {}

  /** Whether a text means several files. */
  static boolean isPattern(String text) {
    return text.chars().anyMatch(c -> c == '*' || c == '?' || c == '[' || c == '{');
  }

  /** Whether a name is a shard's. */
  static boolean isShardName(String name) {
    return name.toLowerCase(Locale.ROOT).endsWith(".tar");
  }

  /**
   * The shards, in order: those of a folder by name; of a pattern, first as its braces go ({@code
   * {a,b}}, {@code {000..012}}; the digits of the first number set the width), then by name where
   * the last part has wildcards.
   *
   * @throws UserException if a shard of a range or list does not exist, or nothing matches
   */
  static List<Path> find(String pathOrPattern) {
    List<Path> shards = new ArrayList<>();
    for (String text : expand(pathOrPattern)) {
      try {
        if (isPattern(text)) {
          int slash = text.lastIndexOf('/');
          String folder = slash < 0 ? "" : text.substring(0, slash + 1);
          if (isPattern(folder)) {
            throw new UserException(pathOrPattern, "wildcards are for the last part of the path");
          }
          shards.addAll(matching(Path.of(folder), text.substring(slash + 1)));
        } else if (Files.isDirectory(Path.of(text))) {
          shards.addAll(matching(Path.of(text), "*.tar"));
        } else if (Files.exists(Path.of(text))) {
          shards.add(Path.of(text));
        } else {
          throw new UserException(text, "no such shard");
        }
      } catch (InvalidPathException e) {
        throw new UserException(text, "not a path or pattern", e);
      }
    }
    if (shards.isEmpty()) {
      throw new UserException(pathOrPattern, "no shard (.tar) there");
    }
    return shards;
  }

  /** The files of a folder that match, by name, hidden ones left out. */
  private static List<Path> matching(Path folder, String pattern) {
    List<Path> found = new ArrayList<>();
    try (DirectoryStream<Path> entries = Files.newDirectoryStream(folder, pattern)) {
      for (Path entry : entries) {
        String name = entry.getFileName().toString();
        if (!name.startsWith(".") && isShardName(name) && Files.isRegularFile(entry)) {
          found.add(entry);
        }
      }
    } catch (IOException | PatternSyntaxException e) {
      throw new UserException(folder.resolve(pattern).toString(), "cannot be searched", e);
    }
    found.sort(null);
    return found;
  }

  /** All texts that the braces of one stand for. */
  static List<String> expand(String text) {
    List<String> done = new ArrayList<>();
    List<String> open = new ArrayList<>(List.of(text));
    while (!open.isEmpty()) {
      String next = open.removeLast();
      Matcher matcher = BRACES.matcher(next);
      if (!matcher.find()) {
        done.add(next);
        continue;
      }
      List<String> alternatives = alternatives(text, matcher.group(1));
      if (done.size() + open.size() + (long) alternatives.size() > MOST_SHARDS) {
        throw new UserException(text, "stands for more than " + MOST_SHARDS + " shards");
      }
      for (String alternative : alternatives.reversed()) {
        open.add(next.substring(0, matcher.start()) + alternative + next.substring(matcher.end()));
      }
    }
    return done;
  }

  private static List<String> alternatives(String text, String inside) {
    Matcher range = RANGE.matcher(inside);
    if (!range.matches()) {
      return List.of(inside.split(",", -1));
    }
    int first = Integer.parseInt(range.group(1));
    int last = Integer.parseInt(range.group(2));
    if (first > last || last - first >= MOST_SHARDS) {
      throw new UserException(text, "{" + inside + "} is not a range of shards");
    }
    int width = range.group(1).startsWith("0") ? range.group(1).length() : 1;
    List<String> numbers = new ArrayList<>();
    for (int i = first; i <= last; i++) {
      String digits = Integer.toString(i);
      numbers.add("0".repeat(Math.max(0, width - digits.length())) + digits);
    }
    return numbers;
  }
}
