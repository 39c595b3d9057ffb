package dev.fathom.nn.cuda;

import dev.fathom.bindings.Native;
import dev.fathom.bindings.generated.cuda.FathomCuda;
import dev.fathom.bindings.generated.cuda.fathom_cuda_attention90_args;
import dev.fathom.bindings.generated.cuda.fathom_cuda_attention_args;
import dev.fathom.bindings.generated.cuda.fathom_cuda_attention_backward90_args;
import dev.fathom.bindings.generated.cuda.fathom_cuda_attention_backward_args;
import dev.fathom.nn.op.AttentionOps;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * kernels/cuda/attention.cu, attention_backward.cu, and their *90.cu for compute capability 9.0.
 */
final class CudaAttention extends CudaFamily implements AttentionOps {

  /** Head dimensions that there are kernels for: multiples of this ... */
  private static final int HEAD_STEP = 16;

  /** ... up to this. */
  private static final int WIDEST_HEAD = 128;

  /** The head dimension of the published networks, which has a kernel for few blocks. */
  private static final long USUAL_HEAD = 64;

  /** Rows of delta that a block makes. */
  private static final int DELTA_ROWS = 32;

  private final List<Kernel> forward = ofHeads("fathom_attention_");
  private final Kernel forwardShort = new Kernel("fathom_attention_short_" + USUAL_HEAD);
  private final Map<Shape90, Kernel> forward90 = new EnumMap<>(Shape90.class);
  private final Kernel delta = new Kernel("fathom_attention_backward_delta");
  private final List<Kernel> keys = ofHeads("fathom_attention_backward_keys_");
  private final List<Kernel> queries = ofHeads("fathom_attention_backward_queries_");
  private final Kernel backward90 = new Kernel("fathom_attention_backward90");

  CudaAttention(Engine engine) {
    super(engine);
    for (Shape90 shape : Shape90.values()) {
      forward90.put(shape, new Kernel(shape.kernel));
    }
  }

  private List<Kernel> ofHeads(String name) {
    return IntStream.rangeClosed(1, WIDEST_HEAD / HEAD_STEP)
        .mapToObj(i -> new Kernel(name + i * HEAD_STEP))
        .toList();
  }

  /** The kernel for heads of so many channels. */
  private static Kernel ofHead(List<Kernel> kernels, long dim) {
    return kernels.get(Math.toIntExact(dim / HEAD_STEP) - 1);
  }

  @Override
  public void attention(Tensor qkv, int heads, float scale, Tensor y, @Nullable Tensor logSumExp) {
    requireElements("attention", qkv, y);
    requireFloats("attention", logSumExp);
    long dim = headDim("attention", y, heads);
    long tokens = y.extent(1);
    long pairs = y.extent(0) * heads;
    if (dim == USUAL_HEAD && engine.hasHopperKernels() && aligned(qkv, y)) {
      forward90(qkv, heads, scale, y, logSumExp);
      return;
    }
    long blocks = pairs * ceil(tokens, rows(dim));
    Kernel kernel = ofHead(forward, dim);
    if (dim == USUAL_HEAD && blocks < engine.multiprocessors()) {
      kernel = forwardShort;
      blocks = pairs * ceil(tokens, FathomCuda.FATHOM_ATTENTION_SHORT_ROWS());
    }
    MemorySegment args = Native.arguments(fathom_cuda_attention_args.layout());
    fathom_cuda_attention_args.qkv(args, address(qkv));
    fathom_cuda_attention_args.out(args, address(y));
    fathom_cuda_attention_args.log_sum_exp(args, address(logSumExp));
    fathom_cuda_attention_args.tokens(args, Math.toIntExact(tokens));
    fathom_cuda_attention_args.heads(args, heads);
    fathom_cuda_attention_args.scale(args, scale);
    launch(kernel, blocks, 1, FathomCuda.FATHOM_ATTENTION_THREADS(), tiles(dim), args);
  }

  /** kernels/cuda/attention90.cu. */
  private void forward90(Tensor qkv, int heads, float scale, Tensor y, @Nullable Tensor logSumExp) {
    long tokens = y.extent(1);
    long pairs = y.extent(0) * heads;
    MemorySegment args = Native.arguments(fathom_cuda_attention90_args.layout());
    map(fathom_cuda_attention90_args.qkv(args), qkv);
    map(fathom_cuda_attention90_args.out(args), y);
    fathom_cuda_attention90_args.log_sum_exp(args, address(logSumExp));
    fathom_cuda_attention90_args.tokens(args, Math.toIntExact(tokens));
    fathom_cuda_attention90_args.heads(args, heads);
    fathom_cuda_attention90_args.batch(args, Math.toIntExact(y.extent(0)));
    fathom_cuda_attention90_args.scale(args, scale);
    Shape90 shape = Shape90.best(pairs, tokens, engine.multiprocessors());
    launch(
        Objects.requireNonNull(forward90.get(shape)),
        Math.min(shape.pieces(pairs, tokens), engine.multiprocessors()),
        1,
        shape.threads,
        shape.shared,
        args);
  }

