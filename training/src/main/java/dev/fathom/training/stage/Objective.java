package dev.fathom.training.stage;

import dev.fathom.nn.op.Scalar;
import java.util.LinkedHashMap;
import java.util.SequencedMap;

/** What a stage minimises. */
interface Objective extends AutoCloseable {

  /** Under which name {@link #differentiate} gives the loss itself. */
  String LOSS = "loss";

  /**
   * The loss of one step's batch; its gradients are added to the parameters'.
   *
   * @param step from 0, one after the other from the step that the objective was made for; the
   *     batch is a function of it, the configuration and the data alone
   * @return what a device may still be computing
   */
  Losses differentiate(long step);

  /**
   * The losses of a step.
   *
   * @param loss that the gradients are of
   * @param named what is logged: the loss under {@link #LOSS}, its parts, and what else is known
   */
  record Losses(StepLoss loss, SequencedMap<String, Scalar> named) {

    /** A loss without parts of interest. */
    static Losses of(StepLoss loss) {
      SequencedMap<String, Scalar> named = new LinkedHashMap<>();
      named.put(LOSS, loss.value());
      return new Losses(loss, named);
    }

    /** The numbers; waits for the device. */
    SequencedMap<String, Double> read() {
      SequencedMap<String, Double> numbers = new LinkedHashMap<>();
      named.forEach((name, value) -> numbers.put(name, value.get()));
      return numbers;
    }
  }

  /** Pictures in a step. */
  int picturesPerStep();

  @Override
  void close();
}
