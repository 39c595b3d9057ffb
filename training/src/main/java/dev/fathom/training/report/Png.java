package dev.fathom.training.report;

import dev.fathom.nn.RgbImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import javax.imageio.ImageIO;

/** PNG files in memory. */
final class Png {

  private static final long SIGNATURE = 0x89504E470D0A1A0AL;
  private static final int WIDTH_AT = 16;
  private static final int HEADER_BYTES = 33;

  private Png() {}

  /** Pixels of a picture. */
  record Size(int width, int height) {}

  /** The picture as a PNG file. */
  static byte[] encode(RgbImage picture) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try {
      if (!ImageIO.write(picture.toBufferedImage(), "png", out)) {
        throw new IllegalStateException("this Java cannot write PNG");
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return out.toByteArray();
  }

  /**
   * The size that a PNG file says it has.
   *
   * @throws IllegalArgumentException if it is not a PNG
   */
  static Size size(byte[] png) {
    ByteBuffer file = ByteBuffer.wrap(png);
    if (png.length < HEADER_BYTES || file.getLong(0) != SIGNATURE) {
      throw new IllegalArgumentException("not a PNG file");
    }
    return new Size(file.getInt(WIDTH_AT), file.getInt(WIDTH_AT + Integer.BYTES));
  }
}
