package dev.fathom.training.stage;

import dev.fathom.nn.DepthModelOptions;
import dev.fathom.nn.Device;
import dev.fathom.nn.GpuKernels;
import dev.fathom.nn.StoredWeights;
import dev.fathom.nn.checkpoint.Checkpoint;
import dev.fathom.nn.checkpoint.CheckpointException;
import dev.fathom.nn.checkpoint.CheckpointWeights;
import dev.fathom.nn.layer.Weights;
import dev.fathom.nn.model.ModelConfig;
import dev.fathom.nn.model.ParameterShapes;
import dev.fathom.nn.model.PatchClassifier;
import dev.fathom.nn.model.RandomWeights;
import dev.fathom.nn.model.Release;
import dev.fathom.nn.optim.Schedule;
import dev.fathom.nn.tensor.Tensor;
import dev.fathom.training.UserException;
import dev.fathom.training.config.RunConfig;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** From a configuration to networks, their first weights, and schedules. */
public final class ModelSetup {

  private ModelSetup() {}

  /**
   * The network of a configuration.
   *
   * @throws UserException if there is no such network
   */
  public static ModelConfig network(RunConfig config) {
    RunConfig.Model model = config.model();
    Release release = Release.of(model.release());
    try {
      if (!model.size().equals("custom")) {
        return ModelConfig.published(model.size(), release, 0);
      }
      RunConfig.Custom custom = model.custom();
      return new ModelConfig(
          "custom",
          custom.embedDim(),
          custom.depth(),
          custom.heads(),
          false,
          custom.taps(),
          custom.features(),
          custom.outChannels(),
          release,
          0,
          custom.patch(),
          custom.tableSize());
    } catch (IllegalArgumentException e) {
      throw new UserException("model", String.valueOf(e.getMessage()), e);
    }
  }

  /** Whose kernels a run asks for on a GPU. */
  public static GpuKernels kernels(RunConfig config) {
    return new GpuKernels(GpuKernels.Gemm.of(config.gemm()), GpuKernels.Conv.of(config.conv()));
  }

  /** How a run's networks are loaded for inference. */
  public static DepthModelOptions inference(RunConfig config) {
    DepthModelOptions options =
        DepthModelOptions.defaults()
            .withInputSize(config.input().side())
            .withDevice(Device.of(config.device()))
            .withKernels(kernels(config));
    return config.threads() > 0 ? options.withThreads(config.threads()) : options;
  }

  /**
   * The first weights of a network: the encoder of a checkpoint, and a new head.
   *
   * @param seed of what is new
   * @throws CheckpointException if the checkpoint is of another size, or none at all
   */
  public static Weights fromEncoder(CheckpointWeights encoder, ModelConfig config, long seed)
      throws CheckpointException {
    var _ = encoder.require(ParameterShapes.ofEncoder(config));
    Weights stored = new StoredWeights(encoder);
    Weights fresh = new RandomWeights(seed);
    return new Weights() {
      @Override
      public <R> R read(String name, long[] shape, Function<Tensor, R> use) {
        boolean encoders = name.startsWith(PatchClassifier.ENCODER + ".");
        return (encoders ? stored : fresh).read(name, shape, use);
      }
    };
  }

  /**
   * Requires that a file has the weights of a network's encoder.
   *
   * @param key of the configuration, for messages
   * @throws UserException if there is no such file, or it is no checkpoint of such an encoder
   */
  static void requireEncoder(String key, Path file, ModelConfig config) {
    if (!Files.exists(file)) {
      throw new UserException(key, file + ": no such file");
    }
    try {
      var _ = withWeights(file, weights -> weights.require(ParameterShapes.ofEncoder(config)));
    } catch (CheckpointException e) {
      throw new UserException(key, String.valueOf(e.getMessage()), e);
    }
  }

  /** Opens a checkpoint and does something with its weights. */
  public static <R> R withWeights(Path file, WeightsUse<R> use) throws CheckpointException {
    try (Checkpoint checkpoint = Checkpoint.open(file)) {
      return use.with(CheckpointWeights.of(checkpoint));
    }
  }

  /** Something done with the weights of an open checkpoint. */
  @FunctionalInterface
  public interface WeightsUse<R> {
    /** The weights are valid during the call only. */
    R with(CheckpointWeights weights) throws CheckpointException;
  }

  /**
   * A schedule by its name in the configuration.
   *
   * @param optimiser says whether and how beta1 changes in a one-cycle schedule
   */
  static Schedule schedule(String name, int warmupSteps, RunConfig.Optimiser optimiser) {
    Schedule schedule =
        switch (name) {
          case "constant" -> new Schedule.Constant();
          case "linear" -> new Schedule.Linear();
          case "poly" -> new Schedule.Poly(0.9);
          case "one-cycle" -> new Schedule.OneCycle(0.3, 25, 1e4, momentum(optimiser));
          default -> throw new IllegalArgumentException("no schedule is called " + name);
        };
    return warmupSteps > 0 ? new Schedule.Warmup(warmupSteps, schedule) : schedule;
  }

  private static Schedule.@Nullable Momentum momentum(RunConfig.Optimiser optimiser) {
    return optimiser.cycleMomentum()
        ? new Schedule.Momentum(optimiser.baseMomentum(), optimiser.maxMomentum())
        : null;
  }
}
