package dev.fathom.nn.checkpoint;

/**
 * A file's contents break its format. Thrown by the parsers, which do not know the file's name;
 * {@link Checkpoint} turns it into a {@link CheckpointException}.
 */
final class FormatException extends Exception {
  private final String problem;

  FormatException(String problem) {
    super(problem);
    this.problem = problem;
  }

  String problem() {
    return problem;
  }
}
