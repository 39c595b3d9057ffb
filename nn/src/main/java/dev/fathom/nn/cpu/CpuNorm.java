package dev.fathom.nn.cpu;

import dev.fathom.bindings.CpuContext;
import dev.fathom.bindings.Native;
import dev.fathom.bindings.generated.FathomNative;
import dev.fathom.bindings.generated.fathom_layer_norm_args;
import dev.fathom.bindings.generated.fathom_layer_norm_backward_args;
import dev.fathom.nn.op.NormOps;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** kernels/cpu/norm.c and norm_backward.c. */
final class CpuNorm extends CpuFamily implements NormOps {

  CpuNorm(CpuContext context) {
    super(context);
  }

  @Override
  public void layerNorm(
      Tensor x,
      int skip,
      Tensor weight,
      Tensor bias,
      float eps,
      Tensor y,
      @Nullable Tensor mean,
      @Nullable Tensor rstd) {
    long channels = x.extent(2);
    MemorySegment args = Native.arguments(fathom_layer_norm_args.layout());
    fathom_layer_norm_args.batch(args, x.extent(0));
    fathom_layer_norm_args.rows(args, x.extent(1) - skip);
    fathom_layer_norm_args.channels(args, channels);
    fathom_layer_norm_args.x(args, x.data().asSlice(4L * skip * channels));
    fathom_layer_norm_args.x_batch_stride(args, x.extent(1) * channels);
    fathom_layer_norm_args.weight(args, weight.data());
    fathom_layer_norm_args.bias(args, bias.data());
    fathom_layer_norm_args.eps(args, eps);
    fathom_layer_norm_args.y(args, y.data());
    fathom_layer_norm_args.mean(args, address(mean));
    fathom_layer_norm_args.rstd(args, address(rstd));
    Native.check(FathomNative.fathom_layer_norm(context.handle(), args));
  }

  @Override
  public void layerNormBackward(
      Tensor x,
      int skip,
      Tensor weight,
      Tensor mean,
      Tensor rstd,
      Tensor dy,
      @Nullable Tensor dx,
      boolean accumulate,
      @Nullable Tensor dWeight,
      @Nullable Tensor dBias) {
    MemorySegment args = Native.arguments(fathom_layer_norm_backward_args.layout());
    fathom_layer_norm_backward_args.batch(args, x.extent(0));
    fathom_layer_norm_backward_args.rows(args, x.extent(1) - skip);
    fathom_layer_norm_backward_args.skip(args, skip);
    fathom_layer_norm_backward_args.channels(args, x.extent(2));
    fathom_layer_norm_backward_args.x(args, x.data());
    fathom_layer_norm_backward_args.weight(args, weight.data());
    fathom_layer_norm_backward_args.mean(args, mean.data());
    fathom_layer_norm_backward_args.rstd(args, rstd.data());
    fathom_layer_norm_backward_args.dy(args, dy.data());
    fathom_layer_norm_backward_args.accumulate(args, accumulate ? 1 : 0);
    fathom_layer_norm_backward_args.dx(args, address(dx));
    fathom_layer_norm_backward_args.d_weight(args, address(dWeight));
    fathom_layer_norm_backward_args.d_bias(args, address(dBias));
    Native.check(FathomNative.fathom_layer_norm_backward(context.handle(), args));
  }
}
