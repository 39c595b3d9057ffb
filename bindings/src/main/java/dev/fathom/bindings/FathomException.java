package dev.fathom.bindings;

/** A native function's failure: its status and the text it left. */
public final class FathomException extends RuntimeException {

  private static final long serialVersionUID = 1L;

  private final int status;

  /**
   * A failure.
   *
   * @param status one of FATHOM_* in the header's list of statuses, not FATHOM_OK
   * @param text what fathom_last_error() says
   */
  public FathomException(int status, String text) {
    super(text);
    this.status = status;
  }

  /** The status: FATHOM_INVALID_ARGUMENT, FATHOM_OUT_OF_MEMORY or FATHOM_UNSUPPORTED. */
  public int status() {
    return status;
  }
}