  /** The shapes of a block of attention90.cu. */
  enum Shape90 {
    USUAL(
        "fathom_attention90",
        FathomCuda.FATHOM_ATTENTION90_ROWS(),
        FathomCuda.FATHOM_ATTENTION90_ROWS(),
        FathomCuda.FATHOM_ATTENTION90_THREADS(),
        FathomCuda.FATHOM_ATTENTION90_SHARED()),
    TALL(
        "fathom_attention90_tall",
        FathomCuda.FATHOM_ATTENTION90_TALL_ROWS(),
        FathomCuda.FATHOM_ATTENTION90_TALL_ROWS(),
        FathomCuda.FATHOM_ATTENTION90_TALL_THREADS(),
        FathomCuda.FATHOM_ATTENTION90_TALL_SHARED()),
    SHORT(
        "fathom_attention90_short",
        FathomCuda.FATHOM_ATTENTION90_SHORT_ROWS(),
        FathomCuda.FATHOM_ATTENTION90_SHORT_COST(),
        FathomCuda.FATHOM_ATTENTION90_THREADS(),
        FathomCuda.FATHOM_ATTENTION90_SHORT_SHARED());

    private final String kernel;
    private final int rows;
    private final int cost;
    private final int threads;
    private final int shared;

    Shape90(String kernel, int rows, int cost, int threads, int shared) {
      this.kernel = kernel;
      this.rows = rows;
      this.cost = cost;
      this.threads = threads;
      this.shared = shared;
    }

    /** Pieces of work: queries of a head that a block has at a time. */
    private long pieces(long pairs, long tokens) {
      return pairs * ceil(tokens, rows);
    }

    /** The one whose waves of pieces cost least; args_attention90.h has the rule. */
    static Shape90 best(long pairs, long tokens, int multiprocessors) {
      Shape90 best = USUAL;
      long least = Long.MAX_VALUE;
      for (Shape90 shape : values()) {
        long cost = ceil(shape.pieces(pairs, tokens), multiprocessors) * shape.cost;
        if (cost < least) {
          least = cost;
          best = shape;
        }
      }
      return best;
    }
  }

  /** Tokens [B,T,C] in boxes of one head and some tokens of one picture. */
  private void map(MemorySegment map, Tensor tokens) {
    long row = tokens.extent(2) * elementBytes();
    engine.encode(
        map,
        tokens.address(),
        new long[] {tokens.extent(2), tokens.extent(1), tokens.extent(0)},
        new long[] {row, row * tokens.extent(1)},
        Math.toIntExact(USUAL_HEAD),
        FathomCuda.FATHOM_ATTENTION90_BOX(),
        1);
  }

  @Override
  public void attentionBackward(
      Tensor qkv, int heads, float scale, Tensor y, Tensor logSumExp, Tensor dy, Tensor dqkv) {
    requireElements("attentionBackward", qkv, y, dy, dqkv);
    requireFloats("attentionBackward", logSumExp);
    long dim = headDim("attentionBackward", y, heads);
    long tokens = y.extent(1);
    long pairs = y.extent(0) * heads;
    long all = pairs * tokens;
    boolean hopper = dim == USUAL_HEAD && engine.hasHopperKernels() && aligned(qkv, dy, dqkv);
    synchronized (engine) {
      long sums = engine.scratch(4 * all).part(0);
      MemorySegment args = Native.arguments(fathom_cuda_attention_backward_args.layout());
      fathom_cuda_attention_backward_args.qkv(args, address(qkv));
      fathom_cuda_attention_backward_args.out(args, address(y));
      fathom_cuda_attention_backward_args.log_sum_exp(args, address(logSumExp));
      fathom_cuda_attention_backward_args.d_out(args, address(dy));
      fathom_cuda_attention_backward_args.delta(args, address(sums));
      fathom_cuda_attention_backward_args.dqkv(args, address(dqkv));
      fathom_cuda_attention_backward_args.rows(args, all);
      fathom_cuda_attention_backward_args.tokens(args, Math.toIntExact(tokens));
      fathom_cuda_attention_backward_args.heads(args, heads);
      fathom_cuda_attention_backward_args.head_dim(args, Math.toIntExact(dim));
      fathom_cuda_attention_backward_args.scale(args, scale);
      launch(delta, ceil(all, DELTA_ROWS), FathomCuda.FATHOM_ATTENTION_DELTA_THREADS(), args);
      if (hopper) {
        backward90(qkv, heads, scale, logSumExp, dy, dqkv, sums);
        return;
      }
      int statistics =
          2 * FathomCuda.FATHOM_ATTENTION_STAGES() * FathomCuda.FATHOM_ATTENTION_TILE() * 4;
      for (Kernel kernel : List.of(ofHead(keys, dim), ofHead(queries, dim))) {
        launch(
            kernel,
            pairs * ceil(tokens, rows(dim)),
            1,
            FathomCuda.FATHOM_ATTENTION_THREADS(),
            tiles(dim) + statistics,
            args);
      }
    }
  }

