package dev.fathom.training.synth;

/** Textures of landscapes. They go by the place in the world, not by the body. */
final class Soils {

  private Soils() {}

  /** Grass: blades close by, tufts, dry patches far off. */
  record Grass(Rgb fresh, Rgb dry, int seed) implements Texture {
    @Override
    public void paint(Hit hit, double footprint, Paint paint) {
      double patches = Noise.octaves(hit.x / 9, hit.z / 9, 2, seed);
      paint.mix(fresh, dry, Noise.step(0.35, 0.75, patches));
      double tufts = Texture.seen(0.4, footprint);
      double light = 1;
      if (tufts > 0) {
        light += 0.5 * tufts * (Noise.octaves(hit.x * 3, hit.z * 3, 2, seed + 3) - 0.5);
      }
      double blades = Texture.seen(0.03, footprint);
      if (blades > 0) {
        light += 0.9 * blades * (Noise.value(hit.x * 45, hit.z * 18, seed + 6) - 0.5);
      }
      paint.scale(light);
    }
  }

  /**
   * Ground that depends on how steep and how high it is.
   *
   * @param flat where it is level
   * @param steep where it is not
   * @param top above {@code topHeight}
   * @param limit cosine of the slope at which one goes over into the other
   */
  record Slopes(Texture flat, Texture steep, Texture top, double topHeight, double limit, int seed)
      implements Texture {
    @Override
    public void paint(Hit hit, double footprint, Paint paint) {
      double noise = Noise.octaves(hit.x / 4, hit.z / 4, 2, seed) - 0.5;
      double rock = Noise.step(limit + 0.05, limit - 0.05, hit.ny + 0.15 * noise);
      double high = Noise.step(topHeight - 2, topHeight + 2, hit.y + 10 * noise);
      Texture level = high > 0.5 ? top : flat;
      if (rock > 0.99) {
        steep.paint(hit, footprint, paint);
        return;
      }
      if (rock < 0.01) {
        level.paint(hit, footprint, paint);
        return;
      }
      steep.paint(hit, footprint, paint);
      double r = paint.r;
      double g = paint.g;
      double b = paint.b;
      level.paint(hit, footprint, paint);
      paint.r += (r - paint.r) * rock;
      paint.g += (g - paint.g) * rock;
      paint.b += (b - paint.b) * rock;
    }
  }

  /** Layered rock: bands by height that waver. */
  record Strata(Rgb one, Rgb two, Rgb three, double thickness, int seed) implements Texture {
    @Override
    public void paint(Hit hit, double footprint, Paint paint) {
      double waver = Noise.octaves(hit.x / 14, hit.z / 14, 2, seed);
      double band = (hit.y + 2.5 * waver) / thickness;
      double seen = Texture.seen(thickness, footprint);
      double tone = Noise.value(band, 0.5, seed + 4);
      double hue = Noise.value(band * 0.37, 9.5, seed + 5);
      paint.mix(one, two, 0.5 + seen * (Noise.step(0.35, 0.65, tone) - 0.5));
      paint.towards(three, Noise.step(0.55, 0.75, hue));
      double rough = Texture.seen(0.5, footprint);
      if (rough > 0) {
        double cracks = Noise.octaves(hit.x * 1.2, hit.y * 3, hit.z * 1.2, 2, seed + 7);
        paint.scale(1 + 0.8 * rough * (cracks - 0.5));
      }
    }
  }

  /** Snow, sand, soil: one colour in soft waves with grain. */
  record Drift(Rgb colour, Rgb shade, double size, double grain, int seed) implements Texture {
    @Override
    public void paint(Hit hit, double footprint, Paint paint) {
      double waves = Noise.octaves(hit.x / size, hit.z / size, 3, seed);
      paint.mix(colour, shade, Noise.step(0.3, 0.8, waves));
      double fine = Texture.seen(0.06, footprint);
      if (fine > 0) {
        paint.scale(1 + grain * fine * (Noise.value(hit.x * 22, hit.z * 22, seed + 4) - 0.5));
      }
    }
  }

  /** Leaves on the ground, on bushes, in crowns: flecks of light and dark. */
  record Leaves(Rgb light, Rgb dark, double size, int seed) implements Texture {
    @Override
    public void paint(Hit hit, double footprint, Paint paint) {
      double coarse = Noise.value(hit.x / (6 * size), hit.y / (6 * size), hit.z / (6 * size), seed);
      double seen = Texture.seen(size, footprint);
      double t = 0.5 + 0.6 * (coarse - 0.5);
      if (seen > 0) {
        t += seen * (Noise.value(hit.x / size, hit.y / size, hit.z / size, seed + 2) - 0.5);
      }
      paint.mix(light, dark, Math.clamp(t, 0, 1));
    }
  }

  /** A way of some width along a winding line through another ground. */
  record Path(Texture ground, Texture way, double width, double swing, double period, double shift)
      implements Texture {
    /** Whether a point is on the way. */
    boolean holds(double x, double z) {
      return Math.abs(x - middle(z)) < width / 2;
    }

    /** Where the way's middle is at some distance. */
    double middle(double z) {
      // A parabola's arcs in place of a sine: continuous in direction, and cheap.
      double p = z / period;
      double whole = Math.floor(p);
      double f = p - whole;
      double arc = 4 * f * (1 - f);
      boolean odd = whole - 2 * Math.floor(whole / 2) != 0;
      return shift + swing * (odd ? -arc : arc);
    }

    @Override
    public void paint(Hit hit, double footprint, Paint paint) {
      if (holds(hit.x, hit.z)) {
        way.paint(hit, footprint, paint);
      } else {
        ground.paint(hit, footprint, paint);
      }
    }
  }
}
