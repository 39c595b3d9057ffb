package dev.fathom.nn.cuda;

import java.util.List;

/**
 * How a product C [M,N] = A [M,K] B [K,N] is cut for the multiprocessors: the tile of a block and
 * the number of parts of the sum over K. The rule and its numbers are those of
 * kernels/cuda/args_gemm.h.
 */
record GemmPlan(Tile tile, int splits) {

  /** A tile of C: rows, columns, threads, shared memory; and sixteenths of a product's time. */
  enum Tile {
    T128X128("_128x128", 128, 128, 256, 81920, 16),
    T128X64("_128x64", 128, 64, 128, 61440, 18),
    T64X64("_64x64", 64, 64, 128, 40960, 22),
    T128X32("_128x32", 128, 32, 128, 51200, 20),
    /** Any sizes and strides. */
    ANY("_any", 64, 64, 128, 40960, 22);

    private final String suffix;
    private final int rows;
    private final int columns;
    private final int threads;
    private final int sharedBytes;
    private final int weight;

    Tile(String suffix, int rows, int columns, int threads, int sharedBytes, int weight) {
      this.suffix = suffix;
      this.rows = rows;
      this.columns = columns;
      this.threads = threads;
      this.sharedBytes = sharedBytes;
      this.weight = weight;
    }

    /** End of the kernel's name. */
    String suffix() {
      return suffix;
    }

    int columns() {
      return columns;
    }

    int threads() {
      return threads;
    }

    /** Dynamic shared memory of a block, for elements of so many bytes. */
    int sharedBytes(int elementBytes) {
      return sharedBytes / 2 * elementBytes;
    }

    /** Tiles of an m x n result. */
    long tiles(long m, long n) {
      return CudaFamily.ceil(m, rows) * CudaFamily.ceil(n, columns);
    }
  }

  /** Of linear layers. */
  static final List<Tile> LINEAR = List.of(Tile.T128X128, Tile.T128X64, Tile.T64X64);

  /** Of convolutions. */
  static final List<Tile> CONVOLUTION =
      List.of(Tile.T128X128, Tile.T128X64, Tile.T64X64, Tile.T128X32);

  private static final int STEP = 32;
  private static final int FILL_STEPS = 6;
  private static final int LEAST_STEPS = 8;
  static final int MOST_SPLITS = 128;

  /**
   * The plan of least cost.
   *
   * @param tiles those that the operator has, in order
   * @param aligned whether rows allow 16-byte accesses; otherwise {@link Tile#ANY} is taken
   * @param mostSplits 1 where the operator cannot split
   */
  static GemmPlan choose(
      List<Tile> tiles,
      boolean aligned,
      long m,
      long n,
      long k,
      int multiprocessors,
      int mostSplits) {
    if (!aligned) {
      return new GemmPlan(
          Tile.ANY, choose(List.of(Tile.T64X64), m, n, k, multiprocessors, mostSplits).splits);
    }
    return choose(tiles, m, n, k, multiprocessors, mostSplits);
  }

  private static GemmPlan choose(
      List<Tile> tiles, long m, long n, long k, int multiprocessors, int mostSplits) {
    long depth = CudaFamily.ceil(k, STEP);
    GemmPlan best = new GemmPlan(tiles.getFirst(), 1);
    long least = Long.MAX_VALUE;
    for (Tile tile : tiles) {
      for (int splits = 1; splits <= Math.min(mostSplits, MOST_SPLITS); splits *= 2) {
        if (splits > 1 && depth < (long) LEAST_STEPS * splits) {
          break;
        }
        long steps = CudaFamily.ceil(depth, splits);
        long waves = CudaFamily.ceil(tile.tiles(m, n) * splits, multiprocessors);
        long cost = waves * (steps + FILL_STEPS) * tile.rows * tile.columns * tile.weight;
        if (splits > 1) {
          cost += 8L * splits * m * n / multiprocessors;
        }
        if (cost < least) {
          least = cost;
          best = new GemmPlan(tile, splits);
        }
      }
    }
    return best;
  }
}
