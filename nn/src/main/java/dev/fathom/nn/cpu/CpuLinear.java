package dev.fathom.nn.cpu;

import dev.fathom.bindings.CpuContext;
import dev.fathom.bindings.Native;
import dev.fathom.bindings.generated.FathomNative;
import dev.fathom.bindings.generated.fathom_linear_args;
import dev.fathom.bindings.generated.fathom_linear_backward_args;
import dev.fathom.bindings.generated.fathom_linear_pack_args;
import dev.fathom.bindings.generated.fathom_swiglu_args;
import dev.fathom.bindings.generated.fathom_swiglu_backward_args;
import dev.fathom.nn.op.Activation;
import dev.fathom.nn.op.LinearOps;
import dev.fathom.nn.tensor.Memory;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** kernels/cpu/linear.c and linear_backward.c. */
final class CpuLinear extends CpuFamily implements LinearOps {

  CpuLinear(CpuContext context) {
    super(context);
  }

  @Override
  public Tensor packLinear(Tensor weight, Memory memory) {
    long out = weight.extent(0);
    long in = weight.extent(1);
    MemorySegment args = Native.arguments(fathom_linear_pack_args.layout());
    fathom_linear_pack_args.out(args, out);
    fathom_linear_pack_args.in(args, in);
    fathom_linear_pack_args.weight(args, weight.data());
    Native.check(FathomNative.fathom_linear_pack(context.handle(), args));
    Tensor packed = memory.allocate(fathom_linear_pack_args.packed_size(args));
    fathom_linear_pack_args.packed(args, packed.data());
    Native.check(FathomNative.fathom_linear_pack(context.handle(), args));
    return packed;
  }

  @Override
  public void linear(
      Tensor x,
      Tensor packed,
      @Nullable Tensor bias,
      Activation activation,
      @Nullable Tensor scale,
      @Nullable Tensor residual,
      Tensor y,
      @Nullable Tensor preActivation) {
    linear(Activation.NONE, x, packed, bias, activation, scale, residual, y, preActivation);
  }

  @Override
  public boolean activatesInputs() {
    return true;
  }

  @Override
  public void activatedLinear(
      Tensor x,
      Tensor packed,
      @Nullable Tensor bias,
      @Nullable Tensor scale,
      @Nullable Tensor residual,
      Tensor y) {
    linear(Activation.GELU, x, packed, bias, Activation.NONE, scale, residual, y, null);
  }

  private void linear(
      Activation inputActivation,
      Tensor x,
      Tensor packed,
      @Nullable Tensor bias,
      Activation activation,
      @Nullable Tensor scale,
      @Nullable Tensor residual,
      Tensor y,
      @Nullable Tensor preActivation) {
    long in = x.extent(-1);
    MemorySegment args = Native.arguments(fathom_linear_args.layout());
    fathom_linear_args.rows(args, x.size() / in);
    fathom_linear_args.in(args, in);
    fathom_linear_args.out(args, y.extent(-1));
    fathom_linear_args.x(args, x.data());
    fathom_linear_args.x_stride(args, in);
    fathom_linear_args.packed(args, packed.data());
    fathom_linear_args.bias(args, address(bias));
    fathom_linear_args.activation(args, code(activation));
    fathom_linear_args.scale(args, address(scale));
    fathom_linear_args.residual(args, address(residual));
    fathom_linear_args.y(args, y.data());
    fathom_linear_args.pre_activation(args, address(preActivation));
    fathom_linear_args.input_activation(args, code(inputActivation));
    Native.check(FathomNative.fathom_linear(context.handle(), args));
  }

  @Override
  public void swiglu(Tensor x, Tensor y) {
    long channels = y.extent(-1);
    MemorySegment args = Native.arguments(fathom_swiglu_args.layout());
    fathom_swiglu_args.rows(args, y.size() / channels);
    fathom_swiglu_args.channels(args, channels);
    fathom_swiglu_args.x(args, x.data());
    fathom_swiglu_args.y(args, y.data());
    Native.check(FathomNative.fathom_swiglu(context.handle(), args));
  }

  @Override
  public void linearBackward(
      @Nullable Tensor x,
      Tensor weight,
      Tensor packed,
      @Nullable Tensor bias,
      Activation activation,
      @Nullable Tensor preActivation,
      @Nullable Tensor scale,
      Tensor dy,
      @Nullable Tensor dx,
      boolean accumulate,
      @Nullable Tensor dWeight,
      @Nullable Tensor dBias,
      @Nullable Tensor dScale) {
    linearBackward(
        Activation.NONE,
        x,
        weight,
        bias,
        activation,
        preActivation,
        scale,
        dy,
        dx,
        accumulate,
        dWeight,
        dBias,
        dScale);
  }

  @Override
  public void activatedLinearBackward(
      Tensor x,
      Tensor weight,
      @Nullable Tensor bias,
      @Nullable Tensor scale,
      Tensor dy,
      @Nullable Tensor dx,
      boolean accumulate,
      @Nullable Tensor dWeight,
      @Nullable Tensor dBias,
      @Nullable Tensor dScale) {
    linearBackward(
        Activation.GELU,
        x,
        weight,
        bias,
        Activation.NONE,
        null,
        scale,
        dy,
        dx,
        accumulate,
        dWeight,
        dBias,
        dScale);
  }

  private void linearBackward(
      Activation inputActivation,
      @Nullable Tensor x,
      Tensor weight,
      @Nullable Tensor bias,
      Activation activation,
      @Nullable Tensor preActivation,
      @Nullable Tensor scale,
      Tensor dy,
      @Nullable Tensor dx,
      boolean accumulate,
      @Nullable Tensor dWeight,
      @Nullable Tensor dBias,
      @Nullable Tensor dScale) {
    long in = weight.extent(1);
    long out = weight.extent(0);
    MemorySegment args = Native.arguments(fathom_linear_backward_args.layout());
    fathom_linear_backward_args.rows(args, dy.size() / out);
    fathom_linear_backward_args.in(args, in);
    fathom_linear_backward_args.out(args, out);
    fathom_linear_backward_args.x(args, address(x));
    fathom_linear_backward_args.x_stride(args, in);
    fathom_linear_backward_args.weight(args, weight.data());
    fathom_linear_backward_args.bias(args, address(bias));
    fathom_linear_backward_args.activation(args, code(activation));
    fathom_linear_backward_args.pre_activation(args, address(preActivation));
    fathom_linear_backward_args.scale(args, address(scale));
    fathom_linear_backward_args.dy(args, dy.data());
    fathom_linear_backward_args.dx(args, address(dx));
    fathom_linear_backward_args.accumulate(args, accumulate ? 1 : 0);
    fathom_linear_backward_args.d_weight(args, address(dWeight));
    fathom_linear_backward_args.d_bias(args, address(dBias));
    fathom_linear_backward_args.d_scale(args, address(dScale));
    fathom_linear_backward_args.input_activation(args, code(inputActivation));
    Native.check(FathomNative.fathom_linear_backward(context.handle(), args));
  }

  @Override
  public void swigluBackward(Tensor x, Tensor dy, Tensor dx) {
    long channels = dy.extent(-1);
    MemorySegment args = Native.arguments(fathom_swiglu_backward_args.layout());
    fathom_swiglu_backward_args.rows(args, dy.size() / channels);
    fathom_swiglu_backward_args.channels(args, channels);
    fathom_swiglu_backward_args.x(args, x.data());
    fathom_swiglu_backward_args.dy(args, dy.data());
    fathom_swiglu_backward_args.dx(args, dx.data());
    Native.check(FathomNative.fathom_swiglu_backward(context.handle(), args));
  }
}
