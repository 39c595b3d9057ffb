package dev.fathom.bench;

import dev.fathom.nn.model.ModelConfig;
import dev.fathom.nn.model.Release;
import java.io.IOException;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * A family of operators as the network uses them for one picture of 518 x 518 pixels, through the
 * same Java interface. A subclass says which layers there are and prepares one.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 2, time = 300, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 5, time = 300, timeUnit = TimeUnit.MILLISECONDS)
@Fork(
    value = 1,
    jvmArgs = {
      "--enable-native-access=ALL-UNNAMED",
      "--sun-misc-unsafe-memory-access=allow",
      "-XX:+UseSerialGC"
    })
public abstract class OperatorBenchmark {

  /** Side of the picture in pixels, and of the maps in patches. */
  static final int SIDE = 518;

  static final int PATCHES = 37;

  /** Patches and the class token. */
  static final int TOKENS = 1 + PATCHES * PATCHES;

  /** vits, vitb or vitl. */
  @Param("vits")
  public String model;

  /** Threads of the backend. */
  @Param("2")
  public int threads;

  /** auto, portable, avx2 or avx512. */
  @Param("auto")
  public String isa;

  private @Nullable Trial trial;

  /** The operator to time. */
  abstract Operator prepare(Trial trial);

  /** Prepares the operator and checks its result. */
  @Setup(Level.Trial)
  public void open() {
    trial = new Trial(threads, isa, this::prepare);
  }

  /** Measures the peak again. */
  @TearDown(Level.Trial)
  public void close() throws IOException {
    trial().close();
  }

  /** The operator. */
  @Benchmark
  public void run() {
    trial().run();
  }

  /** The network's sizes. */
  final ModelConfig config() {
    return ModelConfig.published(model, Release.V2, 0);
  }

  /** For a layer that a subclass does not know. */
  static IllegalArgumentException unknown(String layer) {
    return new IllegalArgumentException("no layer '" + layer + "'");
  }

  private Trial trial() {
    return Objects.requireNonNull(trial, "not set up");
  }
}
