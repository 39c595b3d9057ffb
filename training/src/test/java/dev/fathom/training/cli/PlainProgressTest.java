package dev.fathom.training.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.List;
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
  void saysPicturesBesideSteps() {
    PlainProgress progress = progress(2000, Progress.Unit.of("steps", 48), 20);
    progress.say("loss 0.5000");
    clock.set(2 * PlainProgress.INTERVAL_NANOS);
    progress.stepTo(24);
    assertEquals(
        "fathom: task: 24 of 2000 steps (1%), 0.4 steps/s, 19.2 pictures/s, 82 min left,"
            + " loss 0.5000\n",
        err.toString());
  }

  @Test
  void longTimesAreNotInSeconds() {
    assertEquals("0 s left", Progress.left(0.3));
    assertEquals("119 s left", Progress.left(119.4));
    assertEquals("2 min left", Progress.left(120));
    assertEquals("119 min left", Progress.left(119 * 60 + 29));
    assertEquals("2 h 0 min left", Progress.left(119 * 60 + 31));
    assertEquals("47 h 29 min left", Progress.left(47.49 * 3600));
    assertEquals("4 d 4 h left", Progress.left(100 * 3600));
  }

  @Test
  void aNarrowTerminalLeavesOutWhatIsLeastWanted() {
    List<String> parts = List.of("2 min left", "loss 0.1234", "37.0 pictures/s", "2.3 steps/s");
    assertEquals("", BarProgress.fitting(parts, 9));
    assertEquals("2 min left", BarProgress.fitting(parts, 22));
    assertEquals("2 min left, loss 0.1234", BarProgress.fitting(parts, 23));
    assertEquals(String.join(", ", parts), BarProgress.fitting(parts, 100));
  }

  @Test
  void managesWithoutATotal() {
    PlainProgress progress = progress(-1, Progress.Unit.of("pictures"), 0);
    clock.set(PlainProgress.INTERVAL_NANOS);
    progress.stepTo(10);
    assertEquals("fathom: task: 10 pictures, 2.0 pictures/s\n", err.toString());
  }
}
