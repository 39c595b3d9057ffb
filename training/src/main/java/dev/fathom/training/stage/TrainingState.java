package dev.fathom.training.stage;

/**
 * Where a stage stands, besides weights and moments.
 *
 * @param step steps done, those skipped included
 * @param updates steps that changed the weights
 * @param skipped steps skipped because loss or gradient was not finite or too large
 * @param badInARow how many of the last steps were skipped without one between them that was taken
 * @param best the lowest validation loss yet; positive infinity before the first
 * @param bestStep when that was
 */
record TrainingState(
    long step, long updates, long skipped, int badInARow, double best, long bestStep) {

  /** Before the first step. */
  static final TrainingState START = new TrainingState(0, 0, 0, 0, Double.POSITIVE_INFINITY, 0);
}