  /** kernels/cuda/attention_backward90.cu. */
  private void backward90(
      Tensor qkv, int heads, float scale, Tensor logSumExp, Tensor dy, Tensor dqkv, long sums) {
    long tokens = dy.extent(1);
    MemorySegment args = Native.arguments(fathom_cuda_attention_backward90_args.layout());
    map(fathom_cuda_attention_backward90_args.qkv(args), qkv);
    map(fathom_cuda_attention_backward90_args.d_out(args), dy);
    map(fathom_cuda_attention_backward90_args.dqkv(args), dqkv);
    fathom_cuda_attention_backward90_args.log_sum_exp(args, address(logSumExp));
    fathom_cuda_attention_backward90_args.delta(args, address(sums));
    fathom_cuda_attention_backward90_args.tokens(args, Math.toIntExact(tokens));
    fathom_cuda_attention_backward90_args.heads(args, heads);
    fathom_cuda_attention_backward90_args.batch(args, Math.toIntExact(dy.extent(0)));
    fathom_cuda_attention_backward90_args.scale(args, scale);
    long pieces =
        dy.extent(0) * heads * ceil(tokens, FathomCuda.FATHOM_ATTENTION_BACKWARD90_ROWS());
    long blocks = Math.min(2 * pieces, engine.multiprocessors());
    fathom_cuda_attention_backward90_args.busy_queries(
        args, Math.toIntExact(busyQueries(pieces, blocks)));
    launch(
        backward90,
        blocks,
        1,
        FathomCuda.FATHOM_ATTENTION90_THREADS(),
        FathomCuda.FATHOM_ATTENTION_BACKWARD90_SHARED(),
        args);
  }

  /**
   * Pieces of queries for each of the blocks that have a piece of keys more than others have, such
   * that the block that takes longest takes least; args_attention90.h has the rule.
   */
  static long busyQueries(long pieces, long blocks) {
    long busy = pieces % blocks;
    if (busy == 0) {
      return 0;
    }
    long keys = pieces / blocks;
    long best = 0;
    long least = Long.MAX_VALUE;
    for (long queries = 0; queries <= keys && queries * busy <= pieces; queries++) {
      long longest =
          Math.max(
              cost(keys + 1, queries), cost(keys, ceil(pieces - queries * busy, blocks - busy)));
      if (longest < least) {
        least = longest;
        best = queries;
      }
    }
    return best;
  }

  private static long cost(long keys, long queries) {
    return keys * FathomCuda.FATHOM_ATTENTION_BACKWARD90_KEYS_COST()
        + queries * FathomCuda.FATHOM_ATTENTION_BACKWARD90_QUERIES_COST();
  }

  private static long headDim(String operator, Tensor y, int heads) {
    long dim = y.extent(2) / heads;
    if (dim * heads != y.extent(2) || dim % HEAD_STEP != 0 || dim < 1 || dim > WIDEST_HEAD) {
      throw new IllegalArgumentException(
          operator
              + ": "
              + y
              + " with "
              + heads
              + " heads; on a GPU a head's dimension is a multiple of "
              + HEAD_STEP
              + " up to "
              + WIDEST_HEAD);
    }
    return dim;
  }

  private static long rows(long dim) {
    return dim <= FathomCuda.FATHOM_ATTENTION_WIDE()
        ? FathomCuda.FATHOM_ATTENTION_ROWS()
        : FathomCuda.FATHOM_ATTENTION_WIDE_ROWS();
  }

  /** Bytes of the tiles of two tensors in shared memory. */
  private int tiles(long dim) {
    return 2
        * FathomCuda.FATHOM_ATTENTION_STAGES()
        * FathomCuda.FATHOM_ATTENTION_TILE()
        * (Math.toIntExact(dim) + FathomCuda.FATHOM_ATTENTION_PAD())
        * elementBytes();
  }
}
