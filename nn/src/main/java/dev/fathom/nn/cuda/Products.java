package dev.fathom.nn.cuda;

import dev.fathom.bindings.Native;
import dev.fathom.bindings.generated.FathomNative;
import dev.fathom.bindings.generated.cuda.FathomCuda;
import dev.fathom.bindings.generated.cuda.fathom_cuda_differentiate_args;
import dev.fathom.bindings.generated.cuda.fathom_cuda_linear_vectors_args;
import dev.fathom.bindings.generated.cuda.fathom_cuda_pack_weight_args;
import dev.fathom.nn.op.Activation;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** What linear layers and convolutions share (args_gemm.h, args_linear.h). */
final class Products extends CudaFamily {

  private static final int LEAST_BLOCK_ROWS = 64;
  private static final int MOST_CHUNKS = 32;

  private final Kernel pack = new Kernel("fathom_pack_weight");
  private final Kernel differentiate = new Kernel("fathom_differentiate");
  private final Kernel vectors = new Kernel("fathom_linear_vectors");

  Products(Engine engine) {
    super(engine);
  }

  /** The header's number, FATHOM_ACTIVATION_*. */
  static int code(Activation activation) {
    return switch (activation) {
      case NONE -> FathomNative.FATHOM_ACTIVATION_NONE();
      case RELU -> FathomNative.FATHOM_ACTIVATION_RELU();
      case GELU -> FathomNative.FATHOM_ACTIVATION_GELU();
      case SIGMOID -> FathomNative.FATHOM_ACTIVATION_SIGMOID();
    };
  }

  /** Launches the kernel of a product [m,n] for the plan's tile. */
  void product(TiledKernel kernel, GemmPlan plan, long m, long n, int classes, MemorySegment args) {
    GemmPlan.Tile tile = plan.tile();
    boolean stays = tile.stays();
    launch(
        kernel.of(tile),
        stays ? plan.stayingBlocks(m, n, engine.multiprocessors()) : tile.tiles(m, n),
        stays ? 1 : plan.splits(),
        classes,
        tile.threads(),
        tile.sharedBytes(elementBytes()),
        args);
  }

  /** How to make a product [m,n] of depth k of elements, whose rows are aligned or not. */
  GemmPlan plan(boolean aligned, long m, long n, long k) {
    return GemmPlan.choose(
        aligned && engine.hasHopperKernels() ? GemmPlan.HOPPER : GemmPlan.LINEAR,
        aligned,
        m,
        n,
        k,
        engine.multiprocessors(),
        GemmPlan.MOST_SPLITS);
  }

  /** Room in scratch memory for the parts of a split product [m,n]; 0 without splits. */
  long partial(GemmPlan plan, long m, long n) {
    return plan.splits() > 1 ? engine.scratch(4L * plan.splits() * m * n).part(0) : 0;
  }

  /**
   * Describes a matrix of elements with contiguous rows for a kernel of compute capability 9.0.
   *
   * @param boxRows of what it copies at a time, 64 columns wide
   * @param map the kernel's
   */
  void map(MemorySegment map, long address, long rows, long columns, long stride, int boxRows) {
    engine.encode(
        map,
        address,
        new long[] {columns, rows},
        new long[] {stride * elementBytes()},
        FathomCuda.FATHOM_GEMM90_K(),
        boxRows);
  }

  /** Launches a kernel with one thread for each of n things. */
  void reduce(Kernel kernel, long n, MemorySegment args) {
    int threads = FathomCuda.FATHOM_GEMM_REDUCE_THREADS();
    launch(kernel, ceil(n, threads), threads, args);
  }

