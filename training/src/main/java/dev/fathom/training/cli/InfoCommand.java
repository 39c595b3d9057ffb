package dev.fathom.training.cli;

import dev.fathom.bindings.CpuIsa;
import dev.fathom.bindings.FathomLoadException;
import dev.fathom.bindings.Native;
import dev.fathom.bindings.NativeLibrary;
import dev.fathom.nn.checkpoint.Checkpoint;
import dev.fathom.nn.checkpoint.CheckpointWeights;
import dev.fathom.nn.checkpoint.InferredModel;
import dev.fathom.nn.model.ModelConfig;
import dev.fathom.nn.model.Release;
import dev.fathom.training.weights.Catalogue;
import dev.fathom.training.weights.WeightsCache;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import picocli.CommandLine;
import picocli.CommandLine.Parameters;

/** {@code fathom info}: what Fathom runs on here, and what checkpoints are. */
@CommandLine.Command(
    name = "info",
    description = "Shows the JDK, the processor, the native library, the downloaded models.")
final class InfoCommand extends Command {
  @Parameters(
      arity = "0..*",
      paramLabel = "WEIGHTS",
      description = "Checkpoints to describe instead: format, network, tensors.")
  private List<Path> checkpoints = new ArrayList<>();

  @Override
  protected int run(Console console) throws IOException {
    if (checkpoints.isEmpty()) {
      return machine(console.out());
    }
    int code = ExitCode.OK;
    for (Path checkpoint : checkpoints) {
      try {
        describe(checkpoint, console.out());
      } catch (IOException e) {
        console.error(e);
        code = ExitCode.USER;
      }
    }
    return code;
  }

  private static int machine(PrintWriter out) {
    row(
        out,
        "Java",
        Runtime.version()
            + ", "
            + System.getProperty("java.vm.name")
            + ", "
            + System.getProperty("java.home"));
    row(
        out,
        "System",
        System.getProperty("os.name")
            + " "
            + System.getProperty("os.version")
            + " "
            + System.getProperty("os.arch")
            + ", "
            + Runtime.getRuntime().availableProcessors()
            + " processors");
    int code = ExitCode.OK;
    try {
      NativeLibrary library = NativeLibrary.load();
      row(out, "Processor", Native.cpuDescription());
      row(out, "Kernels", CpuIsa.best().name().toLowerCase(Locale.ROOT));
      row(out, "Library", library.toString());
    } catch (FathomLoadException e) {
      row(out, "Library", "not loaded: " + e.getMessage());
      code = ExitCode.USER;
    }
    WeightsCache cache = WeightsCache.ofUser();
    List<String> here =
        Catalogue.checkpoints().stream()
            .filter(checkpoint -> Files.isRegularFile(cache.pathOf(checkpoint)))
            .map(dev.fathom.training.weights.Checkpoint::name)
            .toList();
    row(
        out,
        "Models",
        here.isEmpty()
            ? "none downloaded; see 'fathom weights list'"
            : String.join(", ", here) + " in " + cache.folder());
    return code;
  }

  private static void describe(Path file, PrintWriter out) throws IOException {
    try (Checkpoint checkpoint = Checkpoint.open(file)) {
      CheckpointWeights weights = CheckpointWeights.of(checkpoint);
      long parameters = 0;
      for (String name : weights.names()) {
        parameters += weights.info(name).elements();
      }
      row(out, "File", file + ", " + Files.size(file) + " bytes");
      row(
          out,
          "Format",
          checkpoint.format()
              + ", "
              + weights.scheme().name().toLowerCase(Locale.ROOT).replace('_', ' ')
              + " names");
      row(
          out,
          "Tensors",
          String.format(
              Locale.ROOT, "%d, %.1f M numbers", weights.names().size(), parameters / 1e6));
      checkpoint.metadata().forEach((key, value) -> row(out, "  " + key, value));
      row(out, "Network", network(InferredModel.of(weights, null, null, null)));
    }
  }

  private static String network(InferredModel model) {
    ModelConfig config = model.config();
    return config.name()
        + (model.encoderOnly() ? ", the encoder alone" : " " + config.release().label())
        + (config.release() == Release.V2_METRIC ? " to " + config.maxDepth() + " m" : "")
        + ": embed dim "
        + config.embedDim()
        + ", "
        + config.depth()
        + " blocks, "
        + config.heads()
        + " heads, taps "
        + config.taps()
        + ", features "
        + config.features()
        + (model.isGuessed() ? " (" + model.guessed() + ")" : "");
  }

  private static void row(PrintWriter out, String name, String value) {
    out.printf(Locale.ROOT, "%-10s %s%n", name, value);
  }
}
