package dev.fathom.nn.optim;

import dev.fathom.nn.autograd.Parameters;
import dev.fathom.nn.op.Backend;
import dev.fathom.nn.op.GradientCheck;
import dev.fathom.nn.op.OptimOps;
import dev.fathom.nn.op.Scalar;
import dev.fathom.nn.tensor.Memory;
import dev.fathom.nn.tensor.Tensor;
import java.util.List;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * AdamW (Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019; the formula is at
 * {@link dev.fathom.nn.op.OptimOps#adamW}) with groups of parameters that differ in their rate.
 * Moments lie in arenas like those of the parameters; a step is one operator for each stretch of
 * trainable parameters. Weights decay in every group, biases and norms included.
 */
public final class AdamW {

  /**
   * Parameters with a rate of their own.
   *
   * @param name for people: encoder, head
   * @param rate learning rate before the schedule
   * @param members which parameters, by name
   */
  public record Group(String name, double rate, Predicate<String> members) {}

  /**
   * What all groups share.
   *
   * @param beta1 decay of the first moment
   * @param beta2 decay of the second moment
   * @param eps added to the root of the second moment
   * @param weightDecay times rate and value, subtracted from the value, before the moments' step
   */
  public record Settings(double beta1, double beta2, double eps, double weightDecay) {

    /** Betas 0.9 and 0.999, eps 1e-8, weight decay 0.01: torch's defaults. */
    public static final Settings DEFAULT = new Settings(0.9, 0.999, 1e-8, 0.01);

    public Settings {
      if (!(beta1 >= 0 && beta1 < 1 && beta2 >= 0 && beta2 < 1)) {
        throw new IllegalArgumentException("betas " + beta1 + ", " + beta2 + " outside [0,1)");
      }
      if (!(eps > 0 && weightDecay >= 0)) {
        throw new IllegalArgumentException("eps " + eps + ", weight decay " + weightDecay);
      }
    }
  }

  /**
   * What a step must keep to.
   *
   * @param clipNorm the norm that gradients are clipped to; 0 for no clipping
   * @param largestNorm the largest norm of a step that is taken; may be infinite
   */
  public record Limits(double clipNorm, double largestNorm) {}

  private final Backend backend;
  private final Parameters parameters;
  private final List<Group> groups;
  private final Settings settings;
  private final Tensor firstMoments;
  private final Tensor secondMoments;
  private final GradientCheck check;

  /**
   * An optimiser at its first step.
   *
   * @param memory keeps the moments
   * @param groups disjoint; parameters in none are not trained
   */
  public AdamW(
      Backend backend,
      Memory memory,
      Parameters parameters,
      List<Group> groups,
      Settings settings) {
    this.backend = backend;
    this.parameters = parameters;
    this.groups = List.copyOf(groups);
    this.settings = settings;
    firstMoments = memory.allocate(parameters.arenaSize());
    secondMoments = memory.allocate(parameters.arenaSize());
    backend.vector().fill(firstMoments, 0);
    backend.vector().fill(secondMoments, 0);
    check = backend.optim().newCheck(memory);
  }

  /**
   * Changes the values by the gradients, which stay as they are; but nothing if a loss or the
   * gradients' norm is not finite, or the norm too large. That is decided where the gradients lie:
   * on a device that runs behind the host this returns before it is known.
   *
   * @param factor of the schedule, multiplies each group's rate
   * @param beta1 of this step, {@link Settings#beta1} where no schedule changes it
   * @param losses values that must be finite
   * @param average follows the values if the step is taken; null for none
   * @return what was found
   */
  public GradientCheck.Finding step(
      double factor,
      double beta1,
      List<Scalar> losses,
      Limits limits,
      @Nullable MovingAverage average) {
    OptimOps.Betas betas = new OptimOps.Betas(beta1, settings.beta2());
    GradientCheck.Finding finding =
        check.check(parameters.gradients(), losses, limits.clipNorm(), limits.largestNorm(), betas);
    step(factor, betas, 1, average);
    return finding;
  }

  /**
   * Changes the values by the gradients whatever they are.
   *
   * @param factor of the schedule, multiplies each group's rate
   * @param gradientScale multiplies the gradients
   */
  public void step(double factor, double gradientScale) {
    OptimOps.Betas betas = new OptimOps.Betas(settings.beta1(), settings.beta2());
    check.accept(betas);
    step(factor, betas, gradientScale, null);
  }

  private void step(
      double factor, OptimOps.Betas betas, double gradientScale, @Nullable MovingAverage average) {
    Tensor rounded = parameters.currentRounded();
    for (Group group : groups) {
      OptimOps.Rates rates =
          new OptimOps.Rates(factor * group.rate(), betas, settings.eps(), settings.weightDecay());
      for (Parameters.Range range : parameters.ranges(group.members())) {
        OptimOps.Arrays arrays =
            new OptimOps.Arrays(
                part(parameters.values(), range),
                part(parameters.gradients(), range),
                part(firstMoments, range),
                part(secondMoments, range),
                rounded == null ? null : part(rounded, range),
                average == null ? null : part(average.average(), range),
                average == null ? 0 : average.decay());
        backend.optim().adamW(arrays, rates, gradientScale, check);
      }
    }
    if (rounded != null) {
      parameters.changedWithRounded();
    } else {
      parameters.changed();
    }
  }

  private static Tensor part(Tensor arena, Parameters.Range range) {
    return arena.slice(range.offset(), range.size());
  }

  /** Steps taken; waits for the device. */
  public long steps() {
    return check.updates();
  }

  /** Says how many steps led to the moments that were read from a checkpoint. */
  public void restore(long steps) {
    check.restore(steps);
  }

  /** First moments, an arena as the parameters' values are. */
  public Tensor firstMoments() {
    return firstMoments;
  }

  /** Second moments, an arena as the parameters' values are. */
  public Tensor secondMoments() {
    return secondMoments;
  }
}
