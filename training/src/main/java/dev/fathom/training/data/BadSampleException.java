package dev.fathom.training.data;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** A sample that cannot be used; the message is one line that names the file and what is wrong. */
public final class BadSampleException extends Exception {

  private static final long serialVersionUID = 1;

  private final @Nullable String file;
  private final String problem;

  public BadSampleException(String message) {
    super(message);
    file = null;
    problem = message;
  }

  public BadSampleException(String message, Throwable cause) {
    super(message, cause);
    file = null;
    problem = message;
  }

  /** A file and what is wrong with it. */
  public BadSampleException(Path file, String problem, @Nullable Throwable cause) {
    super(file + ": " + problem, cause);
    this.file = file.toString();
    this.problem = problem;
  }

  /** The file; null if only the message tells. */
  public @Nullable String file() {
    return file;
  }

  /** What is wrong, without the file if {@link #file} has it. */
  public String problem() {
    return problem;
  }
}
