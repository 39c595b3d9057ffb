package dev.fathom.nn.cpu;

import dev.fathom.bindings.CpuContext;
import dev.fathom.bindings.Native;
import dev.fathom.bindings.generated.FathomNative;
import dev.fathom.bindings.generated.fathom_preprocess_args;
import dev.fathom.bindings.generated.fathom_resize_bicubic_args;
import dev.fathom.bindings.generated.fathom_resize_bicubic_backward_args;
import dev.fathom.bindings.generated.fathom_resize_bilinear_args;
import dev.fathom.bindings.generated.fathom_resize_bilinear_backward_args;
import dev.fathom.nn.op.ResampleOps;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.MemorySegment;

/** kernels/cpu/resample.c and resample_backward.c. */
final class CpuResample extends CpuFamily implements ResampleOps {

  CpuResample(CpuContext context) {
    super(context);
  }

  @Override
  public void copy(Tensor x, Tensor y) {
    y.data().copyFrom(x.data().asSlice(0, 4 * x.size()));
  }

  @Override
  public void resizeBilinear(Tensor x, boolean alignCorners, Tensor y) {
    MemorySegment args = Native.arguments(fathom_resize_bilinear_args.layout());
    fathom_resize_bilinear_args.batch(args, x.extent(0));
    fathom_resize_bilinear_args.height(args, x.extent(1));
    fathom_resize_bilinear_args.width(args, x.extent(2));
    fathom_resize_bilinear_args.channels(args, x.extent(3));
    fathom_resize_bilinear_args.out_height(args, y.extent(1));
    fathom_resize_bilinear_args.out_width(args, y.extent(2));
    fathom_resize_bilinear_args.align_corners(args, alignCorners ? 1 : 0);
    fathom_resize_bilinear_args.x(args, x.data());
    fathom_resize_bilinear_args.y(args, y.data());
    Native.check(FathomNative.fathom_resize_bilinear(context.handle(), args));
  }

  @Override
  public void resizeBicubic(Tensor x, double stepY, double stepX, Tensor y) {
    MemorySegment args = Native.arguments(fathom_resize_bicubic_args.layout());
    fathom_resize_bicubic_args.batch(args, x.extent(0));
    fathom_resize_bicubic_args.height(args, x.extent(1));
    fathom_resize_bicubic_args.width(args, x.extent(2));
    fathom_resize_bicubic_args.channels(args, x.extent(3));
    fathom_resize_bicubic_args.out_height(args, y.extent(1));
    fathom_resize_bicubic_args.out_width(args, y.extent(2));
    fathom_resize_bicubic_args.step_y(args, stepY);
    fathom_resize_bicubic_args.step_x(args, stepX);
    fathom_resize_bicubic_args.x(args, x.data());
    fathom_resize_bicubic_args.y(args, y.data());
    Native.check(FathomNative.fathom_resize_bicubic(context.handle(), args));
  }

  @Override
  public void preprocess(
      MemorySegment pixels, int width, int height, float[] mean, float[] std, Tensor y) {
    MemorySegment args = Native.arguments(fathom_preprocess_args.layout());
    fathom_preprocess_args.height(args, height);
    fathom_preprocess_args.width(args, width);
    fathom_preprocess_args.out_height(args, y.extent(1));
    fathom_preprocess_args.out_width(args, y.extent(2));
    fathom_preprocess_args.pixels(args, pixels);
    fathom_preprocess_args.row_stride(args, 3L * width);
    fathom_preprocess_args.pixel_stride(args, 3);
    for (int c = 0; c < 3; c++) {
      fathom_preprocess_args.mean(args, c, mean[c]);
      fathom_preprocess_args.std(args, c, std[c]);
    }
    fathom_preprocess_args.y(args, y.data());
    Native.check(FathomNative.fathom_preprocess(context.handle(), args));
  }

  @Override
  public void resizeBilinearBackward(
      Tensor dy, boolean alignCorners, Tensor dx, boolean accumulate) {
    MemorySegment args = Native.arguments(fathom_resize_bilinear_backward_args.layout());
    fathom_resize_bilinear_backward_args.batch(args, dx.extent(0));
    fathom_resize_bilinear_backward_args.height(args, dx.extent(1));
    fathom_resize_bilinear_backward_args.width(args, dx.extent(2));
    fathom_resize_bilinear_backward_args.channels(args, dx.extent(3));
    fathom_resize_bilinear_backward_args.out_height(args, dy.extent(1));
    fathom_resize_bilinear_backward_args.out_width(args, dy.extent(2));
    fathom_resize_bilinear_backward_args.align_corners(args, alignCorners ? 1 : 0);
    fathom_resize_bilinear_backward_args.dy(args, dy.data());
    fathom_resize_bilinear_backward_args.accumulate(args, accumulate ? 1 : 0);
    fathom_resize_bilinear_backward_args.dx(args, dx.data());
    Native.check(FathomNative.fathom_resize_bilinear_backward(context.handle(), args));
  }

  @Override
  public void resizeBicubicBackward(Tensor dy, double stepY, double stepX, Tensor dx) {
    MemorySegment args = Native.arguments(fathom_resize_bicubic_backward_args.layout());
    fathom_resize_bicubic_backward_args.batch(args, dx.extent(0));
    fathom_resize_bicubic_backward_args.height(args, dx.extent(1));
    fathom_resize_bicubic_backward_args.width(args, dx.extent(2));
    fathom_resize_bicubic_backward_args.channels(args, dx.extent(3));
    fathom_resize_bicubic_backward_args.out_height(args, dy.extent(1));
    fathom_resize_bicubic_backward_args.out_width(args, dy.extent(2));
    fathom_resize_bicubic_backward_args.step_y(args, stepY);
    fathom_resize_bicubic_backward_args.step_x(args, stepX);
    fathom_resize_bicubic_backward_args.dy(args, dy.data());
    fathom_resize_bicubic_backward_args.dx(args, dx.data());
    Native.check(FathomNative.fathom_resize_bicubic_backward(context.handle(), args));
  }
}
