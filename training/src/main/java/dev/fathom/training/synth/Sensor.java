package dev.fathom.training.synth;

import dev.fathom.training.random.Philox;

/**
 * What a camera makes of light: exposure by the picture's mean brightness, white balance, a tone
 * curve, darker corners, noise, sRGB bytes.
 *
 * @param key brightness that the picture's geometric mean is brought to
 * @param red gain of red; green has 1
 * @param blue gain of blue
 * @param saturation 1 leaves colours alone, 0 makes grey
 * @param vignette share of light lost in the corners
 * @param noise deviation of the noise in a pixel of middle brightness
 */
record Sensor(
    double key,
    double red,
    double blue,
    double saturation,
    double vignette,
    double noise,
    int seed) {

  /** Light at and above which a pixel is white. */
  private static final double WHITE = 4;

  private static final int STEPS = 4096;
  private static final float[] SRGB = srgb();

  private static float[] srgb() {
    float[] table = new float[STEPS + 1];
    for (int i = 0; i <= STEPS; i++) {
      double linear = (double) i / STEPS;
      double s =
          linear <= 0.0031308 ? 12.92 * linear : 1.055 * StrictMath.pow(linear, 1 / 2.4) - 0.055;
      table[i] = (float) (255 * s);
    }
    return table;
  }

  static Sensor any(Philox random) {
    double warm = random.uniform(-0.12, 0.12);
    return new Sensor(
        random.uniform(0.13, 0.3),
        1 + warm,
        1 - warm,
        random.uniform(0.8, 1.15),
        random.uniform(0, 0.25),
        random.uniform(0.003, 0.018),
        random.nextInt());
  }

  /** This sensor set so much brighter or darker than a scene's mean asks for. */
  Sensor exposed(double factor) {
    return new Sensor(key * factor, red, blue, saturation, vignette, noise, seed);
  }

  /**
   * Develops a picture.
   *
   * @param light red, green and blue of each pixel as linear light
   */
  byte[] develop(float[] light, int width, int height) {
    double gain = key / meanOf(light);
    byte[] rgb = new byte[3 * width * height];
    double cx = width / 2.0;
    double cy = height / 2.0;
    double corner = cx * cx + cy * cy;
    for (int y = 0; y < height; y++) {
      for (int x = 0; x < width; x++) {
        int i = 3 * (y * width + x);
        double dx = x + 0.5 - cx;
        double dy = y + 0.5 - cy;
        double local = gain * (1 - vignette * (dx * dx + dy * dy) / corner);
        double r = light[i] * local * red;
        double g = light[i + 1] * local;
        double b = light[i + 2] * local * blue;
        double grey = 0.2126 * r + 0.7152 * g + 0.0722 * b;
        rgb[i] = pixel(grey + saturation * (r - grey), i);
        rgb[i + 1] = pixel(grey + saturation * (g - grey), i + 1);
        rgb[i + 2] = pixel(grey + saturation * (b - grey), i + 2);
      }
    }
    return rgb;
  }

  private byte pixel(double light, int at) {
    double x = Math.max(0, light);
    // Reinhard's curve with a white point.
    double toned = x * (1 + x / (WHITE * WHITE)) / (1 + x);
    // Three uniform numbers make a good enough bell.
    int h = Noise.hash(at, 1, 2, seed);
    double bell = ((h & 1023) + (h >>> 10 & 1023) + (h >>> 20 & 1023)) / 1023.0 - 1.5;
    double noisy = Math.clamp(toned, 0, 1) + 2 * noise * bell * Math.sqrt(0.1 + toned);
    float s = SRGB[(int) (Math.clamp(noisy, 0, 1) * STEPS)];
    // The noise also dithers: its last bits decide about rounding.
    return (byte) (int) Math.min(255, s + (h >>> 30) / 4f);
  }

  /** The geometric mean of the brightness, over one pixel of a few. */
  private static double meanOf(float[] light) {
    double sum = 0;
    int count = 0;
    int step = 3 * Math.max(1, light.length / 3 / 4000);
    for (int i = 0; i < light.length; i += step) {
      double grey = 0.2126 * light[i] + 0.7152 * light[i + 1] + 0.0722 * light[i + 2];
      sum += StrictMath.log(grey + 1e-4);
      count++;
    }
    return StrictMath.exp(sum / count);
  }
}
