package dev.fathom.bench.gpu;

import dev.fathom.bindings.cuda.CudaProbe;
import dev.fathom.nn.GpuKernels;
import dev.fathom.nn.cuda.CudaBackend;
import dev.fathom.nn.model.ModelConfig;
import dev.fathom.nn.model.Release;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/**
 * {@code gpu-check}: first whether the kernels are right on this GPU, then how fast they are,
 * beside NVIDIA's libraries and PyTorch where these are installed. Writes one JSON and one Markdown
 * file, anew after every section.
 */
@Command(
    name = "gpu-check",
    description = "Tests the CUDA kernels on this machine's GPU and times them beside others.",
    mixinStandardHelpOptions = true)
public final class GpuCheck implements Callable<Integer> {

  /** A network that even the emulator runs: widths like the smallest real one, four blocks. */
  private static final ModelConfig TINY =
      new ModelConfig(
          "tiny",
          64,
          4,
          1,
          false,
          List.of(0, 1, 2, 3),
          16,
          List.of(16, 16, 16, 16),
          Release.V1,
          0,
          14,
          37);

  private static final List<String> SECTIONS =
      List.of("tests", "launches", "kernels", "inference", "training");
  private static final int LAUNCHES = 5000;
  private static final double PEER_SECONDS = 20;

  /** A bfloat16 network that errs more than this times PyTorch's own is taken for wrong. */
  private static final double TIMES_THE_PEERS_ERROR = 2;

  @Spec private CommandSpec spec;

  @Option(
      names = "--out",
      paramLabel = "BASE",
      description = "BASE.json and BASE.md are written. Default: ${DEFAULT-VALUE}.",
      defaultValue = "gpu-check")
  private Path out;

  @Option(
      names = "--seconds",
      paramLabel = "N",
      description = "Nothing new begins after that. Default: ${DEFAULT-VALUE}.",
      defaultValue = "500")
  private double seconds;

  @Option(
      names = "--sections",
      split = ",",
      paramLabel = "NAME",
      description = "tests, launches, kernels, inference, training. Default: all.")
  private List<String> sections = SECTIONS;

  @Option(
      names = "--models",
      split = ",",
      paramLabel = "SIZE",
      description = "vitl, vits, vitb or tiny, in this order. Default: vitl, vits, vitb.")
  private List<String> models = List.of("vitl", "vits", "vitb");

  @Option(
      names = "--batches",
      split = ",",
      paramLabel = "N",
      description = "Pictures at a time. Default: 1, 8, 32.")
  private List<Integer> batches = List.of(1, 8, 32);

  @Option(
      names = "--side",
      paramLabel = "PIXELS",
      description = "Of a picture, a multiple of 14. Default: ${DEFAULT-VALUE}.",
      defaultValue = "518")
  private int side;

  @Option(
      names = "--tests",
      paramLabel = "DIR",
      description =
          "The kernels' test programs, as 'make -C kernels gpu-tests' writes them. Default: those"
              + " of the bundle.")
  private @Nullable Path tests;

  @Option(
      names = "--python",
      paramLabel = "FILE",
      description = "A Python that has PyTorch, or none. Default: ${DEFAULT-VALUE}.",
      defaultValue = "python3")
  private String python;

  @Option(
      names = "--peer",
      paramLabel = "FILE",
      description = "PyTorch's program, gpu_peer.py. Default: the bundle's.")
  private @Nullable Path peerProgram;

  public static void main(String[] args) {
    System.exit(commandLine().execute(args));
  }

  /** The command with its messages: one line for a wrong argument, and exit code 2. */
  static CommandLine commandLine() {
    CommandLine line = new CommandLine(new GpuCheck());
    line.setParameterExceptionHandler((e, _) -> {
      line.getErr().println("gpu-check: " + e.getMessage());
      return 2;
    });
    line.setExecutionExceptionHandler((e, _, _) -> {
      line.getErr().println("gpu-check: " + e.getMessage());
      return 1;
    });
    return line;
  }

