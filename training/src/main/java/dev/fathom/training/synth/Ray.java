package dev.fathom.training.synth;

/**
 * A half-line. The direction is not normalised: a camera ray's component along the camera's axis is
 * 1, so that the parameter of a point on it is the point's depth.
 */
final class Ray {
  double ox;
  double oy;
  double oz;
  double dx;
  double dy;
  double dz;

  /** Reciprocals of the direction, for boxes; infinite where it is 0. */
  double ix;

  double iy;
  double iz;

  /** 3 where the direction is negative, else 0: which bound of a box is met first. */
  int backX;

  int backY;
  int backZ;

  /** For looking at a surface before it is known to be hit. */
  final Hit probe = new Hit();

  /** Where a walk over a grid of a {@link Terrain} ended without a hit. */
  double walked;

  /** Nodes of a {@link BoxTree} still to be looked at. */
  final int[] stack = new int[BoxTree.DEEPEST];

  void set(double ox, double oy, double oz, double dx, double dy, double dz) {
    this.ox = ox;
    this.oy = oy;
    this.oz = oz;
    this.dx = dx;
    this.dy = dy;
    this.dz = dz;
    ix = 1 / dx;
    iy = 1 / dy;
    iz = 1 / dz;
    backX = dx < 0 ? 3 : 0;
    backY = dy < 0 ? 3 : 0;
    backZ = dz < 0 ? 3 : 0;
  }

  /** Length of the direction. */
  double length() {
    return Math.sqrt(dx * dx + dy * dy + dz * dz);
  }
}
