package dev.fathom.bench;

import dev.fathom.bindings.CpuIsa;
import dev.fathom.nn.cpu.CpuBackend;
import dev.fathom.nn.tensor.NativeMemory;
import dev.fathom.nn.tensor.Tensor;
import java.io.IOException;
import java.util.Locale;
import java.util.SplittableRandom;
import java.util.function.Function;

/**
 * One operator measured in one process: its backend and operands, and the machine's peak right
 * before and after.
 */
final class Trial implements AutoCloseable {

  /** Values of a tensor, also where the reference reads them. */
  static final class Operand {
    private final Tensor tensor;
    private final float[] values;

    private Operand(Tensor tensor, float[] values) {
      this.tensor = tensor;
      this.values = values;
    }

    Tensor tensor() {
      return tensor;
    }

    double at(long index) {
      return values[Math.toIntExact(index)];
    }
  }

  private final CpuBackend backend;
  private final NativeMemory memory = new NativeMemory();
  private final SplittableRandom random = new SplittableRandom(1);
  private final Peak before;
  private final Operator operator;

  /**
   * Prepares the operator and checks its result.
   *
   * @param threads 1 to 1024
   * @param isa as {@link CpuIsa}, in lower case
   */
  Trial(int threads, String isa, Function<Trial, Operator> create) {
    backend = new CpuBackend(threads, CpuIsa.valueOf(isa.toUpperCase(Locale.ROOT)));
    operator = create.apply(this);
    operator.check();
    before = Peak.measure(backend.context());
    // The peak loop swept the caches and the branch predictors; this run brings the operator back.
    operator.run().run();
  }

  CpuBackend backend() {
    return backend;
  }

  NativeMemory memory() {
    return memory;
  }

  /** A tensor with undefined contents. */
  Tensor allocate(long... shape) {
    return memory.allocate(shape);
  }

  /** Numbers uniform in -bound..bound, the same in each process. */
  Operand uniform(double bound, long... shape) {
    float[] values = new float[Math.toIntExact(Tensor.sizeOf(shape))];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) (bound * (2 * random.nextDouble() - 1));
    }
    return new Operand(memory.allocate(shape).set(values), values);
  }

  /** A weight that keeps the variance of what it is multiplied with. */
  Operand weight(long fanIn, long... shape) {
    return uniform(Math.sqrt(3.0 / fanIn), shape);
  }

  /** Runs the operator once. */
  void run() {
    operator.run().run();
  }

  /** Measures the peak again and hands the figures to the process that started this one. */
  @Override
  public void close() throws IOException {
    try {
      Figures.of(operator, before, Peak.measure(backend.context())).writeIfAsked();
    } finally {
      memory.close();
      backend.close();
    }
  }
}
