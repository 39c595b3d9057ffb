package dev.fathom.bench.gpu;

import dev.fathom.bindings.cuda.CudaStream;
import dev.fathom.nn.GpuKernels;
import dev.fathom.nn.cuda.CudaBackend;
import dev.fathom.nn.tensor.BlockMemory;
import dev.fathom.nn.tensor.Tensor;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;

/**
 * What a kernel's launch costs the host, through JCuda and through the JDK's foreign functions: the
 * smallest kernel there is, launched many times without waiting. A process for each, as a process
 * has one driver.
 */
final class LaunchCost {

  static final String SECTION = "Launches";

  private static final String ANSWER = "ns ";
  private static final int ROUNDS = 20;
  private static final int WARM_ROUNDS = 20;
  private static final double MOST_SECONDS = 60;
  private static final double MILLION = 1e6;

  private LaunchCost() {}

  static void run(int launches, Budget budget, Results results)
      throws IOException, InterruptedException {
    for (String driver : List.of("jcuda", "panama")) {
      List<String> command = new ArrayList<>();
      command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
      command.add("--enable-native-access=ALL-UNNAMED");
      command.add("-Dfathom.cuda.driver=" + driver);
      for (String property : List.of("fathom.cuda.library", "fathom.cuda.device", "fathom.cache")) {
        String value = System.getProperty(property);
        if (value != null) {
          command.add("-D" + property + "=" + value);
        }
      }
      command.addAll(
          List.of(
              "-cp",
              System.getProperty("java.class.path"),
              LaunchCost.class.getName(),
              Integer.toString(launches)));
      String said = output(command, budget);
      String found = said.lines().filter(line -> line.startsWith(ANSWER)).findFirst().orElse("");
      if (found.isEmpty()) {
        results.note("no launch cost through " + driver + ": " + said.strip());
      } else {
        double ns = Double.parseDouble(found.substring(ANSWER.length()));
        results.add(
            Row.time(SECTION, "one launch through " + driver + ", the least", ns / MILLION));
      }
    }
  }

  private static String output(List<String> command, Budget budget)
      throws IOException, InterruptedException {
    Path log = Files.createTempFile("fathom-launches", ".log");
    try {
      Process process =
          new ProcessBuilder(command)
              .redirectErrorStream(true)
              .redirectOutput(log.toFile())
              .start();
      try {
        long limit = (long) Math.ceil(Math.min(budget.left(), MOST_SECONDS));
        if (!process.waitFor(limit, TimeUnit.SECONDS)) {
          return "it took too long";
        }
      } finally {
        process.destroyForcibly().waitFor();
      }
      return Files.readString(log, StandardCharsets.ISO_8859_1);
    } finally {
      Files.deleteIfExists(log);
    }
  }

  /** Argument: launches. Prints nanoseconds of one. */
  public static void main(String[] args) {
    int launches = Integer.parseInt(args[0]);
    try (CudaBackend backend = new CudaBackend(GpuKernels.OWN);
        BlockMemory memory = backend.newMemory()) {
      CudaStream stream = backend.stream();
      Tensor x = memory.allocate(1);
      double best = Double.POSITIVE_INFINITY;
      for (int round = 0; round < WARM_ROUNDS + ROUNDS; round++) {
        stream.synchronize();
        long begin = System.nanoTime();
        for (int i = 0; i < launches; i++) {
          backend.vector().fill(x, i);
        }
        double ns = (double) (System.nanoTime() - begin) / launches;
        if (round >= WARM_ROUNDS) {
          best = Math.min(best, ns);
        }
      }
      stream.synchronize();
      System.out.println(String.format(Locale.ROOT, "%s%.1f", ANSWER, best));
    }
  }
}
