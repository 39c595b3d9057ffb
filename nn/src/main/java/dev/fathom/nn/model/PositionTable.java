package dev.fathom.nn.model;

import dev.fathom.nn.autograd.Parameter;
import dev.fathom.nn.autograd.Tape;
import dev.fathom.nn.layer.Loader;
import dev.fathom.nn.layer.Pass;
import dev.fathom.nn.op.ResampleOps;
import dev.fathom.nn.op.VectorOps;
import dev.fathom.nn.tensor.Tensor;

/**
 * DINOv2's learned positions: one for the class token and a square table, resized to the picture.
 *
 * <p>The table is used as it is for a square picture of its own size only. Otherwise it is resized
 * (bicubic) with the scale (n + 0.1) / side: the published code adds 0.1 against rounding, which
 * shifts the sampling grid, and networks were trained so.
 */
final class PositionTable {

  private static final double OFFSET = 0.1;

  private final int side;
  private final long channels;
  private final Parameter table;

  private PositionTable(int side, long channels, Parameter table) {
    this.side = side;
    this.channels = channels;
    this.table = table;
  }

  static PositionTable load(Loader loader, String name, ModelConfig config) {
    long entries = 1 + (long) config.tableSize() * config.tableSize();
    return new PositionTable(
        config.tableSize(), config.embedDim(), loader.plain(name, 1, entries, config.embedDim()));
  }

  /**
   * Positions for rows x columns patches: [1 + rows*columns,C]. Give it back to {@link #release}.
   */
  Tensor forward(Pass pass, long rows, long columns) {
    boolean resized = rows != side || columns != side;
    Tensor entries = table.packed();
    if (!resized && pass.tape() == null) {
      return entries.view(1 + rows * columns, channels);
    }
    Tensor result = pass.allocateFloats(1 + rows * columns, channels);
    ResampleOps ops = pass.backend().resample();
    if (resized) {
      ops.copy(entries.slice(0, 1, channels), result.slice(0, 1, channels));
      ops.resizeBicubic(grid(entries), step(rows), step(columns), grid(result, rows, columns));
    } else {
      ops.copy(entries, result);
    }
    Tape tape = pass.tape();
    Tensor gradient = table.gradient();
    if (tape != null && gradient != null) {
      VectorOps vectors = pass.backend().vector();
      tape.record(
          result,
          dy -> {
            if (resized) {
              vectors.axpby(1, dy.slice(0, channels), 1, gradient.slice(0, channels));
              ops.resizeBicubicBackward(
                  grid(dy, rows, columns), step(rows), step(columns), grid(gradient));
            } else {
              vectors.axpby(1, dy, 1, gradient);
            }
          });
    }
    return result;
  }

  /** The table's entries for patches as a map. */
  private Tensor grid(Tensor entries) {
    return grid(entries, side, side);
  }

  private Tensor grid(Tensor entries, long rows, long columns) {
    return entries.slice(channels, 1, rows, columns, channels);
  }

  /** The sampling step, rounded as torch rounds it for float32 data. */
  private double step(long patches) {
    return (float) (1 / ((patches + OFFSET) / side));
  }

  /** Takes back what {@link #forward} gave. */
  void release(Pass pass, Tensor position) {
    if (!position.isView()) {
      pass.release(position);
    }
  }
}
