package dev.fathom.training.synth;

import dev.fathom.training.random.Philox;

/** A colour as linear light. */
record Rgb(double r, double g, double b) {

  static final Rgb BLACK = new Rgb(0, 0, 0);
  static final Rgb WHITE = new Rgb(1, 1, 1);

  /** Of sRGB bytes, {@code 0xRRGGBB}. */
  static Rgb of(int srgb) {
    return new Rgb(linear(srgb >> 16 & 255), linear(srgb >> 8 & 255), linear(srgb & 255));
  }

  private static double linear(int srgb) {
    double s = srgb / 255.0;
    return s <= 0.04045 ? s / 12.92 : StrictMath.pow((s + 0.055) / 1.055, 2.4);
  }

  /**
   * Of hue, saturation and value.
   *
   * @param hue in turns; 0 red, 1/3 green, 2/3 blue
   * @param value as seen; squared to linear light
   */
  static Rgb hsv(double hue, double saturation, double value) {
    return new Rgb(
        channel(hue + 1, saturation, value),
        channel(hue + 2 / 3.0, saturation, value),
        channel(hue + 1 / 3.0, saturation, value));
  }

  private static double channel(double turn, double saturation, double value) {
    double phase = Math.abs((turn - Math.floor(turn)) * 6 - 3) - 1;
    double seen = value * (1 - saturation + saturation * Math.clamp(phase, 0, 1));
    return seen * seen;
  }

  /** A random colour of any hue. */
  static Rgb any(Philox random, double saturation, double value) {
    return hsv(
        random.nextDouble(),
        saturation * random.uniform(0.5, 1),
        Math.min(1, value * random.uniform(0.6, 1.2)));
  }

  /** This colour somewhat lighter or darker and shifted, by up to a fraction. */
  Rgb vary(Philox random, double amount) {
    double light = 1 + random.uniform(-amount, amount);
    return new Rgb(
        r * light * (1 + random.uniform(-amount, amount) / 2),
        g * light * (1 + random.uniform(-amount, amount) / 2),
        b * light * (1 + random.uniform(-amount, amount) / 2));
  }

  Rgb times(double factor) {
    return new Rgb(r * factor, g * factor, b * factor);
  }

  Rgb mix(Rgb other, double t) {
    return new Rgb(r + (other.r - r) * t, g + (other.g - g) * t, b + (other.b - b) * t);
  }
}
