package dev.fathom.training.synth;

/** A ball stretched along the axes. */
final class Ellipsoid extends Solid {
  private final double cx;
  private final double cy;
  private final double cz;
  private final double rx;
  private final double ry;
  private final double rz;

  Ellipsoid(
      SceneClass kind,
      Material material,
      double cx,
      double cy,
      double cz,
      double rx,
      double ry,
      double rz) {
    super(kind, material, new double[] {cx - rx, cy - ry, cz - rz, cx + rx, cy + ry, cz + rz});
    this.cx = cx;
    this.cy = cy;
    this.cz = cz;
    this.rx = rx;
    this.ry = ry;
    this.rz = rz;
  }

  @Override
  double distance(Ray ray, double limit) {
    double ox = (ray.ox - cx) / rx;
    double oy = (ray.oy - cy) / ry;
    double oz = (ray.oz - cz) / rz;
    double dx = ray.dx / rx;
    double dy = ray.dy / ry;
    double dz = ray.dz / rz;
    double a = dx * dx + dy * dy + dz * dz;
    double b = ox * dx + oy * dy + oz * dz;
    double c = ox * ox + oy * oy + oz * oz - 1;
    double square = b * b - a * c;
    if (square < 0) {
      return Double.POSITIVE_INFINITY;
    }
    double root = Math.sqrt(square);
    return firstOf(ray, (-b - root) / a, (-b + root) / a, limit);
  }

  @Override
  void describe(Ray ray, double t, Hit hit) {
    hit.at(ray, t);
    hit.lx = hit.x - cx;
    hit.ly = hit.y - cy;
    hit.lz = hit.z - cz;
    double nx = hit.lx / (rx * rx);
    double ny = hit.ly / (ry * ry);
    double nz = hit.lz / (rz * rz);
    double scale = 1 / Math.sqrt(nx * nx + ny * ny + nz * nz);
    hit.normal(ray, nx * scale, ny * scale, nz * scale);
    hit.flat(nx, ny, nz);
  }
}
