package dev.fathom.training.cli;

import dev.fathom.nn.checkpoint.DType;
import dev.fathom.nn.checkpoint.InferredModel;
import dev.fathom.nn.checkpoint.SafeTensorsWriter;
import dev.fathom.nn.checkpoint.TensorInfo;
import dev.fathom.nn.checkpoint.WritableTensor;
import dev.fathom.nn.model.ModelConfig;
import dev.fathom.nn.model.ParameterShapes;
import dev.fathom.nn.model.RandomWeights;
import dev.fathom.nn.model.Release;
import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.GradientPaint;
import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import javax.imageio.ImageIO;
import picocli.CommandLine;
import picocli.CommandLine.Option;

/**
 * {@code fathom smoke}: the whole way from a picture to a depth map without anything downloaded.
 * The weights are random, so the depth means nothing.
 */
@CommandLine.Command(
    name = "smoke",
    description = "Writes a drawn picture and random weights: something to try predict on.",
    hidden = true)
final class SmokeCommand extends Command {
  /** A very small network of the published architecture. */
  private static final ModelConfig TINY =
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

  private static final int WIDTH = 640;
  private static final int HEIGHT = 426;

  @Option(
      names = {"-o", "--out"},
      paramLabel = "DIR",
      description = "Where to write. Default: out/smoke.")
  private Path out = Path.of("out", "smoke");

  @Option(names = "--tiny", description = "Weights of a very small network instead of vits.")
  private boolean tiny;

  @Override
  protected int run(Console console) throws IOException {
    Files.createDirectories(out);
    Path picture = out.resolve("street.png");
    ImageIO.write(draw(), "png", picture.toFile());
    Path weights = out.resolve(tiny ? "random_tiny.safetensors" : "random_vits14.safetensors");
    writeRandomWeights(weights, tiny ? TINY : ModelConfig.published("vits", Release.V1, 0));
    console.note(
        "wrote "
            + picture
            + " and "
            + weights
            + ", random weights: what they predict means nothing");
    return ExitCode.OK;
  }

  private static void writeRandomWeights(Path file, ModelConfig config) throws IOException {
    RandomWeights random = new RandomWeights(1);
    List<WritableTensor> tensors = new ArrayList<>();
    ParameterShapes.of(config)
        .forEach((name, shape) ->
            tensors.add(
                WritableTensor.generated(
                    TensorInfo.of(name, DType.F32, shape), () -> random.values(name, shape))));
    SafeTensorsWriter.write(file, tensors, InferredModel.metadata(config));
  }

  /** A street under a sky: something with near and far parts. */
  private static BufferedImage draw() {
    BufferedImage image = new BufferedImage(WIDTH, HEIGHT, BufferedImage.TYPE_3BYTE_BGR);
    Graphics2D graphics = image.createGraphics();
    try {
      graphics.setRenderingHint(RenderingHints.KEY_ANTIALIASING, RenderingHints.VALUE_ANTIALIAS_ON);
      int horizon = HEIGHT * 2 / 5;
      graphics.setPaint(
          new GradientPaint(0, 0, new Color(90, 140, 210), 0, horizon, new Color(205, 220, 235)));
      graphics.fillRect(0, 0, WIDTH, horizon);
      graphics.setPaint(
          new GradientPaint(
              0, horizon, new Color(120, 120, 118), 0, HEIGHT, new Color(70, 70, 72)));
      graphics.fillRect(0, horizon, WIDTH, HEIGHT - horizon);
      for (int i = 5; i >= 1; i--) {
        house(graphics, WIDTH / 2 - 330 / i, horizon, i, new Color(150 + 12 * i, 110 + 14 * i, 95));
        house(graphics, WIDTH / 2 + 90 / i, horizon, i, new Color(100 + 14 * i, 120 + 12 * i, 140));
      }
      graphics.setColor(new Color(235, 230, 200));
      graphics.setStroke(new BasicStroke(4, BasicStroke.CAP_BUTT, 0, 1, new float[] {26, 20}, 0));
      graphics.drawLine(WIDTH / 2, HEIGHT, WIDTH / 2 - 10, horizon);
    } finally {
      graphics.dispose();
    }
    return image;
  }

  private static void house(Graphics2D graphics, int x, int horizon, int distance, Color wall) {
    int width = 240 / distance;
    int top = horizon - 190 / distance;
    int bottom = horizon + 150 / distance;
    graphics.setColor(wall);
    graphics.fillRect(x, top, width, bottom - top);
    graphics.setColor(wall.darker());
    for (int row = 0; row < 3; row++) {
      for (int column = 0; column < 3; column++) {
        graphics.fillRect(
            x + (20 + 75 * column) / distance,
            top + (20 + 90 * row) / distance,
            45 / distance,
            55 / distance);
      }
    }
  }
}
