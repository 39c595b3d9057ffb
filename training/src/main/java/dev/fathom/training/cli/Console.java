package dev.fathom.training.cli;

import java.io.PrintWriter;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Where a command writes: results to standard output, everything said about them to standard error
 * as single lines that start with {@code fathom:}.
 */
public final class Console {
  private final PrintWriter out;
  private final PrintWriter err;
  private final boolean quiet;
  private final boolean debug;
  private final boolean terminal = Terminal.isStderr();
  private final AtomicInteger bars = new AtomicInteger();

  Console(PrintWriter out, PrintWriter err, boolean quiet, boolean debug) {
    this.out = out;
    this.err = err;
    this.quiet = quiet;
    this.debug = debug;
  }

  /** Takes the command's results. */
  public PrintWriter out() {
    return out;
  }

  /** Says something that the user may want to know; not with {@code --quiet}. */
  public void note(String message) {
    if (!quiet) {
      line(message);
    }
  }

  /** Warns; also with {@code --quiet}. */
  public void warn(String message) {
    line("warning: " + message);
  }

  /** Says in one line what went wrong with one item of several; the others still run. */
  public void error(Throwable problem) {
    out.flush(); // Where both go to one place, the order is that of what happened.
    line(Errors.describe(problem));
    if (debug) {
      problem.printStackTrace(err);
    }
  }

  /** Whether {@code --debug} was given. */
  public boolean debug() {
    return debug;
  }

  /** Whether {@code --quiet} was given. */
  public boolean quiet() {
    return quiet;
  }

  /**
   * Asks a question that is answered by y or n; anything but y is no.
   *
   * @return false too when there is nobody to ask
   */
  public boolean confirm(String question) {
    java.io.Console keyboard = Terminal.keyboard();
    if (keyboard == null) {
      return false;
    }
    out.flush();
    String answer = keyboard.readLine("%s [y/N] ", question);
    return answer != null && answer.strip().toLowerCase(Locale.ROOT).startsWith("y");
  }

  /**
   * Begins to show the progress of a task.
   *
   * @param total steps of the whole task; 0 or less if not known
   */
  public Progress progress(String task, long total, Progress.Unit unit) {
    return progress(task, total, unit, 0);
  }

  /** As above, for a task whose {@code first} steps were done by an earlier run. */
  public Progress progress(String task, long total, Progress.Unit unit, long first) {
    if (quiet) {
      return Progress.none();
    }
    if (!terminal) {
      return new PlainProgress(err, task, total, unit, first, System::nanoTime);
    }
    bars.incrementAndGet();
    return new BarProgress(err, Terminal.width(), task, total, unit, first, bars::decrementAndGet);
  }

  private void line(String message) {
    // A message first erases the bar that it is written over; the bar comes back below it.
    err.println((bars.get() > 0 ? BarProgress.ERASE_LINE : "") + "fathom: " + message);
    err.flush();
  }
}
