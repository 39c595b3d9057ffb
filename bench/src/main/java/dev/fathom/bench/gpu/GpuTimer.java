package dev.fathom.bench.gpu;

import dev.fathom.bench.Statistics;
import dev.fathom.bindings.cuda.CudaContext;
import dev.fathom.bindings.cuda.CudaEvent;
import dev.fathom.bindings.cuda.CudaStream;
import dev.fathom.bindings.cuda.DeviceMemory;
import java.util.ArrayList;
import java.util.List;

/** Times work of a stream by the device's own clock. */
final class GpuTimer implements AutoCloseable {

  /**
   * More than any level-2 cache that there is; and enough to keep the device busy until the next
   * launch has reached it.
   */
  private static final long FLUSH_BYTES = 1L << 30;

  /** What a group of runs takes at the least, so that the clock's steps do not matter. */
  private static final double LEAST_MS = 2;

  private static final int WARM_RUNS = 5;
  private static final int FEW_WARM_RUNS = 1;
  private static final int MOST_RUNS_OF_A_GROUP = 200;

  private final CudaStream stream;
  private final CudaEvent start;
  private final CudaEvent end;
  private final DeviceMemory flush;
  private final int samples;
  private final int warmRuns;

  /**
   * A timer.
   *
   * @param samples of which the median counts
   * @param small whether the device is one where nothing large fits, such as the emulator
   */
  GpuTimer(CudaStream stream, int samples, boolean small) {
    CudaContext context = stream.context();
    this.stream = stream;
    this.samples = samples;
    warmRuns = small ? FEW_WARM_RUNS : WARM_RUNS;
    start = context.newEvent(true);
    end = context.newEvent(true);
    flush = context.allocate(small ? 4096 : FLUSH_BYTES);
  }

  CudaStream stream() {
    return stream;
  }

  /**
   * Median milliseconds of one run, of groups of runs one after the other: what it takes where its
   * operands were just used.
   *
   * @param work gives work to the stream
   */
  double warm(Runnable work) {
    for (int i = 0; i < warmRuns; i++) {
      work.run();
    }
    double once = once(work, 1);
    int runs = Math.clamp((int) Math.ceil(LEAST_MS / Math.max(once, 1e-3)), 1, most());
    List<Double> times = new ArrayList<>();
    for (int i = 0; i < samples; i++) {
      times.add(once(work, runs) / runs);
    }
    return Statistics.of(times).median();
  }

  /** The same for long work: groups of so many runs, without a wait within a group. */
  double grouped(Runnable work, int runs) {
    for (int i = 0; i < warmRuns; i++) {
      work.run();
    }
    List<Double> times = new ArrayList<>();
    for (int i = 0; i < samples; i++) {
      times.add(once(work, runs) / runs);
    }
    return Statistics.of(times).median();
  }

  /** The same with the caches emptied before each run: as a layer finds it within a network. */
  double cold(Runnable work) {
    for (int i = 0; i < warmRuns; i++) {
      work.run();
    }
    List<Double> times = new ArrayList<>();
    for (int i = 0; i < 2 * samples; i++) {
      stream.fill(flush, (byte) i);
      times.add(once(work, 1));
    }
    return Statistics.of(times).median();
  }

  private int most() {
    return samples > 1 ? MOST_RUNS_OF_A_GROUP : 1;
  }

  private double once(Runnable work, int runs) {
    start.record(stream);
    for (int i = 0; i < runs; i++) {
      work.run();
    }
    end.record(stream);
    end.synchronize();
    // The emulator's clock may say zero.
    return Math.max((double) end.millisecondsSince(start), 1e-6);
  }

  @Override
  public void close() {
    start.close();
    end.close();
    flush.close();
  }
}
