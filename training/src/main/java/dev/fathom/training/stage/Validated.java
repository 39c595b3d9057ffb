package dev.fathom.training.stage;

import dev.fathom.training.config.RunConfig;
import dev.fathom.training.data.DataSet;
import dev.fathom.training.data.SubsetDataSet;

/**
 * Labelled pictures for training, and others to validate on.
 *
 * @param own whether the latter are a data set of their own, to be closed
 */
record Validated(DataSet training, DataSet validation, boolean own) implements AutoCloseable {

  /**
   * Those to validate on as they are configured, or held out of the labelled ones.
   *
   * @throws dev.fathom.training.UserException if they cannot be opened
   */
  static Validated of(RunConfig config, Sources sources, DataSet labelled) {
    RunConfig.Data data = config.data();
    if (!data.validation().isEmpty()) {
      return new Validated(labelled, sources.open("data.validation", data.validation()), true);
    }
    int wanted = (int) Math.round(data.validationShare() * labelled.size());
    int held = Math.min(Math.max(wanted, 1), data.validationLimit());
    if (labelled.size() < 2) {
      // One picture cannot be spared: it is trained on, and validation says little.
      return new Validated(labelled, labelled, false);
    }
    SubsetDataSet.Split split =
        SubsetDataSet.split(labelled, Math.min(held, labelled.size() - 1), config.seed());
    return new Validated(split.kept(), split.heldOut(), false);
  }

  @Override
  public void close() {
    if (own) {
      validation.close();
    }
  }
}
