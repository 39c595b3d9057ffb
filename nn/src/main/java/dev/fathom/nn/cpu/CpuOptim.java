package dev.fathom.nn.cpu;

import dev.fathom.bindings.CpuContext;
import dev.fathom.bindings.Native;
import dev.fathom.bindings.generated.FathomNative;
import dev.fathom.bindings.generated.fathom_adamw_args;
import dev.fathom.nn.op.GradientCheck;
import dev.fathom.nn.op.OptimOps;
import dev.fathom.nn.op.Scalar;
import dev.fathom.nn.op.VectorOps;
import dev.fathom.nn.tensor.Memory;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** kernels/cpu/optim.c. */
final class CpuOptim extends CpuFamily implements OptimOps {

  private final VectorOps vector;

  CpuOptim(CpuContext context, VectorOps vector) {
    super(context);
    this.vector = vector;
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

  @Override
  public GradientCheck newCheck(Memory memory) {
    return new Check(vector);
  }

  @Override
  public void adamW(Arrays arrays, Rates rates, double gradientScale, GradientCheck check) {
    if (!(check instanceof Check decision)) {
      throw new IllegalArgumentException("adamW: the check is of another backend");
    }
    if (arrays.copy() != null) {
      throw new IllegalArgumentException("adamW: activations are float32 here, there is no copy");
    }
    if (!decision.good) {
      return;
    }
    adamW(
        arrays.value(),
        arrays.gradient(),
        arrays.m(),
        arrays.v(),
        decision.updates,
        rates.rate(),
        rates.betas().beta1(),
        rates.betas().beta2(),
        rates.eps(),
        rates.weightDecay(),
        gradientScale * decision.scale);
    if (arrays.average() != null) {
      double decay = arrays.averageDecay();
      vector.axpby((float) (1 - decay), arrays.value(), (float) decay, arrays.average());
    }
  }

  /** Decides at once. */
  private static final class Check implements GradientCheck {

    private final VectorOps vector;
    private boolean good;
    private double scale;
    private long updates;

    Check(VectorOps vector) {
      this.vector = vector;
    }

    @Override
    public Finding check(
        Tensor gradients, List<Scalar> losses, double maxNorm, double limit, Betas betas) {
      double norm = Math.sqrt(vector.sumOfSquares(gradients).get());
      scale = maxNorm > 0 && norm > maxNorm ? maxNorm / norm : 1;
      good =
          Double.isFinite(norm)
              && norm <= limit
              && losses.stream().allMatch(loss -> Double.isFinite(loss.get()));
      updates += good ? 1 : 0;
      return new Finding(Scalar.of(norm), Scalar.of(good ? 1 : 0));
    }

    @Override
    public void accept(Betas betas) {
      good = true;
      scale = 1;
      updates++;
    }

    @Override
    public long updates() {
      return updates;
    }

    @Override
    public void restore(long updates) {
      this.updates = updates;
    }
  }
}
