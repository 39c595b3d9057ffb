package dev.fathom.nn.cuda;

import dev.fathom.bindings.Native;
import dev.fathom.bindings.generated.cuda.FathomCuda;
import dev.fathom.bindings.generated.cuda.fathom_cuda_conv2d90_args;
import dev.fathom.bindings.generated.cuda.fathom_cuda_conv2d_args;
import dev.fathom.bindings.generated.cuda.fathom_cuda_conv2d_dx90_args;
import dev.fathom.bindings.generated.cuda.fathom_cuda_conv_d_weight90_args;
import dev.fathom.bindings.generated.cuda.fathom_cuda_conv_d_weight_args;
import dev.fathom.nn.op.ConvOps.Conv2dShape;
import dev.fathom.nn.op.ConvOps.Fusion;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * kernels/cuda/conv90.cu and conv_backward90.cu: convolutions with stride 1 and their gradients on
 * compute capability 9.0.
 */
final class HopperConv extends CudaFamily {

  private static final int DEPTH = FathomCuda.FATHOM_GEMM90_K();

  private final TiledKernel forward = new TiledKernel("fathom_conv2d");
  private final TiledKernel forwardOfRelu = new TiledKernel("fathom_conv2d_relu");
  private final Kernel forwardReduce = new Kernel("fathom_conv2d_reduce");
  private final TiledKernel inputGradient = new TiledKernel("fathom_conv2d_dx");
  private final TiledKernel weightGradient = new TiledKernel("fathom_conv_d_weight");
  private final Kernel weightGradientReduce = new Kernel("fathom_conv_d_weight_reduce");
  private final Products products;

  HopperConv(Engine engine, Products products) {
    super(engine);
    this.products = products;
  }

  /** A batch of maps as the kernels see it: with kernel 1 all pixels are one row. */
  record Maps(long batch, long height, long width) {

    static Maps of(Conv2dShape shape, long batch, long height, long width) {
      return shape.kernel() == 1
          ? new Maps(1, 1, batch * height * width)
          : new Maps(batch, height, width);
    }

    long pixels() {
      return batch * height * width;
    }

    /** Boxes over the batch. */
    long count(PixelBox box) {
      return batch * box.count(height, width);
    }

    private PixelBox tile() {
      return PixelBox.ofTile(height, width);
    }

    private PixelBox step() {
      return PixelBox.ofStep(height, width);
    }
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

  /** Whether it makes the input's gradient; {@code aligned}: that of the result. */
  boolean takesDx(Conv2dShape shape, boolean aligned) {
    return engine.hasHopperKernels() && shape.stride() == 1 && shape.out() % 8 == 0 && aligned;
  }

  /** Whether it makes the weight's gradient; {@code aligned}: map and the result's gradient. */
  boolean takesWeight(Conv2dShape shape, boolean aligned) {
    return takesDx(shape, aligned) && shape.in() % 8 == 0;
  }

  /** How to make a result of so many channels from a kernel over others. */
  private GemmPlan plan(Conv2dShape shape, Maps maps, long to, long from) {
    return products.plan(true, rows(maps), to, depth(shape, from));
  }

  private static long rows(Maps maps) {
    return maps.count(maps.tile()) * FathomCuda.FATHOM_GEMM90_ROWS();
  }

  private static long depth(Conv2dShape shape, long channels) {
    return taps(shape) * ceil(channels, DEPTH) * DEPTH;
  }

  private static long taps(Conv2dShape shape) {
    return (long) shape.kernel() * shape.kernel();
  }

  GemmPlan dxPlan(Conv2dShape shape, Maps maps) {
    return plan(shape, maps, shape.in(), shape.out());
  }

  GemmPlan weightPlan(Conv2dShape shape, Maps maps) {
    return products.plan(
        true, shape.out(), depth(shape, shape.in()), maps.count(maps.step()) * DEPTH);
  }

  /** As {@link dev.fathom.nn.op.ConvOps#conv2d}. */
  void conv2d(
      Conv2dShape shape,
      Tensor x,
      long height,
      long width,
      Tensor packed,
      @Nullable Tensor bias,
      Fusion fusion,
      Tensor y) {
    Maps maps = Maps.of(shape, x.extent(0), height, width);
    PixelBox box = maps.tile();
    int out = shape.out();
    GemmPlan plan = plan(shape, maps, out, shape.in());
    synchronized (engine) {
      MemorySegment args = Native.arguments(fathom_cuda_conv2d90_args.layout());
      MemorySegment conv = fathom_cuda_conv2d90_args.conv(args);
      CudaConv.fill(
          conv, shape, x, maps.batch(), maps.height(), maps.width(), packed, bias, fusion, y);
      fathom_cuda_conv2d_args.partial(conv, address(products.partial(plan, maps.pixels(), out)));
      fathom_cuda_conv2d_args.splits(conv, plan.splits());
      fathom_cuda_conv2d90_args.box_height(args, box.height());
      fathom_cuda_conv2d90_args.box_width(args, box.width());
      fathom_cuda_conv2d90_args.group(args, plan.group(out, depth(shape, shape.in())));
      encodePixels(fathom_cuda_conv2d90_args.x_map(args), x.address(), maps, shape.in(), box);
      encodeWeight(
          fathom_cuda_conv2d90_args.packed_map(args),
          packed.address(),
          shape,
          plan.tile().columns());
      products.product(
          fusion.reluInput() ? forwardOfRelu : forward, plan, rows(maps), out, 1, args);
      if (plan.splits() > 1) {
        products.reduce(forwardReduce, maps.pixels() * ceil(out, 8), conv);
      }
    }
  }

