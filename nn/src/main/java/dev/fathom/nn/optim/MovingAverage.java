package dev.fathom.nn.optim;

import dev.fathom.nn.autograd.Parameters;
import dev.fathom.nn.op.Backend;
import dev.fathom.nn.op.ResampleOps;
import dev.fathom.nn.tensor.Memory;
import dev.fathom.nn.tensor.Tensor;

/**
 * An exponential moving average of a network's values, in an arena as theirs: average = decay *
 * average + (1 - decay) * values, with each step that {@link AdamW} takes with it, of the
 * parameters that are trained.
 */
public final class MovingAverage {

  private static final long PIECE = 1 << 18;

  private final Backend backend;
  private final Memory memory;
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
    this.memory = memory;
    this.parameters = parameters;
    this.decay = decay;
    average = memory.allocate(parameters.arenaSize());
    backend.resample().copy(parameters.values(), average);
  }

  /** Share of the old average that each update keeps. */
  double decay() {
    return decay;
  }

  /** The averages, an arena as the parameters' values are. */
  public Tensor average() {
    return average;
  }

  /** Exchanges the averages and the values; the same call exchanges them back. */
  public void swap() {
    Tensor values = parameters.values();
    ResampleOps ops = backend.resample();
    // In pieces, so that no third arena is needed.
    Tensor piece = memory.allocate(Math.min(PIECE, values.size()));
    for (long start = 0; start < values.size(); start += piece.size()) {
      long size = Math.min(piece.size(), values.size() - start);
      Tensor a = values.slice(start, size);
      Tensor b = average.slice(start, size);
      Tensor kept = piece.slice(0, size);
      ops.copy(a, kept);
      ops.copy(b, a);
      ops.copy(kept, b);
    }
    memory.release(piece);
    parameters.changed();
  }
}
