package dev.fathom.bindings;

/** Why one place does not give the library, and what to do about it. */
final class Rejection extends Exception {

  private static final long serialVersionUID = 1L;

  private final String remedy;

  Rejection(String reason, String remedy) {
    super(reason, null, false, false);
    this.remedy = remedy;
  }

  FathomLoadException.Attempt at(String place) {
    return new FathomLoadException.Attempt(place, String.valueOf(getMessage()), remedy);
  }
}
