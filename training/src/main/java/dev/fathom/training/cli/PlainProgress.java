package dev.fathom.training.cli;

import java.io.PrintWriter;
import java.util.Locale;
import java.util.function.LongSupplier;

/** Progress as a plain line every few seconds, for logs. */
final class PlainProgress implements Progress {
  static final long INTERVAL_NANOS = 5_000_000_000L;

  private final PrintWriter err;
  private final String task;
  private final long total;
  private final Unit unit;
  private final long first;
  private final LongSupplier nanoTime;
  private final long start;
  private long current;
  private long printed;
  private String words = "";

  /**
   * @param total steps of the whole task; 0 or less if not known
   * @param first steps done before this run
   * @param nanoTime the clock, {@link System#nanoTime}
   */
  PlainProgress(
      PrintWriter err, String task, long total, Unit unit, long first, LongSupplier nanoTime) {
    this.err = err;
    this.task = task;
    this.total = total;
    this.unit = unit;
    this.first = first;
    this.current = first;
    this.nanoTime = nanoTime;
    this.start = nanoTime.getAsLong();
    this.printed = start;
  }

  @Override
  public synchronized void stepBy(long steps) {
    stepTo(current + steps);
  }

  @Override
  public synchronized void stepTo(long steps) {
    current = steps;
    long now = nanoTime.getAsLong();
    if (now - printed >= INTERVAL_NANOS) {
      printed = now;
      err.println(line((now - start) / 1e9));
    }
  }

  @Override
  public synchronized void say(String something) {
    words = something;
  }

  @Override
  public void close() {}

  private String line(double seconds) {
    StringBuilder line = new StringBuilder("fathom: ").append(task).append(": ");
    line.append(amount(current));
    if (total > 0) {
      line.append(" of ").append(amount(total));
    }
    line.append(' ').append(unit.name());
    if (total > 0) {
      line.append(" (").append(100 * current / total).append("%)");
    }
    double rate = (current - first) / seconds;
    if (rate > 0) {
      line.append(String.format(Locale.ROOT, ", %.1f %s/s", rate / unit.scale(), unit.name()));
      if (unit.pictures() > 0) {
        line.append(String.format(Locale.ROOT, ", %.1f pictures/s", rate * unit.pictures()));
      }
      if (total > current) {
        line.append(", ").append(Progress.left((total - current) / rate));
      }
    }
    if (!words.isEmpty()) {
      line.append(", ").append(words);
    }
    return line.toString();
  }

  private String amount(long steps) {
    return unit.scale() == 1
        ? Long.toString(steps)
        : String.format(Locale.ROOT, "%.1f", (double) steps / unit.scale());
  }
}
