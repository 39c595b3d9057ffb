package dev.fathom.nn.cuda;

import dev.fathom.bindings.Native;
import dev.fathom.bindings.generated.cuda.FathomCuda;
import dev.fathom.bindings.generated.cuda.fathom_cuda_project_args;
import dev.fathom.bindings.generated.cuda.fathom_cuda_project_backward_args;
import dev.fathom.nn.op.ConvOps.Projection;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** The projection to one channel and its gradient: kernels/cuda/conv_project.cu. */
final class CudaProject extends CudaFamily {

  private static final int MOST_LANES = 32;
  private static final long MOST_BLOCKS = 4096;
  private static final int LEAST_BLOCK_PIXELS = 256;

  private final Kernel forward = new Kernel("fathom_project");
  private final Kernel backward = new Kernel("fathom_project_backward");
  private final Products products;

  CudaProject(Engine engine, Products products) {
    super(engine);
    this.products = products;
  }

  /** How many threads share a pixel of a projection. */
  private static int lanes(long channels) {
    return powerOfTwo(ceil(channels, 8), MOST_LANES);
  }

  /** See {@link dev.fathom.nn.op.ConvOps#project}. */
  void forward(Tensor x, Projection projection, Tensor y) {
    requireElements("project", x);
    requireFloats("project", y, projection.weight(), projection.bias());
    long channels = x.extent(-1);
    int lanes = lanes(channels);
    int threads = FathomCuda.FATHOM_PROJECT_THREADS();
    MemorySegment args = Native.arguments(fathom_cuda_project_args.layout());
    fathom_cuda_project_args.x(args, address(x));
    fathom_cuda_project_args.weight(args, address(projection.weight()));
    fathom_cuda_project_args.bias(args, address(projection.bias()));
    fathom_cuda_project_args.y(args, address(y));
    fathom_cuda_project_args.pixels(args, y.size());
    fathom_cuda_project_args.channels(args, Math.toIntExact(channels));
    fathom_cuda_project_args.lanes(args, lanes);
    fathom_cuda_project_args.activation(args, Products.code(projection.activation()));
    fathom_cuda_project_args.scale(args, projection.scale());
    launch(forward, Math.min(ceil(y.size() * lanes, threads), MOST_BLOCKS), threads, args);
  }

  /** See {@link dev.fathom.nn.op.ConvOps#projectBackward}. */
  void backward(
      Tensor x,
      Projection projection,
      Tensor y,
      Tensor dy,
      @Nullable Tensor dx,
      @Nullable Tensor dWeight,
      @Nullable Tensor dBias) {
    requireElements("projectBackward", x, dx);
    requireFloats("projectBackward", projection.weight(), y, dy, dWeight, dBias);
    long channels = x.extent(-1);
    long pixels = y.size();
    long blockPixels =
        Math.max(LEAST_BLOCK_PIXELS, ceil(pixels, FathomCuda.FATHOM_PROJECT_MOST_SUMS()));
    long blocks = ceil(pixels, blockPixels);
    synchronized (engine) {
      Engine.Scratch scratch =
          engine.scratch(
              dWeight != null ? 4 * blocks * channels : 0, dBias != null ? 4 * blocks : 0);
      MemorySegment args = Native.arguments(fathom_cuda_project_backward_args.layout());
      fathom_cuda_project_backward_args.x(args, address(x));
      fathom_cuda_project_backward_args.weight(args, address(projection.weight()));
      fathom_cuda_project_backward_args.y(args, address(y));
      fathom_cuda_project_backward_args.dy(args, address(dy));
      fathom_cuda_project_backward_args.dx(args, address(dx));
      fathom_cuda_project_backward_args.weight_sums(
          args, address(dWeight != null ? scratch.part(0) : 0));
      fathom_cuda_project_backward_args.bias_sums(
          args, address(dBias != null ? scratch.part(1) : 0));
      fathom_cuda_project_backward_args.pixels(args, pixels);
      fathom_cuda_project_backward_args.channels(args, Math.toIntExact(channels));
      fathom_cuda_project_backward_args.lanes(args, lanes(channels));
      fathom_cuda_project_backward_args.block_pixels(args, Math.toIntExact(blockPixels));
      fathom_cuda_project_backward_args.activation(args, Products.code(projection.activation()));
      fathom_cuda_project_backward_args.scale(args, projection.scale());
      launch(backward, blocks, FathomCuda.FATHOM_PROJECT_THREADS(), args);
      if (dWeight != null) {
        products.vectors(scratch.part(0), null, null, 0, dWeight, null, channels, blocks);
      }
      if (dBias != null) {
        products.vectors(scratch.part(1), null, null, 0, dBias, null, 1, blocks);
      }
    }
  }
}
