package dev.fathom.nn.checkpoint;

import java.io.IOException;
import java.nio.file.Path;

/** A checkpoint that cannot be used; the message is one line that names the file and the reason. */
public final class CheckpointException extends IOException {
  private static final int LONGEST_QUOTE = 200;

  public CheckpointException(Path file, String problem) {
    super(file + ": " + problem);
  }

  public CheckpointException(Path file, String problem, Throwable cause) {
    super(file + ": " + problem, cause);
  }

  /** Text from a file, made fit for a message: on one line, of bounded length, in quotes. */
  static String quote(String text) {
    StringBuilder quoted = new StringBuilder("'");
    text.codePoints()
        .limit(LONGEST_QUOTE)
        .forEach(c -> {
          if (Character.isISOControl(c)
              || Character.getType(c) == Character.FORMAT
              || Character.getType(c) == Character.LINE_SEPARATOR
              || Character.getType(c) == Character.PARAGRAPH_SEPARATOR
              || Character.getType(c) == Character.SURROGATE) {
            quoted.append('?');
          } else {
            quoted.appendCodePoint(c);
          }
        });
    if (text.codePoints().skip(LONGEST_QUOTE).findAny().isPresent()) {
      quoted.append("...");
    }
    return quoted.append('\'').toString();
  }
}
