package dev.fathom.training.stage;

import java.util.SequencedMap;

/** Is told how a stage goes on. */
public interface StageListener {

  /**
   * A task begins.
   *
   * @param task what, for people: teacher, pseudo-labels
   * @param first steps that an earlier run did
   * @param total steps of the whole task
   * @param unit what a step is, in the plural
   * @param pictures in a step; 0 where that says nothing more than the step itself
   */
  void begin(String task, long first, long total, String unit, int pictures);

  /**
   * A step is done.
   *
   * @param steps done in all
   * @param losses of the step, empty where there are none
   */
  void step(long steps, SequencedMap<String, Double> losses);

  /** The task is over, or was given up. */
  void end();

  /** Something to know. */
  void note(String message);

  /** Something that should not be. */
  void warn(String message);
}
