package dev.fathom.bench.gpu;

import dev.fathom.bindings.cuda.CudaProbe;
import dev.fathom.nn.GpuKernels;
import dev.fathom.nn.cuda.CudaBackend;
import dev.fathom.nn.model.ModelConfig;
import dev.fathom.nn.model.Release;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
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

  /** Fewer than the driver's queue takes, so that the host never waits for the device. */
  private static final int LAUNCHES = 500;

  private static final int STEPS = 20;
  private static final double PEER_SECONDS = 20;

  @Spec private CommandSpec spec;

  private Results results = new Results(Path.of("gpu-check"));
  private Budget budget = new Budget(0);
  private boolean small;

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

  /** Something that may fail without ending the rest. */
  @FunctionalInterface
  private interface Body {
    void run() throws IOException, InterruptedException;
  }

  @Override
  public Integer call() throws IOException, InterruptedException {
    check();
    CudaProbe probe = CudaProbe.get();
    if (!probe.isUsable()) {
      throw new ParameterException(spec.commandLine(), "no GPU can be used: " + probe.reason());
    }
    results = new Results(out);
    describe(probe, results);
    try {
      results.write();
    } catch (IOException e) {
      throw new ParameterException(
          spec.commandLine(), "--out: " + out + " cannot be written (" + e + ")", e);
    }
    budget = new Budget(seconds);
    small = probe.isEmulator();
    Path bundle = Path.of(System.getProperty("fathom.bundle", "."));
    if (wanted("tests")) {
      Path folder = tests != null ? tests : bundle.resolve("tests");
      attempt("the kernels' tests", () -> KernelTests.run(folder, budget, results));
    }
    if (wanted("launches")) {
      attempt("launches", () -> LaunchCost.run(small ? 100 : LAUNCHES, budget, results));
    }
    if (wanted("kernels")) {
      ModelConfig first = config(models.getFirst());
      long parameters = new NetworkRates(first, side, 1, small, results).parameters();
      attempt("kernels", () -> kernels(rates -> rates.first(first, parameters)));
    }
    Map<String, float[]> depths = new HashMap<>();
    for (String name : models) {
      networks(name, depths);
    }
    if (wanted("kernels")) {
      List<ModelConfig> all = models.stream().map(GpuCheck::config).toList();
      attempt("kernels of other sizes", () -> kernels(rates -> rates.others(all)));
    }
    Path program = peerProgram != null ? peerProgram : bundle.resolve("bench/gpu_peer.py");
    for (String name : models) {
      boolean asked = wanted("inference") || wanted("training") || wanted("kernels");
      if (asked && !python.equals("none") && budget.allows(PEER_SECONDS)) {
        float[] depth = depths.getOrDefault(name, new float[0]);
        attempt("PyTorch's " + name, () -> peer(name, depth, program));
      }
    }
    if (budget.refused()) {
      results.note("what is missing had no time left");
    } else if (wanted("kernels")) {
      results.noteKernelsWithoutRows();
    }
    results.write();
    spec.commandLine().getOut().print(results.markdown());
    spec.commandLine().getOut().flush();
    return results.passed() ? 0 : 1;
  }

  /** Does it and writes the results; what fails is noted, and makes the whole check fail. */
  private void attempt(String what, Body body) throws IOException, InterruptedException {
    spec.commandLine().getErr().println("gpu-check: " + what);
    quietly(what, body);
    results.write();
  }

  private void quietly(String what, Body body) throws InterruptedException {
    try {
      body.run();
    } catch (IOException | RuntimeException | OutOfMemoryError e) {
      String message = e.getMessage() == null ? e.toString() : e.getMessage();
      results.add(new Results.Tests(what, false, "did not end", List.of(message)));
    }
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

  /** A part of the rates of kernels. */
  @FunctionalInterface
  private interface Part {
    void run(KernelRates rates) throws IOException;
  }

  private void kernels(Part part) throws IOException {
    try (CudaBackend backend = new CudaBackend(GpuKernels.OWN);
        GpuTimer timer = new GpuTimer(backend.stream(), small ? 1 : 9, small);
        Rig rig = new Rig(backend, timer, budget, results, small)) {
      part.run(new KernelRates(rig, batches, side));
    }
  }

  private void networks(String name, Map<String, float[]> depths)
      throws IOException, InterruptedException {
    NetworkRates rates = new NetworkRates(config(name), side, STEPS, small, results);
    if (wanted("inference") && budget.allows(PEER_SECONDS)) {
      attempt("inference of " + name, () -> depths.put(name, rates.inference(batches)));
      for (int batch : batches) {
        if (budget.allows(PEER_SECONDS)) {
          quietly(name + " on libraries", () -> rates.libraries(batch));
        }
      }
      results.write();
    }
    if (wanted("training") && budget.allows(PEER_SECONDS)) {
      attempt("a training step of " + name, () -> rates.training(largest()));
    }
  }

  private void peer(String name, float[] depth, Path program) throws IOException {
    NetworkRates rates = new NetworkRates(config(name), side, STEPS, small, results);
    Path weights = Files.createTempFile("fathom-gpu-check", ".safetensors");
    try {
      rates.write(weights);
      try (TorchPeer peer = TorchPeer.start(python, program, weights, budget, results)) {
        results.machine("PyTorch", peer.description());
        new PeerComparison(rates, peer, results, budget, Set.copyOf(sections), batches, side)
            .run(config(name), depth, name.equals(models.getFirst()));
      }
    } catch (IOException e) {
      // Without PyTorch, or with too little room for its file, ours is still of use.
      results.note("PyTorch, " + name + ": " + e.getMessage());
    } finally {
      Files.deleteIfExists(weights);
    }
  }

  private int largest() {
    return batches.stream().mapToInt(Integer::intValue).max().orElseThrow();
  }

  private static ModelConfig config(String name) {
    return name.equals("tiny") ? TINY : ModelConfig.published(name, Release.V1, 0);
  }

  private boolean wanted(String section) {
    return sections.contains(section);
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
