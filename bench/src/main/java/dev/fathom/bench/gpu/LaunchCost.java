package dev.fathom.bench.gpu;

import dev.fathom.bindings.cuda.CudaStream;
import dev.fathom.nn.GpuKernels;
import dev.fathom.nn.cuda.CudaBackend;
import dev.fathom.nn.tensor.BlockMemory;
import dev.fathom.nn.tensor.Tensor;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
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

  private static final int ROUNDS = 5;
  private static final int WARM_ROUNDS = 3;
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
      Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
      String last = "";
      try (BufferedReader out =
          new BufferedReader(
              new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
        for (String line = out.readLine(); line != null; line = out.readLine()) {
          last = line;
        }
      }
      if (!process.waitFor((long) Math.ceil(budget.left()), TimeUnit.SECONDS)) {
        process.destroyForcibly();
      }
      if (last.startsWith("ns ")) {
        double ns = Double.parseDouble(last.substring(3));
        results.add(Row.time(SECTION, "one launch through " + driver, ns / MILLION));
      } else {
        results.note("no launch cost through " + driver + ": " + last);
      }
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
      System.out.println(String.format(Locale.ROOT, "ns %.1f", best));
    }
  }
}
