package dev.fathom.training.cli;

import dev.fathom.nn.DepthMap;
import dev.fathom.nn.DepthModel;
import dev.fathom.nn.DepthModelOptions;
import dev.fathom.nn.RgbImage;
import dev.fathom.nn.model.ModelConfig;
import dev.fathom.nn.model.RandomWeights;
import dev.fathom.nn.model.Release;
import java.util.List;

/**
 * Gets the JVM ready for a network while the command line is still being parsed: on a second thread
 * it builds and runs a very small one, which loads the native library and links every function that
 * a real one needs. That takes as long as parsing does, and saves about as much of the first depth
 * map's time.
 */
final class Prelude {

  /** The smallest network of the published architecture that the kernels take. */
  static final ModelConfig TINY =
      new ModelConfig(
          "tiny",
          64,
          4,
          1,
          false,
          List.of(0, 1, 2, 3),
          16,
          List.of(16, 16, 16, 16),
          Release.V1,
          0,
          14,
          37);

  private Prelude() {}

  /**
   * Begins, if the arguments ask for a command that runs a network and there is a second processor.
   */
  static void start(String... args) {
    if (args.length > 1
        && args[0].equals("predict")
        && Runtime.getRuntime().availableProcessors() > 1) {
      Thread.ofPlatform().daemon().name("fathom-prelude").start(Prelude::play);
    }
  }

  private static void play() {
    ModelConfig small =
        new ModelConfig(
            "tiny", 16, 4, 1, false, TINY.taps(), 16, TINY.outChannels(), Release.V1, 0, 14, 2);
    DepthModelOptions options = DepthModelOptions.defaults().withThreads(1).withInputSize(14);
    try (DepthModel model = DepthModel.of(small, new RandomWeights(1), options)) {
      DepthMap depth = model.estimate(new RgbImage(16, 14, new byte[3 * 16 * 14]));
      if (depth.width() != 16) {
        throw new IllegalStateException("a depth map of another size");
      }
    } catch (RuntimeException | LinkageError e) {
      // Whatever is wrong meets the command itself again, which reports it.
      System.getLogger(Prelude.class.getName()).log(System.Logger.Level.DEBUG, "prelude", e);
    }
  }
}
