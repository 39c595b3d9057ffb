package dev.fathom.nn.cuda;

import dev.fathom.bindings.Native;
import dev.fathom.bindings.generated.cuda.FathomCuda;
import dev.fathom.bindings.generated.cuda.fathom_cuda_preprocess_args;
import dev.fathom.bindings.generated.cuda.fathom_cuda_resize_bicubic_args;
import dev.fathom.bindings.generated.cuda.fathom_cuda_resize_bicubic_backward_args;
import dev.fathom.bindings.generated.cuda.fathom_cuda_resize_bilinear_args;
import dev.fathom.bindings.generated.cuda.fathom_cuda_resize_bilinear_backward_args;
import dev.fathom.nn.op.ResampleOps;
import dev.fathom.nn.tensor.ElementType;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.MemorySegment;

/** kernels/cuda/resample.cu. */
final class CudaResample extends CudaFamily implements ResampleOps {

  private final Kernel preprocess = new Kernel("fathom_preprocess");
  private final Pair bilinear = new Pair("fathom_resize_bilinear");
  private final Pair bilinearFloat = new Pair("fathom_resize_bilinear_float");
  private final Pair bilinearBackward = new Pair("fathom_resize_bilinear_backward");
  private final Pair bilinearBackwardFloat = new Pair("fathom_resize_bilinear_backward_float");
  private final Pair bicubic = new Pair("fathom_resize_bicubic_float");
  private final Pair bicubicBackward = new Pair("fathom_resize_bicubic_backward_float");

  /** The kernels for maps of any channels and of multiples of a vector. */
  private final class Pair {
    private final Kernel any;
    private final Kernel vector;

    Pair(String name) {
      any = new Kernel(name);
      vector = new Kernel(name + "_vector");
    }
  }

  CudaResample(Engine engine) {
    super(engine);
  }

  @Override
  public void copy(Tensor x, Tensor y) {
    if (x.size() != y.size() || x.type() != y.type()) {
      throw new IllegalArgumentException("copy: x " + x + ", y " + y);
    }
    engine.copy(y.address(), x.address(), x.bytes());
  }

  @Override
  public void resizeBilinear(Tensor x, boolean alignCorners, Tensor y) {
    requireSameType("resizeBilinear", x, y);
    MemorySegment args = Native.arguments(fathom_cuda_resize_bilinear_args.layout());
    fathom_cuda_resize_bilinear_args.x(args, address(x));
    fathom_cuda_resize_bilinear_args.y(args, address(y));
    fathom_cuda_resize_bilinear_args.height(args, extent(x, 1));
    fathom_cuda_resize_bilinear_args.width(args, extent(x, 2));
    fathom_cuda_resize_bilinear_args.channels(args, extent(x, 3));
    fathom_cuda_resize_bilinear_args.out_height(args, extent(y, 1));
    fathom_cuda_resize_bilinear_args.out_width(args, extent(y, 2));
    fathom_cuda_resize_bilinear_args.align_corners(args, alignCorners ? 1 : 0);
    fathom_cuda_resize_bilinear_args.scale_y(args, scale(x.extent(1), y.extent(1), alignCorners));
    fathom_cuda_resize_bilinear_args.scale_x(args, scale(x.extent(2), y.extent(2), alignCorners));
    rows(isElements(x) ? bilinear : bilinearFloat, vector(x, y), y, args);
  }

  @Override
  public void resizeBilinearBackward(
      Tensor dy, boolean alignCorners, Tensor dx, boolean accumulate) {
    requireSameType("resizeBilinearBackward", dy, dx);
    MemorySegment args = Native.arguments(fathom_cuda_resize_bilinear_backward_args.layout());
    fathom_cuda_resize_bilinear_backward_args.dy(args, address(dy));
    fathom_cuda_resize_bilinear_backward_args.dx(args, address(dx));
    fathom_cuda_resize_bilinear_backward_args.height(args, extent(dx, 1));
    fathom_cuda_resize_bilinear_backward_args.width(args, extent(dx, 2));
    fathom_cuda_resize_bilinear_backward_args.channels(args, extent(dx, 3));
    fathom_cuda_resize_bilinear_backward_args.out_height(args, extent(dy, 1));
    fathom_cuda_resize_bilinear_backward_args.out_width(args, extent(dy, 2));
    fathom_cuda_resize_bilinear_backward_args.align_corners(args, alignCorners ? 1 : 0);
    fathom_cuda_resize_bilinear_backward_args.accumulate(args, accumulate ? 1 : 0);
    fathom_cuda_resize_bilinear_backward_args.scale_y(
        args, scale(dx.extent(1), dy.extent(1), alignCorners));
    fathom_cuda_resize_bilinear_backward_args.scale_x(
        args, scale(dx.extent(2), dy.extent(2), alignCorners));
    rows(isElements(dx) ? bilinearBackward : bilinearBackwardFloat, vector(dx, dy), dx, args);
  }