  /**
   * Launches the product of the input's gradient.
   *
   * @param args fathom_cuda_conv2d_dx90_args, of which dx is filled
   */
  void dx(MemorySegment args, Conv2dShape shape, Maps maps, long dz, long packed, GemmPlan plan) {
    PixelBox box = maps.tile();
    fathom_cuda_conv2d_dx90_args.box_height(args, box.height());
    fathom_cuda_conv2d_dx90_args.box_width(args, box.width());
    fathom_cuda_conv2d_dx90_args.group(args, plan.group(shape.in(), depth(shape, shape.out())));
    encodePixels(fathom_cuda_conv2d_dx90_args.dz_map(args), dz, maps, shape.out(), box);
    encodeWeight(fathom_cuda_conv2d_dx90_args.packed_map(args), packed, shape, DEPTH);
    products.product(inputGradient, plan, rows(maps), shape.in(), 1, args);
  }

  /** dWeight += dz^T map, summed over the pixels; the map after its ReLU. */
  void dWeight(
      Conv2dShape shape,
      Maps maps,
      long dz,
      long map,
      Tensor dWeight,
      long partial,
      GemmPlan plan) {
    PixelBox box = maps.step();
    MemorySegment whole = Native.arguments(fathom_cuda_conv_d_weight90_args.layout());
    MemorySegment args = fathom_cuda_conv_d_weight90_args.d_weight(whole);
    fathom_cuda_conv_d_weight_args.d_weight(args, address(dWeight));
    fathom_cuda_conv_d_weight_args.partial(args, address(partial));
    fathom_cuda_conv_d_weight_args.batch(args, Math.toIntExact(maps.batch()));
    fathom_cuda_conv_d_weight_args.height(args, Math.toIntExact(maps.height()));
    fathom_cuda_conv_d_weight_args.width(args, Math.toIntExact(maps.width()));
    fathom_cuda_conv_d_weight_args.channels(args, shape.in());
    fathom_cuda_conv_d_weight_args.out_height(args, Math.toIntExact(maps.height()));
    fathom_cuda_conv_d_weight_args.out_width(args, Math.toIntExact(maps.width()));
    fathom_cuda_conv_d_weight_args.rows(args, shape.out());
    fathom_cuda_conv_d_weight_args.kernel(args, shape.kernel());
    fathom_cuda_conv_d_weight_args.stride(args, 1);
    fathom_cuda_conv_d_weight_args.margin(args, (shape.kernel() - 1) / 2);
    fathom_cuda_conv_d_weight_args.splits(args, plan.splits());
    fathom_cuda_conv_d_weight90_args.box_height(whole, box.height());
    fathom_cuda_conv_d_weight90_args.box_width(whole, box.width());
    encodePixels(fathom_cuda_conv_d_weight90_args.gradient_map(whole), dz, maps, shape.out(), box);
    encodePixels(fathom_cuda_conv_d_weight90_args.map_map(whole), map, maps, shape.in(), box);
    products.product(weightGradient, plan, shape.out(), depth(shape, shape.in()), 1, whole);
    products.reduce(weightGradientReduce, shape.out() * taps(shape) * shape.in(), args);
  }

  private void encodePixels(
      MemorySegment map, long address, Maps maps, long channels, PixelBox box) {
    long pixel = channels * elementBytes();
    engine.encode(
        map,
        address,
        new long[] {channels, maps.width(), maps.height(), maps.batch()},
        new long[] {pixel, maps.width() * pixel, maps.height() * maps.width() * pixel},
        DEPTH,
        box.width(),
        box.height(),
        1);
  }

  private void encodeWeight(MemorySegment map, long address, Conv2dShape shape, int boxRows) {
    long tap = eights(shape.in()) * elementBytes();
    engine.encode(
        map,
        address,
        new long[] {shape.in(), taps(shape), shape.out()},
        new long[] {tap, taps(shape) * tap},
        DEPTH,
        1,
        boxRows);
  }
}
