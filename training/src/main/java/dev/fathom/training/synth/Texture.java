package dev.fathom.training.synth;

/** The colour of a surface from point to point. */
interface Texture {

  /**
   * Gives the reflectance and the light given off at a hit.
   *
   * @param footprint how much of the surface a pixel covers, in metres; patterns finer than this
   *     are replaced by their mean
   */
  void paint(Hit hit, double footprint, Paint paint);

  /** How much of a pattern of some size is to be seen: 1 when large, 0 when below a pixel. */
  static double seen(double size, double footprint) {
    return Math.clamp(1.4 - 0.8 * footprint / size, 0, 1);
  }

  /** What a texture gives. */
  final class Paint {
    double r;
    double g;
    double b;

    /** Light given off. */
    double er;

    double eg;
    double eb;

    void set(Rgb colour) {
      r = colour.r();
      g = colour.g();
      b = colour.b();
    }

    void mix(Rgb one, Rgb other, double t) {
      r = one.r() + (other.r() - one.r()) * t;
      g = one.g() + (other.g() - one.g()) * t;
      b = one.b() + (other.b() - one.b()) * t;
    }

    /** Moves the colour towards another. */
    void towards(Rgb other, double t) {
      r += (other.r() - r) * t;
      g += (other.g() - g) * t;
      b += (other.b() - b) * t;
    }

    void scale(double factor) {
      r *= factor;
      g *= factor;
      b *= factor;
    }

    void glow(Rgb light) {
      er = light.r();
      eg = light.g();
      eb = light.b();
    }

    void dark() {
      er = 0;
      eg = 0;
      eb = 0;
    }
  }
}
