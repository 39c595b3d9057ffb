package dev.fathom.nn.optim;

import org.jspecify.annotations.Nullable;

/** How the learning rate, and with it AdamW's beta1, change over a run. */
public sealed interface Schedule {

  /**
   * What the rate is multiplied by.
   *
   * @param step from 0
   * @param total steps of the run
   * @throws IllegalArgumentException if a linear or polynomial decay is asked for a step below 0,
   *     or for a run without steps
   */
  double factor(long step, long total);

  /**
   * AdamW's beta1, the decay of its first moment ("momentum").
   *
   * @param step from 0
   * @param total steps of the run
   * @param configured what it is where the schedule leaves it alone, as most do
   */
  default double beta1(long step, long total, double configured) {
    return configured;
  }

  /** Always 1. */
  record Constant() implements Schedule {
    @Override
    public double factor(long step, long total) {
      return 1;
    }
  }

  /** Linear decay to 0: 1 - step / total. */
  record Linear() implements Schedule {
    @Override
    public double factor(long step, long total) {
      return 1 - share(step, total);
    }
  }

  /** Polynomial decay to 0: (1 - step / total)^power. */
  record Poly(double power) implements Schedule {
    public Poly {
      if (!(power > 0)) {
        throw new IllegalArgumentException("the power of a poly schedule is " + power);
      }
    }

    @Override
    public double factor(long step, long total) {
      return Math.pow(1 - share(step, total), power);
    }
  }

  /**
   * One cycle (Smith and Topin, 2018), as torch's OneCycleLR with cosine annealing: from 1 / start
   * up to 1 during the first share of the run, then down to 1 / (start * end). Momentum goes the
   * other way, by the same curve.
   *
   * @param rise share of the run in which the rate rises
   * @param start divides the rate at the beginning
   * @param end divides the beginning's rate again at the end
   * @param momentum how beta1 changes; null: it does not
   */
  record OneCycle(double rise, double start, double end, @Nullable Momentum momentum)
      implements Schedule {
    public OneCycle {
      if (!(rise > 0 && rise < 1 && start >= 1 && end >= 1)) {
        throw new IllegalArgumentException(
            "one-cycle: rise " + rise + ", start " + start + ", end " + end);
      }
    }

    @Override
    public double factor(long step, long total) {
      double low = 1 / start;
      return cycled(step, total, low, 1, low / end);
    }

    @Override
    public double beta1(long step, long total, double configured) {
      return momentum == null
          ? configured
          : cycled(step, total, momentum.max(), momentum.base(), momentum.max());
    }

    /** A number that goes from one value to a second while the rate rises, then to a third. */
    private double cycled(long step, long total, double from, double top, double to) {
      double turn = rise * total - 1;
      double last = total - 1.0;
      if (step <= turn) {
        return anneal(from, top, turn <= 0 ? 1 : step / turn);
      }
      double share = last <= turn ? 1 : (step - turn) / (last - turn);
      return anneal(top, to, Math.min(share, 1));
    }

    private static double anneal(double from, double to, double share) {
      return to + (from - to) / 2 * (1 + Math.cos(Math.PI * share));
    }
  }

  /**
   * A one-cycle run's beta1: the largest at both ends, the smallest where the rate is largest, as
   * torch's OneCycleLR with cycle_momentum.
   *
   * @param base the smallest; torch's base_momentum, 0.85 there
   * @param max the largest; torch's max_momentum, 0.95 there
   */
  record Momentum(double base, double max) {
    public Momentum {
      if (!(base >= 0 && base <= max && max < 1)) {
        throw new IllegalArgumentException("momentum from " + max + " to " + base);
      }
    }
  }

  /**
   * A linear rise from nearly 0 over the first steps, then another schedule over the rest.
   *
   * @param steps of the rise
   */
  record Warmup(long steps, Schedule then) implements Schedule {
    public Warmup {
      if (steps < 0) {
        throw new IllegalArgumentException("a warm-up of " + steps + " steps");
      }
    }

    @Override
    public double factor(long step, long total) {
      if (step < steps) {
        return (step + 1.0) / (steps + 1);
      }
      return then.factor(step - steps, Math.max(total - steps, 1));
    }

    /** Until the rise is over, that of the other schedule's beginning. */
    @Override
    public double beta1(long step, long total, double configured) {
      return then.beta1(Math.max(step - steps, 0), Math.max(total - steps, 1), configured);
    }
  }

  private static double share(long step, long total) {
    if (total < 1 || step < 0) {
      throw new IllegalArgumentException("step " + step + " of " + total);
    }
    return Math.min((double) step / total, 1);
  }
}
