package dev.fathom.bench;

import dev.fathom.bindings.CpuContext;
import dev.fathom.bindings.CpuIsa;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/**
 * {@code make bench}: the operators of a network, beside vendors' libraries where there are any.
 */
@CommandLine.Command(
    name = "bench",
    description = "Times the operators of a network; with --weights also the whole of it.",
    mixinStandardHelpOptions = true)
public final class BenchMain implements Callable<Integer> {

  private static final List<String> MODELS = List.of("vits", "vitb", "vitl");
  private static final Path RESULTS = Path.of("bench", "results");

  @Spec private CommandSpec spec;

  @Option(
      names = "--models",
      split = ",",
      paramLabel = "SIZE",
      description = "vits, vitb, vitl; several, separated by commas. Default: vits.")
  private List<String> models = List.of("vits");

  @Option(
      names = "--threads",
      split = ",",
      paramLabel = "N",
      description = "Default: all processors.")
  private List<Integer> threads = List.of(Runtime.getRuntime().availableProcessors());

  @Option(
      names = "--isa",
      split = ",",
      paramLabel = "ISA",
      description = "portable, avx2, avx512 or auto, the best of this machine. Default: auto.")
  private List<String> isas = List.of("auto");

  @Option(
      names = "--filter",
      split = ",",
      paramLabel = "OPERATOR",
      description =
          "Families (linear, attention, norm, patch_embed, conv, resample, loss, launch; and"
              + " linear_backward, attention_backward, norm_backward, conv_backward), layers"
              + " (linear.fc1), or none. Default: all.")
  private List<String> filters = List.of();

  @Option(
      names = "--peers",
      split = ",",
      paramLabel = "LIBRARY",
      description = "openblas, onednn or none, beside the linear layers. Default: those found.")
  private List<String> peers = MatrixProduct.NAMES;

  @Option(
      names = "--iterations",
      paramLabel = "N",
      description = "Of 0.3 s each; the best counts. Default: ${DEFAULT-VALUE}.",
      defaultValue = "5")
  private int iterations;

  @Option(
      names = "--out",
      paramLabel = "NAME",
      description = "Writes bench/results/NAME.md and NAME.json, or with a folder, there.")
  private @Nullable Path out;

  @Option(
      names = "--weights",
      paramLabel = "FILE",
      description = "A checkpoint: also times the whole network, and the command line's start.")
  private @Nullable Path weights;

  @Option(
      names = "--onnx",
      paramLabel = "FILE",
      description = "The same network as an ONNX graph of 518 x 518, for ONNX Runtime beside it.")
  private @Nullable Path onnx;

  @Option(
      names = "--rounds",
      paramLabel = "N",
      description = "Of the whole network. Default: ${DEFAULT-VALUE}.",
      defaultValue = "7")
  private int rounds;

  public static void main(String[] args) {
    System.exit(commandLine().execute(args));
  }

  /** The command with its messages: one line for a wrong argument, and exit code 2. */
  static CommandLine commandLine() {
    CommandLine line = new CommandLine(new BenchMain());
    line.setParameterExceptionHandler((e, _) -> {
      line.getErr().println("bench: " + e.getMessage());
      return 2;
    });
    line.setExecutionExceptionHandler((e, _, _) -> {
      line.getErr().println("bench: " + e.getMessage());
      return 1;
    });
    return line;
  }

  @Override
  public Integer call() throws Exception {
    List<Family.Layer> layers = check();
    Report report = new Report(Machine.describe());
    report.machine("load before", Machine.load());
    List<String> libraries = new ArrayList<>(List.of("fathom"));
    if (layers.stream().anyMatch(layer -> layer.family() == Family.LINEAR)) {
      libraries.addAll(foundPeers(report));
    }
    OperatorRuns runs = new OperatorRuns(iterations);
    for (String model : models) {
      for (int count : threads) {
        for (String isa : isas) {
          for (Family.Layer layer : layers) {
            for (String library : libraries) {
              if (library.equals("fathom") || layer.family() == Family.LINEAR) {
                Measurement m = runs.run(layer, model, count, isa, library);
                progress(m);
                report.add(m);
              }
            }
          }
        }
      }
    }
    if (weights != null) {
      for (int count : threads) {
        NetworkBenchmark network = new NetworkBenchmark(weights, onnx, count, rounds);
        report.add(network.measure());
        report.add(new StartBenchmark(weights, count, rounds).measure());
      }
    }
    report.machine("load after", Machine.load());
    spec.commandLine().getOut().print(report.markdown());
    spec.commandLine().getOut().flush();
    if (out != null) {
      report.write(out.getParent() == null ? RESULTS.resolve(out) : out);
    }
    return 0;
  }

  private void progress(Measurement m) {
    System.err.printf(
        Locale.ROOT,
        "%s %s, %d threads, %s, %s: %s %s%n",
        m.operator(),
        m.model(),
        m.threads(),
        m.isa(),
        m.library(),
        m.rateText(),
        m.shareText());
  }

  private List<String> foundPeers(Report report) {
    List<String> found = new ArrayList<>();
    for (String name : peers) {
      if (!name.equals("none")) {
        try {
          MatrixProduct.open(name, 1, CpuIsa.best());
          found.add(name);
        } catch (IllegalArgumentException e) {
          report.note("no " + name + " to compare with: " + e.getMessage());
        }
      }
    }
    return found;
  }

  /** Checks everything before anything runs. */
  private List<Family.Layer> check() {
    for (String model : models) {
      require(MODELS.contains(model), "--models: no model '" + model + "'; there are " + MODELS);
    }
    for (int count : threads) {
      require(
          count >= 1 && count <= CpuContext.MAX_THREADS,
          "--threads: " + count + "; 1 to " + CpuContext.MAX_THREADS + " are possible");
    }
    for (String isa : isas) {
      checkIsa(isa);
    }
    for (String peer : peers) {
      require(
          peer.equals("none") || MatrixProduct.NAMES.contains(peer),
          "--peers: no library '" + peer + "'; there are " + MatrixProduct.NAMES);
    }
    require(iterations >= 1, "--iterations: " + iterations + "; at least 1 is needed");
    require(rounds >= 1, "--rounds: " + rounds + "; at least 1 is needed");
    require(onnx == null || weights != null, "--onnx needs --weights, for the same network");
    for (Path file : new Path[] {weights, onnx}) {
      require(file == null || Files.isReadable(file), "cannot read " + file);
    }
    try {
      return filters.equals(List.of("none")) ? List.of() : Family.choose(filters);
    } catch (IllegalArgumentException e) {
      throw new ParameterException(spec.commandLine(), "--filter: " + e.getMessage(), e);
    }
  }

  private void checkIsa(String isa) {
    CpuIsa wanted;
    try {
      wanted = CpuIsa.valueOf(isa.toUpperCase(Locale.ROOT));
    } catch (IllegalArgumentException e) {
      throw new ParameterException(
          spec.commandLine(),
          "--isa: no instruction set '" + isa + "'; there are portable, avx2, avx512 and auto",
          e);
    }
    CpuIsa best = CpuIsa.best();
    require(
        wanted.code() <= best.code(),
        "--isa: this machine has no "
            + isa
            + "; its best is "
            + best.name().toLowerCase(Locale.ROOT));
  }

  private void require(boolean condition, String message) {
    if (!condition) {
      throw new ParameterException(spec.commandLine(), message);
    }
  }
}
