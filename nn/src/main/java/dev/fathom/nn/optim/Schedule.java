package dev.fathom.nn.optim;

/** How the learning rate changes over a run. */
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
   * up to 1 during the first share of the run, then down to 1 / (start * end).
   *
   * @param rise share of the run in which the rate rises
   * @param start divides the rate at the beginning
   * @param end divides the beginning's rate again at the end
   */
  record OneCycle(double rise, double start, double end) implements Schedule {
    public OneCycle {
      if (!(rise > 0 && rise < 1 && start >= 1 && end >= 1)) {
        throw new IllegalArgumentException(
            "one-cycle: rise " + rise + ", start " + start + ", end " + end);
      }
    }

    @Override
    public double factor(long step, long total) {
      double top = rise * total - 1;
      double last = total - 1.0;
      double low = 1 / start;
      if (step <= top) {
        return anneal(low, 1, top <= 0 ? 1 : step / top);
      }
      double share = last <= top ? 1 : (step - top) / (last - top);
      return anneal(1, low / end, Math.min(share, 1));
    }

    private static double anneal(double from, double to, double share) {
      return to + (from - to) / 2 * (1 + Math.cos(Math.PI * share));
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
  }

  private static double share(long step, long total) {
    if (total < 1 || step < 0) {
      throw new IllegalArgumentException("step " + step + " of " + total);
    }
    return Math.min((double) step / total, 1);
  }
}
