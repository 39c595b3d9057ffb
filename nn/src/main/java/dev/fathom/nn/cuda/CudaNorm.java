package dev.fathom.nn.cuda;

import dev.fathom.bindings.Native;
import dev.fathom.bindings.generated.cuda.FathomCuda;
import dev.fathom.bindings.generated.cuda.fathom_cuda_layer_norm_args;
import dev.fathom.bindings.generated.cuda.fathom_cuda_layer_norm_backward_args;
import dev.fathom.bindings.generated.cuda.fathom_cuda_layer_norm_sums_args;
import dev.fathom.nn.op.NormOps;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** kernels/cuda/norm.cu. */
final class CudaNorm extends CudaFamily implements NormOps {

  /** Channels that the kernels hold in registers, in rising order. */
  private static final int[] WIDTHS = {512, 1024, 1536};

  private final List<Kernel> forward = ofWidths("fathom_layer_norm");
  private final Kernel forwardAny = new Kernel("fathom_layer_norm_any");
  private final List<Kernel> backward = ofWidths("fathom_layer_norm_backward");
  private final Kernel backwardAny = new Kernel("fathom_layer_norm_backward_any");
  private final Kernel columnsAny = new Kernel("fathom_layer_norm_backward_columns_any");
  private final Kernel backwardSums = new Kernel("fathom_layer_norm_backward_sums");

  CudaNorm(Engine engine) {
    super(engine);
  }

  @Override
  public void layerNorm(
      Tensor x,
      int skip,
      Tensor weight,
      Tensor bias,
      float eps,
      Tensor y,
      @Nullable Tensor mean,
      @Nullable Tensor rstd) {
    requireElements("layerNorm", x, y);
    requireFloats("layerNorm", weight, bias, mean, rstd);
    long channels = x.extent(2);
    long rows = y.extent(0) * y.extent(1);
    Kernel kernel = ofWidth(forward, channels, x, y);
    MemorySegment args = Native.arguments(fathom_cuda_layer_norm_args.layout());
    long first = x.address() + channels * skip * elementBytes();
    fathom_cuda_layer_norm_args.x(args, address(first));
    fathom_cuda_layer_norm_args.weight(args, address(weight));
    fathom_cuda_layer_norm_args.bias(args, address(bias));
    fathom_cuda_layer_norm_args.y(args, address(y));
    fathom_cuda_layer_norm_args.mean(args, address(mean));
    fathom_cuda_layer_norm_args.rstd(args, address(rstd));
    fathom_cuda_layer_norm_args.x_batch_stride(args, x.extent(1) * channels);
    fathom_cuda_layer_norm_args.rows(args, rows);
    fathom_cuda_layer_norm_args.batch_rows(args, Math.toIntExact(y.extent(1)));
    fathom_cuda_layer_norm_args.channels(args, Math.toIntExact(channels));
    fathom_cuda_layer_norm_args.eps(args, eps);
    launch(
        kernel == null ? forwardAny : kernel,
        blocks(rows, kernel == null),
        FathomCuda.FATHOM_NORM_THREADS(),
        args);
  }

  @Override
  public void layerNormBackward(
      Tensor x,
      int skip,
      Tensor weight,
      Tensor mean,
      Tensor rstd,
      Tensor dy,
      @Nullable Tensor dx,
      boolean accumulate,
      @Nullable Tensor dWeight,
      @Nullable Tensor dBias) {
    requireElements("layerNormBackward", x, dy, dx);
    requireFloats("layerNormBackward", weight, mean, rstd, dWeight, dBias);
    long channels = x.extent(2);
    long tokens = x.extent(0) * x.extent(1);
    long blocks =
        Math.min(
            ceil(tokens, FathomCuda.FATHOM_NORM_WARPS()), FathomCuda.FATHOM_NORM_BACKWARD_BLOCKS());
    boolean sums = dWeight != null || dBias != null;
    Kernel whole = ofWidth(backward, channels, x, dy, dx);
    int sumColumns = FathomCuda.FATHOM_NORM_COLUMNS();
    int sumThreads = sumColumns * FathomCuda.FATHOM_NORM_SUM_ROWS();
    synchronized (engine) {
      long partial = sums ? engine.scratch(8 * blocks * channels).part(0) : 0;
      MemorySegment args = Native.arguments(fathom_cuda_layer_norm_backward_args.layout());
      fathom_cuda_layer_norm_backward_args.x(args, address(x));
      fathom_cuda_layer_norm_backward_args.weight(args, address(weight));
      fathom_cuda_layer_norm_backward_args.mean(args, address(mean));
      fathom_cuda_layer_norm_backward_args.rstd(args, address(rstd));
      fathom_cuda_layer_norm_backward_args.dy(args, address(dy));
      fathom_cuda_layer_norm_backward_args.dx(args, address(dx));
      fathom_cuda_layer_norm_backward_args.partial(args, address(partial));
      fathom_cuda_layer_norm_backward_args.tokens(args, tokens);
      fathom_cuda_layer_norm_backward_args.batch_rows(args, Math.toIntExact(dy.extent(1)));
      fathom_cuda_layer_norm_backward_args.skip(args, skip);
      fathom_cuda_layer_norm_backward_args.channels(args, Math.toIntExact(channels));
      fathom_cuda_layer_norm_backward_args.accumulate(args, accumulate ? 1 : 0);
      if (whole != null) {
        launch(whole, blocks, FathomCuda.FATHOM_NORM_THREADS(), args);
      } else {
        if (dx != null) {
          launch(backwardAny, blocks(tokens, true), FathomCuda.FATHOM_NORM_THREADS(), args);
        }
        if (sums) {
          launch(columnsAny, ceil(channels, sumColumns), blocks, sumThreads, 0, args);
        }
      }
      if (sums) {
        args = Native.arguments(fathom_cuda_layer_norm_sums_args.layout());
        fathom_cuda_layer_norm_sums_args.partial(args, address(partial));
        fathom_cuda_layer_norm_sums_args.d_weight(args, address(dWeight));
        fathom_cuda_layer_norm_sums_args.d_bias(args, address(dBias));
        fathom_cuda_layer_norm_sums_args.blocks(args, Math.toIntExact(blocks));
        fathom_cuda_layer_norm_sums_args.channels(args, Math.toIntExact(channels));
        launch(backwardSums, ceil(channels, sumColumns), sumThreads, args);
      }
    }
  }

  private List<Kernel> ofWidths(String name) {
    return Arrays.stream(WIDTHS).mapToObj(width -> new Kernel(name + "_" + width)).toList();
  }

  /** The kernel for rows of so many channels; null if only the one for any rows does them. */
  private static @Nullable Kernel ofWidth(
      List<Kernel> kernels, long channels, @Nullable Tensor... rows) {
    if (channels % 8 == 0 && aligned(rows)) {
      for (int i = 0; i < WIDTHS.length; i++) {
        if (channels <= WIDTHS[i]) {
          return kernels.get(i);
        }
      }
    }
    return null;
  }

  private static long blocks(long rows, boolean any) {
    long wanted = any ? rows : ceil(rows, FathomCuda.FATHOM_NORM_WARPS());
    return Math.min(wanted, FathomCuda.FATHOM_NORM_BLOCKS());
  }
}
