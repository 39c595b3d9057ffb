package dev.fathom.training.synth;

/** A bounded convex body. */
abstract class Solid extends Surface {
  /** Bounds: least x, y, z, greatest x, y, z. */
  final double[] bounds;

  Solid(SceneClass kind, Material material, double[] bounds) {
    super(kind, material);
    this.bounds = bounds;
  }

  /**
   * Whichever of the entry and the exit comes first in front of the ray's origin and is not a hole
   * of the material.
   */
  final double firstOf(Ray ray, double entry, double exit, double limit) {
    if (entry > NEAREST && entry < limit && material.covers(this, ray, entry)) {
      return entry;
    }
    boolean seenThrough = entry <= NEAREST || material.hasHoles();
    if (seenThrough && exit > NEAREST && exit < limit && material.covers(this, ray, exit)) {
      return exit;
    }
    return Double.POSITIVE_INFINITY;
  }
}
