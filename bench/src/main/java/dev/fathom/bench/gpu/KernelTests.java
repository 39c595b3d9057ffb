package dev.fathom.bench.gpu;

import dev.fathom.bench.gpu.Results.Tests;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * The kernels' own tests (kernels/test/cuda), programs of their own on NVIDIA's driver: against
 * float64, and against what the same kernels gave on the emulator.
 */
final class KernelTests {

  private static final int MOST_FAILURES = 20;

  /** A program takes a few seconds; one that takes longer hangs. */
  private static final double MOST_SECONDS = 60;

  private KernelTests() {}

  /**
   * Runs them.
   *
   * @param folder as {@code make -C kernels gpu-tests} writes it
   */
  static void run(Path folder, Budget budget, Results results)
      throws IOException, InterruptedException {
    if (!Files.isDirectory(folder)) {
      results.note("no kernel tests: " + folder + " is not there");
      return;
    }
    List<Path> programs;
    try (Stream<Path> files = Files.list(folder)) {
      programs =
          files
              .filter(file -> String.valueOf(file.getFileName()).matches("test_[a-z0-9_]+"))
              .sorted()
              .toList();
    }
    if (programs.isEmpty()) {
      results.note("no kernel tests in " + folder);
    }
    for (Path program : programs) {
      if (budget.allows(1)) {
        results.add(run(program, folder, budget));
      }
    }
  }

  private static Tests run(Path program, Path folder, Budget budget)
      throws IOException, InterruptedException {
    String name = String.valueOf(program.getFileName());
    ProcessBuilder builder = new ProcessBuilder(program.toAbsolutePath().toString());
    builder.environment().put("FATHOM_CUDA_MODULES", folder.toAbsolutePath().toString());
    builder.environment().put("FATHOM_CUDA_COMPARE", folder.toAbsolutePath().toString());
    Path log = Files.createTempFile("fathom-" + name, ".log");
    try {
      Process process = builder.redirectErrorStream(true).redirectOutput(log.toFile()).start();
      boolean ended =
          process.waitFor(
              (long) Math.ceil(Math.min(budget.left(), MOST_SECONDS)), TimeUnit.SECONDS);
      if (!ended) {
        process.destroyForcibly().waitFor();
      }
      List<String> failures = new ArrayList<>();
      String last = "said nothing";
      for (String line : Files.readString(log, StandardCharsets.ISO_8859_1).lines().toList()) {
        if (line.startsWith(name + ":")) {
          last = line.substring(name.length() + 1).strip();
        } else if (failures.size() < MOST_FAILURES && !line.isBlank()) {
          failures.add(line);
        }
      }
      boolean passed = ended && process.exitValue() == 0;
      String how = ended ? "exit status " + process.exitValue() : "stopped, it took too long";
      return new Tests(
          name, passed, passed ? last : how + "; " + last, passed ? List.of() : failures);
    } finally {
      Files.deleteIfExists(log);
    }
  }
}
