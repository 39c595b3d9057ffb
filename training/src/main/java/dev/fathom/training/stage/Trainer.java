package dev.fathom.training.stage;

import dev.fathom.nn.op.GradientCheck;
import dev.fathom.nn.optim.AdamW;
import dev.fathom.nn.optim.MovingAverage;
import dev.fathom.nn.optim.Schedule;
import dev.fathom.training.UserException;
import dev.fathom.training.config.RunConfig;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.SequencedMap;
import java.util.function.LongFunction;
import org.jspecify.annotations.Nullable;

/**
 * The loop of every stage that trains: loss, gradients, step; checkpoints, log, progress. A run
 * that was stopped goes on from its last checkpoint, and ends as one that was not.
 *
 * <p>A device that runs behind the host is given the next step before the numbers of the one before
 * are read, so that it never waits for work; before a checkpoint they are all read. Whether a step
 * is taken the device decides itself, so weights and logs do not depend on this. That there are too
 * many bad steps in a row is noticed a step later there.
 *
 * @param <N> the network's class
 */
final class Trainer<N> {

  /**
   * What a stage trains for.
   *
   * @param name for people
   * @param steps of the whole stage
   * @param weightDecay of this stage
   * @param metadata written with the weights
   */
  record Plan(
      String name,
      long steps,
      Schedule schedule,
      List<AdamW.Group> groups,
      double weightDecay,
      Map<String, String> metadata) {}

  /** A stage's validation: a loss on data that it does not train on. */
  @FunctionalInterface
  interface Validation {
    /** The mean loss; empty if there is nothing to validate on. */
    OptionalDouble loss();
  }

  private final Learner<N> learner;
  private final Plan plan;
  private final RunConfig config;
  private final Checkpoints checkpoints;
  private final StageListener listener;
  private final AdamW optimiser;
  private final @Nullable MovingAverage average;

  Trainer(
      Learner<N> learner,
      Plan plan,
      RunConfig config,
      Checkpoints checkpoints,
      StageListener listener) {
    this.learner = learner;
    this.plan = plan;
    this.config = config;
    this.checkpoints = checkpoints;
    this.listener = listener;
    RunConfig.Optimiser settings = config.optimiser();
    optimiser =
        new AdamW(
            learner.backend(),
            learner.memory(),
            learner.parameters(),
            plan.groups(),
            new AdamW.Settings(
                settings.beta1(), settings.beta2(), settings.eps(), plan.weightDecay()));
    average =
        config.average().decay() > 0
            ? new MovingAverage(
                learner.backend(), learner.memory(), learner.parameters(), config.average().decay())
            : null;
  }

  /**
   * Trains to the last step; the learner then has the final weights.
   *
   * @param objective the stage's, given the step that it begins with
   * @param log opened at the step that the run begins with
   */
  TrainingState run(LongFunction<Objective> objective, Validation validation, LogOpener log)
      throws IOException {
    TrainingState state =
        checkpoints
            .restore(
                learner,
                optimiser,
                average,
                problem -> listener.warn(problem.getMessage() + "; the checkpoint before is tried"))
            .orElse(TrainingState.START);
    if (state.step() > 0 && state.step() < plan.steps()) {
      listener.note(plan.name() + ": goes on from step " + state.step());
    }
    if (state.step() < plan.steps()) {
      try (Objective minimised = objective.apply(state.step());
          RunLog written = log.open(state.step())) {
        listener.begin(
            plan.name(), state.step(), plan.steps(), "steps", minimised.picturesPerStep());
        state = steps(state, minimised, validation, written);
      } finally {
        listener.end();
      }
    }
    if (state.skipped() > 0) {
      listener.warn(
          plan.name() + ": " + state.skipped() + " of " + state.step() + " steps were skipped");
    }
    if (average != null) {
      average.swap();
    }
    return state;
  }

  /** Opens the log of a run that begins at a step. */
  @FunctionalInterface
  interface LogOpener {
    RunLog open(long step) throws IOException;
  }

  /** A step that was given to the device, which may be at it still. */
  private record Queued(
      long step,
      double factor,
      double beta1,
      Objective.Losses losses,
      GradientCheck.Finding finding) {}

