package dev.fathom.training.config;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a run depends on, as read by {@link ConfigReader}. Every key, its default and its meaning is
 * in {@code defaults.yaml}; the names here are those of the keys.
 */
public record RunConfig(
    long seed,
    int threads,
    String device,
    String gemm,
    String conv,
    Model model,
    Input input,
    Data data,
    Loader loader,
    Optimiser optimiser,
    Pretrain pretrain,
    Teacher teacher,
    PseudoLabel pseudoLabel,
    Student student,
    Loss loss,
    Average average,
    Checkpoint checkpoint,
    Log log,
    Limits limits,
    Evaluation evaluation) {

  /** The network. */
  public record Model(String size, String release, @Nullable String encoder, Custom custom) {}

  /** Sizes of a network that was never published. */
  public record Custom(
      int embedDim,
      int depth,
      int heads,
      List<Integer> taps,
      int features,
      List<Integer> outChannels,
      int patch,
      int tableSize) {}

  /** Size of pictures. */
  public record Input(int side) {}

  /** The data sets. */
  public record Data(
      List<Source> labelled,
      List<Source> unlabelled,
      List<Source> validation,
      double validationShare,
      int validationLimit,
      List<Source> test) {}

  /**
   * One data set: files, or scenes rendered on demand. What is not given is null.
   *
   * @param name for reports; null for what the set calls itself, its path
   * @param seen for reports: whether the domain is in the labelled sets
   * @param synth rendered scenes instead of files
   * @param path this and all that follow: as the components of {@link
   *     dev.fathom.training.data.DataSpec}; a relative path is relative to the working folder
   */
  public record Source(
      @Nullable String name,
      @Nullable Boolean seen,
      @Nullable Synth synth,
      @Nullable String path,
      @Nullable String picture,
      @Nullable String depth,
      @Nullable String kind,
      @Nullable Object scale,
      @Nullable Object invalid,
      @Nullable String mask,
      @Nullable String sky,
      @Nullable String classes,
      @Nullable Double min,
      @Nullable Double max) {}

  /**
   * Rendered scenes.
   *
   * @param domains names; each gives count scenes
   * @param first index of the first scene: other indices are other scenes
   * @param seed of the scenes; the run's seed does not change them
   */
  public record Synth(@Nullable List<String> domains, int count, int first, long seed, int side) {}

  /** Reading of samples. */
  public record Loader(int workers, int memoryMb, double badShare) {}

  /** AdamW; the momenta are of one-cycle schedules. */
  public record Optimiser(
      double beta1,
      double beta2,
      double eps,
      double weightDecay,
      double clipNorm,
      boolean cycleMomentum,
      double baseMomentum,
      double maxMomentum) {}

  /** Pretraining of an encoder. */
  public record Pretrain(
      int steps,
      int batch,
      double rate,
      double weightDecay,
      int warmupSteps,
      String schedule,
      List<Source> sources,
      int classes) {}

  /** The first stage. */
  public record Teacher(
      double epochs,
      long steps,
      int batch,
      double encoderRate,
      double headRate,
      String schedule,
      int warmupSteps,
      double flip,
      boolean recompute) {}

  /** The second stage. */
  public record PseudoLabel(int perShard) {}

  /** The third stage. */
  public record Student(
      double epochs,
      long steps,
      int labelledBatch,
      int unlabelledPerLabelled,
      boolean unlabelled,
      double encoderRate,
      double headRate,
      String schedule,
      int warmupSteps,
      double flip,
      boolean recompute,
      Distortion distortion,
      Alignment alignment) {}

  /** Strong distortion of what the student sees. */
  public record Distortion(
      boolean enabled,
      double jitter,
      double brightness,
      double contrast,
      double saturation,
      double hue,
      double grey,
      double blur,
      List<Double> blurSigma,
      double cutmix,
      List<Double> cutmixArea,
      List<Double> cutmixAspect) {}

  /** Feature alignment. */
  public record Alignment(boolean enabled, double margin, String frozenSees) {}

  /** Variants of the loss. */
  public record Loss(double trim, double gradientMatching) {}

  /** Moving average of weights. */
  public record Average(double decay) {}

  /** Checkpoints. */
  public record Checkpoint(int every, int keep) {}

  /** Logging. */
  public record Log(int every) {}

  /** When to give up. */
  public record Limits(int badSteps, double gradientNorm) {}

  /** Comparison at the end. */
  public record Evaluation(double cap, int limit, int pictures) {}
}
