package dev.fathom.bench;

import dev.fathom.nn.checkpoint.DType;
import dev.fathom.nn.checkpoint.SafeTensorsWriter;
import dev.fathom.nn.checkpoint.TensorInfo;
import dev.fathom.nn.checkpoint.WritableTensor;
import dev.fathom.nn.model.ParameterShapes;
import dev.fathom.nn.model.RandomWeights;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;
import tools.jackson.databind.JsonNode;

/**
 * {@code make bench-training}: one step of training beside the same step in PyTorch. Two processes
 * with the same weights, pictures, loss and optimiser take turns, so that a machine that changes
 * its speed changes both. The figures to quote are the ratios.
 */
@Command(
    name = "training-step",
    description = "Times a training step, beside PyTorch where Python has it.",
    mixinStandardHelpOptions = true)
public final class TrainingStep implements Callable<Integer> {

  private static final Path RESULTS = Path.of("bench", "results");

  /** Steps before the clock counts, whose losses are shown beside each other. */
  private static final int COMPARED = 3;

  /**
   * Of these, those whose losses must agree. Adam's first step has the size of the rate however
   * small a gradient is, and the gradient through a median goes to one pixel; so rounding decides
   * where the second step leads. Two runs of PyTorch, in float32 and float64, part there as well.
   */
  private static final int AGREEING = 2;

  private static final double TOLERANCE = 1e-3;

  @Spec private CommandSpec spec;

  @Option(
      names = "--model",
      paramLabel = "SIZE",
      description = "vits, vitb or vitl. Default: ${DEFAULT-VALUE}.",
      defaultValue = "vits")
  private String model;

  @Option(
      names = "--batch",
      paramLabel = "N",
      description = "Pictures of a step. Default: ${DEFAULT-VALUE}.",
      defaultValue = "4")
  private int batch;

  @Option(
      names = "--side",
      paramLabel = "N",
      description = "Of a picture in pixels, a multiple of 14. Default: ${DEFAULT-VALUE}.",
      defaultValue = "224")
  private int side;

  @Option(
      names = "--threads",
      paramLabel = "N",
      description = "Of both. Default: ${DEFAULT-VALUE}.",
      defaultValue = "2")
  private int threads;

  @Option(
      names = "--rounds",
      paramLabel = "N",
      description = "In which the two take turns. Default: ${DEFAULT-VALUE}.",
      defaultValue = "7")
  private int rounds;

  @Option(
      names = "--steps",
      paramLabel = "N",
      description = "Of a turn; their median counts. Default: ${DEFAULT-VALUE}.",
      defaultValue = "2")
  private int steps;

  @Option(
      names = "--checkpoints",
      description = "Blocks keep their input alone and are computed again on the way back.")
  private boolean checkpoints;

  @Option(
      names = "--layout",
      paramLabel = "NAME",
      description = "Of PyTorch's maps: nchw or channels_last. Default: ${DEFAULT-VALUE}.",
      defaultValue = "nchw")
  private String layout;

  @Option(
      names = "--python",
      paramLabel = "FILE",
      description = "A Python that has PyTorch, or none. Default: ${DEFAULT-VALUE}.",
      defaultValue = "python3")
  private String python;

  @Option(
      names = "--peer",
      paramLabel = "FILE",
      description = "The peer's program. Default: ${DEFAULT-VALUE}.",
      defaultValue = "bench/training_step.py")
  private Path peerProgram;

  @Option(names = "--no-profile", description = "No table of operators.")
  private boolean noProfile;

  @Option(
      names = "--out",
      paramLabel = "NAME",
      description = "Writes bench/results/NAME.md and NAME.json, or with a folder, there.")
  private @Nullable Path out;

  public static void main(String[] args) {
    System.exit(commandLine().execute(args));
  }

  /** The command with its messages: one line for a wrong argument, and exit code 2. */
  static CommandLine commandLine() {
    CommandLine line = new CommandLine(new TrainingStep());
    line.setParameterExceptionHandler((e, _) -> {
      line.getErr().println("training-step: " + e.getMessage());
      return 2;
    });
    line.setExecutionExceptionHandler((e, _, _) -> {
      line.getErr().println("training-step: " + e.getMessage());
      return 1;
    });
    return line;
  }

  @Override
  public Integer call() throws IOException {
    check();
    TrainingRunner.Task task = new TrainingRunner.Task(model, batch, side);
    Report report = new Report(Machine.describe());
    report.machine("load before", Machine.load());
    Path weights = Files.createTempFile("fathom-bench", ".safetensors");
    try (StepProcess fathom = StepProcess.fathom(task, threads, checkpoints)) {
      report.add(compare(task, fathom, weights, report));
      if (!noProfile) {
        report.add(ProfileTable.section(fathom.ask("profile 3")));
      }
    } finally {
      Files.deleteIfExists(weights);
    }
    report.machine("load after", Machine.load());
    spec.commandLine().getOut().print(report.markdown());
    spec.commandLine().getOut().flush();
    if (out != null) {
      report.write(out.getParent() == null ? RESULTS.resolve(out) : out);
    }
    return 0;
  }

  private Report.Section compare(
      TrainingRunner.Task task, StepProcess fathom, Path weights, Report report)
      throws IOException {
    try (@Nullable StepProcess peer = peer(task, weights, report)) {
      // Three steps to compare losses, which also warm both up.
      fathom.go(COMPARED);
      if (peer != null) {
        peer.go(COMPARED);
      }
      fathom.forgetTimes();
      if (peer != null) {
        peer.forgetTimes();
      }
      for (int i = 0; i < rounds; i++) {
        fathom.go(steps);
        if (peer != null) {
          peer.go(steps);
        }
      }
      List<StepProcess> all = peer == null ? List.of(fathom) : List.of(fathom, peer);
      return section(all, peer == null ? "" : comparison(fathom, peer));
    }
  }

