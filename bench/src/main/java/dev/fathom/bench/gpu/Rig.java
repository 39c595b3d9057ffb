package dev.fathom.bench.gpu;

import dev.fathom.nn.cuda.CudaBackend;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.Supplier;

/**
 * What kernels are measured with: a backend, the device's clock, the libraries beside it, and where
 * the rows go, each with the names of the kernels that it launched.
 */
final class Rig implements AutoCloseable {

  /** With less time left nothing new is begun. */
  private static final double LEAST_SECONDS = 2;

  private final CudaBackend backend;
  private final GpuTimer timer;
  private final Budget budget;
  private final Results results;
  private final boolean small;
  private final Peers peers;

  /**
   * A rig.
   *
   * @param small whether the device is one where nothing large fits, such as the emulator
   */
  Rig(CudaBackend backend, GpuTimer timer, Budget budget, Results results, boolean small) {
    this.backend = backend;
    this.timer = timer;
    this.budget = budget;
    this.results = results;
    this.small = small;
    peers = new Peers(timer, results);
  }

  CudaBackend backend() {
    return backend;
  }

  GpuTimer timer() {
    return timer;
  }

  Results results() {
    return results;
  }

  Peers peers() {
    return peers;
  }

  boolean small() {
    return small;
  }

  /** Bytes of so many activations. */
  double elementBytes(double count) {
    return count * backend.activationType().bytes();
  }

  /**
   * Rows that share operands. What fails is told in the results, makes the whole check fail, and
   * ends this group alone.
   */
  void group(String what, Consumer<Operands> rows) {
    if (!budget.allows(LEAST_SECONDS)) {
      return;
    }
    try (Operands operands = new Operands(backend)) {
      rows.accept(operands);
    } catch (RuntimeException | OutOfMemoryError e) {
      String message = e.getMessage() == null ? e.toString() : e.getMessage();
      results.add(new Results.Tests(what, false, "did not end", List.of(message)));
    }
  }

  /** Times what is bound by multiplications. */
  void flop(
      String section,
      String name,
      double flop,
      boolean cold,
      Runnable work,
      Supplier<List<Row.Peer>> others) {
    Set<String> kernels = kernels(work);
    double ms = cold ? timer.cold(work) : timer.warm(work);
    results.add(Row.flop(section, name, ms, flop, others.get()).by(kernels));
  }

  /** Times what is bound by memory. */
  void bytes(String section, String name, double bytes, Runnable work) {
    Set<String> kernels = kernels(work);
    results.add(Row.bytes(section, name, timer.warm(work), bytes).by(kernels));
  }

  /** What a run launches, in order. */
  private Set<String> kernels(Runnable work) {
    Set<String> kernels = new LinkedHashSet<>();
    backend.observeLaunches(kernels::add);
    try {
      work.run();
    } finally {
      backend.observeLaunches(null);
    }
    return kernels;
  }

  /** Nobody to compare with. */
  static List<Row.Peer> alone() {
    return new ArrayList<>();
  }

  @Override
  public void close() {
    peers.close();
  }
}
