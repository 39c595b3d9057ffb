package dev.fathom.training.stage;

import dev.fathom.nn.autograd.Tape;
import dev.fathom.nn.layer.Pass;
import dev.fathom.nn.model.DepthAnything;
import dev.fathom.nn.tensor.Tensor;
import dev.fathom.training.config.RunConfig;
import dev.fathom.training.data.Sample;
import java.util.List;

/** Labelled pictures alone, undistorted: the teacher's objective, and a part of the student's. */
final class SupervisedObjective implements Objective {

  /** Names the crops of labelled pictures among all random numbers. */
  static final int STREAM = 0;

  private final Learner<DepthAnything> learner;
  private final SampleStream samples;
  private final DepthLoss loss;
  private final long seed;
  private final int batch;
  private final int side;
  private final double flip;
  private final boolean recompute;

  SupervisedObjective(
      Learner<DepthAnything> learner,
      SampleStream samples,
      RunConfig config,
      int batch,
      double flip,
      boolean recompute) {
    this.learner = learner;
    this.samples = samples;
    this.loss = new DepthLoss(config.loss());
    this.seed = config.seed();
    this.batch = batch;
    this.side = config.input().side();
    this.flip = flip;
    this.recompute = recompute;
  }

  @Override
  public Losses differentiate(long step) {
    return Losses.of(differentiate(step, 1));
  }

  /** As {@link #differentiate(long)}, with the gradients times a factor. */
  StepLoss differentiate(long step, double factor) {
    long first = step * batch;
    List<Sample> read = samples.next(batch);
    try (Batch labelled =
            Batch.read(
                learner.backend(),
                learner.memory(),
                read,
                b ->
                    Distortions.crop(
                        seed,
                        STREAM,
                        first + b,
                        read.get(b).picture().width(),
                        read.get(b).picture().height(),
                        flip),
                side,
                true);
        Tape tape = new Tape(learner.backend(), learner.memory())) {
      Tensor input = Normalisation.clean(learner.backend(), learner.memory(), labelled.pictures());
      Pass pass = Pass.training(learner.backend(), learner.memory(), tape, recompute);
      Tensor depth = learner.network().forward(pass, input);
      learner.memory().release(input);
      DepthLoss.Value value =
          loss.of(
              learner.backend(),
              learner.memory(),
              depth,
              labelled.target(),
              labelled.mask(),
              factor);
      tape.seed(depth, value.gradient());
      learner.memory().release(depth);
      tape.backward();
      return value.loss();
    }
  }

  @Override
  public int picturesPerStep() {
    return batch;
  }

  @Override
  public void close() {
    samples.close();
  }
}
