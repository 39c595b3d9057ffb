package dev.fathom.nn.model;

import dev.fathom.nn.layer.Loader;
import dev.fathom.nn.layer.Pass;
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
  private final Tensor table;

  private PositionTable(int side, long channels, Tensor table) {
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
    if (rows == side && columns == side) {
      return table.view(1 + rows * columns, channels);
    }
    Tensor result = pass.allocate(1 + rows * columns, channels);
    pass.backend().resample().copy(table.slice(0, 1, channels), result.slice(0, 1, channels));
    pass.backend()
        .resample()
        .resizeBicubic(
            table.slice(channels, 1, side, side, channels),
            step(rows),
            step(columns),
            result.slice(channels, 1, rows, columns, channels));
    return result;
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
