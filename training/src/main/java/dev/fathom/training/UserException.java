package dev.fathom.training;

import java.nio.file.Path;

/**
 * Something the user gave is wrong: a file, a name, a network that cannot be reached. The command
 * line prints {@code fathom: <subject>: <problem>} on one line, without a stack trace, and exits
 * with code 2.
 */
public final class UserException extends RuntimeException {
  private static final long serialVersionUID = 1;

  /**
   * @param subject the file, option or name that the problem is about
   * @param problem what is wrong, as a clause in lower case without a full stop
   */
  public UserException(String subject, String problem) {
    super(subject + ": " + problem);
  }

  private UserException(String line) {
    super(line);
  }

  /** A problem whose text names its subject already. */
  public static UserException of(String line) {
    return new UserException(line);
  }

  /** As {@link #UserException(String, String)}, about a file. */
  public UserException(Path file, String problem) {
    this(file.toString(), problem);
  }

  /** As {@link #UserException(String, String)}, keeping the cause for {@code --debug}. */
  public UserException(String subject, String problem, Throwable cause) {
    super(subject + ": " + problem, cause);
  }
}
