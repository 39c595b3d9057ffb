package dev.fathom.bench;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The whole network beside ONNX Runtime: the same weights, threads and input, two processes that
 * take turns, so that a machine that changes its speed changes both. The figure to quote is the
 * ratio.
 */
final class NetworkBenchmark {

  /** Of a round; the best counts. */
  static final int RUNS = 2;

  private final Path weights;
  private final @Nullable Path onnx;
  private final int threads;
  private final int rounds;

  /**
   * A comparison.
   *
   * @param weights a checkpoint for this project
   * @param onnx the same network as an ONNX graph of 518 x 518, or null for no comparison
   * @param threads of both
   */
  NetworkBenchmark(Path weights, @Nullable Path onnx, int threads, int rounds) {
    this.weights = weights;
    this.onnx = onnx;
    this.threads = threads;
    this.rounds = rounds;
  }

  /** Runs it. */
  Report.Section measure() throws Exception {
    Path folder = Files.createTempDirectory("fathom-bench");
    Path ours = folder.resolve("fathom.bin");
    Path theirs = folder.resolve("onnx.bin");
    try (Runner.Child fathom = child("fathom", weights, threads, ours)) {
      if (onnx == null) {
        for (int i = 0; i < rounds; i++) {
          fathom.round();
        }
        return section(List.of(fathom), "");
      }
      try (Runner.Child peer = child("onnx", onnx, threads, theirs)) {
        for (int i = 0; i < rounds; i++) {
          fathom.round();
          peer.round();
        }
        Statistics ratio = Statistics.ofRatios(fathom.times(), peer.times());
        return section(
            List.of(fathom, peer),
            String.format(
                Locale.ROOT,
                "%nTime ratio, round by round: median %.3f (%.3f to %.3f). Memory ratio: %.3f."
                    + " Relative difference of the results: %.2g.%n",
                ratio.median(),
                ratio.least(),
                ratio.most(),
                fathom.peak() / peer.peak(),
                Inputs.relativeError(Inputs.read(ours), Inputs.read(theirs))));
      }
    } finally {
      Files.deleteIfExists(ours);
      Files.deleteIfExists(theirs);
      Files.deleteIfExists(folder);
    }
  }

  /** A process with one network of 518 x 518 in it. */
  static Runner.Child child(String kind, Path file, int threads, Path output) throws Exception {
    return new Runner.Child(
        List.of(
            kind,
            file.toString(),
            Integer.toString(threads),
            Integer.toString(OperatorBenchmark.SIDE),
            Integer.toString(OperatorBenchmark.SIDE),
            Integer.toString(RUNS),
            output.toString()));
  }

  private Report.Section section(List<Runner.Child> children, String comparison) {
    Table table =
        new Table("network", "load s:", "first run s:", "best s:", "median s:", "peak MB:");
    List<Map<String, Object>> figures = new ArrayList<>();
    for (Runner.Child child : children) {
      Statistics times = Statistics.of(child.times());
      table.row(
          child.description(),
          Table.number(child.load()),
          Table.number(child.first()),
          Table.number(times.least()),
          Table.number(times.median()),
          String.format(Locale.ROOT, "%.0f", child.peak()));
      Map<String, Object> row = new LinkedHashMap<>();
      row.put("network", child.description());
      row.put("load", child.load());
      row.put("first", child.first());
      row.put("rounds", child.times());
      row.put("peakMegabytes", child.peak());
      figures.add(row);
    }
    String title =
        "Network, %d x %d, %d threads"
            .formatted(OperatorBenchmark.SIDE, OperatorBenchmark.SIDE, threads);
    return new Report.Section(title, table.markdown() + comparison, Map.of("networks", figures));
  }
}
