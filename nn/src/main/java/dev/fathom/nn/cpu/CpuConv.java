package dev.fathom.nn.cpu;

import dev.fathom.bindings.CpuContext;
import dev.fathom.bindings.Native;
import dev.fathom.bindings.generated.FathomNative;
import dev.fathom.bindings.generated.fathom_conv2d_args;
import dev.fathom.bindings.generated.fathom_conv2d_backward_args;
import dev.fathom.bindings.generated.fathom_conv2d_pack_args;
import dev.fathom.bindings.generated.fathom_conv_transpose2d_args;
import dev.fathom.bindings.generated.fathom_conv_transpose2d_backward_args;
import dev.fathom.bindings.generated.fathom_conv_transpose2d_pack_args;
import dev.fathom.bindings.generated.fathom_project_args;
import dev.fathom.bindings.generated.fathom_project_backward_args;
import dev.fathom.nn.op.ConvOps;
import dev.fathom.nn.tensor.Memory;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.jspecify.annotations.Nullable;

/** kernels/cpu/conv*.c and project.c. The algorithm (direct or Winograd) follows from the shape. */
final class CpuConv extends CpuFamily implements ConvOps {

  private static final int ALGORITHM = FathomNative.FATHOM_CONV_AUTO();

  CpuConv(CpuContext context) {
    super(context);
  }

  @Override
  public Tensor packConv2d(Conv2dShape shape, Tensor weight, Memory memory) {
    MemorySegment args = Native.arguments(fathom_conv2d_pack_args.layout());
    fathom_conv2d_pack_args.out(args, shape.out());
    fathom_conv2d_pack_args.in(args, shape.in());
    fathom_conv2d_pack_args.kernel(args, shape.kernel());
    fathom_conv2d_pack_args.stride(args, shape.stride());
    fathom_conv2d_pack_args.algorithm(args, ALGORITHM);
    fathom_conv2d_pack_args.weight(args, weight.data());
    Native.check(FathomNative.fathom_conv2d_pack(context.handle(), args));
    Tensor packed = memory.allocate(fathom_conv2d_pack_args.packed_size(args));
    fathom_conv2d_pack_args.packed(args, packed.data());
    Native.check(FathomNative.fathom_conv2d_pack(context.handle(), args));
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
    boolean resized = fusion.sourceResized();
    Projection projection = fusion.projection();
    MemorySegment args = Native.arguments(fathom_conv2d_args.layout());
    fathom_conv2d_args.batch(args, x.extent(0));
    fathom_conv2d_args.height(args, height);
    fathom_conv2d_args.width(args, width);
    fathom_conv2d_args.in(args, shape.in());
    fathom_conv2d_args.out(args, shape.out());
    fathom_conv2d_args.kernel(args, shape.kernel());
    fathom_conv2d_args.stride(args, shape.stride());
    fathom_conv2d_args.algorithm(args, ALGORITHM);
    fathom_conv2d_args.x(args, x.data());
    fathom_conv2d_args.source_height(args, resized ? x.extent(1) : 0);
    fathom_conv2d_args.source_width(args, resized ? x.extent(2) : 0);
    fathom_conv2d_args.relu_input(args, fusion.reluInput() ? 1 : 0);
    fathom_conv2d_args.packed(args, packed.data());
    fathom_conv2d_args.bias(args, address(bias));
    fathom_conv2d_args.activation(args, code(fusion.activation()));
    fathom_conv2d_args.residual(args, address(fusion.residual()));
    fathom_conv2d_args.residual2(args, address(fusion.residual2()));
    if (projection == null) {
      fathom_conv2d_args.project_activation(args, FathomNative.FATHOM_ACTIVATION_NONE());
    } else {
      fathom_conv2d_args.project_weight(args, projection.weight().data());
      fathom_conv2d_args.project_bias(
          args, projection.bias().data().get(ValueLayout.JAVA_FLOAT, 0));
      fathom_conv2d_args.project_scale(args, projection.scale());
      fathom_conv2d_args.project_activation(args, code(projection.activation()));
    }
    fathom_conv2d_args.y(args, y.data());
    Native.check(FathomNative.fathom_conv2d(context.handle(), args));
  }

  @Override
  public Tensor packConvTranspose2d(int in, int out, int kernel, Tensor weight, Memory memory) {
    MemorySegment args = Native.arguments(fathom_conv_transpose2d_pack_args.layout());
    fathom_conv_transpose2d_pack_args.in(args, in);
    fathom_conv_transpose2d_pack_args.out(args, out);
    fathom_conv_transpose2d_pack_args.kernel(args, kernel);
    fathom_conv_transpose2d_pack_args.weight(args, weight.data());
    Native.check(FathomNative.fathom_conv_transpose2d_pack(context.handle(), args));
    Tensor packed = memory.allocate(fathom_conv_transpose2d_pack_args.packed_size(args));
    fathom_conv_transpose2d_pack_args.packed(args, packed.data());
    Native.check(FathomNative.fathom_conv_transpose2d_pack(context.handle(), args));
    return packed;
  }

