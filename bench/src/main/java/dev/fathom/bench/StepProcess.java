package dev.fathom.bench;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** A process that trains when it is told to, as {@link TrainingRunner} describes. */
final class StepProcess implements AutoCloseable {

  private static final JsonMapper JSON = JsonMapper.builder().build();

  private final Process process;
  private final BufferedReader out;
  private final JsonNode greeting;
  private final List<Double> times = new ArrayList<>();
  private final List<Double> losses = new ArrayList<>();
  private double first;
  private @Nullable JsonNode last;

  private StepProcess(List<String> command, Map<String, String> environment) throws IOException {
    ProcessBuilder builder = new ProcessBuilder(command);
    builder.environment().putAll(environment);
    process = builder.redirectError(ProcessBuilder.Redirect.INHERIT).start();
    out =
        new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
    try {
      greeting = read();
    } catch (IOException e) {
      process.destroy();
      throw e;
    }
  }

  /** This project's. */
  static StepProcess fathom(TrainingRunner.Task task, int threads, boolean checkpoints)
      throws IOException {
    return new StepProcess(
        List.of(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "--enable-native-access=ALL-UNNAMED",
            "-XX:+UseSerialGC",
            "-cp",
            System.getProperty("java.class.path"),
            TrainingRunner.class.getName(),
            task.model(),
            Integer.toString(task.batch()),
            Integer.toString(task.side()),
            Integer.toString(threads),
            Boolean.toString(checkpoints)),
        Map.of());
  }

  /** PyTorch's. */
  static StepProcess peer(String python, Path program, Path weights, int threads, String layout)
      throws IOException {
    String count = Integer.toString(threads);
    return new StepProcess(
        List.of(python, program.toString(), weights.toString(), count, layout),
        Map.of("OMP_NUM_THREADS", count, "OPENBLAS_NUM_THREADS", count));
  }

  /** Why it cannot train, or null if it can. */
  @Nullable String missing() {
    return greeting.has("missing") ? greeting.get("missing").asString() : null;
  }

  /** What computes. */
  String description() {
    return greeting.get("ready").asString();
  }

  /** Trains some steps; their median time counts. */
  void go(int steps) throws IOException {
    send("go " + steps);
    List<Double> seconds = new ArrayList<>();
    for (int i = 0; i < steps; i++) {
      JsonNode step = read();
      seconds.add(step.get("seconds").asDouble());
      losses.add(step.get("loss").asDouble());
    }
    if (times.isEmpty() && first == 0) {
      first = seconds.getFirst();
    }
    times.add(Statistics.of(seconds).median());
    last = read();
  }

  /** Sends a line and gives the line that comes back. */
  JsonNode ask(String line) throws IOException {
    send(line);
    return read();
  }

  /** What was measured until now was the warm-up. */
  void forgetTimes() {
    times.clear();
  }

  /** Seconds of a step, one for each turn. */
  List<Double> times() {
    return times;
  }

  /** Of every step, the warm-up's too. */
  List<Double> losses() {
    return losses;
  }

  /** Seconds of the first step. */
  double first() {
    return first;
  }

  /** The most memory that the process had resident, in MB. */
  double peak() {
    return last().get("peakMegabytes").asDouble();
  }

  /** What it said after its last turn. */
  JsonNode last() {
    JsonNode said = last;
    if (said == null) {
      throw new IllegalStateException("no turn yet");
    }
    return said;
  }

  private void send(String line) throws IOException {
    process.getOutputStream().write((line + "\n").getBytes(StandardCharsets.UTF_8));
    process.getOutputStream().flush();
  }

  private JsonNode read() throws IOException {
    String line = out.readLine();
    if (line == null) {
      throw new IOException("the measured process ended early");
    }
    try {
      return JSON.readTree(line);
    } catch (JacksonException e) {
      throw new IOException("the measured process said: " + line, e);
    }
  }

  @Override
  public void close() {
    process.destroy();
  }
}
