package dev.fathom.training.synth;

/**
 * The sky and the air: what is seen where nothing is hit, the light that it sheds, and how far one
 * sees.
 *
 * @param zenith colour straight above
 * @param horizon colour at the horizon; also that of haze
 * @param sun light of the sun on a surface that faces it; black for none
 * @param sx direction to the sun, a unit vector
 * @param glow how much brighter the sky is around the sun
 * @param clouds share of the sky that clouds cover
 * @param cloud light of the clouds
 * @param haze share of light that a metre of air takes
 * @param above diffuse light on surfaces that face upwards
 * @param below diffuse light on surfaces that face downwards
 * @param seed of the clouds
 */
record Sky(
    Rgb zenith,
    Rgb horizon,
    Rgb sun,
    double sx,
    double sy,
    double sz,
    double glow,
    double clouds,
    Rgb cloud,
    double haze,
    Rgb above,
    Rgb below,
    int seed) {

  /** A sun at an elevation and an azimuth from straight ahead, in radians. */
  static double[] direction(double elevation, double azimuth) {
    double flat = StrictMath.cos(elevation);
    return new double[] {
      flat * StrictMath.sin(azimuth), StrictMath.sin(elevation), flat * StrictMath.cos(azimuth)
    };
  }

  boolean hasSun() {
    return sun.r() + sun.g() + sun.b() > 0;
  }

  /** The light from a direction, a unit vector. */
  void look(double x, double y, double z, Texture.Paint paint) {
    double up = Math.sqrt(Math.max(0, y));
    paint.mix(horizon, zenith, up);
    double near = Math.max(0, x * sx + y * sy + z * sz);
    double near2 = near * near;
    double near8 = near2 * near2 * near2 * near2;
    if (glow > 0) {
      double halo = near8 * near8 * near8 * near8;
      double shine = glow * (0.25 * near8 + 0.75 * halo);
      paint.r += sun.r() * shine;
      paint.g += sun.g() * shine;
      paint.b += sun.b() * shine;
    }
    if (clouds > 0 && y > 0.01) {
      // A layer of clouds over a round earth: the horizon stays at a distance.
      double far = 1 / (y + 0.12);
      double n = Noise.octaves(x * far * 1.6, z * far * 1.6, 4, seed);
      double edge = 0.78 - 0.56 * clouds;
      double cover = Noise.step(edge, edge + 0.22, n) * Noise.step(0.01, 0.15, y);
      double shade = 0.75 + 0.5 * Noise.step(edge, edge + 0.4, n);
      paint.towards(cloud.times(2 - shade - 0.25), 0.92 * cover);
    }
    if (glow > 0 && near > 0.9993) {
      paint.towards(sun.times(6), 1 - clouds);
    }
  }

  /** The diffuse light on a surface between {@link #below} and {@link #above}. */
  static double diffuse(double ny, double above, double below) {
    return below + (above - below) * (0.5 + 0.5 * ny);
  }

  /** How much of what is so many metres away comes through: a rational exp(-x). */
  static double clear(double haze, double distance) {
    double x = haze * distance;
    return 1 / (1 + x * (1 + x * (0.5 + x * (1 / 6.0 + x / 24))));
  }
}
