package dev.fathom.training.stage;

import dev.fathom.nn.layer.Pass;
import dev.fathom.nn.model.DepthAnything;
import dev.fathom.nn.op.Scalar;
import dev.fathom.nn.tensor.Tensor;
import dev.fathom.training.config.RunConfig;
import dev.fathom.training.data.BadSampleException;
import dev.fathom.training.data.DataSet;
import dev.fathom.training.data.Sample;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalDouble;

/** The mean loss of a depth network on labelled pictures that it is not trained on. */
final class Validator implements Trainer.Validation {

  private final Learner<DepthAnything> learner;
  private final DataSet set;
  private final RunConfig config;

  Validator(Learner<DepthAnything> learner, DataSet set, RunConfig config) {
    this.learner = learner;
    this.set = set;
    this.config = config;
  }

  @SuppressWarnings("EmptyCatch") // as said there
  @Override
  public OptionalDouble loss() {
    int limit = Math.min(set.size(), config.data().validationLimit());
    List<Scalar> losses = new ArrayList<>();
    for (int i = 0; i < limit; i++) {
      // Spread over the set, which may be sorted by what it shows.
      int index = (int) ((long) i * set.size() / limit);
      try {
        losses.add(loss(set.read(index)));
      } catch (BadSampleException e) {
        // It says nothing about the network.
      }
    }
    double sum = 0;
    for (Scalar loss : losses) {
      sum += loss.get();
    }
    return losses.isEmpty() ? OptionalDouble.empty() : OptionalDouble.of(sum / losses.size());
  }

  private Scalar loss(Sample sample) {
    int side = config.input().side();
    try (Batch batch =
        Batch.read(
            learner.backend(),
            learner.memory(),
            List.of(sample),
            _ -> Distortions.center(sample.picture().width(), sample.picture().height()),
            side,
            true)) {
      Tensor input = Normalisation.clean(learner.backend(), learner.memory(), batch.pictures());
      Tensor depth =
          learner.network().forward(new Pass(learner.backend(), learner.memory()), input);
      learner.memory().release(input);
      Scalar loss =
          learner
              .backend()
              .loss()
              .scaleShiftInvariant(depth, batch.target(), batch.mask(), 0, 1, null);
      learner.memory().release(depth);
      return loss;
    }
  }
}
