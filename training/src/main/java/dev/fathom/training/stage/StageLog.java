package dev.fathom.training.stage;

import dev.fathom.training.picture.PictureException;
import dev.fathom.training.report.MetricsLog;
import dev.fathom.training.report.TensorBoardWriter;
import java.io.IOException;
import java.nio.file.FileSystemException;
import java.nio.file.Path;
import java.util.Map;

/** The numbers of a stage, as {@code metrics.jsonl} and as TensorBoard events beside it. */
final class StageLog implements RunLog {

  private final MetricsLog lines;
  private final TensorBoardWriter events;

  private StageLog(MetricsLog lines, TensorBoardWriter events) {
    this.lines = lines;
    this.events = events;
  }

  /**
   * Opens the log of a stage.
   *
   * @param step that the run begins with; what an earlier run wrote beyond it is dropped
   */
  static StageLog open(Path folder, long step) throws IOException {
    MetricsLog lines = MetricsLog.open(file(folder), step);
    try {
      return new StageLog(lines, TensorBoardWriter.open(folder.resolve("events"), step));
    } catch (IOException | RuntimeException e) {
      lines.close();
      throw e;
    }
  }

  /** Where the lines are. */
  static Path file(Path folder) {
    return folder.resolve("metrics.jsonl");
  }

  @Override
  public void write(long step, Map<String, Double> values) throws IOException {
    try {
      lines.write(step, values);
      events.scalars(step, values);
    } catch (IOException e) {
      throw named(e);
    }
  }

  @Override
  public void close() throws IOException {
    try (lines) {
      events.close();
    } catch (IOException e) {
      throw named(e);
    }
  }

  /** A stream's failure, such as a full disk, does not say which file it is about. */
  private IOException named(IOException failure) {
    if (failure instanceof FileSystemException || failure instanceof PictureException) {
      return failure;
    }
    FileSystemException named =
        new FileSystemException(
            lines.file().toString(), null, "cannot write: " + failure.getMessage());
    named.initCause(failure);
    return named;
  }
}
