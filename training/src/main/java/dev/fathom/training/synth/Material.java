package dev.fathom.training.synth;

import org.jspecify.annotations.Nullable;

/**
 * How a surface looks.
 *
 * @param texture its colour
 * @param gloss share of the sky or the lamps that it mirrors, 0 to 1
 * @param bump how far its normal is tilted by noise
 * @param bumpSize size of the bumps in metres
 * @param holes where it is open; null if nowhere
 */
record Material(
    Texture texture, double gloss, double bump, double bumpSize, @Nullable Holes holes) {

  static Material of(Texture texture) {
    return new Material(texture, 0, 0, 1, null);
  }

  static Material plain(Rgb colour) {
    return of(new Textures.Plain(colour));
  }

  Material glossy(double share) {
    return new Material(texture, share, bump, bumpSize, holes);
  }

  Material bumpy(double tilt, double size) {
    return new Material(texture, gloss, tilt, size, holes);
  }

  Material open(Holes pattern) {
    return new Material(texture, gloss, bump, bumpSize, pattern);
  }

  boolean hasHoles() {
    return holes != null;
  }

  /** Whether there is material where a ray meets a surface. */
  boolean covers(Surface surface, Ray ray, double t) {
    if (holes == null) {
      return true;
    }
    surface.describe(ray, t, ray.probe);
    return holes.covers(ray.probe);
  }

  /** Where a surface is open. */
  @FunctionalInterface
  interface Holes {
    boolean covers(Hit hit);

    /** Leaves or twigs: clumps of a size, over a share of the surface. */
    static Holes leaves(double size, double share, int seed) {
      // Noise of three octaves lies around 1/2 with a deviation near 0.13.
      double threshold = 0.5 + 0.34 * (0.5 - share);
      return hit -> Noise.octaves(hit.lx / size, hit.ly / size, hit.lz / size, 3, seed) > threshold;
    }

    /** Upright bars with gaps between, and two rails. */
    static Holes pickets(double period, double width, double height) {
      return hit -> {
        double across = hit.u / period - Math.floor(hit.u / period);
        double v = hit.v / height;
        return across < width || (v > 0.2 && v < 0.28) || (v > 0.72 && v < 0.8);
      };
    }

    /** Crossing wires. */
    static Holes mesh(double period, double width) {
      return hit -> {
        double p = (hit.u + hit.v) / period;
        double q = (hit.u - hit.v) / period;
        return p - Math.floor(p) < width || q - Math.floor(q) < width;
      };
    }
  }
}
