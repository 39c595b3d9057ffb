package dev.fathom.nn.optim;

import dev.fathom.nn.autograd.Parameters;
import dev.fathom.nn.op.Backend;
import dev.fathom.nn.tensor.Memory;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** An exponential moving average of a network's values, in an arena as theirs. */
public final class MovingAverage {

  private final Backend backend;
  private final Parameters parameters;
  private final double decay;
  private final Tensor average;

  /**
   * An average that begins with the values as they are.
   *
   * @param decay share of the old average that each update keeps, in [0,1)
   * @throws IllegalArgumentException if it is not in that range
   */
  public MovingAverage(Backend backend, Memory memory, Parameters parameters, double decay) {
    if (!(decay >= 0 && decay < 1)) {
      throw new IllegalArgumentException("the decay of a moving average is " + decay);
    }
    this.backend = backend;
    this.parameters = parameters;
    this.decay = decay;
    average = memory.allocate(parameters.arenaSize());
    backend.resample().copy(parameters.values(), average);
  }

  /** average = decay * average + (1 - decay) * values. */
  public void update() {
    backend.vector().axpby((float) (1 - decay), parameters.values(), (float) decay, average);
  }

  /** The averages, an arena as the parameters' values are. */
  public Tensor average() {
    return average;
  }

  /** Exchanges the averages and the values; the same call exchanges them back. */
  public void swap() {
    Tensor values = parameters.values();
    // In pieces, so that no third arena is needed.
    float[] piece = new float[1 << 16];
    for (long start = 0; start < values.size(); start += piece.length) {
      int size = (int) Math.min(piece.length, values.size() - start);
      MemorySegment a = values.slice(start, size).data();
      MemorySegment b = average.slice(start, size).data();
      MemorySegment.copy(a, ValueLayout.JAVA_FLOAT, 0, piece, 0, size);
      MemorySegment.copy(b, 0, a, 0, 4L * size);
      MemorySegment.copy(piece, 0, b, ValueLayout.JAVA_FLOAT, 0, size);
    }
    parameters.changed();
  }
}
