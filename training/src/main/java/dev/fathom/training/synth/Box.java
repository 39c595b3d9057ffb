package dev.fathom.training.synth;

/** A box with vertical edges, turned about the vertical. */
final class Box extends Solid {
  private final double cx;
  private final double cy;
  private final double cz;
  private final double hx;
  private final double hy;
  private final double hz;
  private final double cos;
  private final double sin;

  /**
   * @param hx half its width, and so on
   * @param yaw angle in radians by which its x axis is turned towards z
   */
  Box(
      SceneClass kind,
      Material material,
      double cx,
      double cy,
      double cz,
      double hx,
      double hy,
      double hz,
      double yaw) {
    super(kind, material, bounds(cx, cy, cz, hx, hy, hz, yaw));
    this.cx = cx;
    this.cy = cy;
    this.cz = cz;
    this.hx = hx;
    this.hy = hy;
    this.hz = hz;
    cos = StrictMath.cos(yaw);
    sin = StrictMath.sin(yaw);
  }

  private static double[] bounds(
      double cx, double cy, double cz, double hx, double hy, double hz, double yaw) {
    double c = Math.abs(StrictMath.cos(yaw));
    double s = Math.abs(StrictMath.sin(yaw));
    double ex = c * hx + s * hz;
    double ez = s * hx + c * hz;
    return new double[] {cx - ex, cy - hy, cz - ez, cx + ex, cy + hy, cz + ez};
  }

  @Override
  double distance(Ray ray, double limit) {
    double ox = ray.ox - cx;
    double oz = ray.oz - cz;
    double lox = cos * ox + sin * oz;
    double loz = cos * oz - sin * ox;
    double ix = inverse(cos * ray.dx + sin * ray.dz);
    double iy = inverse(ray.dy);
    double iz = inverse(cos * ray.dz - sin * ray.dx);
    // Each pair of faces is met at a middle parameter, less and plus half the way between them.
    double x = -lox * ix;
    double y = (cy - ray.oy) * iy;
    double z = -loz * iz;
    double wx = Math.abs(ix) * hx;
    double wy = Math.abs(iy) * hy;
    double wz = Math.abs(iz) * hz;
    double entry = x - wx;
    double exit = x + wx;
    if (y - wy > entry) {
      entry = y - wy;
    }
    if (y + wy < exit) {
      exit = y + wy;
    }
    if (z - wz > entry) {
      entry = z - wz;
    }
    if (z + wz < exit) {
      exit = z + wz;
    }
    return entry <= exit ? firstOf(ray, entry, exit, limit) : Double.POSITIVE_INFINITY;
  }

  /** A reciprocal that stays finite, so that rays along a face do not give not-a-number. */
  private static double inverse(double component) {
    return component == 0 ? 1e30 : 1 / component;
  }

  @Override
  void describe(Ray ray, double t, Hit hit) {
    hit.at(ray, t);
    double ox = hit.x - cx;
    double oz = hit.z - cz;
    hit.lx = cos * ox + sin * oz;
    hit.ly = hit.y - cy + hy;
    hit.lz = cos * oz - sin * ox;
    double ax = Math.abs(hit.lx) - hx;
    double ay = Math.abs(hit.y - cy) - hy;
    double az = Math.abs(hit.lz) - hz;
    if (ay >= ax && ay >= az) {
      hit.normal(ray, 0, 1, 0);
      hit.flat(0, 1, 0);
    } else if (ax >= az) {
      hit.normal(ray, cos, 0, sin);
      hit.flat(1, 0, 0);
    } else {
      hit.normal(ray, -sin, 0, cos);
      hit.flat(0, 0, 1);
    }
  }
}