  @Override
  public void convTranspose2d(
      int kernel, Tensor x, Tensor packed, @Nullable Tensor bias, Tensor y) {
    MemorySegment args = Native.arguments(fathom_conv_transpose2d_args.layout());
    fathom_conv_transpose2d_args.batch(args, x.extent(0));
    fathom_conv_transpose2d_args.height(args, x.extent(1));
    fathom_conv_transpose2d_args.width(args, x.extent(2));
    fathom_conv_transpose2d_args.in(args, x.extent(3));
    fathom_conv_transpose2d_args.out(args, y.extent(3));
    fathom_conv_transpose2d_args.kernel(args, kernel);
    fathom_conv_transpose2d_args.x(args, x.data());
    fathom_conv_transpose2d_args.packed(args, packed.data());
    fathom_conv_transpose2d_args.bias(args, address(bias));
    fathom_conv_transpose2d_args.y(args, y.data());
    Native.check(FathomNative.fathom_conv_transpose2d(context.handle(), args));
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
    MemorySegment args = Native.arguments(fathom_conv2d_backward_args.layout());
    fathom_conv2d_backward_args.batch(args, x.extent(0));
    fathom_conv2d_backward_args.height(args, height);
    fathom_conv2d_backward_args.width(args, width);
    fathom_conv2d_backward_args.in(args, shape.in());
    fathom_conv2d_backward_args.out(args, shape.out());
    fathom_conv2d_backward_args.kernel(args, shape.kernel());
    fathom_conv2d_backward_args.stride(args, shape.stride());
    fathom_conv2d_backward_args.x(args, x.data());
    fathom_conv2d_backward_args.source_height(args, sourceResized ? x.extent(1) : 0);
    fathom_conv2d_backward_args.source_width(args, sourceResized ? x.extent(2) : 0);
    fathom_conv2d_backward_args.relu_input(args, reluInput ? 1 : 0);
    fathom_conv2d_backward_args.weight(args, weight.data());
    fathom_conv2d_backward_args.activated(args, address(activated));
    fathom_conv2d_backward_args.dy(args, dy.data());
    fathom_conv2d_backward_args.dx(args, address(dx));
    fathom_conv2d_backward_args.accumulate(args, accumulate ? 1 : 0);
    fathom_conv2d_backward_args.d_weight(args, address(dWeight));
    fathom_conv2d_backward_args.d_bias(args, address(dBias));
    Native.check(FathomNative.fathom_conv2d_backward(context.handle(), args));
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
    MemorySegment args = Native.arguments(fathom_conv_transpose2d_backward_args.layout());
    fathom_conv_transpose2d_backward_args.batch(args, x.extent(0));
    fathom_conv_transpose2d_backward_args.height(args, x.extent(1));
    fathom_conv_transpose2d_backward_args.width(args, x.extent(2));
    fathom_conv_transpose2d_backward_args.in(args, x.extent(3));
    fathom_conv_transpose2d_backward_args.out(args, dy.extent(3));
    fathom_conv_transpose2d_backward_args.kernel(args, kernel);
    fathom_conv_transpose2d_backward_args.x(args, x.data());
    fathom_conv_transpose2d_backward_args.weight(args, weight.data());
    fathom_conv_transpose2d_backward_args.dy(args, dy.data());
    fathom_conv_transpose2d_backward_args.dx(args, address(dx));
    fathom_conv_transpose2d_backward_args.d_weight(args, address(dWeight));
    fathom_conv_transpose2d_backward_args.d_bias(args, address(dBias));
    Native.check(FathomNative.fathom_conv_transpose2d_backward(context.handle(), args));
  }

  @Override
  public void project(Tensor x, Projection projection, Tensor y) {
    MemorySegment args = Native.arguments(fathom_project_args.layout());
    fathom_project_args.pixels(args, y.size());
    fathom_project_args.channels(args, projection.weight().size());
    fathom_project_args.x(args, x.data());
    fathom_project_args.weight(args, projection.weight().data());
    fathom_project_args.bias(args, projection.bias().data());
    fathom_project_args.activation(args, code(projection.activation()));
    fathom_project_args.scale(args, projection.scale());
    fathom_project_args.y(args, y.data());
    Native.check(FathomNative.fathom_project(context.handle(), args));
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
    MemorySegment args = Native.arguments(fathom_project_backward_args.layout());
    fathom_project_backward_args.pixels(args, y.size());
    fathom_project_backward_args.channels(args, projection.weight().size());
    fathom_project_backward_args.x(args, x.data());
    fathom_project_backward_args.weight(args, projection.weight().data());
    fathom_project_backward_args.activation(args, code(projection.activation()));
    fathom_project_backward_args.scale(args, projection.scale());
    fathom_project_backward_args.y(args, y.data());
    fathom_project_backward_args.dy(args, dy.data());
    fathom_project_backward_args.dx(args, address(dx));
    fathom_project_backward_args.d_weight(args, address(dWeight));
    fathom_project_backward_args.d_bias(args, address(dBias));
    Native.check(FathomNative.fathom_project_backward(context.handle(), args));
  }
}
