package dev.fathom.training.stage;

import java.io.IOException;
import java.util.Map;

/** Where the numbers of a stage's steps are kept. */
interface RunLog extends AutoCloseable {

  /**
   * Numbers of a step.
   *
   * @param step steps done, from 1
   */
  void write(long step, Map<String, Double> values) throws IOException;

  @Override
  void close() throws IOException;
}
