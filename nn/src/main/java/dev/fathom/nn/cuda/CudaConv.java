package dev.fathom.nn.cuda;

import dev.fathom.bindings.Native;
import dev.fathom.bindings.generated.cuda.FathomCuda;
import dev.fathom.bindings.generated.cuda.fathom_cuda_conv2d_args;
import dev.fathom.nn.op.ConvOps;
import dev.fathom.nn.tensor.Memory;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * kernels/cuda/conv.cu and conv_patch.cu; the other kinds and ways back are classes of their own.
 */
class CudaConv extends CudaFamily implements ConvOps {

  /** Tiles of the kernels that read patches of pixels. */
  private static final List<GemmPlan.Tile> PATCH =
      List.of(GemmPlan.Tile.T128X128, GemmPlan.Tile.T128X64, GemmPlan.Tile.T128X32);

  /** Tiles of the kernels that resize as they read. */
  private static final List<GemmPlan.Tile> RESIZED =
      List.of(GemmPlan.Tile.T128X64, GemmPlan.Tile.T128X32);

  private final TiledKernel forward = new TiledKernel("fathom_conv2d");
  private final TiledKernel patchForward = new TiledKernel("fathom_conv2d_patch");
  private final TiledKernel resizedForward = new TiledKernel("fathom_conv2d_resized");
  private final Kernel forwardReduce = new Kernel("fathom_conv2d_reduce");
  private final Products products;
  private final HopperConv hopper;
  private final CudaConvBackward backward;
  private final CudaConvTranspose transposed;
  private final CudaProject projecting;

  CudaConv(Engine engine, Products products, CudaResample resample) {
    super(engine);
    this.products = products;
    hopper = new HopperConv(engine, products);
    ConvWeightGradient weightGradient = new ConvWeightGradient(engine, products);
    backward = new CudaConvBackward(engine, products, hopper, weightGradient, resample);
    transposed = new CudaConvTranspose(engine, products, weightGradient);
    projecting = new CudaProject(engine, products);
  }

  @Override
  public Tensor packConv2d(Conv2dShape shape, Tensor weight, Memory memory) {
    long taps = (long) shape.kernel() * shape.kernel();
    Tensor packed = memory.allocate(engine.elements(), shape.out(), taps, eights(shape.in()));
    products.pack(
        weight, null, packed.address(), shape.out(), taps, shape.in(), shape.in() * taps, 1, taps);
    return packed;
  }

  @Override
  public void conv2d(
      Conv2dShape shape,
      Tensor x,
      long height,
      long width,
      Tensor packed,
      @Nullable Tensor bias,
      Fusion fusion,
      Tensor y) {
    Projection projection = fusion.projection();
    requireElements("conv2d", x, packed, fusion.residual(), fusion.residual2());
    requireFloats("conv2d", bias, projection == null ? null : y);
    boolean resized = fusion.sourceResized();
    if (hopper.takes(shape, x, fusion)) {
      hopper.conv2d(shape, x, height, width, packed, bias, fusion, y);
      return;
    }
    long batch = x.extent(0);
    long outHeight = shape.outExtent(height);
    long outWidth = shape.outExtent(width);
    long pixels = batch * outHeight * outWidth;
    GemmPlan plan = plan(shape, x, pixels, projection != null, resized);
    boolean patch = !resized && takesPatches(shape, plan, outHeight, outWidth);
    if (projection != null && plan.tile().columns() < shape.out()) {
      throw new IllegalArgumentException(
          "conv2d: " + shape.out() + " channels are too many for a fused projection on a GPU");
    }
    synchronized (engine) {
      MemorySegment args = Native.arguments(fathom_cuda_conv2d_args.layout());
      fill(args, shape, x, batch, height, width, packed, bias, fusion, y);
      fathom_cuda_conv2d_args.partial(args, address(products.partial(plan, pixels, shape.out())));
      fathom_cuda_conv2d_args.splits(args, plan.splits());
      if (resized) {
        fathom_cuda_conv2d_args.source_height(args, Math.toIntExact(x.extent(1)));
        fathom_cuda_conv2d_args.source_width(args, Math.toIntExact(x.extent(2)));
      }
      if (projection != null) {
        fathom_cuda_conv2d_args.project_weight(args, address(projection.weight()));
        fathom_cuda_conv2d_args.project_bias(args, address(projection.bias()));
        fathom_cuda_conv2d_args.project_activation(args, Products.code(projection.activation()));
        fathom_cuda_conv2d_args.project_scale(args, projection.scale());
      }
      if (resized || patch) {
        TiledKernel kernels = resized ? resizedForward : patchForward;
        launch(
            kernels.of(plan.tile()),
            patchTiles(batch, outHeight, outWidth) * ceil(shape.out(), plan.tile().columns()),
            1,
            plan.tile().threads(),
            patchShared(plan.tile(), elementBytes()),
            args);
      } else {
        products.product(forward, plan, pixels, shape.out(), 1, args);
      }
      if (plan.splits() > 1) {
        products.reduce(forwardReduce, pixels * ceil(shape.out(), 8), args);
      }
    }
  }