  /** The peer, or null if there is none: then the report says why. */
  private @Nullable StepProcess peer(TrainingRunner.Task task, Path weights, Report report)
      throws IOException {
    if (python.equals("none")) {
      return null;
    }
    write(task, weights);
    StepProcess peer;
    try {
      peer = StepProcess.peer(python, peerProgram, weights, threads, layout);
    } catch (IOException e) {
      report.note("nothing to compare with: " + e.getMessage());
      return null;
    }
    if (peer.missing() != null) {
      report.note(peer.missing());
      peer.close();
      return null;
    }
    return peer;
  }

  /** The weights, the pictures and the target, for the peer. */
  private static void write(TrainingRunner.Task task, Path file) throws IOException {
    RandomWeights random = new RandomWeights(TrainingRunner.SEED);
    List<WritableTensor> tensors = new ArrayList<>();
    ParameterShapes.of(task.config())
        .forEach((name, shape) ->
            tensors.add(
                WritableTensor.generated(
                    TensorInfo.of(name, DType.F32, shape), () -> random.values(name, shape))));
    int batch = task.batch();
    int side = task.side();
    tensors.add(
        WritableTensor.floats("input", MemorySegment.ofArray(task.image()), batch, side, side, 3));
    tensors.add(
        WritableTensor.floats("target", MemorySegment.ofArray(task.target()), batch, side, side));
    SafeTensorsWriter.write(file, tensors, Map.of());
  }

  private static String comparison(StepProcess fathom, StepProcess peer) {
    Statistics ratio = Statistics.ofRatios(fathom.times(), peer.times());
    List<String> differences = new ArrayList<>();
    double largest = 0;
    for (int i = 0; i < COMPARED; i++) {
      double difference = Math.abs(fathom.losses().get(i) / peer.losses().get(i) - 1);
      differences.add(String.format(Locale.ROOT, "%.1g", difference));
      largest = i < AGREEING ? Math.max(largest, difference) : largest;
    }
    return String.format(
        Locale.ROOT,
        "%nTime ratio, round by round: median %.3f (%.3f to %.3f). Memory ratio: %.3f. Relative"
            + " difference of the losses of the first %d steps: %s; the first %d are %s %.0g.%n",
        ratio.median(),
        ratio.least(),
        ratio.most(),
        fathom.peak() / peer.peak(),
        COMPARED,
        String.join(", ", differences),
        AGREEING,
        largest <= TOLERANCE ? "within" : "NOT WITHIN",
        TOLERANCE);
  }

  private Report.Section section(List<StepProcess> processes, String comparison) {
    Table table =
        new Table("training step", "first s:", "best s:", "median s:", "peak MB:", "losses");
    List<Map<String, Object>> figures = new ArrayList<>();
    for (StepProcess process : processes) {
      Statistics times = Statistics.of(process.times());
      List<Double> losses = process.losses().subList(0, COMPARED);
      table.row(
          process.description(),
          Table.number(process.first()),
          Table.number(times.least()),
          Table.number(times.median()),
          String.format(Locale.ROOT, "%.0f", process.peak()),
          String.join(
              ", ", losses.stream().map(l -> String.format(Locale.ROOT, "%.6f", l)).toList()));
      Map<String, Object> row = new LinkedHashMap<>();
      row.put("network", process.description());
      row.put("first", process.first());
      row.put("rounds", process.times());
      row.put("losses", process.losses());
      row.put("peakMegabytes", process.peak());
      JsonNode last = process.last();
      for (String name : List.of("tensorMegabytes", "reservedMegabytes")) {
        if (last.has(name)) {
          row.put(name, last.get(name).asDouble());
        }
      }
      figures.add(row);
    }
    JsonNode own = processes.getFirst().last();
    String memory =
        String.format(
            Locale.ROOT,
            "%nOf this project's memory, tensors take %.0f MB at the most; %.0f MB are reserved for"
                + " them.%n",
            own.get("tensorMegabytes").asDouble(),
            own.get("reservedMegabytes").asDouble());
    String title =
        "Training step, %s at %d x %d, batch %d, %d threads%s"
            .formatted(
                model, side, side, batch, threads, checkpoints ? ", blocks computed again" : "");
    return new Report.Section(
        title, table.markdown() + comparison + memory, Map.of("processes", figures));
  }

  private void check() {
    require(List.of("vits", "vitb", "vitl").contains(model), "--model: no model '" + model + "'");
    require(batch >= 1, "--batch: " + batch + "; at least 1 is needed");
    require(
        side >= 14 && side % 14 == 0, "--side: " + side + "; a positive multiple of 14 is needed");
    require(threads >= 1, "--threads: " + threads + "; at least 1 is needed");
    require(rounds >= 1, "--rounds: " + rounds + "; at least 1 is needed");
    require(steps >= 1, "--steps: " + steps + "; at least 1 is needed");
    require(
        List.of("nchw", "channels_last").contains(layout),
        "--layout: no layout '" + layout + "'; there are nchw and channels_last");
  }

  private void require(boolean condition, String message) {
    if (!condition) {
      throw new ParameterException(spec.commandLine(), message);
    }
  }
}
