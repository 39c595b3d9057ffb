package dev.fathom.bench;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * One network run in a process of its own, so that its peak memory is its own: loads, runs once,
 * waits for a line on standard input before each further round, and prints figures as {@code name
 * value}.
 *
 * <p>The peers implement {@link Network}; {@link NetworkBenchmark} starts this class and reads it.
 */
final class Runner {

  /** A network under measurement. */
  interface Network extends AutoCloseable {
    /**
     * Runs it.
     *
     * @param image [3,H,W], normalised
     * @return [H,W]
     */
    float[] run(float[] image) throws Exception;

    /** What it is and which version, for the table. */
    String description();

    @Override
    void close();
  }

  private Runner() {}

  /**
   * Arguments: kind (fathom or onnx), file, threads, height, width, runs per round, output file.
   */
  public static void main(String[] args) throws Exception {
    String kind = args[0];
    Path file = Path.of(args[1]);
    int threads = Integer.parseInt(args[2]);
    int height = Integer.parseInt(args[3]);
    int width = Integer.parseInt(args[4]);
    int runs = Integer.parseInt(args[5]);
    Path output = Path.of(args[6]);
    float[] image = Inputs.image(height, width);
    BufferedReader in =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    long begin = System.nanoTime();
    try (Network network =
        kind.equals("onnx")
            ? new OnnxNetwork(file, threads, height, width)
            : new FathomNetwork(file, threads, height, width)) {
      report("load", seconds(begin));
      begin = System.nanoTime();
      float[] depth = network.run(image);
      report("first", seconds(begin));
      Inputs.write(output, depth);
      System.out.println("description " + network.description());
      System.out.println("ready");
      while (in.readLine() != null) {
        double[] times = new double[runs];
        for (int i = 0; i < runs; i++) {
          begin = System.nanoTime();
          float[] result = network.run(image);
          times[i] = seconds(begin);
          if (result.length != depth.length) {
            throw new IllegalStateException("the result changed its size");
          }
        }
        report("time", Arrays.stream(times).min().orElseThrow());
        report("peak", peakMegabytes());
        System.out.println("ready");
      }
    }
  }

  private static void report(String name, double value) {
    System.out.printf(Locale.ROOT, "%s %.6f%n", name, value);
  }

  private static double seconds(long begin) {
    return (System.nanoTime() - begin) / 1e9;
  }

  /** VmHWM: the most memory that the process had resident. */
  static double peakMegabytes() throws IOException {
    for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
      if (line.startsWith("VmHWM:")) {
        return Long.parseLong(line.replaceAll("\\D", "")) * 1.024e-3;
      }
    }
    throw new IOException("no VmHWM in /proc/self/status");
  }

  /** The process running this class. */
  static final class Child implements AutoCloseable {
    private final Process process;
    private final BufferedReader out;
    private final List<Double> times = new ArrayList<>();
    private double load;
    private double first;
    private double peak;
    private String description = "";

    Child(List<String> arguments) throws IOException {
      List<String> command = new ArrayList<>();
      command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
      command.add("--enable-native-access=ALL-UNNAMED");
      command.add("-XX:+UseSerialGC");
      command.add("-cp");
      command.add(classPath(arguments.getFirst()));
      command.add(Runner.class.getName());
      command.addAll(arguments);
      process = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
      out =
          new BufferedReader(
              new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
      readUntilReady();
    }

    /**
     * The peer gets what it needs and no more, so that its memory is its own. (ONNX Runtime 1.29
     * was also seen to crash while it created a session, more often with a long class path.)
     */
    private static String classPath(String kind) {
      String all = System.getProperty("java.class.path");
      if (!kind.equals("onnx")) {
        return all;
      }
      return Arrays.stream(all.split(File.pathSeparator, -1))
          .filter(entry -> entry.matches(".*(onnxruntime|fathom-bench)[^/]*[.]jar|.*classes|.*cls"))
          .collect(Collectors.joining(File.pathSeparator));
    }

    /** Runs one round. */
    void round() throws IOException {
      process.getOutputStream().write('\n');
      process.getOutputStream().flush();
      readUntilReady();
    }

    private void readUntilReady() throws IOException {
      while (true) {
        @Nullable String line = out.readLine();
        if (line == null) {
          throw new IOException("the measured process ended early");
        }
        if (line.equals("ready")) {
          return;
        }
        int space = line.indexOf(' ');
        String value = line.substring(space + 1);
        switch (line.substring(0, Math.max(space, 0))) {
          case "load" -> load = Double.parseDouble(value);
          case "first" -> first = Double.parseDouble(value);
          case "time" -> times.add(Double.parseDouble(value));
          case "peak" -> peak = Double.parseDouble(value);
          case "description" -> description = value;
          default -> System.err.println(line);
        }
      }
    }

    /** The best time of each round, in seconds. */
    List<Double> times() {
      return times;
    }

    double load() {
      return load;
    }

    double first() {
      return first;
    }

    double peak() {
      return peak;
    }

    String description() {
      return description;
    }

    @Override
    public void close() {
      process.destroy();
    }
  }
}