  @Override
  public Integer call() throws IOException, InterruptedException {
    check();
    CudaProbe probe = CudaProbe.get();
    if (!probe.isUsable()) {
      throw new ParameterException(spec.commandLine(), "no GPU can be used: " + probe.reason());
    }
    Results results = new Results(out);
    describe(probe, results);
    results.write();
    Budget budget = new Budget(seconds);
    boolean small = probe.isEmulator();
    Path bundle = Path.of(System.getProperty("fathom.bundle", "."));
    if (wanted("tests")) {
      Path folder = tests != null ? tests : bundle.resolve("tests");
      if (Files.isDirectory(folder)) {
        progress("the kernels' tests");
        KernelTests.run(folder, budget, results);
      } else {
        results.note("no kernel tests: " + folder + " is not there");
      }
      results.write();
    }
    if (wanted("launches")) {
      progress("launches");
      LaunchCost.run(small ? 100 : LAUNCHES, budget, results);
      results.write();
    }
    if (wanted("kernels")) {
      kernels(budget, results, small);
    }
    for (String name : models) {
      if ((wanted("inference") || wanted("training")) && budget.allows(PEER_SECONDS)) {
        network(config(name), budget, results, small, bundle);
      }
    }
    if (budget.left() == 0) {
      results.note("what is missing had no time left");
    }
    results.write();
    spec.commandLine().getOut().print(results.markdown());
    spec.commandLine().getOut().flush();
    return results.passed() ? 0 : 1;
  }

  private static void describe(CudaProbe probe, Results results) {
    results.machine("device", probe.description());
    results.machine(
        "JDK",
        System.getProperty("java.vendor") + " " + System.getProperty("java.runtime.version"));
    results.machine("date", LocalDate.now(ZoneOffset.UTC).toString());
    if (probe.isEmulator()) {
      results.note("ON THE EMULATOR: the times say nothing about a GPU");
    }
  }

  private void kernels(Budget budget, Results results, boolean small) throws IOException {
    progress("kernels");
    try (CudaBackend backend = new CudaBackend(GpuKernels.OWN);
        GpuTimer timer = new GpuTimer(backend.stream(), small ? 1 : 9, small);
        KernelRates rates = new KernelRates(backend, timer, budget, results, small)) {
      rates.peaks();
      results.write();
      int largest = batches.getLast();
      for (String name : models) {
        ModelConfig model = config(name);
        long tokens = MemoryRates.tokens(model, side);
        for (int batch : batches) {
          rates.linear(model, batch, tokens);
          rates.attention(model, batch, tokens);
        }
        rates.linearBackward(model, largest, tokens);
        rates.convolutions(model, Math.min(largest, 8), side / model.patch());
        results.write();
      }
      ModelConfig first = config(models.getFirst());
      long parameters = new NetworkRates(first, side, 1, small, results).parameters();
      new MemoryRates(backend, timer, results).run(first, largest, side, parameters);
      results.write();
    }
  }

  private void network(
      ModelConfig model, Budget budget, Results results, boolean small, Path bundle)
      throws IOException {
    NetworkRates rates = new NetworkRates(model, side, 20, small, results);
    float[] depth = new float[0];
    if (wanted("inference")) {
      progress("inference of " + model.name());
      depth = rates.inference(batches);
      results.write();
    }
    int largest = batches.getLast();
    if (wanted("training") && budget.allows(PEER_SECONDS)) {
      progress("a training step of " + model.name());
      rates.training(largest);
      results.write();
    }
    if (python.equals("none") || !budget.allows(PEER_SECONDS)) {
      return;
    }
    progress("PyTorch's " + model.name());
    Path weights = Files.createTempFile("fathom-gpu-check", ".safetensors");
    try {
      rates.write(weights);
      Path program = peerProgram != null ? peerProgram : bundle.resolve("bench/gpu_peer.py");
      try (TorchPeer peer = TorchPeer.start(python, program, weights, budget, results)) {
        results.machine("PyTorch", peer.description());
        compare(model, rates, peer, depth, results, budget);
      } catch (IOException e) {
        results.note("PyTorch, " + model.name() + ": " + e.getMessage());
      }
    } finally {
      Files.deleteIfExists(weights);
    }
    results.write();
  }

