package dev.fathom.nn.cuda;

import dev.fathom.bindings.Native;
import dev.fathom.bindings.generated.cuda.FathomCuda;
import dev.fathom.bindings.generated.cuda.fathom_cuda_adamw_args;
import dev.fathom.nn.op.OptimOps;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.MemorySegment;

/** kernels/cuda/optim.cu. */
final class CudaOptim extends CudaFamily implements OptimOps {

  CudaOptim(Engine engine) {
    super(engine);
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
    long n = value.size();
    if (gradient.size() != n || m.size() != n || v.size() != n) {
      throw new IllegalArgumentException(
          "adamW: value " + value + ", gradient " + gradient + ", m " + m + ", v " + v);
    }
    requireFloats("adamW", value, gradient, m, v);
    if (step < 1 || !(rate >= 0) || !(eps >= 0) || !(weightDecay >= 0)) {
      throw new IllegalArgumentException(
          "adamW: step " + step + ", rate " + rate + ", eps " + eps + ", decay " + weightDecay);
    }
    if (n == 0) {
      return;
    }
    MemorySegment args = Native.arguments(fathom_cuda_adamw_args.layout());
    fathom_cuda_adamw_args.value(args, address(value));
    fathom_cuda_adamw_args.gradient(args, address(gradient));
    fathom_cuda_adamw_args.m(args, address(m));
    fathom_cuda_adamw_args.v(args, address(v));
    fathom_cuda_adamw_args.n(args, n);
    fathom_cuda_adamw_args.gradient_scale(args, (float) gradientScale);
    fathom_cuda_adamw_args.keep1(args, (float) beta1);
    fathom_cuda_adamw_args.keep2(args, (float) beta2);
    fathom_cuda_adamw_args.take1(args, (float) (1 - beta1));
    fathom_cuda_adamw_args.take2(args, (float) (1 - beta2));
    fathom_cuda_adamw_args.step(args, (float) (rate / (1 - Math.pow(beta1, (double) step))));
    fathom_cuda_adamw_args.root(args, (float) (1 / Math.sqrt(1 - Math.pow(beta2, (double) step))));
    fathom_cuda_adamw_args.eps(args, (float) eps);
    fathom_cuda_adamw_args.decay(args, (float) (rate * weightDecay));
    int threads = FathomCuda.FATHOM_CUDA_OPTIM_THREADS();
    launch(
        "fathom_adamw",
        ceil(n, (long) threads * FathomCuda.FATHOM_CUDA_OPTIM_ELEMENTS()),
        threads,
        args);
  }
}
