package dev.fathom.nn.cuda;

import dev.fathom.bindings.Native;
import dev.fathom.bindings.generated.cuda.FathomCuda;
import dev.fathom.bindings.generated.cuda.fathom_cuda_conv2d90_args;
import dev.fathom.bindings.generated.cuda.fathom_cuda_conv2d_args;
import dev.fathom.nn.op.ConvOps.Conv2dShape;
import dev.fathom.nn.op.ConvOps.Fusion;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** kernels/cuda/conv90.cu: convolutions with stride 1 on compute capability 9.0. */
final class HopperConv extends CudaFamily {

  private final Products products;

  HopperConv(Engine engine, Products products) {
    super(engine);
    this.products = products;
  }

  /** Whether it does such a convolution; the other kernels do the rest. */
  boolean takes(Conv2dShape shape, Tensor x, Fusion fusion) {
    return engine.hasHopperKernels()
        && shape.stride() == 1
        && shape.in() % 8 == 0
        && aligned(x)
        && !fusion.sourceResized()
        && fusion.projection() == null;
  }

  /** As {@link dev.fathom.nn.op.ConvOps#conv2d}. */
  void conv2d(
      Conv2dShape shape,
      Tensor x,
      long mapHeight,
      long mapWidth,
      Tensor packed,
      @Nullable Tensor bias,
      Fusion fusion,
      Tensor y) {
    long pixels = x.extent(0) * mapHeight * mapWidth;
    boolean rows = shape.kernel() == 1; // all pixels are one row
    long batch = rows ? 1 : x.extent(0);
    long height = rows ? 1 : mapHeight;
    long width = rows ? pixels : mapWidth;
    PixelBox box = PixelBox.of(height, width);
    int depth = FathomCuda.FATHOM_GEMM90_K();
    long in = shape.in();
    long taps = (long) shape.kernel() * shape.kernel();
    long m = batch * box.count(height, width) * FathomCuda.FATHOM_GEMM90_ROWS();
    long k = taps * ceil(in, depth) * depth;
    GemmPlan plan = products.plan(true, m, shape.out(), k);
    synchronized (engine) {
      MemorySegment args = Native.arguments(fathom_cuda_conv2d90_args.layout());
      MemorySegment conv = fathom_cuda_conv2d90_args.conv(args);
      CudaConv.fill(conv, shape, x, batch, height, width, packed, bias, fusion, y);
      fathom_cuda_conv2d_args.partial(conv, address(products.partial(plan, pixels, shape.out())));
      fathom_cuda_conv2d_args.splits(conv, plan.splits());
      fathom_cuda_conv2d90_args.box_height(args, box.height());
      fathom_cuda_conv2d90_args.box_width(args, box.width());
      fathom_cuda_conv2d90_args.group(args, plan.group(shape.out(), k));
      long pixel = in * elementBytes();
      engine.encode(
          fathom_cuda_conv2d90_args.x_map(args),
          x.address(),
          new long[] {in, width, height, batch},
          new long[] {pixel, width * pixel, height * width * pixel},
          depth,
          box.width(),
          box.height(),
          1);
      engine.encode(
          fathom_cuda_conv2d90_args.packed_map(args),
          packed.address(),
          new long[] {in, taps, shape.out()},
          new long[] {pixel, taps * pixel},
          depth,
          1,
          plan.tile().columns());
      products.product(
          fusion.reluInput() ? "fathom_conv2d_relu" : "fathom_conv2d",
          plan,
          m,
          shape.out(),
          1,
          args);
      if (plan.splits() > 1) {
        products.reduce("fathom_conv2d_reduce", pixels * ceil(shape.out(), 8), conv);
      }
    }
  }
}
