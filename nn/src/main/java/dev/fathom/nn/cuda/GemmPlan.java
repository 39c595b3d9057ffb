package dev.fathom.nn.cuda;

import dev.fathom.bindings.generated.cuda.FathomCuda;
import java.util.List;

/**
 * How a product C [M,N] = A [M,K] B [K,N] is cut for the multiprocessors: the tile of a block and
 * the number of parts of the sum over K. The rules and their numbers are those of
 * kernels/cuda/args_gemm.h.
 */
record GemmPlan(Tile tile, int splits) {

  /** A tile of C: rows, columns, threads, shared memory; and what it costs. */
  enum Tile {
    T128X128("_128x128", 128, 128, 256, 81920, 16),
    T128X64("_128x64", 128, 64, 128, 61440, 18),
    T64X64("_64x64", 64, 64, 128, 40960, 22),
    T128X32("_128x32", 128, 32, 128, 51200, 20),
    /** Any sizes and strides. */
    ANY("_any", 64, 64, 128, 40960, 22),
    /** On compute capability 9.0, by wgmma, whose blocks stay. */
    W128X256("90_128x256", 256, 16, 1, 3),
    W128X128("90_128x128", 128, 19, 0, 5),
    W128X64("90_128x64", 64, 28, 1, 7);

    private final String suffix;
    private final int rows;
    private final int columns;
    private final int threads;
    private final int sharedBytes;
    private final boolean stays;
    private final int weight;
    private final int finishSteps;
    private final int fillSteps;

    Tile(String suffix, int rows, int columns, int threads, int sharedBytes, int weight) {
      this.suffix = suffix;
      this.rows = rows;
      this.columns = columns;
      this.threads = threads;
      this.sharedBytes = sharedBytes;
      this.weight = weight;
      stays = false;
      finishSteps = 6;
      fillSteps = 0;
    }

    Tile(String suffix, int columns, int weight, int finishSteps, int fillSteps) {
      this.suffix = suffix;
      this.columns = columns;
      this.weight = weight;
      this.finishSteps = finishSteps;
      this.fillSteps = fillSteps;
      rows = 128;
      threads = FathomCuda.FATHOM_GEMM90_THREADS();
      sharedBytes = FathomCuda.FATHOM_GEMM90_SHARED();
      stays = true;
    }

    /** End of the kernel's name. */
    String suffix() {
      return suffix;
    }

    int rows() {
      return rows;
    }

    int columns() {
      return columns;
    }

    int threads() {
      return threads;
    }

    /** Whether blocks take tile after tile, as many blocks as multiprocessors. */
    boolean stays() {
      return stays;
    }

    /** Dynamic shared memory of a block, for elements of so many bytes. */
    int sharedBytes(int elementBytes) {
      return sharedBytes / 2 * elementBytes;
    }

    /** Tiles of an m x n result. */
    long tiles(long m, long n) {
      return CudaFamily.ceil(m, rows) * CudaFamily.ceil(n, columns);
    }

    /** Steps through K. */
    private long depth(long k) {
      return CudaFamily.ceil(k, stays ? FathomCuda.FATHOM_GEMM90_K() : FathomCuda.FATHOM_GEMM_K());
    }

    /** Time of a product in this tile and so many parts, in units that only compare. */
    long cost(long m, long n, long k, int splits, int multiprocessors) {
      long waves = CudaFamily.ceil(tiles(m, n) * splits, multiprocessors);
      long steps = waves * (CudaFamily.ceil(depth(k), splits) + finishSteps) + fillSteps;
      long cost = steps * rows * columns * weight;
      if (splits > 1) {
        cost += (stays ? PART_90 : PART) * splits * m * n / multiprocessors;
        cost += stays ? REDUCE_90 : 0;
      }
      return cost;
    }

    /** Whether the sums may be made in so many parts. */
    private boolean allows(long m, long n, long k, int splits, int multiprocessors) {
      return splits == 1
          || (depth(k) >= (long) (stays ? LEAST_STEPS_90 : LEAST_STEPS) * splits
              && (!stays || tiles(m, n) * splits <= (long) MOST_WAVES_90 * multiprocessors));
    }
  }

  /** Of linear layers. */
  static final List<Tile> LINEAR = List.of(Tile.T128X128, Tile.T128X64, Tile.T64X64);

  /** Of convolutions. */
  static final List<Tile> CONVOLUTION =
      List.of(Tile.T128X128, Tile.T128X64, Tile.T64X64, Tile.T128X32);

  /** Of what multiplies by wgmma. */
  static final List<Tile> HOPPER = List.of(Tile.W128X256, Tile.W128X128, Tile.W128X64);

  static final int MOST_SPLITS = 128;

  private static final int LEAST_STEPS = 8;
  private static final int LEAST_STEPS_90 = 4;
  private static final int MOST_WAVES_90 = 4;

  /** Of an element of a part, written and read. */
  private static final long PART = 8;

  private static final long PART_90 = 96;
  private static final long REDUCE_90 = 1_300_000;

  /** Bytes of B that stay in the second-level cache while A goes by. */
  private static final long CACHED = 16L << 20;

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
    GemmPlan best = new GemmPlan(tiles.getFirst(), 1);
    long least = Long.MAX_VALUE;
    for (Tile tile : tiles) {
      for (int splits = 1;
          splits <= Math.min(mostSplits, MOST_SPLITS)
              && tile.allows(m, n, k, splits, multiprocessors);
          splits = tile.stays ? splits + 1 : splits * 2) {
        long cost = tile.cost(m, n, k, splits, multiprocessors);
        if (cost < least) {
          least = cost;
          best = new GemmPlan(tile, splits);
        }
      }
    }
    return best;
  }

  /** Blocks of a launch, all splits among them; of tiles that stay. */
  long stayingBlocks(long m, long n, int multiprocessors) {
    return Math.min(tile.tiles(m, n) * splits, multiprocessors);
  }

  /**
   * Columns of tiles that are walked together, so that their part of B [K,N] stays in the cache; 0
   * for all.
   */
  int group(long n, long k) {
    return 2 * n * k <= CACHED ? 0 : (int) Math.max(1, CACHED / (2 * k * tile.columns));
  }
}
