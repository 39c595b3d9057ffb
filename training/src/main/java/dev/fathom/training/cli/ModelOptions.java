package dev.fathom.training.cli;

import dev.fathom.nn.DepthModel;
import dev.fathom.nn.DepthModelOptions;
import dev.fathom.nn.Device;
import dev.fathom.nn.model.Release;
import dev.fathom.training.UserException;
import dev.fathom.training.weights.Checkpoint;
import dev.fathom.training.weights.WeightsCache;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The options that choose a network, the same in every command that runs one. */
final class ModelOptions {
  @Option(
      names = {"-w", "--weights"},
      paramLabel = "FILE",
      description =
          "A checkpoint (.pth, .pt, .safetensors; published or Hugging Face names; or a folder with"
              + " model.safetensors), or the name of a downloaded one, such as vits.")
  private @Nullable String weights;

  @Option(
      names = "--model",
      paramLabel = "SIZE",
      description = "vits, vitb, vitl or vitg. Default: as the checkpoint's tensors say.")
  private @Nullable String size;

  @Option(
      names = "--release",
      paramLabel = "RELEASE",
      description =
          "v1, v2 or v2-metric, which tensors cannot tell. Default: as the checkpoint's name or"
              + " metadata say, else v1.")
  private @Nullable String release;

  @Option(
      names = "--max-depth",
      paramLabel = "METRES",
      description =
          "Depth that v2-metric's output is scaled to. Default: 20 (outdoor weights: 80).")
  private @Nullable Float maxDepth;

  @Option(
      names = "--input-size",
      paramLabel = "PIXELS",
      description = "What a picture's shorter side is resized to. Default: 518.")
  private @Nullable Integer inputSize;

  private int usualInputSize = 518;

  @Option(
      names = {"-t", "--threads"},
      paramLabel = "N",
      description = "Threads of the network. Default: all processors.")
  private @Nullable Integer threads;

  @Option(
      names = "--device",
      paramLabel = "DEVICE",
      description = "cpu, cuda or auto: a GPU where one works. Default: auto.")
  private @Nullable String device;

  @Mixin private GpuOptions gpu = new GpuOptions();

  /** What was asked for: a file, and what is known of it if it is from the catalogue. */
  record Chosen(Path file, Optional<Checkpoint> published) {}

  /**
   * The checkpoint to load.
   *
   * @throws UserException if none was named, or the named one is not here; says what to do
   */
  Chosen chosen() {
    if (weights == null) {
      throw new UserException(
          "--weights",
          "no weights given; name a checkpoint file, or get one with 'fathom weights download vits'"
              + " and use --weights vits ('fathom weights list' shows all)");
    }
    WeightsCache.Weights resolved = WeightsCache.ofUser().resolve(weights);
    return new Chosen(resolved.file(), resolved.checkpoint());
  }

  /** Sets what a picture's shorter side is resized to if the option does not say. */
  void usualInputSize(int pixels) {
    usualInputSize = pixels;
  }

  /** Options for loading it, checked. */
  DepthModelOptions options(Chosen chosen) {
    String option = "--input-size";
    try {
      DepthModelOptions options =
          DepthModelOptions.defaults()
              .withInputSize(inputSize != null ? inputSize : usualInputSize);
      option = "--threads";
      if (threads != null) {
        options = options.withThreads(threads);
      }
      option = "--device";
      if (device != null) {
        options = options.withDevice(Device.of(device));
      }
      option = "--gemm, --conv";
      options = options.withKernels(gpu.kernels());
      if (options.device() == Device.CPU && options.kernels().needsLibrary()) {
        throw new IllegalArgumentException("NVIDIA's libraries need --device cuda");
      }
      option = "--model";
      if (size != null) {
        options = options.withModel(size);
      }
      option = "--release";
      if (release != null) {
        options = options.withRelease(Release.of(release));
      } else if (chosen.published().isPresent()) {
        options = options.withRelease(chosen.published().get().release());
      }
      option = "--max-depth";
      if (maxDepth != null) {
        options = options.withMaxDepth(maxDepth);
      } else if (chosen.published().isPresent() && chosen.published().get().maxDepth() > 0) {
        options = options.withMaxDepth(chosen.published().get().maxDepth());
      }
      return options;
    } catch (IllegalArgumentException e) {
      throw new UserException(option, String.valueOf(e.getMessage()), e);
    }
  }

  /**
   * Loads the network and says in one line what it is.
   *
   * @throws UserException if the file is damaged, is not such a network, or contradicts the options
   */
  DepthModel load(Chosen chosen, Console console) throws IOException, InterruptedException {
    try {
      DepthModelOptions options = options(chosen);
      DepthModel early = Prelude.take(chosen.file(), options);
      DepthModel model = early != null ? early : DepthModel.load(chosen.file(), options);
      if (!console.quiet()) {
        console.note(
            model.config().name()
                + " "
                + model.config().release().label()
                + " on "
                + model.device()
                + (model.deviceNote().isEmpty() ? "" : " (" + model.deviceNote() + ")")
                + (model.guessed().isEmpty() ? "" : "; " + model.guessed()));
      }
      return model;
    } catch (IllegalArgumentException e) {
      throw new UserException(chosen.file().toString(), String.valueOf(e.getMessage()), e);
    } catch (IllegalStateException e) {
      throw new UserException("--device", String.valueOf(e.getMessage()), e);
    }
  }
}
