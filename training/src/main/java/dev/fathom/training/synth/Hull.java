package dev.fathom.training.synth;

/** What lies behind all of some planes: gable roofs, boulders, the cabins of cars. */
final class Hull extends Solid {
  private final double cx;
  private final double cy;
  private final double cz;
  private final double[] planes;

  /**
   * @param cx the body's origin, from which the planes are measured
   * @param planes unit normal and distance of each, four numbers
   * @param bounds a box around it, also from the origin; it cuts nothing off
   */
  Hull(
      SceneClass kind,
      Material material,
      double cx,
      double cy,
      double cz,
      double[] planes,
      double[] bounds) {
    super(
        kind,
        material,
        new double[] {
          cx + bounds[0],
          cy + bounds[1],
          cz + bounds[2],
          cx + bounds[3],
          cy + bounds[4],
          cz + bounds[5]
        });
    this.cx = cx;
    this.cy = cy;
    this.cz = cz;
    this.planes = planes;
  }

  @Override
  double distance(Ray ray, double limit) {
    double ox = ray.ox - cx;
    double oy = ray.oy - cy;
    double oz = ray.oz - cz;
    double entry = Double.NEGATIVE_INFINITY;
    double exit = Double.POSITIVE_INFINITY;
    for (int i = 0; i < planes.length; i += 4) {
      double towards = planes[i] * ray.dx + planes[i + 1] * ray.dy + planes[i + 2] * ray.dz;
      double away = planes[i + 3] - planes[i] * ox - planes[i + 1] * oy - planes[i + 2] * oz;
      if (towards < 0) {
        entry = Math.max(entry, away / towards);
      } else if (towards > 0) {
        exit = Math.min(exit, away / towards);
      } else if (away < 0) {
        return Double.POSITIVE_INFINITY;
      }
      if (entry > exit) {
        return Double.POSITIVE_INFINITY;
      }
    }
    return firstOf(ray, entry, exit, limit);
  }

  @Override
  void describe(Ray ray, double t, Hit hit) {
    hit.at(ray, t);
    hit.lx = hit.x - cx;
    hit.ly = hit.y - cy;
    hit.lz = hit.z - cz;
    int face = 0;
    double nearest = Double.NEGATIVE_INFINITY;
    for (int i = 0; i < planes.length; i += 4) {
      double beyond =
          planes[i] * hit.lx + planes[i + 1] * hit.ly + planes[i + 2] * hit.lz - planes[i + 3];
      if (beyond > nearest) {
        nearest = beyond;
        face = i;
      }
    }
    hit.normal(ray, planes[face], planes[face + 1], planes[face + 2]);
    hit.flat(planes[face], planes[face + 1], planes[face + 2]);
  }
}