  @Override
  public void resizeBicubic(Tensor x, double stepY, double stepX, Tensor y) {
    requireFloats("resizeBicubic", x, y);
    MemorySegment args = Native.arguments(fathom_cuda_resize_bicubic_args.layout());
    fathom_cuda_resize_bicubic_args.x(args, address(x));
    fathom_cuda_resize_bicubic_args.y(args, address(y));
    fathom_cuda_resize_bicubic_args.step_y(args, stepY);
    fathom_cuda_resize_bicubic_args.step_x(args, stepX);
    fathom_cuda_resize_bicubic_args.height(args, extent(x, 1));
    fathom_cuda_resize_bicubic_args.width(args, extent(x, 2));
    fathom_cuda_resize_bicubic_args.channels(args, extent(x, 3));
    fathom_cuda_resize_bicubic_args.out_height(args, extent(y, 1));
    fathom_cuda_resize_bicubic_args.out_width(args, extent(y, 2));
    rows(bicubic, vector(x, y), y, args);
  }

  @Override
  public void resizeBicubicBackward(Tensor dy, double stepY, double stepX, Tensor dx) {
    requireFloats("resizeBicubicBackward", dy, dx);
    MemorySegment args = Native.arguments(fathom_cuda_resize_bicubic_backward_args.layout());
    fathom_cuda_resize_bicubic_backward_args.dy(args, address(dy));
    fathom_cuda_resize_bicubic_backward_args.dx(args, address(dx));
    fathom_cuda_resize_bicubic_backward_args.step_y(args, stepY);
    fathom_cuda_resize_bicubic_backward_args.step_x(args, stepX);
    fathom_cuda_resize_bicubic_backward_args.height(args, extent(dx, 1));
    fathom_cuda_resize_bicubic_backward_args.width(args, extent(dx, 2));
    fathom_cuda_resize_bicubic_backward_args.channels(args, extent(dx, 3));
    fathom_cuda_resize_bicubic_backward_args.out_height(args, extent(dy, 1));
    fathom_cuda_resize_bicubic_backward_args.out_width(args, extent(dy, 2));
    rows(bicubicBackward, vector(dx, dy), dx, args);
  }

  @Override
  public void preprocess(
      MemorySegment pixels, int width, int height, float[] mean, float[] std, Tensor y) {
    requireFloats("preprocess", y);
    long bytes = 3L * width * height;
    if (pixels.byteSize() < bytes) {
      throw new IllegalArgumentException(
          "preprocess: " + pixels.byteSize() + " bytes for " + width + " x " + height);
    }
    synchronized (engine) {
      long staged = engine.scratch(bytes).part(0);
      engine.upload(staged, pixels, bytes);
      MemorySegment args = Native.arguments(fathom_cuda_preprocess_args.layout());
      fathom_cuda_preprocess_args.pixels(args, address(staged));
      fathom_cuda_preprocess_args.y(args, address(y));
      fathom_cuda_preprocess_args.row_stride(args, 3L * width);
      fathom_cuda_preprocess_args.pixel_stride(args, 3);
      fathom_cuda_preprocess_args.height(args, height);
      fathom_cuda_preprocess_args.width(args, width);
      fathom_cuda_preprocess_args.out_height(args, extent(y, 1));
      fathom_cuda_preprocess_args.out_width(args, extent(y, 2));
      for (int c = 0; c < 3; c++) {
        fathom_cuda_preprocess_args.mean(args, c, mean[c]);
        fathom_cuda_preprocess_args.std(args, c, std[c]);
      }
      int threads = FathomCuda.FATHOM_RESAMPLE_THREADS();
      launch(preprocess, y.extent(1), ceil(y.extent(2), threads), threads, 0, args);
    }
  }

  private void rows(Pair kernels, boolean vector, Tensor result, MemorySegment args) {
    int perThread = vector ? FathomCuda.FATHOM_RESAMPLE_VECTOR() : 1;
    int threads = FathomCuda.FATHOM_RESAMPLE_THREADS();
    launch(
        vector ? kernels.vector : kernels.any,
        result.extent(0) * result.extent(1),
        ceil(result.extent(2) * result.extent(3) / perThread, threads),
        threads,
        0,
        args);
  }

  private static boolean vector(Tensor x, Tensor y) {
    return x.extent(3) % FathomCuda.FATHOM_RESAMPLE_VECTOR() == 0 && aligned(x, y);
  }

  private boolean isElements(Tensor map) {
    return map.type() == engine.elements();
  }

  private void requireSameType(String operator, Tensor x, Tensor y) {
    if (x.type() != ElementType.FLOAT32) {
      requireElements(operator, x);
    }
    if (x.type() != y.type()) {
      throw new IllegalArgumentException(
          operator + ": " + x + " of " + x.type() + " to " + y + " of " + y.type());
    }
  }

  private static int extent(Tensor tensor, int dimension) {
    return Math.toIntExact(tensor.extent(dimension));
  }

  private static float scale(long in, long out, boolean alignCorners) {
    if (!alignCorners) {
      return (float) in / (float) out;
    }
    return out > 1 ? (float) (in - 1) / (float) (out - 1) : 0;
  }
}
