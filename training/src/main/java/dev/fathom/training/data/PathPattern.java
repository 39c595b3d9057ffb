package dev.fathom.training.data;

import dev.fathom.training.UserException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/**
 * A pattern over relative paths that tells which sample a file belongs to; see {@link DataSpec}.
 */
final class PathPattern {

  private static final String ID = "{id}";

  private final Pattern regex;
  private final boolean named;

  private PathPattern(Pattern regex, boolean named) {
    this.regex = regex;
    this.named = named;
  }

  /**
   * A pattern.
   *
   * @throws UserException if it is not one, or matches one name only
   */
  static PathPattern compile(String pattern) {
    boolean named = pattern.contains(ID);
    if (!named && !pattern.contains("*") && !pattern.contains("?") && !pattern.contains("[")) {
      throw new UserException(pattern, "a pattern needs {id} or a wildcard to tell samples apart");
    }
    StringBuilder regex = new StringBuilder();
    boolean idSeen = false;
    boolean inBraces = false;
    int at = pattern.startsWith("./") ? 2 : 0;
    while (at < pattern.length()) {
      char c = pattern.charAt(at);
      if (pattern.startsWith(ID, at)) {
        regex.append(idSeen ? "\\k<id>" : "(?<id>.+)");
        idSeen = true;
        at += ID.length();
      } else if (pattern.startsWith("**/", at)) {
        regex.append("(?:(.+)/)?");
        at += 3;
      } else if (pattern.startsWith("**", at)) {
        regex.append("(.*)");
        at += 2;
      } else if (c == '[') {
        int end = pattern.indexOf(']', at + 2);
        if (end < 0) {
          throw new UserException(pattern, "a pattern with '[' and no ']'");
        }
        String set = pattern.substring(at + 1, end).replace("\\", "\\\\").replace("[", "\\[");
        regex.append("([").append(set.startsWith("!") ? "^" + set.substring(1) : set).append("])");
        at = end + 1;
      } else {
        switch (c) {
          case '*' -> regex.append("([^/]*)");
          case '?' -> regex.append("([^/])");
          case '{' -> {
            if (inBraces || pattern.indexOf('}', at) < 0) {
              throw new UserException(pattern, "a pattern whose braces do not close");
            }
            inBraces = true;
            regex.append("(?:");
          }
          case '}' -> {
            regex.append(inBraces ? ")" : "\\}");
            inBraces = false;
          }
          case ',' -> regex.append(inBraces ? "|" : ",");
          default -> regex.append(Pattern.quote(String.valueOf(c)));
        }
        at++;
      }
    }
    try {
      return new PathPattern(Pattern.compile(regex.toString(), Pattern.DOTALL), named);
    } catch (PatternSyntaxException e) {
      throw new UserException(pattern, "not a pattern", e);
    }
  }

  /** The id of the sample that a file belongs to; empty if the pattern does not match. */
  Optional<String> id(String path) {
    Matcher matcher = regex.matcher(path);
    if (!matcher.matches()) {
      return Optional.empty();
    }
    if (named) {
      return Optional.of(matcher.group("id"));
    }
    List<String> parts = new ArrayList<>();
    for (int i = 1; i <= matcher.groupCount(); i++) {
      if (matcher.group(i) != null) {
        parts.add(matcher.group(i));
      }
    }
    return Optional.of(String.join("/", parts));
  }
}
