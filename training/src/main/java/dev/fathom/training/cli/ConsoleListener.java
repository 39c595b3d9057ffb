package dev.fathom.training.cli;

import dev.fathom.training.stage.StageListener;
import java.util.Locale;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;

/** Shows a run's stages as progress bars with the loss beside them. */
final class ConsoleListener implements StageListener {

  private static final double MEMORY = 0.95;

  private final Console console;
  private @Nullable Progress progress;
  private double smoothed = Double.NaN;

  ConsoleListener(Console console) {
    this.console = console;
  }

  @Override
  public void begin(String task, long first, long total, String unit, int pictures) {
    end();
    smoothed = Double.NaN;
    progress = console.progress(task, total, Progress.Unit.of(unit, pictures), first);
  }

  @Override
  public void step(long steps, SequencedMap<String, Double> losses) {
    Progress current = progress;
    if (current == null) {
      return;
    }
    Double loss = losses.get("loss");
    if (loss != null) {
      boolean first = Double.isNaN(smoothed);
      smoothed = first ? loss : MEMORY * smoothed + (1 - MEMORY) * loss;
      current.say(String.format(Locale.ROOT, "loss %.4f", smoothed));
    }
    current.stepTo(steps);
  }

  @Override
  public void end() {
    Progress current = progress;
    if (current != null) {
      current.close();
      progress = null;
    }
  }

  @Override
  public void note(String message) {
    console.note(message);
  }

  @Override
  public void warn(String message) {
    console.warn(message);
  }
}
