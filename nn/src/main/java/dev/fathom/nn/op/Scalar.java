package dev.fathom.nn.op;

/**
 * A number that an operator computes. A device may not have got to it when the operator returns:
 * {@link #get} waits for it. It can be asked for at any time, as often as wanted, by any thread.
 */
@FunctionalInterface
public interface Scalar {

  /** The number. */
  double get();

  /** A number that is known. */
  static Scalar of(double value) {
    return () -> value;
  }
}