  /** What all kernels are told, but for splits, a resize and a projection. */
  static void fill(
      MemorySegment args,
      Conv2dShape shape,
      Tensor x,
      long batch,
      long height,
      long width,
      Tensor packed,
      @Nullable Tensor bias,
      Fusion fusion,
      Tensor y) {
    fathom_cuda_conv2d_args.x(args, address(x));
    fathom_cuda_conv2d_args.packed(args, address(packed));
    fathom_cuda_conv2d_args.bias(args, address(bias));
    fathom_cuda_conv2d_args.residual(args, address(fusion.residual()));
    fathom_cuda_conv2d_args.residual2(args, address(fusion.residual2()));
    fathom_cuda_conv2d_args.y(args, address(y));
    fathom_cuda_conv2d_args.batch(args, Math.toIntExact(batch));
    fathom_cuda_conv2d_args.height(args, Math.toIntExact(height));
    fathom_cuda_conv2d_args.width(args, Math.toIntExact(width));
    fathom_cuda_conv2d_args.in(args, shape.in());
    fathom_cuda_conv2d_args.out(args, shape.out());
    fathom_cuda_conv2d_args.kernel(args, shape.kernel());
    fathom_cuda_conv2d_args.stride(args, shape.stride());
    fathom_cuda_conv2d_args.relu_input(args, fusion.reluInput() ? 1 : 0);
    fathom_cuda_conv2d_args.activation(args, Products.code(fusion.activation()));
  }

  private GemmPlan plan(
      Conv2dShape shape, Tensor x, long pixels, boolean projected, boolean resized) {
    long depth = (long) shape.kernel() * shape.kernel() * eights(shape.in());
    if (resized) {
      return GemmPlan.choose(
          wide(RESIZED, projected, shape), true, pixels, shape.out(), depth, multiprocessors(), 1);
    }
    boolean whole = shape.in() % 8 == 0 && aligned(x);
    return GemmPlan.choose(
        wide(GemmPlan.CONVOLUTION, projected, shape),
        whole,
        pixels,
        shape.out(),
        depth,
        multiprocessors(),
        projected ? 1 : GemmPlan.MOST_SPLITS);
  }

  /** Of these tiles those that a projection can be fused into: a block has all channels. */
  private static List<GemmPlan.Tile> wide(
      List<GemmPlan.Tile> tiles, boolean projected, Conv2dShape shape) {
    if (!projected) {
      return tiles;
    }
    List<GemmPlan.Tile> wide =
        tiles.stream().filter(tile -> tile.columns() >= shape.out()).toList();
    return wide.isEmpty() ? tiles : wide;
  }

  private int multiprocessors() {
    return engine.multiprocessors();
  }

  /** Whether the kernels that read each pixel under a tile once do it. */
  private static boolean takesPatches(
      Conv2dShape shape, GemmPlan plan, long outHeight, long outWidth) {
    return shape.kernel() == 3
        && shape.stride() == 1
        && plan.splits() == 1
        && PATCH.contains(plan.tile())
        && fillsPatches(outHeight, outWidth);
  }

  /** Whether tiles of pixels lie within the map but for a fifth at most. */
  static boolean fillsPatches(long height, long width) {
    return 4 * patchTiles(1, height, width) * patchPixels() <= 5 * height * width;
  }

  private static long patchPixels() {
    return (long) FathomCuda.FATHOM_PATCH_HEIGHT() * FathomCuda.FATHOM_PATCH_WIDTH();
  }

  /** Tiles of pixels over a batch of maps. */
  static long patchTiles(long batch, long height, long width) {
    return batch
        * ceil(height, FathomCuda.FATHOM_PATCH_HEIGHT())
        * ceil(width, FathomCuda.FATHOM_PATCH_WIDTH());
  }

  /** Dynamic shared memory of a block of the patch kernels. */
  static int patchShared(GemmPlan.Tile tile, int elementBytes) {
    return elementBytes * (2 * 7200 + 4 * tile.columns() * 40) + 256;
  }

  @Override
  public Tensor packConvTranspose2d(int in, int out, int kernel, Tensor weight, Memory memory) {
    return transposed.pack(in, out, kernel, weight, memory);
  }

  @Override
  public void convTranspose2d(
      int kernel, Tensor x, Tensor packed, @Nullable Tensor bias, Tensor y) {
    transposed.forward(kernel, x, packed, bias, y);
  }

  @Override
  public void conv2dBackward(
      Conv2dShape shape,
      Tensor x,
      long height,
      long width,
      Tensor weight,
      boolean reluInput,
      boolean sourceResized,
      @Nullable Tensor activated,
      Tensor dy,
      @Nullable Tensor dx,
      boolean accumulate,
      @Nullable Tensor dWeight,
      @Nullable Tensor dBias) {
    backward.conv2d(
        shape,
        x,
        height,
        width,
        weight,
        reluInput,
        sourceResized,
        activated,
        dy,
        dx,
        accumulate,
        dWeight,
        dBias);
  }

  @Override
  public void convTranspose2dBackward(
      int kernel,
      Tensor x,
      Tensor weight,
      Tensor dy,
      @Nullable Tensor dx,
      @Nullable Tensor dWeight,
      @Nullable Tensor dBias) {
    transposed.backward(kernel, x, weight, dy, dx, dWeight, dBias);
  }

  @Override
  public void project(Tensor x, Projection projection, Tensor y) {
    projecting.forward(x, projection, y);
  }

  @Override
  public void projectBackward(
      Tensor x,
      Projection projection,
      Tensor y,
      Tensor dy,
      @Nullable Tensor dx,
      @Nullable Tensor dWeight,
      @Nullable Tensor dBias) {
    projecting.backward(x, projection, y, dy, dx, dWeight, dBias);
  }
}
