package dev.fathom.training.stage;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.fathom.training.config.ConfigReader;
import dev.fathom.training.config.RunConfig;
import dev.fathom.training.report.MetricsLog;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;

/** A whole run of a second or two: a very small network on a few rendered scenes. */
public final class MiniRun {

  /** The configuration. One thread: sums are then always taken in one order. */
  public static final String YAML =
      """
      threads: 1
      model:
        size: custom
        custom: {embed-dim: 64, depth: 4, heads: 1, taps: [0, 1, 2, 3], features: 16,
                 out-channels: [8, 16, 32, 32], patch: 14, table-size: 4}
      input: {side: 56}
      data:
        labelled:
          - synth: {domains: [room, street-day], count: 2, first: 0, seed: 11, side: 64}
        unlabelled:
          - synth: {domains: [hills, snow], count: 3, first: 0, seed: 12, side: 64}
        validation:
          - synth: {domains: [room], count: 1, first: 0, seed: 13, side: 64}
        test:
          - {name: room, seen: true, synth: {domains: [room], count: 2, first: 5, seed: 14, side: 64}}
          - {name: hills, seen: false, synth: {domains: [hills], count: 2, first: 5, seed: 14, side: 64}}
      pretrain:
        steps: 4
        batch: 2
        warmup-steps: 1
        sources:
          - synth: {domains: [room, hills], count: 2, first: 9, seed: 15, side: 64}
      teacher: {steps: 4, batch: 2, encoder-rate: 1.0e-4, head-rate: 1.0e-3, warmup-steps: 1}
      pseudo-label: {per-shard: 2}
      student: {steps: 4, labelled-batch: 1, encoder-rate: 1.0e-4, head-rate: 1.0e-3}
      average: {decay: 0.5}
      checkpoint: {every: 2, keep: 2}
      log: {every: 1}
      evaluation: {pictures: 1}
      """;

  private MiniRun() {}

  /** Writes the configuration's file. */
  public static Path file(Path folder) {
    try {
      return Files.writeString(folder.resolve("mini.yaml"), YAML);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The configuration, with changes. */
  public static RunConfig config(Path folder, String... settings) {
    return ConfigReader.read(file(folder), List.of(settings));
  }

  /** Says nothing; counts nothing. */
  static class Quiet implements StageListener {
    final List<String> warnings = new ArrayList<>();

    @Override
    public void begin(String task, long first, long total, String unit, int pictures) {}

    @Override
    public void step(long steps, SequencedMap<String, Double> losses) {}

    @Override
    public void end() {}

    @Override
    public void note(String message) {}

    @Override
    public void warn(String message) {
      warnings.add(message);
    }
  }

  /** Requires that two runs ended with the same bytes, and with the same lines of metrics. */
  public static void assertSame(Path expected, Path actual) throws IOException {
    for (String file :
        List.of(
            "encoder/weights.safetensors",
            "teacher/weights.safetensors",
            "teacher/checkpoints/best.safetensors",
            "pseudo-labels/index.tsv",
            "pseudo-labels/shard-000000.tar",
            "pseudo-labels/shard-000002.tar",
            "student/weights.safetensors",
            "student/checkpoints/best.safetensors",
            "metrics.json")) {
      assertArrayEquals(
          Files.readAllBytes(expected.resolve(file)),
          Files.readAllBytes(actual.resolve(file)),
          file);
    }
    for (String stage : List.of("encoder", "teacher", "student")) {
      assertEquals(lines(expected.resolve(stage)), lines(actual.resolve(stage)), stage);
    }
  }

  /** The lines of a stage's log, without the only number in them that depends on the clock. */
  static List<Map<String, Double>> lines(Path stage) throws IOException {
    List<Map<String, Double>> lines = new ArrayList<>();
    for (MetricsLog.Entry entry : MetricsLog.read(stage.resolve("metrics.jsonl"))) {
      Map<String, Double> line = new LinkedHashMap<>(entry.values());
      line.remove("pictures-per-second");
      line.put("step", (double) entry.step());
      lines.add(line);
    }
    return lines;
  }

  /** The stages of a run, on one thread. */
  static Stages stages(RunConfig config, RunFolder run, StageListener listener) {
    return new Stages(config, run, new Sources(1, listener), listener);
  }
}
