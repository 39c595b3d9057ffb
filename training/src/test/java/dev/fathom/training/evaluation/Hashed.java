package dev.fathom.training.evaluation;

import java.nio.charset.StandardCharsets;

/** The inputs of the reference vectors: a pure function of a name and an index. */
final class Hashed {

  private Hashed() {}

  /** n floats in [-1,1): FNV-1a of the name, then SplitMix64. */
  static float[] values(String name, int n) {
    long h = 0xcbf29ce484222325L;
    for (byte b : name.getBytes(StandardCharsets.UTF_8)) {
      h = (h ^ (b & 0xff)) * 0x100000001b3L;
    }
    float[] values = new float[n];
    for (int k = 0; k < n; k++) {
      long z = h + (k + 1L) * 0x9E3779B97F4A7C15L;
      z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
      z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
      z ^= z >>> 31;
      values[k] = 2f * ((z >>> 40) * 0x1p-24f) - 1f;
    }
    return values;
  }
}
