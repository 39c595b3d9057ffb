package dev.fathom.nn.cuda;

import dev.fathom.bindings.Native;
import dev.fathom.bindings.generated.cuda.FathomCuda;
import dev.fathom.bindings.generated.cuda.fathom_cuda_adamw_args;
import dev.fathom.nn.op.GradientCheck;
import dev.fathom.nn.op.OptimOps;
import dev.fathom.nn.tensor.Memory;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** kernels/cuda/optim.cu. */
final class CudaOptim extends CudaFamily implements OptimOps {

  private final Kernel adamW = new Kernel("fathom_adamw");

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
    if (step < 1) {
      throw new IllegalArgumentException("adamW: step " + step);
    }
    if (n == 0) {
      return;
    }
    MemorySegment args =
        arguments(value, gradient, m, v, rate, beta1, beta2, eps, weightDecay, gradientScale);
    fathom_cuda_adamw_args.step(args, (float) (rate / (1 - Math.pow(beta1, (double) step))));
    fathom_cuda_adamw_args.root(args, (float) (1 / Math.sqrt(1 - Math.pow(beta2, (double) step))));
    launch(n, args);
  }

  @Override
  public GradientCheck newCheck(Memory memory) {
    return new CudaGradientCheck(engine, memory);
  }

  @Override
  public void adamW(Arrays arrays, Rates rates, double gradientScale, GradientCheck check) {
    if (!(check instanceof CudaGradientCheck decision)) {
      throw new IllegalArgumentException("adamW: the check is of another backend");
    }
    long n = arrays.value().size();
    requireSizes(arrays.value(), arrays.gradient(), arrays.m(), arrays.v());
    requireSizes(arrays.value(), arrays.copy(), arrays.average());
    requireFloats("adamW", arrays.average());
    requireElements("adamW", arrays.copy());
    if (n == 0) {
      return;
    }
    MemorySegment args =
        arguments(
            arrays.value(),
            arrays.gradient(),
            arrays.m(),
            arrays.v(),
            rates.rate(),
            rates.betas().beta1(),
            rates.betas().beta2(),
            rates.eps(),
            rates.weightDecay(),
            gradientScale);
    fathom_cuda_adamw_args.copy(args, address(arrays.copy()));
    fathom_cuda_adamw_args.average(args, address(arrays.average()));
    fathom_cuda_adamw_args.average_decay(args, (float) arrays.averageDecay());
    fathom_cuda_adamw_args.norm(args, address(decision.address()));
    fathom_cuda_adamw_args.rate(args, rates.rate());
    launch(n, args);
  }

  private static void requireSizes(Tensor value, @Nullable Tensor... others) {
    for (Tensor other : others) {
      if (other != null && other.size() != value.size()) {
        throw new IllegalArgumentException("adamW: value " + value + " beside " + other);
      }
    }
  }

  private static MemorySegment arguments(
      Tensor value,
      Tensor gradient,
      Tensor m,
      Tensor v,
      double rate,
      double beta1,
      double beta2,
      double eps,
      double weightDecay,
      double gradientScale) {
    requireSizes(value, gradient, m, v);
    requireFloats("adamW", value, gradient, m, v);
    if (!(rate >= 0) || !(eps >= 0) || !(weightDecay >= 0)) {
      throw new IllegalArgumentException(
          "adamW: rate " + rate + ", eps " + eps + ", decay " + weightDecay);
    }
    MemorySegment args = Native.arguments(fathom_cuda_adamw_args.layout());
    fathom_cuda_adamw_args.value(args, address(value));
    fathom_cuda_adamw_args.gradient(args, address(gradient));
    fathom_cuda_adamw_args.m(args, address(m));
    fathom_cuda_adamw_args.v(args, address(v));
    fathom_cuda_adamw_args.n(args, value.size());
    fathom_cuda_adamw_args.gradient_scale(args, (float) gradientScale);
    fathom_cuda_adamw_args.keep1(args, (float) beta1);
    fathom_cuda_adamw_args.keep2(args, (float) beta2);
    fathom_cuda_adamw_args.take1(args, (float) (1 - beta1));
    fathom_cuda_adamw_args.take2(args, (float) (1 - beta2));
    fathom_cuda_adamw_args.eps(args, (float) eps);
    fathom_cuda_adamw_args.decay(args, (float) (rate * weightDecay));
    return args;
  }

  private void launch(long n, MemorySegment args) {
    int threads = FathomCuda.FATHOM_CUDA_OPTIM_THREADS();
    launch(adamW, ceil(n, (long) threads * FathomCuda.FATHOM_CUDA_OPTIM_ELEMENTS()), threads, args);
  }
}
