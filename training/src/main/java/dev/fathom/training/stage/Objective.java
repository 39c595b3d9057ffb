package dev.fathom.training.stage;

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
   * @return the loss under {@link #LOSS}, and its parts
   */
  SequencedMap<String, Double> differentiate(long step);

  /** Pictures in a step. */
  int picturesPerStep();

  @Override
  void close();
}
