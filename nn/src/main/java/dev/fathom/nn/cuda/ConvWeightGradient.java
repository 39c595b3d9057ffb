package dev.fathom.nn.cuda;

import dev.fathom.bindings.Native;
import dev.fathom.bindings.generated.cuda.fathom_cuda_conv_d_weight_args;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.MemorySegment;

/**
 * fathom_conv_d_weight of kernels/cuda/conv_backward.cu, which transposed convolutions use, too.
 */
final class ConvWeightGradient extends CudaFamily {

  private final TiledKernel kernels = new TiledKernel("fathom_conv_d_weight");
  private final Kernel reduce = new Kernel("fathom_conv_d_weight_reduce");
  private final Products products;

  ConvWeightGradient(Engine engine, Products products) {
    super(engine);
    this.products = products;
  }

  /** How to make it: rows x (taps channels), summed over so many pixels. */
  GemmPlan plan(long rows, long channels, long taps, long pixels, boolean aligned) {
    return GemmPlan.choose(
        GemmPlan.LINEAR,
        rows % 8 == 0 && channels % 8 == 0 && aligned,
        rows,
        taps * eights(channels),
        pixels,
        engine.multiprocessors(),
        GemmPlan.MOST_SPLITS);
  }

  /**
   * The weight's gradient.
   *
   * @param gradient [B,OH,OW,rows]
   * @param map [B,H,W,channels]
   */
  void run(
      long gradient,
      long[] gradientShape,
      Tensor map,
      Tensor dWeight,
      long partial,
      int kernel,
      int stride,
      int margin,
      boolean reluMap,
      GemmPlan plan) {
    long rows = gradientShape[3];
    long channels = map.extent(3);
    MemorySegment args = Native.arguments(fathom_cuda_conv_d_weight_args.layout());
    fathom_cuda_conv_d_weight_args.gradient(args, address(gradient));
    fathom_cuda_conv_d_weight_args.map(args, address(map));
    fathom_cuda_conv_d_weight_args.d_weight(args, address(dWeight));
    fathom_cuda_conv_d_weight_args.partial(args, address(partial));
    fathom_cuda_conv_d_weight_args.batch(args, Math.toIntExact(map.extent(0)));
    fathom_cuda_conv_d_weight_args.height(args, Math.toIntExact(map.extent(1)));
    fathom_cuda_conv_d_weight_args.width(args, Math.toIntExact(map.extent(2)));
    fathom_cuda_conv_d_weight_args.channels(args, Math.toIntExact(channels));
    fathom_cuda_conv_d_weight_args.out_height(args, Math.toIntExact(gradientShape[1]));
    fathom_cuda_conv_d_weight_args.out_width(args, Math.toIntExact(gradientShape[2]));
    fathom_cuda_conv_d_weight_args.rows(args, Math.toIntExact(rows));
    fathom_cuda_conv_d_weight_args.kernel(args, kernel);
    fathom_cuda_conv_d_weight_args.stride(args, stride);
    fathom_cuda_conv_d_weight_args.margin(args, margin);
    fathom_cuda_conv_d_weight_args.relu_map(args, reluMap ? 1 : 0);
    fathom_cuda_conv_d_weight_args.splits(args, plan.splits());
    long columns = (long) kernel * kernel * eights(channels);
    products.product(kernels, plan, rows, columns, 1, args);
    products.reduce(reduce, rows * kernel * kernel * channels, args);
  }
}
