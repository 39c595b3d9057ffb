package dev.fathom.training.cli;

/**
 * Shows how far a long task is, with its rate and the time left: a bar on a terminal, a line every
 * few seconds elsewhere, nothing with {@code --quiet}. Made by {@link Console#progress}; may be
 * called from several threads.
 */
public interface Progress extends AutoCloseable {
  /** What a task's steps are: {@code scale} steps are shown as one {@code name}. */
  record Unit(String name, long scale) {
    /** Steps are bytes, shown in megabytes of 10^6. */
    public static final Unit BYTES = new Unit("MB", 1_000_000);

    /** Steps are things called {@code plural}. */
    public static Unit of(String plural) {
      return new Unit(plural, 1);
    }
  }

  /** The task has done {@code steps} more. */
  void stepBy(long steps);

  /** The task stands at {@code steps} in all; may go back. */
  void stepTo(long steps);

  /** Shows a few words beside the steps, such as the loss, from the next update on. */
  default void say(String words) {}

  /** Ends the display. */
  @Override
  void close();

  /** Shows nothing. */
  static Progress none() {
    return new Progress() {
      @Override
      public void stepBy(long steps) {}

      @Override
      public void stepTo(long steps) {}

      @Override
      public void close() {}
    };
  }
}
