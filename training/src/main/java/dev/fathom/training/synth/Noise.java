package dev.fathom.training.synth;

/** Value noise on an integer lattice, from 0 to 1, and sums of its octaves. */
final class Noise {

  private Noise() {}

  /** 32 well-mixed bits of a lattice point. */
  static int hash(int x, int y, int z, int seed) {
    int h = x * 0x8DA6B343 ^ y * 0xD8163841 ^ z * 0xCB1AB31F ^ seed * 0x9E3779B1;
    h ^= h >>> 15;
    h *= 0x2C1B3C6D;
    h ^= h >>> 12;
    h *= 0x297A2D39;
    return h ^ (h >>> 15);
  }

  /** A lattice point's number in [0, 1). */
  static double at(int x, int y, int z, int seed) {
    return (hash(x, y, z, seed) >>> 8) * 0x1p-24;
  }

  static int floor(double value) {
    int cut = (int) value;
    return value < cut ? cut - 1 : cut;
  }

  private static double fade(double t) {
    return t * t * (3 - 2 * t);
  }

  private static double mix(double a, double b, double t) {
    return a + (b - a) * t;
  }

  /** Smooth noise in the plane. */
  static double value(double x, double y, int seed) {
    int ix = floor(x);
    int iy = floor(y);
    double fx = fade(x - ix);
    double fy = fade(y - iy);
    return mix(
        mix(at(ix, iy, 0, seed), at(ix + 1, iy, 0, seed), fx),
        mix(at(ix, iy + 1, 0, seed), at(ix + 1, iy + 1, 0, seed), fx),
        fy);
  }

  /** Smooth noise in space. */
  static double value(double x, double y, double z, int seed) {
    int ix = floor(x);
    int iy = floor(y);
    int iz = floor(z);
    double fx = fade(x - ix);
    double fy = fade(y - iy);
    double fz = fade(z - iz);
    double near =
        mix(
            mix(at(ix, iy, iz, seed), at(ix + 1, iy, iz, seed), fx),
            mix(at(ix, iy + 1, iz, seed), at(ix + 1, iy + 1, iz, seed), fx),
            fy);
    double far =
        mix(
            mix(at(ix, iy, iz + 1, seed), at(ix + 1, iy, iz + 1, seed), fx),
            mix(at(ix, iy + 1, iz + 1, seed), at(ix + 1, iy + 1, iz + 1, seed), fx),
            fy);
    return mix(near, far, fz);
  }

  /** Octaves of halved amplitude and doubled frequency in the plane, scaled to 0..1. */
  static double octaves(double x, double y, int count, int seed) {
    double sum = 0;
    double weight = 0.5;
    double total = 0;
    for (int i = 0; i < count; i++) {
      sum += weight * value(x, y, seed + i);
      total += weight;
      weight /= 2;
      // The shift keeps the lattices of the octaves from sharing their origin.
      x = 2 * x + 17.3;
      y = 2 * y + 5.9;
    }
    return sum / total;
  }

  /** As {@link #octaves(double, double, int, int)}, in space. */
  static double octaves(double x, double y, double z, int count, int seed) {
    double sum = 0;
    double weight = 0.5;
    double total = 0;
    for (int i = 0; i < count; i++) {
      sum += weight * value(x, y, z, seed + i);
      total += weight;
      weight /= 2;
      x = 2 * x + 17.3;
      y = 2 * y + 5.9;
      z = 2 * z + 11.7;
    }
    return sum / total;
  }

  /** Octaves folded at their middle: crests instead of waves. */
  static double ridges(double x, double y, int count, int seed) {
    double sum = 0;
    double weight = 0.5;
    double total = 0;
    for (int i = 0; i < count; i++) {
      double crest = 1 - Math.abs(2 * value(x, y, seed + i) - 1);
      sum += weight * crest * crest;
      total += weight;
      weight /= 2;
      x = 2 * x + 17.3;
      y = 2 * y + 5.9;
    }
    return sum / total;
  }

  /** 0 below {@code low}, 1 above {@code high}, smooth between. */
  static double step(double low, double high, double value) {
    return fade(Math.clamp((value - low) / (high - low), 0, 1));
  }
}
