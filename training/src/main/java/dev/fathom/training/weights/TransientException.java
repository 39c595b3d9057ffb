package dev.fathom.training.weights;

import java.io.IOException;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/** A failure of the network or the server that may be gone on the next try. */
final class TransientException extends IOException {
  private static final long serialVersionUID = 1;

  private final String problem;
  private final boolean unreachable;
  private final transient @Nullable Duration retryAfter;

  TransientException(String problem) {
    this(problem, null);
  }

  private TransientException(String problem, boolean unreachable, @Nullable Duration retryAfter) {
    super(problem);
    this.problem = problem;
    this.unreachable = unreachable;
    this.retryAfter = retryAfter;
  }

  /** The server cannot be reached at all: worth another try only if it could be before. */
  static TransientException unreachable(String problem) {
    return new TransientException(problem, true, null);
  }

  /**
   * @param retryAfter the pause that the server asks for
   */
  TransientException(String problem, @Nullable Duration retryAfter) {
    this(problem, false, retryAfter);
  }

  @Override
  public String getMessage() {
    return problem;
  }

  boolean unreachable() {
    return unreachable;
  }

  @Nullable Duration retryAfter() {
    return retryAfter;
  }
}
