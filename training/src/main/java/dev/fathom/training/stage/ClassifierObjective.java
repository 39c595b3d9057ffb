package dev.fathom.training.stage;

import dev.fathom.nn.autograd.Tape;
import dev.fathom.nn.layer.Pass;
import dev.fathom.nn.model.PatchClassifier;
import dev.fathom.nn.op.AugmentOps.Crop;
import dev.fathom.nn.op.AugmentOps.Distortion;
import dev.fathom.nn.op.Scalar;
import dev.fathom.nn.tensor.Tensor;
import dev.fathom.training.config.RunConfig;
import dev.fathom.training.data.ClassMap;
import dev.fathom.training.data.Sample;
import java.util.ArrayList;
import java.util.List;

/**
 * Pretraining of an encoder: which classes each patch shows, as shares of its pixels, against the
 * classifier's softmax. Pictures are distorted as the student's are, so that features do not hang
 * on colour.
 */
final class ClassifierObjective implements Objective {

  private static final int STREAM = 2;

  /** Positions of pretraining's distortions lie beyond those of any student. */
  private static final long OFFSET = 1L << 40;

  private final Learner<PatchClassifier> learner;
  private final SampleStream samples;
  private final Distortions distortions;
  private final RunConfig config;
  private final int patch;

  ClassifierObjective(
      Learner<PatchClassifier> learner, SampleStream samples, RunConfig config, int patch) {
    this.learner = learner;
    this.samples = samples;
    this.config = config;
    this.patch = patch;
    distortions = new Distortions(config.seed(), config.student().distortion());
  }

  @Override
  public Losses differentiate(long step) {
    int batch = config.pretrain().batch();
    int side = config.input().side();
    long first = step * batch;
    List<Sample> read = samples.next(batch);
    List<Crop> crops = new ArrayList<>();
    for (int b = 0; b < batch; b++) {
      crops.add(
          Distortions.crop(
              config.seed(),
              STREAM,
              first + b,
              read.get(b).picture().width(),
              read.get(b).picture().height(),
              0.5));
    }
    try (Batch pictures =
            Batch.read(learner.backend(), learner.memory(), read, crops::get, side, false);
        Tape tape = new Tape(learner.backend(), learner.memory())) {
      Tensor input =
          Normalisation.distorted(
              learner.backend(),
              learner.memory(),
              pictures.pictures(),
              drawn(first, batch),
              List.of());
      Pass pass = Pass.training(learner.backend(), learner.memory(), tape, false);
      Tensor logits = learner.network().forward(pass, input);
      learner.memory().release(input);
      Tensor target = learner.memory().allocate(logits.shape());
      learner.backend().transfer().write(shares(read, crops), target);
      Tensor gradient = learner.memory().allocate(logits.type(), logits.shape());
      Scalar loss = learner.backend().loss().crossEntropy(logits, target, 1, gradient);
      learner.memory().release(target);
      tape.seed(logits, gradient);
      learner.memory().release(logits);
      tape.backward();
      return Losses.of(StepLoss.of(loss));
    }
  }

  private List<Distortion> drawn(long first, int batch) {
    List<Distortion> drawn = new ArrayList<>();
    for (int b = 0; b < batch; b++) {
      drawn.add(distortions.distortion(OFFSET + first + b));
    }
    return drawn;
  }

  /** [B,T,classes]: which share of each patch's known pixels shows which class. */
  private float[] shares(List<Sample> read, List<Crop> crops) {
    int side = config.input().side();
    int across = side / patch;
    int classes = config.pretrain().classes();
    float[] shares = new float[read.size() * across * across * classes];
    for (int b = 0; b < read.size(); b++) {
      ClassMap map = read.get(b).classes();
      if (map == null) {
        throw new IllegalArgumentException(read.get(b).id() + " has no classes");
      }
      Crop crop = Batch.scaled(crops.get(b), read.get(b).picture(), map.width(), map.height());
      for (int token = 0; token < across * across; token++) {
        int base = (b * across * across + token) * classes;
        int known = 0;
        for (int i = 0; i < patch * patch; i++) {
          int x = token % across * patch + i % patch;
          int y = token / across * patch + i / patch;
          int value = at(map, crop, x, y, side);
          if (value < classes) {
            shares[base + value]++;
            known++;
          }
        }
        for (int k = 0; k < classes && known > 0; k++) {
          shares[base + k] /= known;
        }
      }
    }
    return shares;
  }

  /** The class under the centre of a pixel of the cropped picture. */
  private static int at(ClassMap map, Crop crop, int x, int y, int side) {
    double u = (x + 0.5) / side;
    double column = crop.left() + (crop.flip() ? 1 - u : u) * crop.width();
    double row = crop.top() + (y + 0.5) / side * crop.height();
    return map.at(
        Math.clamp((int) column, 0, map.width() - 1), Math.clamp((int) row, 0, map.height() - 1));
  }

  @Override
  public int picturesPerStep() {
    return config.pretrain().batch();
  }

  @Override
  public void close() {
    samples.close();
  }
}
