package dev.fathom.training.report;

import dev.fathom.training.UserException;
import dev.fathom.training.picture.AtomicFile;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;

/**
 * The numbers of a training run, one JSON object per line ({@code metrics.jsonl}): the step, then
 * what was measured at it, such as epoch, time, losses, learning rate, gradient norm and samples
 * per second. A number that is not finite is null.
 *
 * <p>A line is handed to the operating system whole and at once: a run that is killed leaves every
 * line that it wrote, and at worst a part of the last one. A run that goes on from step k drops
 * what an interrupted run wrote after its checkpoint.
 *
 * <p>Not for several threads at once.
 */
public final class MetricsLog implements AutoCloseable {

  private static final String STEP = "step";

  private final Path file;
  private final FileChannel channel;

  private MetricsLog(Path file, FileChannel channel) {
    this.file = file;
    this.channel = channel;
  }

  /**
   * A line.
   *
   * @param step of the run
   * @param values in the order of the line, without the step; NaN where the line has null
   */
  public record Entry(long step, Map<String, Double> values) {

    /** Copies the values. */
    public Entry {
      values = Collections.unmodifiableMap(new LinkedHashMap<>(values));
    }
  }

  /**
   * Opens a log to write after step {@code step}: 0 for a new run. Lines of later steps are
   * dropped, and so is a last line that was not finished; the file is replaced as a whole then.
   *
   * @throws IOException if it cannot be read or written
   * @throws UserException if a line before the last is not one of such a log; names the line
   */
  public static MetricsLog open(Path file, long step) throws IOException {
    Path parent = file.toAbsolutePath().getParent();
    if (parent != null) {
      Files.createDirectories(parent);
    }
    if (Files.exists(file)) {
      byte[] before = Files.readAllBytes(file);
      StringBuilder kept = new StringBuilder();
      parse(file, before)
          .forEach(line -> {
            if (line.step() <= step) {
              kept.append(line.text()).append('\n');
            }
          });
      byte[] after = kept.toString().getBytes(StandardCharsets.UTF_8);
      if (after.length != before.length) {
        AtomicFile.write(file, out -> out.write(after));
      }
    }
    return new MetricsLog(
        file, FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.APPEND));
  }

  /**
   * Reads a log; a last line that was not finished is left out. A log that does not exist is empty.
   *
   * @throws UserException as {@link #open}
   */
  public static List<Entry> read(Path file) throws IOException {
    List<Entry> entries = new ArrayList<>();
    if (Files.exists(file)) {
      for (Line line : parse(file, Files.readAllBytes(file))) {
        Map<String, Double> values = new LinkedHashMap<>();
        line.json()
            .properties()
            .forEach(property -> {
              JsonNode value = property.getValue();
              if (!property.getKey().equals(STEP) && (value.isNumber() || value.isNull())) {
                values.put(property.getKey(), value.isNull() ? Double.NaN : value.doubleValue());
              }
            });
        entries.add(new Entry(line.step(), values));
      }
    }
    return entries;
  }

  /**
   * Writes a line.
   *
   * @param step of the run
   * @param values without the step; the order of the map is that of the line
   */
  public void write(long step, Map<String, ? extends Number> values) throws IOException {
    Map<String, Object> line = new LinkedHashMap<>();
    line.put(STEP, step);
    line.putAll(values);
    ByteBuffer bytes =
        ByteBuffer.wrap((JsonFiles.line(line) + "\n").getBytes(StandardCharsets.UTF_8));
    while (bytes.hasRemaining()) {
      channel.write(bytes);
    }
  }

  /** Where it is written. */
  public Path file() {
    return file;
  }

  /** Makes everything durable and closes the file. */
  @Override
  public void close() throws IOException {
    if (channel.isOpen()) {
      channel.force(true);
      channel.close();
    }
  }

  private record Line(long step, JsonNode json, String text) {}

  private static List<Line> parse(Path file, byte[] bytes) throws IOException {
    List<Line> lines = new ArrayList<>();
    try (BufferedReader reader =
        new BufferedReader(
            new InputStreamReader(new ByteArrayInputStream(bytes), StandardCharsets.UTF_8))) {
      String text = reader.readLine();
      for (int number = 1; text != null; number++) {
        String next = reader.readLine();
        Line line = parse(text);
        if (line != null) {
          lines.add(line);
        } else if (next != null) {
          throw new UserException(file, "line " + number + " is not one of a log of metrics");
        }
        text = next;
      }
    }
    return lines;
  }

  private static @Nullable Line parse(String text) {
    try {
      JsonNode json = JsonFiles.mapper().readTree(text);
      JsonNode step = json.get(STEP);
      return step != null && step.isIntegralNumber()
          ? new Line(step.longValue(), json, text)
          : null;
    } catch (JacksonException e) {
      return null;
    }
  }
}
