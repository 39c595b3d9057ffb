package dev.fathom.training.cli;

import java.util.Locale;

/**
 * Shows how far a long task is, with its rate and the time left: a bar on a terminal, a line every
 * few seconds elsewhere, nothing with {@code --quiet}. Made by {@link Console#progress}; may be
 * called from several threads.
 */
public interface Progress extends AutoCloseable {
  /**
   * What a task's steps are: {@code scale} steps are shown as one {@code name}.
   *
   * @param pictures in a step, for the rate that people compare; 0: it is not shown
   */
  record Unit(String name, long scale, int pictures) {
    /** Steps are bytes, shown in megabytes of 10^6. */
    public static final Unit BYTES = new Unit("MB", 1_000_000, 0);

    /** Steps are things called {@code plural}. */
    public static Unit of(String plural) {
      return of(plural, 0);
    }

    /** Steps are things called {@code plural}, each of so many pictures. */
    public static Unit of(String plural, int pictures) {
      return new Unit(plural, 1, pictures);
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

  /** The time left in words: {@code 56 s left}, {@code 12 min left}, {@code 3 h 20 min left}. */
  static String left(double seconds) {
    if (seconds < 120) {
      return String.format(Locale.ROOT, "%.0f s left", seconds);
    }
    long minutes = Math.round(seconds / 60);
    if (minutes < 120) {
      return minutes + " min left";
    }
    long hours = Math.round(seconds / 3600);
    return hours < 48
        ? minutes / 60 + " h " + minutes % 60 + " min left"
        : hours / 24 + " d " + hours % 24 + " h left";
  }

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
