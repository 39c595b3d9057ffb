package dev.fathom.nn.cuda;

import dev.fathom.bindings.Native;
import dev.fathom.bindings.generated.cuda.fathom_cuda_conv2d_dx90_args;
import dev.fathom.bindings.generated.cuda.fathom_cuda_conv2d_dx_args;
import dev.fathom.nn.op.Activation;
import dev.fathom.nn.op.ConvOps.Conv2dShape;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Gradients of convolutions: kernels/cuda/conv_backward.cu and the end of conv_patch.cu. */
final class CudaConvBackward extends CudaFamily {

  private static final List<GemmPlan.Tile> PATCH =
      List.of(GemmPlan.Tile.T128X128, GemmPlan.Tile.T128X64);

  private final TiledKernel inputGradient = new TiledKernel("fathom_conv2d_dx");
  private final TiledKernel patchInputGradient = new TiledKernel("fathom_conv2d_dx_patch");
  private final Kernel inputGradientReduce = new Kernel("fathom_conv2d_dx_reduce");
  private final Products products;
  private final HopperConv hopper;
  private final ConvWeightGradient weightGradient;
  private final CudaResample resample;

  CudaConvBackward(
      Engine engine,
      Products products,
      HopperConv hopper,
      ConvWeightGradient weightGradient,
      CudaResample resample) {
    super(engine);
    this.products = products;
    this.hopper = hopper;
    this.weightGradient = weightGradient;
    this.resample = resample;
  }

  /** See {@link dev.fathom.nn.op.ConvOps#conv2dBackward}. */
  void conv2d(
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
    requireElements("conv2dBackward", x, activated, dy, dx);
    requireFloats("conv2dBackward", weight, dWeight, dBias);
    long batch = x.extent(0);
    long taps = (long) shape.kernel() * shape.kernel();
    long outPixels = dy.size() / shape.out();
    long mapSize = batch * height * width * shape.in();
    HopperConv.Maps maps = HopperConv.Maps.of(shape, batch, height, width);
    GemmPlan dxPlan =
        hopper.takesDx(shape, aligned(dy))
            ? hopper.dxPlan(shape, maps)
            : dxPlan(shape, batch, height, width, aligned(dy));
    GemmPlan weightPlan =
        hopper.takesWeight(shape, aligned(dy, x))
            ? hopper.weightPlan(shape, maps)
            : weightGradient.plan(shape.out(), shape.in(), taps, outPixels, aligned(dy, x));
    boolean needsMap = sourceResized && (dWeight != null || reluInput);
    boolean needsRelu = reluInput && dWeight != null && weightPlan.tile().stays();
    synchronized (engine) {
      Engine.Scratch scratch =
          engine.scratch(
              activated != null ? dy.bytes() : 0,
              dBias != null ? 4 * Products.sumBlocks(outPixels) * shape.out() : 0,
              needsMap ? elementBytes() * mapSize : 0,
              sourceResized && dx != null ? elementBytes() * mapSize : 0,
              dx != null ? taps * elementBytes() * shape.out() * eights(shape.in()) : 0,
              dx != null && dxPlan.splits() > 1 ? 4L * dxPlan.splits() * mapSize : 0,
              dWeight != null
                  ? taps * 4 * weightPlan.splits() * shape.out() * eights(shape.in())
                  : 0,
              needsRelu ? elementBytes() * mapSize : 0);
      long dz = activated != null ? scratch.part(0) : dy.address();
      if (activated != null || dBias != null) {
        products.differentiate(
            dy.address(),
            activated,
            activated != null ? dz : 0,
            dBias != null ? scratch.part(1) : 0,
            outPixels,
            shape.out(),
            activated != null ? Activation.RELU : Activation.NONE);
      }
      if (dBias != null) {
        products.vectors(
            scratch.part(1),
            null,
            null,
            0,
            dBias,
            null,
            shape.out(),
            Products.sumBlocks(outPixels));
      }
      Tensor map = x;
      if (needsMap) {
        map = Tensor.onDevice(scratch.part(2), engine.elements(), batch, height, width, shape.in());
        resample.resizeBilinear(x, true, map);
      }
      if (dx != null) {
        products.pack(
            weight,
            null,
            scratch.part(4),
            shape.out(),
            taps,
            shape.in(),
            shape.in() * taps,
            1,
            taps);
        Tensor target =
            sourceResized
                ? Tensor.onDevice(
                    scratch.part(3), engine.elements(), batch, height, width, shape.in())
                : dx;
        dx(
            shape,
            maps,
            dz,
            scratch.part(4),
            reluInput ? map : null,
            target,
            height,
            width,
            accumulate && !sourceResized,
            dxPlan.splits() > 1 ? scratch.part(5) : 0,
            dxPlan);
        if (sourceResized) {
          resample.resizeBilinearBackward(target, true, dx, accumulate);
        }
      }
      if (dWeight != null) {
        if (weightPlan.tile().stays()) {
          if (needsRelu) {
            // relu(map) is the map times the ReLU's derivative there.
            products.differentiate(
                map.address(), map, scratch.part(7), 0, maps.pixels(), shape.in(), Activation.RELU);
          }
          hopper.dWeight(
              shape,
              maps,
              dz,
              needsRelu ? scratch.part(7) : map.address(),
              dWeight,
              scratch.part(6),
              weightPlan);
          return;
        }
        weightGradient.run(
            dz,
            dy.shape(),
            map,
            dWeight,
            scratch.part(6),
            shape.kernel(),
            shape.stride(),
            (shape.kernel() - 1) / 2,
            reluInput,
            weightPlan);
      }
    }
  }

