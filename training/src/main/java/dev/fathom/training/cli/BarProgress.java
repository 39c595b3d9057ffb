package dev.fathom.training.cli;

import java.io.PrintWriter;
import java.text.DecimalFormat;
import java.text.DecimalFormatSymbols;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import me.tongfei.progressbar.DelegatingProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/** Progress as a bar on a terminal. */
final class BarProgress implements Progress {
  /** Back to the first column and erase to the end of the line (ECMA-48 EL). */
  static final String ERASE_LINE = "\r\033[K";

  private static final int SHORTEST_BAR = 6;

  private final PrintWriter err;
  private final ProgressBar bar;
  private final Runnable closed;
  private final Unit unit;
  private final long total;
  private final long first;
  private final int room;
  private final long start = System.nanoTime();
  private String words = "";

  /**
   * @param width columns of the terminal
   * @param closed is run when the bar is closed
   */
  BarProgress(
      PrintWriter err, int width, String task, long total, Unit unit, long first, Runnable closed) {
    this.err = err;
    this.closed = closed;
    this.unit = unit;
    this.total = total;
    this.first = first;
    room = width - 1 - fixedColumns(task, total, unit);
    boolean utf8 = System.getProperty("stderr.encoding", "").equalsIgnoreCase("UTF-8");
    DecimalFormat rate = new DecimalFormat("0.0", DecimalFormatSymbols.getInstance(Locale.ROOT));
    // A consumer of known width keeps the library from asking JLine for a terminal.
    ProgressBarBuilder builder =
        new ProgressBarBuilder()
            .setTaskName(task)
            .setInitialMax(total > 0 ? total : -1)
            .startsFrom(first, Duration.ZERO)
            .setUnit(" " + unit.name(), unit.scale())
            .setUpdateIntervalMillis(200)
            .setStyle(utf8 ? ProgressBarStyle.UNICODE_BLOCK : ProgressBarStyle.ASCII)
            .setConsumer(new DelegatingProgressBarConsumer(this::show, width - 1));
    // With pictures, rates and time are among our words, as far as the line has room.
    bar = (unit.pictures() > 0 ? builder.hideEta() : builder.showSpeed(rate)).build();
  }

  private void show(String line) {
    err.print("\r" + line);
    err.flush();
  }

  @Override
  public void stepBy(long steps) {
    bar.stepBy(steps);
  }

  @Override
  public void stepTo(long steps) {
    if (unit.pictures() > 0 && steps > first) {
      double rate = (steps - first) / Math.max((System.nanoTime() - start) / 1e9, 1e-9);
      bar.setExtraMessage(" " + fitting(parts(steps, rate), room - 1));
    }
    bar.stepTo(steps);
  }

  @Override
  public void say(String something) {
    words = something;
    if (unit.pictures() == 0) {
      bar.setExtraMessage(" " + something);
    }
  }

  /** What there is to say beside the bar, the most wanted first. */
  private List<String> parts(long steps, double rate) {
    List<String> parts = new ArrayList<>();
    if (total > steps) {
      parts.add(Progress.left((total - steps) / rate));
    }
    if (!words.isEmpty()) {
      parts.add(words);
    }
    parts.add(String.format(Locale.ROOT, "%.1f pictures/s", rate * unit.pictures()));
    parts.add(String.format(Locale.ROOT, "%.1f %s/s", rate / unit.scale(), unit.name()));
    return parts;
  }

  /** As many of the parts as there are columns for, from the first on. */
  static String fitting(List<String> parts, int columns) {
    StringBuilder line = new StringBuilder();
    for (String part : parts) {
      int before = line.length();
      line.append(before == 0 ? "" : ", ").append(part);
      if (line.length() > columns) {
        line.setLength(before);
        break;
      }
    }
    return line.toString();
  }

  /** Columns of the task's name, the percentage, a short bar and the count. */
  private static int fixedColumns(String task, long total, Unit unit) {
    int count = 2 * Long.toString(Math.max(total, 1)).length() + 2 + unit.name().length();
    return task.length() + " 100% [] ".length() + SHORTEST_BAR + count;
  }

  @Override
  public void close() {
    bar.close();
    err.println();
    closed.run();
  }
}
