package dev.fathom.nn.cpu;

import dev.fathom.bindings.CpuContext;
import dev.fathom.bindings.Native;
import dev.fathom.bindings.generated.FathomNative;
import dev.fathom.bindings.generated.fathom_adamw_args;
import dev.fathom.nn.op.OptimOps;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.MemorySegment;

/** kernels/cpu/optim.c. */
final class CpuOptim extends CpuFamily implements OptimOps {

  CpuOptim(CpuContext context) {
    super(context);
  }

  @Override
  public void adamW(
      Tensor value,
      Tensor gradient,
      Tensor m,
      Tensor v,
      long step,
      double rate,
      double beta1,
      double beta2,
      double eps,
      double weightDecay,
      double gradientScale) {
    if (gradient.size() != value.size() || m.size() != value.size() || v.size() != value.size()) {
      throw new IllegalArgumentException(
          "adamW: value " + value + ", gradient " + gradient + ", m " + m + ", v " + v);
    }
    MemorySegment args = Native.arguments(fathom_adamw_args.layout());
    fathom_adamw_args.n(args, value.size());
    fathom_adamw_args.value(args, value.data());
    fathom_adamw_args.gradient(args, gradient.data());
    fathom_adamw_args.m(args, m.data());
    fathom_adamw_args.v(args, v.data());
    fathom_adamw_args.step(args, step);
    fathom_adamw_args.rate(args, rate);
    fathom_adamw_args.beta1(args, beta1);
    fathom_adamw_args.beta2(args, beta2);
    fathom_adamw_args.eps(args, eps);
    fathom_adamw_args.weight_decay(args, weightDecay);
    fathom_adamw_args.gradient_scale(args, gradientScale);
    Native.check(FathomNative.fathom_adamw(context.handle(), args));
  }
}