  private void compare(
      ModelConfig model,
      NetworkRates rates,
      TorchPeer peer,
      float[] depth,
      Results results,
      Budget budget)
      throws IOException {
    if (depth.length > 0) {
      agreement(model, peer, depth, results);
    }
    for (int batch : batches) {
      peer.beside(
          "infer %d eager".formatted(batch),
          "PyTorch",
          NetworkRates.INFERENCE,
          rates.inferenceName(batch));
    }
    results.write();
    kernels(model, peer);
    results.write();
    for (int batch : batches) {
      if (budget.allows(2 * PEER_SECONDS)) {
        peer.beside(
            "infer %d compiled".formatted(batch),
            "compiled",
            NetworkRates.INFERENCE,
            rates.inferenceName(batch));
        results.write();
      }
    }
    if (wanted("training")) {
      int largest = batches.getLast();
      for (String mode : List.of("eager", "compiled")) {
        if (budget.allows(2 * PEER_SECONDS)) {
          peer.beside(
              "train %d %s".formatted(largest, mode),
              mode.equals("eager") ? "PyTorch" : mode,
              NetworkRates.TRAINING,
              rates.trainingName(largest));
          results.write();
        }
      }
    }
  }

  private void kernels(ModelConfig model, TorchPeer peer) throws IOException {
    if (!wanted("kernels")) {
      return;
    }
    long tokens = MemoryRates.tokens(model, side);
    for (int batch : batches) {
      for (String way : List.of("forward", "backward")) {
        for (String implementation : List.of("flash", "cudnn")) {
          peer.beside(
              "attention %s %s %d %d %d %d"
                  .formatted(implementation, way, batch, model.heads(), tokens, model.headDim()),
              implementation,
              KernelRates.ATTENTION,
              "%s %s, batch %d, %d tokens".formatted(way, model.name(), batch, tokens));
        }
      }
    }
    int largest = batches.getLast();
    peer.beside(
        "ssi %d %d".formatted(largest, side),
        "PyTorch",
        MemoryRates.SECTION,
        "scale-shift-invariant loss and gradient, batch %d, %d x %d"
            .formatted(largest, side, side));
  }

  /** Our depth and PyTorch's in bfloat16, each against PyTorch's in float32. */
  private static void agreement(ModelConfig model, TorchPeer peer, float[] depth, Results results)
      throws IOException {
    Path exact = Files.createTempFile("fathom-gpu-check", ".f32");
    Path low = Files.createTempFile("fathom-gpu-check", ".f32");
    try {
      if (peer.ms("output float32 " + exact).isEmpty()
          || peer.ms("output bfloat16 " + low).isEmpty()) {
        return;
      }
      float[] reference = floats(exact);
      double ours = error(depth, reference);
      double theirs = error(floats(low), reference);
      boolean good = ours <= TIMES_THE_PEERS_ERROR * theirs + 1e-3;
      results.add(
          new Results.Tests(
              model.name() + " beside PyTorch",
              good,
              String.format(
                  Locale.ROOT,
                  "relative error %.2g of float32, PyTorch's in bfloat16 %.2g",
                  ours,
                  theirs),
              List.of()));
    } finally {
      Files.deleteIfExists(exact);
      Files.deleteIfExists(low);
    }
  }

  private static float[] floats(Path file) throws IOException {
    ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
    float[] values = new float[bytes.remaining() / Float.BYTES];
    bytes.asFloatBuffer().get(values);
    return values;
  }

  /** |a - b| / |b|, Euclidean norms. */
  static double error(float[] a, float[] b) {
    if (a.length != b.length) {
      return Double.POSITIVE_INFINITY;
    }
    double difference = 0;
    double norm = 0;
    for (int i = 0; i < a.length; i++) {
      double d = (double) a[i] - b[i];
      difference += d * d;
      norm += (double) b[i] * b[i];
    }
    return Math.sqrt(difference / norm);
  }

  private static ModelConfig config(String name) {
    return name.equals("tiny") ? TINY : ModelConfig.published(name, Release.V1, 0);
  }

  private boolean wanted(String section) {
    return sections.contains(section);
  }

  private void progress(String what) {
    spec.commandLine().getErr().println("gpu-check: " + what);
  }

  private void check() {
    for (String section : sections) {
      require(SECTIONS.contains(section), "--sections: no section '" + section + "'");
    }
    for (String name : models) {
      require(
          List.of("vits", "vitb", "vitl", "tiny").contains(name),
          "--models: no model '" + name + "'");
    }
    require(
        side >= 14 && side % 14 == 0, "--side: " + side + "; a positive multiple of 14 is needed");
    require(
        !batches.isEmpty() && batches.stream().allMatch(batch -> batch >= 1),
        "--batches: " + batches + "; at least 1 is needed");
    require(seconds > 0, "--seconds: " + seconds + "; a positive number is needed");
  }

  private void require(boolean condition, String message) {
    if (!condition) {
      throw new ParameterException(spec.commandLine(), message);
    }
  }
}
