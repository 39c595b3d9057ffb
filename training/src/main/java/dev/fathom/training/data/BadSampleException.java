package dev.fathom.training.data;

/** A sample that cannot be used; the message is one line that names the file and what is wrong. */
public final class BadSampleException extends Exception {

  private static final long serialVersionUID = 1;

  public BadSampleException(String message) {
    super(message);
  }

  public BadSampleException(String message, Throwable cause) {
    super(message, cause);
  }
}
