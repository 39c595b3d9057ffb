package dev.fathom.training.stage;

import dev.fathom.nn.autograd.Tape;
import dev.fathom.nn.layer.Pass;
import dev.fathom.nn.model.DepthAnything;
import dev.fathom.nn.model.DinoV2;
import dev.fathom.nn.op.AugmentOps.Distortion;
import dev.fathom.nn.op.Backend;
import dev.fathom.nn.op.LossOps.Alignment;
import dev.fathom.nn.op.LossOps.Box;
import dev.fathom.nn.op.Scalar;
import dev.fathom.nn.tensor.CachingMemory;
import dev.fathom.nn.tensor.Tensor;
import dev.fathom.training.config.RunConfig;
import dev.fathom.training.data.Sample;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;

/**
 * The student's objective (Depth Anything, section 3): the plain mean of the loss on labelled
 * pictures, the loss on distorted unlabelled pictures against the teacher's maps of the clean ones,
 * and the alignment of the student's features on them to a frozen encoder's. Parts that the
 * configuration turns off are left out of the mean.
 *
 * <p>Distorted unlabelled pictures have the CutMix pair of losses, with empty boxes where nothing
 * is pasted; {@code loss.trim} and {@code loss.gradient-matching} act on them only if distortion is
 * off.
 */
final class StudentObjective implements Objective {

  private static final int STREAM = 1;

  private final Learner<DepthAnything> learner;
  private final SupervisedObjective labelled;
  private final @Nullable SampleStream unlabelled;
  private final @Nullable DinoV2 frozen;
  private final Distortions distortions;
  private final RunConfig config;
  private final RunConfig.Student settings;
  private final int batch;

  /**
   * The objective.
   *
   * @param unlabelled samples whose truth is the teacher's map; null to leave them out
   * @param frozen the encoder that features are aligned to; null for no alignment
   */
  StudentObjective(
      Learner<DepthAnything> learner,
      SupervisedObjective labelled,
      @Nullable SampleStream unlabelled,
      @Nullable DinoV2 frozen,
      RunConfig config) {
    this.learner = learner;
    this.labelled = labelled;
    this.unlabelled = unlabelled;
    this.frozen = frozen;
    this.config = config;
    settings = config.student();
    distortions = new Distortions(config.seed(), settings.distortion());
    batch = settings.labelledBatch() * settings.unlabelledPerLabelled();
  }

  @Override
  public Losses differentiate(long step) {
    int terms = 1 + (unlabelled == null ? 0 : 1) + (frozen == null ? 0 : 1);
    double factor = 1.0 / terms;
    SequencedMap<String, Scalar> named = new LinkedHashMap<>();
    StepLoss onLabelled = labelled.differentiate(step, factor);
    StepLoss total = onLabelled;
    named.put(LOSS, onLabelled.value());
    named.put("labelled", onLabelled.value());
    if (unlabelled != null) {
      total = sum(onLabelled, onUnlabelled(step, unlabelled.next(batch), factor, named));
    }
    Scalar sum = total.value();
    Scalar mean = () -> sum.get() * factor;
    // It stays the first.
    named.put(LOSS, mean);
    return new Losses(new StepLoss(mean, total.parts()), named);
  }

  private StepLoss onUnlabelled(
      long step, List<Sample> read, double factor, SequencedMap<String, Scalar> named) {
    Backend backend = learner.backend();
    CachingMemory memory = learner.memory();
    long first = step * batch;
    int side = config.input().side();
    List<Distortion> drawn = new ArrayList<>();
    List<Box> boxes = new ArrayList<>();
    if (settings.distortion().enabled()) {
      for (int b = 0; b < batch; b++) {
        drawn.add(distortions.distortion(first + b));
      }
      if (settings.distortion().cutmix() > 0) {
        boxes.addAll(distortions.boxes(first, batch, side));
      }
    }
    @Nullable StepLoss aligned = null;
    try (Batch clean =
            Batch.read(
                backend,
                memory,
                read,
                b ->
                    Distortions.crop(
                        config.seed(),
                        STREAM,
                        first + b,
                        read.get(b).picture().width(),
                        read.get(b).picture().height(),
                        settings.flip()),
                side,
                true);
        Tape tape = new Tape(backend, memory)) {
      Tensor input = Normalisation.distorted(backend, memory, clean.pictures(), drawn, boxes);
      Pass pass = Pass.training(backend, memory, tape, settings.recompute());
      List<Tensor> features = learner.network().encode(pass, input);
      Tensor last = features.getLast();
      if (frozen != null) {
        Tensor reference = reference(frozen, clean.pictures(), input, boxes);
        Tensor gradient = memory.allocate(last.type(), last.shape());
        Alignment alignment =
            backend
                .loss()
                .alignment(last, reference, settings.alignment().margin(), factor, gradient);
        memory.release(reference);
        tape.seed(last, gradient);
        long channels = last.extent(2);
        long size = last.size();
        aligned = StepLoss.of(alignment.loss());
        named.put("alignment", alignment.loss());
        named.put("aligned-share", () -> alignment.kept().get() * channels / size);
      }
      memory.release(input);
      Tensor depth = learner.network().decode(pass, features, side, side);
      StepLoss loss = distilled(tape, depth, clean, boxes, factor);
      named.put("unlabelled", loss.value());
      memory.release(depth);
      tape.backward();
      return aligned == null ? loss : sum(aligned, loss);
    }
  }

  private static StepLoss sum(StepLoss first, StepLoss second) {
    List<Scalar> parts = new ArrayList<>(first.parts());
    parts.addAll(second.parts());
    return new StepLoss(() -> first.value().get() + second.value().get(), parts);
  }

  /** The loss against the teacher's maps; its gradient is seeded. */
  private StepLoss distilled(Tape tape, Tensor depth, Batch clean, List<Box> boxes, double factor) {
    Backend backend = learner.backend();
    CachingMemory memory = learner.memory();
    if (boxes.isEmpty()) {
      DepthLoss.Value value =
          new DepthLoss(config.loss())
              .of(backend, memory, depth, clean.target(), clean.mask(), factor);
      tape.seed(depth, value.gradient());
      return value.loss();
    }
    Tensor pasted = memory.allocate(clean.target().shape());
    long pixels = depth.extent(1) * depth.extent(2);
    List<Integer> partners = Normalisation.partners(batch);
    for (int b = 0; b < batch; b++) {
      backend
          .resample()
          .copy(
              clean.target().slice(partners.get(b) * pixels, pixels),
              pasted.slice(b * pixels, pixels));
    }
    Tensor gradient = memory.allocate(depth.shape());
    Scalar loss = backend.loss().cutMix(depth, pasted, clean.target(), boxes, factor, gradient);
    memory.release(pasted);
    tape.seed(depth, gradient);
    return StepLoss.of(loss);
  }

  /** The frozen encoder's features of what the student sees, or of the same undistorted. */
  private Tensor reference(DinoV2 encoder, Tensor pictures, Tensor input, List<Box> boxes) {
    Pass pass = new Pass(learner.backend(), learner.memory());
    if (settings.alignment().frozenSees().equals("distorted")) {
      return encoder.features(pass, input);
    }
    Tensor clean =
        Normalisation.distorted(learner.backend(), learner.memory(), pictures, List.of(), boxes);
    Tensor features = encoder.features(pass, clean);
    learner.memory().release(clean);
    return features;
  }

  @Override
  public int picturesPerStep() {
    return labelled.picturesPerStep() + (unlabelled == null ? 0 : batch);
  }

  @Override
  public void close() {
    labelled.close();
    if (unlabelled != null) {
      unlabelled.close();
    }
  }
}
