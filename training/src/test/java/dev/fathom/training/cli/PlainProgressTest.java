package dev.fathom.training.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

final class PlainProgressTest {
  private final AtomicLong clock = new AtomicLong();
  private final StringWriter err = new StringWriter();

  private PlainProgress progress(long total, Progress.Unit unit, long first) {
    return new PlainProgress(new PrintWriter(err, true), "task", total, unit, first, clock::get);
  }

  @Test
  void printsALineWhenTheIntervalIsOver() {
    PlainProgress progress = progress(100_000_000, Progress.Unit.BYTES, 0);
    clock.set(PlainProgress.INTERVAL_NANOS - 1);
    progress.stepTo(40_000_000);
    assertEquals("", err.toString());
    clock.set(PlainProgress.INTERVAL_NANOS);
    progress.stepBy(10_000_000);
    assertEquals("fathom: task: 50.0 of 100.0 MB (50%), 10.0 MB/s, 5 s left\n", err.toString());
  }

  @Test
  void doesNotCountAnEarlierRunsStepsInTheRate() {
    PlainProgress progress = progress(40, Progress.Unit.of("pictures"), 20);
    clock.set(PlainProgress.INTERVAL_NANOS);
    progress.stepTo(30);
    assertEquals(
        "fathom: task: 30 of 40 pictures (75%), 2.0 pictures/s, 5 s left\n", err.toString());
  }

  @Test
  void managesWithoutATotal() {
    PlainProgress progress = progress(-1, Progress.Unit.of("pictures"), 0);
    clock.set(PlainProgress.INTERVAL_NANOS);
    progress.stepTo(10);
    assertEquals("fathom: task: 10 pictures, 2.0 pictures/s\n", err.toString());
  }
}
