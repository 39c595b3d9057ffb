package dev.fathom.bindings;

import java.util.List;

/** The native library could not be loaded; the message lists every place tried and what to do. */
public final class FathomLoadException extends RuntimeException {

  private static final long serialVersionUID = 1L;

  /**
   * One place where the library was looked for.
   *
   * @param place a system property, java.library.path or the class path
   * @param reason why it did not serve
   * @param remedy what to do about it; empty where there is nothing to do
   */
  public record Attempt(String place, String reason, String remedy) {

    @Override
    public String toString() {
      return place + ": " + reason + (remedy.isEmpty() ? "" : "\n      " + remedy);
    }
  }

  private final transient List<Attempt> attempts;

  FathomLoadException(String summary, List<Attempt> attempts) {
    super(message(summary, attempts));
    this.attempts = List.copyOf(attempts);
  }

  /** The places tried, in order; empty in an exception that was deserialised. */
  public List<Attempt> attempts() {
    return attempts == null ? List.of() : attempts;
  }

  private static String message(String summary, List<Attempt> attempts) {
    StringBuilder text = new StringBuilder(summary);
    for (Attempt attempt : attempts) {
      text.append("\n  - ").append(attempt);
    }
    return text.toString();
  }
}
