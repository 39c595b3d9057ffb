package dev.fathom.bench;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Option;

/**
 * The whole network beside ONNX Runtime: the same weights, threads and input, two processes that take
 * turns, so that a machine that changes its speed changes both. The figure to quote is the ratio.
 */
@CommandLine.Command(
    name = "network",
    description = "Times the whole network beside ONNX Runtime and compares their results.",
    mixinStandardHelpOptions = true)
public final class NetworkBenchmark implements java.util.concurrent.Callable<Integer> {

  @Option(names = "--weights", required = true, description = "A checkpoint for this project.")
  private Path weights = Path.of("");

  @Option(names = "--onnx", description = "The same network as an ONNX graph of a fixed size.")
  private @Nullable Path onnx;

  @Option(names = "--threads", description = "Threads of both. Default: all processors.")
  private int threads = Runtime.getRuntime().availableProcessors();

  @Option(names = "--height", description = "Default: ${DEFAULT-VALUE}.", defaultValue = "518")
  private int height;

  @Option(names = "--width", description = "Default: ${DEFAULT-VALUE}.", defaultValue = "518")
  private int width;

  @Option(names = "--rounds", description = "Default: ${DEFAULT-VALUE}.", defaultValue = "7")
  private int rounds;

  @Option(names = "--runs", description = "Per round. Default: ${DEFAULT-VALUE}.", defaultValue = "2")
  private int runs;

  public static void main(String[] args) {
    System.exit(new CommandLine(new NetworkBenchmark()).execute(args));
  }

  @Override
  public Integer call() throws Exception {
    Path folder = Files.createTempDirectory("fathom-bench");
    Path ours = folder.resolve("fathom.bin");
    Path theirs = folder.resolve("onnx.bin");
    try (Runner.Child fathom = child("fathom", weights, ours)) {
      if (onnx == null) {
        for (int i = 0; i < rounds; i++) {
          fathom.round();
        }
        header();
        row(fathom);
        return 0;
      }
      try (Runner.Child peer = child("onnx", onnx, theirs)) {
        for (int i = 0; i < rounds; i++) {
          fathom.round();
          peer.round();
        }
        header();
        row(fathom);
        row(peer);
        double[] ratios =
            IntStream.range(0, rounds)
                .mapToDouble(i -> fathom.times().get(i) / peer.times().get(i))
                .sorted()
                .toArray();
        System.out.printf(
            Locale.ROOT,
            "%nTime ratio, round by round: median %.3f (%.3f to %.3f). Memory ratio: %.3f."
                + " Relative difference of the results: %.2g.%n",
            ratios[rounds / 2],
            ratios[0],
            ratios[rounds - 1],
            fathom.peak() / peer.peak(),
            Inputs.relativeError(Inputs.read(ours), Inputs.read(theirs)));
      }
      return 0;
    } finally {
      Files.deleteIfExists(ours);
      Files.deleteIfExists(theirs);
      Files.deleteIfExists(folder);
    }
  }

  private Runner.Child child(String kind, Path file, Path output) throws Exception {
    return new Runner.Child(
        List.of(
            kind,
            file.toString(),
            Integer.toString(threads),
            Integer.toString(height),
            Integer.toString(width),
            Integer.toString(runs),
            output.toString()));
  }

  private void header() {
    System.out.printf("%d x %d, %d threads%n%n", width, height, threads);
    System.out.println("| network | load s | first run s | best s | median s | peak MB |");
    System.out.println("|-|-|-|-|-|-|");
  }

  private static void row(Runner.Child child) {
    double[] sorted = child.times().stream().mapToDouble(Double::doubleValue).sorted().toArray();
    System.out.printf(
        Locale.ROOT,
        "| %s | %.3f | %.3f | %.3f | %.3f | %.0f |%n",
        child.description(),
        child.load(),
        child.first(),
        sorted[0],
        sorted[sorted.length / 2],
        child.peak());
  }
}
