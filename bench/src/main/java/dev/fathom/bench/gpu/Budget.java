package dev.fathom.bench.gpu;

/** The time that a check may take. */
final class Budget {

  private final long end;
  private boolean refused;

  Budget(double seconds) {
    end = System.nanoTime() + (long) (seconds * 1e9);
  }

  /** Seconds left, 0 or more. */
  double left() {
    return Math.max(0, (end - System.nanoTime()) * 1e-9);
  }

  /** Whether there is time for something; a refusal is remembered. */
  boolean allows(double seconds) {
    boolean allowed = left() >= seconds;
    refused |= !allowed;
    return allowed;
  }

  /** Whether something was left out. */
  boolean refused() {
    return refused;
  }
}
