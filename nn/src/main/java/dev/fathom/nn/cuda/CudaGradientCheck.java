package dev.fathom.nn.cuda;

import dev.fathom.bindings.Native;
import dev.fathom.bindings.generated.cuda.FathomCuda;
import dev.fathom.bindings.generated.cuda.fathom_cuda_gradient_norm;
import dev.fathom.bindings.generated.cuda.fathom_cuda_gradient_norm_args;
import dev.fathom.nn.op.GradientCheck;
import dev.fathom.nn.op.OptimOps;
import dev.fathom.nn.op.Scalar;
import dev.fathom.nn.tensor.Memory;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * fathom_gradient_norm of kernels/cuda/optim.cu. On the device lie what the last check found, which
 * AdamW's kernel reads and which holds the count of steps; the losses of a check; and the kernel's
 * workspace.
 */
final class CudaGradientCheck extends CudaFamily implements GradientCheck {

  private static final int FINDING_BYTES = 256;
  private static final int MOST_LOSSES = 32;
  private static final int LOSSES_AT = FINDING_BYTES;
  private static final int WORKSPACE_AT = LOSSES_AT + 8 * MOST_LOSSES;

  private final Kernel norm = new Kernel("fathom_gradient_norm");
  private final Tensor state;

  CudaGradientCheck(Engine engine, Memory memory) {
    super(engine);
    long bytes =
        WORKSPACE_AT
            + FathomCuda.FATHOM_CUDA_NORM_HEADER_BYTES()
            + 8L * FathomCuda.FATHOM_CUDA_NORM_MAX_BLOCKS();
    state = memory.allocate(bytes / Float.BYTES);
    synchronized (engine) {
      engine.zero(state.address(), bytes);
    }
  }

  /** What the last check found, a fathom_cuda_gradient_norm. */
  long address() {
    return state.address();
  }

  @Override
  public Finding check(
      Tensor gradients, List<Scalar> losses, double maxNorm, double limit, OptimOps.Betas betas) {
    requireFloats("check", gradients);
    if (losses.size() > MOST_LOSSES) {
      throw new IllegalArgumentException(
          "a check of " + losses.size() + " losses; " + MOST_LOSSES + " are possible");
    }
    synchronized (engine) {
      for (int i = 0; i < losses.size(); i++) {
        gather(losses.get(i), state.address() + LOSSES_AT + 8L * i);
      }
      launch(gradients.address(), gradients.size(), losses.size(), maxNorm, limit, betas);
      Results.Result found = engine.newResult().copyFrom(address());
      return new Finding(new CudaScalar(found), () -> fathom_cuda_gradient_norm.good(found.read()));
    }
  }

  /** Puts a loss beside the others: from the device where it is still there. */
  private void gather(Scalar loss, long destination) {
    if (loss instanceof CudaScalar(Results.Result result) && result.onDevice()) {
      engine.copy(destination, result.address(), Double.BYTES);
    } else {
      engine.upload(destination, MemorySegment.ofArray(new double[] {loss.get()}), Double.BYTES);
    }
  }

  private void launch(
      long gradients, long n, int losses, double maxNorm, double limit, OptimOps.Betas betas) {
    MemorySegment args = Native.arguments(fathom_cuda_gradient_norm_args.layout());
    fathom_cuda_gradient_norm_args.gradient(args, address(gradients));
    fathom_cuda_gradient_norm_args.losses(args, address(state.address() + LOSSES_AT));
    fathom_cuda_gradient_norm_args.result(args, address(state));
    fathom_cuda_gradient_norm_args.workspace(args, address(state.address() + WORKSPACE_AT));
    fathom_cuda_gradient_norm_args.n(args, n);
    fathom_cuda_gradient_norm_args.loss_count(args, losses);
    fathom_cuda_gradient_norm_args.max_norm(args, maxNorm);
    fathom_cuda_gradient_norm_args.limit(args, limit);
    fathom_cuda_gradient_norm_args.beta1(args, betas.beta1());
    fathom_cuda_gradient_norm_args.beta2(args, betas.beta2());
    launch(
        norm,
        Math.clamp(
            ceil(n, FathomCuda.FATHOM_CUDA_NORM_ELEMENTS()),
            1,
            FathomCuda.FATHOM_CUDA_NORM_MAX_BLOCKS()),
        FathomCuda.FATHOM_CUDA_OPTIM_THREADS(),
        args);
  }

  @Override
  public void accept(OptimOps.Betas betas) {
    // The norm of nothing is 0.
    launch(state.address(), 0, 0, 0, Double.POSITIVE_INFINITY, betas);
  }

  @Override
  public long updates() {
    synchronized (engine) {
      return fathom_cuda_gradient_norm.updates(engine.newResult().copyFrom(address()).read());
    }
  }

  @Override
  public void restore(long updates) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment before = fathom_cuda_gradient_norm.allocate(arena);
      fathom_cuda_gradient_norm.updates(before, updates);
      synchronized (engine) {
        engine.upload(address(), before, before.byteSize());
      }
    }
  }
}
