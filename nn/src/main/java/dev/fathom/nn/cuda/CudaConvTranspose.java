package dev.fathom.nn.cuda;

import dev.fathom.bindings.Native;
import dev.fathom.bindings.generated.cuda.fathom_cuda_conv_transpose2d_args;
import dev.fathom.bindings.generated.cuda.fathom_cuda_conv_transpose2d_dx_args;
import dev.fathom.nn.op.Activation;
import dev.fathom.nn.tensor.Memory;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Transposed convolutions and their gradients: kernels/cuda/conv_transpose.cu. */
final class CudaConvTranspose extends CudaFamily {

  /** Tiles of dx. */
  private static final List<GemmPlan.Tile> INPUT_GRADIENT =
      List.of(GemmPlan.Tile.T128X64, GemmPlan.Tile.T64X64);

  private final TiledKernel forward = new TiledKernel("fathom_conv_transpose2d");
  private final TiledKernel inputGradient = new TiledKernel("fathom_conv_transpose2d_dx");
  private final Products products;
  private final ConvWeightGradient weightGradient;

  CudaConvTranspose(Engine engine, Products products, ConvWeightGradient weightGradient) {
    super(engine);
    this.products = products;
    this.weightGradient = weightGradient;
  }

  /** See {@link dev.fathom.nn.op.ConvOps#packConvTranspose2d}. */
  Tensor pack(int in, int out, int kernel, Tensor weight, Memory memory) {
    long taps = (long) kernel * kernel;
    Tensor packed = memory.allocate(engine.elements(), taps, out, eights(in));
    products.pack(weight, null, packed.address(), taps, out, in, 1, taps, out * taps);
    return packed;
  }

  /** See {@link dev.fathom.nn.op.ConvOps#convTranspose2d}. */
  void forward(int kernel, Tensor x, Tensor packed, @Nullable Tensor bias, Tensor y) {
    requireElements("convTranspose2d", x, packed, y);
    requireFloats("convTranspose2d", bias);
    long in = x.extent(3);
    long out = y.extent(3);
    long pixels = x.extent(0) * x.extent(1) * x.extent(2);
    long columns = out * kernel * kernel;
    GemmPlan plan =
        GemmPlan.choose(
            GemmPlan.LINEAR,
            in % 8 == 0 && aligned(x),
            pixels,
            columns,
            eights(in),
            engine.multiprocessors(),
            1);
    MemorySegment args = Native.arguments(fathom_cuda_conv_transpose2d_args.layout());
    fathom_cuda_conv_transpose2d_args.x(args, address(x));
    fathom_cuda_conv_transpose2d_args.packed(args, address(packed));
    fathom_cuda_conv_transpose2d_args.bias(args, address(bias));
    fathom_cuda_conv_transpose2d_args.y(args, address(y));
    fathom_cuda_conv_transpose2d_args.batch(args, Math.toIntExact(x.extent(0)));
    fathom_cuda_conv_transpose2d_args.height(args, Math.toIntExact(x.extent(1)));
    fathom_cuda_conv_transpose2d_args.width(args, Math.toIntExact(x.extent(2)));
    fathom_cuda_conv_transpose2d_args.in(args, Math.toIntExact(in));
    fathom_cuda_conv_transpose2d_args.out(args, Math.toIntExact(out));
    fathom_cuda_conv_transpose2d_args.kernel(args, kernel);
    products.product(forward, plan, pixels, columns, 1, args);
  }

  /** See {@link dev.fathom.nn.op.ConvOps#convTranspose2dBackward}. */
  void backward(
      int kernel,
      Tensor x,
      Tensor weight,
      Tensor dy,
      @Nullable Tensor dx,
      @Nullable Tensor dWeight,
      @Nullable Tensor dBias) {
    requireElements("convTranspose2dBackward", x, dy, dx);
    requireFloats("convTranspose2dBackward", weight, dWeight, dBias);
    long in = x.extent(3);
    long out = dy.extent(3);
    long taps = (long) kernel * kernel;
    long pixels = x.size() / in;
    long outPixels = dy.size() / out;
    GemmPlan dxPlan =
        GemmPlan.choose(
            INPUT_GRADIENT,
            out % 8 == 0 && aligned(dy),
            pixels,
            in,
            taps * eights(out),
            engine.multiprocessors(),
            1);
    GemmPlan weightPlan = weightGradient.plan(in, out, taps, pixels, aligned(x) && aligned(dy));
    synchronized (engine) {
      Engine.Scratch scratch =
          engine.scratch(
              dBias != null ? 4 * Products.sumBlocks(outPixels) * out : 0,
              dx != null ? elementBytes() * taps * out * eights(in) : 0,
              dWeight != null ? 4L * weightPlan.splits() * in * taps * eights(out) : 0);
      if (dBias != null) {
        products.differentiate(
            dy.address(), null, 0, scratch.part(0), outPixels, out, Activation.NONE);
        products.vectors(
            scratch.part(0), null, null, 0, dBias, null, out, Products.sumBlocks(outPixels));
      }
      if (dx != null) {
        products.pack(weight, null, scratch.part(1), taps, out, in, 1, taps, out * taps);
        MemorySegment args = Native.arguments(fathom_cuda_conv_transpose2d_dx_args.layout());
        fathom_cuda_conv_transpose2d_dx_args.dy(args, address(dy));
        fathom_cuda_conv_transpose2d_dx_args.packed(args, address(scratch.part(1)));
        fathom_cuda_conv_transpose2d_dx_args.dx(args, address(dx));
        fathom_cuda_conv_transpose2d_dx_args.batch(args, Math.toIntExact(x.extent(0)));
        fathom_cuda_conv_transpose2d_dx_args.height(args, Math.toIntExact(x.extent(1)));
        fathom_cuda_conv_transpose2d_dx_args.width(args, Math.toIntExact(x.extent(2)));
        fathom_cuda_conv_transpose2d_dx_args.in(args, Math.toIntExact(in));
        fathom_cuda_conv_transpose2d_dx_args.out(args, Math.toIntExact(out));
        fathom_cuda_conv_transpose2d_dx_args.kernel(args, kernel);
        products.product(inputGradient, dxPlan, pixels, in, 1, args);
      }
      if (dWeight != null) {
        weightGradient.run(
            x.address(),
            x.shape(),
            dy,
            dWeight,
            scratch.part(2),
            kernel,
            kernel,
            0,
            false,
            weightPlan);
      }
    }
  }
}
