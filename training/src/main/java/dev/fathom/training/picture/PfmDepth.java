package dev.fathom.training.picture;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/**
 * Portable float maps of one channel: a text header {@code Pf}, width, height and a number whose
 * sign is the byte order (negative: little-endian), then float32 rows from the bottom up.
 */
final class PfmDepth {

  private static final int LONGEST_TOKEN = 32;

  private PfmDepth() {}

  static void write(OutputStream out, int width, int height, float[] values) throws IOException {
    String header = "Pf\n" + width + " " + height + "\n-1.0\n";
    out.write(header.getBytes(StandardCharsets.US_ASCII));
    ByteBuffer row = ByteBuffer.allocate(4 * width).order(ByteOrder.LITTLE_ENDIAN);
    for (int y = height - 1; y >= 0; y--) {
      row.asFloatBuffer().put(values, y * width, width);
      out.write(row.array());
    }
  }

  static boolean isPfm(byte[] file) {
    return file.length > 3
        && file[0] == 'P'
        && (file[1] == 'f' || file[1] == 'F')
        && Character.isWhitespace(file[2]);
  }

  /**
   * The values as stored: the size of the number in the header, which some writers use as a factor,
   * is not applied.
   */
  static DepthFile read(byte[] file, long pixelLimit) throws IOException {
    if (file[1] == 'F') {
      throw new IOException("a float map of three channels is not a depth map");
    }
    ByteBuffer buffer = ByteBuffer.wrap(file);
    buffer.position(2);
    double width = number(token(buffer));
    double height = number(token(buffer));
    double scale = number(token(buffer));
    if (width != Math.rint(width) || height != Math.rint(height) || scale == 0) {
      throw new IOException("a broken header");
    }
    DepthFile.checkSize((long) width, (long) height, pixelLimit);
    int w = (int) width;
    int h = (int) height;
    if (4L * w * h > buffer.remaining()) {
      throw new IOException("the file ends too early");
    }
    buffer = buffer.slice().order(scale < 0 ? ByteOrder.LITTLE_ENDIAN : ByteOrder.BIG_ENDIAN);
    float[] values = new float[w * h];
    for (int y = 0; y < h; y++) {
      buffer
          .slice(4 * w * y, 4 * w)
          .order(buffer.order())
          .asFloatBuffer()
          .get(values, (h - 1 - y) * w, w);
    }
    return new DepthFile(w, h, values, null);
  }

  /** The next word, and past the one white character behind it. */
  private static String token(ByteBuffer buffer) throws IOException {
    StringBuilder token = new StringBuilder();
    while (buffer.hasRemaining() && token.length() <= LONGEST_TOKEN) {
      byte b = buffer.get();
      if (!Character.isWhitespace(b)) {
        token.append((char) (b & 0xff));
      } else if (!token.isEmpty()) {
        return token.toString();
      }
    }
    throw new IOException("a broken header");
  }

  private static double number(String token) throws IOException {
    try {
      return Double.parseDouble(token);
    } catch (NumberFormatException e) {
      throw new IOException("a broken header: '" + token + "' is not a number", e);
    }
  }
}
