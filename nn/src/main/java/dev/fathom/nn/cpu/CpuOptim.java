package dev.fathom.nn.cpu;

import dev.fathom.bindings.CpuContext;
import dev.fathom.nn.op.OptimOps;
import dev.fathom.nn.tensor.Tensor;

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
    throw new UnsupportedOperationException("not built yet");
  }
}
