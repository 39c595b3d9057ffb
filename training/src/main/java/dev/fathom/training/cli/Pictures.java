package dev.fathom.training.cli;

import dev.fathom.nn.RgbImage;
import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.image.BufferedImage;

/** Small operations on pictures that the commands need. */
final class Pictures {

  private Pictures() {}

  /** The picture at another size, for looking at. */
  static RgbImage resize(RgbImage image, int width, int height) {
    BufferedImage target = new BufferedImage(width, height, BufferedImage.TYPE_3BYTE_BGR);
    Graphics2D graphics = target.createGraphics();
    try {
      graphics.setRenderingHint(
          RenderingHints.KEY_INTERPOLATION, RenderingHints.VALUE_INTERPOLATION_BILINEAR);
      graphics.drawImage(image.toBufferedImage(), 0, 0, width, height, null);
    } finally {
      graphics.dispose();
    }
    return RgbImage.of(target);
  }
}
