package dev.fathom.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.openjdk.jmh.results.BenchmarkResult;
import org.openjdk.jmh.results.IterationResult;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.Options;
import org.openjdk.jmh.runner.options.OptionsBuilder;

/** Runs operators under JMH, each in a process of its own. */
final class OperatorRuns {

  private final int iterations;

  /** Runs with some iterations of 0.3 s after warm-up. */
  OperatorRuns(int iterations) {
    this.iterations = iterations;
  }

  /**
   * Runs one operator.
   *
   * @throws IOException if it fails, with what JMH printed
   */
  Measurement run(Family.Layer layer, String model, int threads, String isa, String library)
      throws IOException {
    Path figures = Files.createTempFile("fathom-bench", ".properties");
    Path log = Files.createTempFile("fathom-bench", ".log");
    try {
      OptionsBuilder options = new OptionsBuilder();
      options
          .include("^" + layer.family().benchmark().getName().replace(".", "\\.") + "\\.run$")
          .param("layer", layer.name())
          .param("model", model)
          .param("threads", Integer.toString(threads))
          .param("isa", isa)
          .measurementIterations(iterations)
          .jvmArgsAppend("-D" + Figures.PROPERTY + "=" + figures)
          .shouldFailOnError(true)
          .output(log.toString());
      if (layer.family() == Family.LINEAR) {
        options.param("library", library);
      }
      Statistics times = Statistics.of(times(options.build()));
      return Measurement.of(layer, model, threads, isa, library, Figures.read(figures), times);
    } catch (RunnerException e) {
      throw new IOException(layer + " failed:\n" + Files.readString(log), e);
    } finally {
      Files.deleteIfExists(figures);
      Files.deleteIfExists(log);
    }
  }

  /** Milliseconds of an operation in each iteration. */
  private static List<Double> times(Options options) throws RunnerException {
    List<Double> times = new ArrayList<>();
    for (RunResult run : new Runner(options).run()) {
      for (BenchmarkResult fork : run.getBenchmarkResults()) {
        for (IterationResult iteration : fork.getIterationResults()) {
          times.add(iteration.getPrimaryResult().getScore());
        }
      }
    }
    return times;
  }
}
