package dev.fathom.bench;

import dev.fathom.nn.DepthModel;
import dev.fathom.nn.DepthModelOptions;
import java.io.IOException;
import java.nio.file.Path;

/** This project's network. */
final class FathomNetwork implements Runner.Network {

  private final DepthModel model;
  private final int height;
  private final int width;

  FathomNetwork(Path weights, int threads, int height, int width) throws IOException {
    model = DepthModel.load(weights, DepthModelOptions.defaults().withThreads(threads));
    this.height = height;
    this.width = width;
  }

  @Override
  public float[] run(float[] image) {
    return model.estimateNormalised(image, height, width);
  }

  @Override
  public String description() {
    return "Fathom, " + model.device();
  }

  @Override
  public void close() {
    model.close();
  }
}