  /**
   * A weight in the order of the kernels: packed[a][b][c] = factor[a] * weight[a strideA + b
   * strideB + c strideC], c padded to a multiple of 8.
   *
   * @param weight float32, on the device or the host
   */
  void pack(
      Tensor weight,
      @Nullable Tensor factor,
      long packed,
      long sizeA,
      long sizeB,
      long in,
      long strideA,
      long strideB,
      long strideC) {
    requireFloats("pack", weight, factor);
    synchronized (engine) {
      long source = engine.onDevice(weight);
      MemorySegment args = Native.arguments(fathom_cuda_pack_weight_args.layout());
      fathom_cuda_pack_weight_args.weight(args, address(source));
      fathom_cuda_pack_weight_args.factor(args, address(factor));
      fathom_cuda_pack_weight_args.packed(args, address(packed));
      fathom_cuda_pack_weight_args.stride_a(args, strideA);
      fathom_cuda_pack_weight_args.stride_b(args, strideB);
      fathom_cuda_pack_weight_args.stride_c(args, strideC);
      fathom_cuda_pack_weight_args.size_a(args, Math.toIntExact(sizeA));
      fathom_cuda_pack_weight_args.size_b(args, Math.toIntExact(sizeB));
      fathom_cuda_pack_weight_args.in(args, Math.toIntExact(in));
      reduce(pack, sizeA * sizeB * eights(in), args);
    }
  }

  private static long blockRows(long rows) {
    return Math.max(LEAST_BLOCK_ROWS, ceil(rows, FathomCuda.FATHOM_LINEAR_MOST_SUMS()));
  }

  /** Blocks of rows whose sums {@link #differentiate} makes. */
  static long sumBlocks(long rows) {
    return ceil(rows, blockRows(rows));
  }

  /**
   * dz = dy * activation'(z), and the sums over blocks of rows; parts that are 0 or null are not.
   */
  void differentiate(
      long dy,
      @Nullable Tensor z,
      long dz,
      long blockSums,
      long rows,
      long columns,
      Activation activation) {
    int chunks = powerOfTwo(ceil(columns, 8), MOST_CHUNKS);
    MemorySegment args = Native.arguments(fathom_cuda_differentiate_args.layout());
    fathom_cuda_differentiate_args.dy(args, address(dy));
    fathom_cuda_differentiate_args.z(args, address(z));
    fathom_cuda_differentiate_args.dz(args, address(dz));
    fathom_cuda_differentiate_args.block_sums(args, address(blockSums));
    fathom_cuda_differentiate_args.rows(args, rows);
    fathom_cuda_differentiate_args.columns(args, Math.toIntExact(columns));
    fathom_cuda_differentiate_args.chunks(args, chunks);
    fathom_cuda_differentiate_args.block_rows(args, Math.toIntExact(blockRows(rows)));
    fathom_cuda_differentiate_args.activation(args, code(activation));
    launch(
        differentiate,
        ceil(columns, 8L * chunks),
        sumBlocks(rows),
        FathomCuda.FATHOM_LINEAR_THREADS(),
        0,
        args);
  }

  /** dBias += scale * S and dScale += scaleProducts + bias * S, S the sum of the blocks' sums. */
  void vectors(
      long blockSums,
      @Nullable Tensor scale,
      @Nullable Tensor bias,
      long scaleProducts,
      @Nullable Tensor dBias,
      @Nullable Tensor dScale,
      long columns,
      long blocks) {
    MemorySegment args = Native.arguments(fathom_cuda_linear_vectors_args.layout());
    fathom_cuda_linear_vectors_args.block_sums(args, address(blockSums));
    fathom_cuda_linear_vectors_args.scale(args, address(scale));
    fathom_cuda_linear_vectors_args.bias(args, address(blockSums == 0 ? null : bias));
    fathom_cuda_linear_vectors_args.scale_products(args, address(scaleProducts));
    fathom_cuda_linear_vectors_args.d_bias(args, address(dBias));
    fathom_cuda_linear_vectors_args.d_scale(args, address(dScale));
    fathom_cuda_linear_vectors_args.columns(args, Math.toIntExact(columns));
    fathom_cuda_linear_vectors_args.blocks(args, Math.toIntExact(blocks));
    launch(
        vectors,
        ceil(columns, FathomCuda.FATHOM_LINEAR_SUM_COLUMNS()),
        FathomCuda.FATHOM_LINEAR_THREADS(),
        args);
  }
}
