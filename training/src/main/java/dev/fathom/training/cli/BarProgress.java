package dev.fathom.training.cli;

import java.io.PrintWriter;
import java.text.DecimalFormat;
import java.text.DecimalFormatSymbols;
import java.time.Duration;
import java.util.Locale;
import me.tongfei.progressbar.DelegatingProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/** Progress as a bar on a terminal. */
final class BarProgress implements Progress {
  /** Back to the first column and erase to the end of the line (ECMA-48 EL). */
  static final String ERASE_LINE = "\r\033[K";

  private final PrintWriter err;
  private final ProgressBar bar;
  private final Runnable closed;

  /**
   * @param width columns of the terminal
   * @param closed is run when the bar is closed
   */
  BarProgress(
      PrintWriter err, int width, String task, long total, Unit unit, long first, Runnable closed) {
    this.err = err;
    this.closed = closed;
    boolean utf8 = System.getProperty("stderr.encoding", "").equalsIgnoreCase("UTF-8");
    DecimalFormat rate = new DecimalFormat("0.0", DecimalFormatSymbols.getInstance(Locale.ROOT));
    // A consumer of known width keeps the library from asking JLine for a terminal.
    bar =
        new ProgressBarBuilder()
            .setTaskName(task)
            .setInitialMax(total > 0 ? total : -1)
            .startsFrom(first, Duration.ZERO)
            .setUnit(" " + unit.name(), unit.scale())
            .showSpeed(rate)
            .setUpdateIntervalMillis(200)
            .setStyle(utf8 ? ProgressBarStyle.UNICODE_BLOCK : ProgressBarStyle.ASCII)
            .setConsumer(new DelegatingProgressBarConsumer(this::show, width - 1))
            .build();
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
    bar.stepTo(steps);
  }

  @Override
  public void say(String words) {
    bar.setExtraMessage(" " + words);
  }

  @Override
  public void close() {
    bar.close();
    err.println();
    closed.run();
  }
}