  private TrainingState steps(
      TrainingState start, Objective objective, Validation validation, RunLog log)
      throws IOException {
    Account account = new Account(start, objective.picturesPerStep(), log);
    boolean runsBehind = learner.backend().runsBehind();
    Queued before = null;
    for (long step = start.step(); step < plan.steps(); step++) {
      Queued queued = queue(step, objective);
      if (before != null) {
        account.settle(before);
      }
      boolean last = step + 1 == plan.steps();
      boolean checkpoint = (step + 1) % config.checkpoint().every() == 0 || last;
      if (runsBehind && !checkpoint) {
        before = queued;
        continue;
      }
      account.settle(queued);
      before = null;
      if (checkpoint) {
        account.state = validated(account.state, validation, log);
        checkpoints.save(learner, optimiser, average, account.state, plan.metadata());
      }
    }
    return account.state;
  }

  private Queued queue(long step, Objective objective) {
    double factor = plan.schedule().factor(step, plan.steps());
    double beta1 = plan.schedule().beta1(step, plan.steps(), config.optimiser().beta1());
    learner.parameters().zeroGradients();
    Objective.Losses losses = objective.differentiate(step);
    AdamW.Limits limits =
        new AdamW.Limits(config.optimiser().clipNorm(), config.limits().gradientNorm());
    GradientCheck.Finding finding =
        optimiser.step(factor, beta1, losses.loss().parts(), limits, average);
    return new Queued(step, factor, beta1, losses, finding);
  }

  /** What came of the steps, in their order. */
  private final class Account {
    private final int picturesPerStep;
    private final RunLog log;
    private TrainingState state;
    private long reported = System.nanoTime();
    private long reportedStep;

    Account(TrainingState start, int picturesPerStep, RunLog log) {
      this.picturesPerStep = picturesPerStep;
      this.log = log;
      state = start;
      reportedStep = start.step();
    }

    /** Waits for a step, counts and reports it. */
    void settle(Queued queued) throws IOException {
      SequencedMap<String, Double> losses = queued.losses.read();
      double norm = queued.finding.norm().get();
      boolean good = queued.finding.isGood();
      int badInARow = good ? 0 : state.badInARow() + 1;
      state =
          new TrainingState(
              queued.step + 1,
              state.updates() + (good ? 1 : 0),
              state.skipped() + (good ? 0 : 1),
              badInARow,
              state.best(),
              state.bestStep());
      if (badInARow > config.limits().badSteps()) {
        throw new UserException(
            plan.name(),
            "the loss was not finite, or the gradient's norm above "
                + config.limits().gradientNorm()
                + ", in "
                + badInARow
                + " steps in a row (the last: loss "
                + losses.get(Objective.LOSS)
                + ", norm "
                + norm
                + "); last good checkpoint: "
                + lastCheckpoint());
      }
      listener.step(state.step(), losses);
      if (state.step() % config.log().every() == 0 || state.step() == plan.steps()) {
        log.write(state.step(), line(losses, norm, queued));
      }
    }

    private SequencedMap<String, Double> line(
        SequencedMap<String, Double> losses, double norm, Queued queued) {
      long now = System.nanoTime();
      SequencedMap<String, Double> line = new LinkedHashMap<>(losses);
      line.put("gradient-norm", norm);
      line.put("rate-factor", queued.factor);
      if (queued.beta1 != config.optimiser().beta1()) {
        line.put("beta1", queued.beta1);
      }
      line.put("skipped", (double) state.skipped());
      line.put(
          "pictures-per-second",
          picturesPerStep
              * (state.step() - reportedStep)
              / Math.max((now - reported) * 1e-9, 1e-9));
      reported = now;
      reportedStep = state.step();
      return line;
    }
  }

  private TrainingState validated(TrainingState state, Validation validation, RunLog log)
      throws IOException {
    if (average != null) {
      average.swap();
    }
    try {
      OptionalDouble loss = validation.loss();
      if (loss.isEmpty()) {
        return state;
      }
      log.write(state.step(), Map.of("validation-loss", loss.getAsDouble()));
      if (loss.getAsDouble() < state.best()) {
        checkpoints.saveBest(learner, plan.metadata());
        return new TrainingState(
            state.step(),
            state.updates(),
            state.skipped(),
            state.badInARow(),
            loss.getAsDouble(),
            state.step());
      }
      return state;
    } finally {
      if (average != null) {
        average.swap();
      }
    }
  }

  private String lastCheckpoint() throws IOException {
    List<Long> steps = checkpoints.steps();
    return steps.isEmpty() ? "none" : checkpoints.weights(steps.getFirst()).toString();
  }
}
