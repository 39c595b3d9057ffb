package dev.fathom.bench;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.SplittableRandom;

/** The pictures that networks are measured on, and their results as files. */
final class Inputs {

  private Inputs() {}

  /** [3,H,W]: uniform in -2..2, about the range of normalised pictures; the same each time. */
  static float[] image(int height, int width) {
    SplittableRandom random = new SplittableRandom(1);
    float[] image = new float[3 * height * width];
    for (int i = 0; i < image.length; i++) {
      image[i] = (float) (4 * random.nextDouble() - 2);
    }
    return image;
  }

  static void write(Path file, float[] values) throws IOException {
    ByteBuffer bytes =
        ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asFloatBuffer().put(values);
    Files.write(file, bytes.array());
  }

  static float[] read(Path file) throws IOException {
    ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
    float[] values = new float[bytes.remaining() / 4];
    bytes.asFloatBuffer().get(values);
    return values;
  }

  /** || a - b || / || b ||. */
  static double relativeError(float[] a, float[] b) {
    double error = 0;
    double norm = 0;
    for (int i = 0; i < a.length; i++) {
      error += ((double) a[i] - b[i]) * ((double) a[i] - b[i]);
      norm += (double) b[i] * b[i];
    }
    return Math.sqrt(error / norm);
  }
}