  private GemmPlan dxPlan(Conv2dShape shape, long batch, long height, long width, boolean aligned) {
    long pixels = batch * ceil(height, shape.stride()) * ceil(width, shape.stride());
    long taps = (long) shape.kernel() * shape.kernel();
    long tapsOfClass = shape.stride() == 1 ? taps : shape.kernel() == 3 ? 4 : 1;
    return GemmPlan.choose(
        GemmPlan.LINEAR,
        shape.out() % 8 == 0 && aligned,
        pixels,
        shape.in(),
        tapsOfClass * eights(shape.out()),
        engine.multiprocessors(),
        GemmPlan.MOST_SPLITS);
  }

  private void dx(
      Conv2dShape shape,
      HopperConv.Maps maps,
      long dz,
      long packed,
      @Nullable Tensor gate,
      Tensor dx,
      long height,
      long width,
      boolean accumulate,
      long partial,
      GemmPlan plan) {
    boolean stays = plan.tile().stays();
    long batch = stays ? maps.batch() : dx.extent(0);
    MemorySegment whole =
        Native.arguments(
            stays ? fathom_cuda_conv2d_dx90_args.layout() : fathom_cuda_conv2d_dx_args.layout());
    MemorySegment args = stays ? fathom_cuda_conv2d_dx90_args.dx(whole) : whole;
    fathom_cuda_conv2d_dx_args.dz(args, address(dz));
    fathom_cuda_conv2d_dx_args.packed(args, address(packed));
    fathom_cuda_conv2d_dx_args.gate(args, address(gate));
    fathom_cuda_conv2d_dx_args.dx(args, address(dx));
    fathom_cuda_conv2d_dx_args.partial(args, address(partial));
    fathom_cuda_conv2d_dx_args.batch(args, Math.toIntExact(batch));
    fathom_cuda_conv2d_dx_args.height(args, Math.toIntExact(stays ? maps.height() : height));
    fathom_cuda_conv2d_dx_args.width(args, Math.toIntExact(stays ? maps.width() : width));
    fathom_cuda_conv2d_dx_args.in(args, shape.in());
    fathom_cuda_conv2d_dx_args.out(args, shape.out());
    fathom_cuda_conv2d_dx_args.kernel(args, shape.kernel());
    fathom_cuda_conv2d_dx_args.stride(args, shape.stride());
    fathom_cuda_conv2d_dx_args.accumulate(args, accumulate ? 1 : 0);
    fathom_cuda_conv2d_dx_args.splits(args, plan.splits());
    boolean patch =
        shape.kernel() == 3
            && shape.stride() == 1
            && plan.splits() == 1
            && PATCH.contains(plan.tile())
            && CudaConv.fillsPatches(height, width);
    if (patch) {
      launch(
          patchInputGradient.of(plan.tile()),
          CudaConv.patchTiles(batch, height, width) * ceil(shape.in(), plan.tile().columns()),
          1,
          plan.tile().threads(),
          CudaConv.patchShared(plan.tile(), elementBytes()),
          args);
      return;
    }
    if (stays) {
      hopper.dx(whole, shape, maps, dz, packed, plan);
    } else {
      long pixels = batch * ceil(height, shape.stride()) * ceil(width, shape.stride());
      products.product(
          inputGradient, plan, pixels, shape.in(), shape.stride() * shape.stride(), args);
    }
    if (plan.splits() > 1) {
      products.reduce(inputGradientReduce, maps.pixels() * ceil(shape.in(), 8), args);
    }
  }
}
