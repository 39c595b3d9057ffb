package dev.fathom.training.synth;

/** A closed cylinder or cut cone along any line: posts, wires, trunks, barrels, fir crowns. */
final class Frustum extends Solid {
  private final double px;
  private final double py;
  private final double pz;
  private final double ax;
  private final double ay;
  private final double az;
  private final double length;
  private final double r0;
  private final double r1;
  private final double slope;

  /** From a point with radius {@code r0} to another with radius {@code r1}. */
  Frustum(
      SceneClass kind,
      Material material,
      double px,
      double py,
      double pz,
      double qx,
      double qy,
      double qz,
      double r0,
      double r1) {
    super(kind, material, bounds(px, py, pz, qx, qy, qz, r0, r1));
    this.px = px;
    this.py = py;
    this.pz = pz;
    double x = qx - px;
    double y = qy - py;
    double z = qz - pz;
    length = Math.sqrt(x * x + y * y + z * z);
    ax = x / length;
    ay = y / length;
    az = z / length;
    this.r0 = r0;
    this.r1 = r1;
    slope = (r1 - r0) / length;
  }

  private static double[] bounds(
      double px, double py, double pz, double qx, double qy, double qz, double r0, double r1) {
    double x = qx - px;
    double y = qy - py;
    double z = qz - pz;
    double square = x * x + y * y + z * z;
    // A disc's extent along an axis is its radius times the sine of the angle between them.
    double ex = Math.sqrt(Math.max(0, 1 - x * x / square));
    double ey = Math.sqrt(Math.max(0, 1 - y * y / square));
    double ez = Math.sqrt(Math.max(0, 1 - z * z / square));
    return new double[] {
      Math.min(px - ex * r0, qx - ex * r1),
      Math.min(py - ey * r0, qy - ey * r1),
      Math.min(pz - ez * r0, qz - ez * r1),
      Math.max(px + ex * r0, qx + ex * r1),
      Math.max(py + ey * r0, qy + ey * r1),
      Math.max(pz + ez * r0, qz + ez * r1)
    };
  }

  @Override
  double distance(Ray ray, double limit) {
    double ox = ray.ox - px;
    double oy = ray.oy - py;
    double oz = ray.oz - pz;
    double m = ray.dx * ax + ray.dy * ay + ray.dz * az;
    double n = ox * ax + oy * ay + oz * az;
    double radius = r0 + slope * n;
    double widening = slope * m;
    double a = square(ray.dx, ray.dy, ray.dz) - m * m - widening * widening;
    double b = ox * ray.dx + oy * ray.dy + oz * ray.dz - n * m - widening * radius;
    double c = square(ox, oy, oz) - n * n - radius * radius;
    double first = Double.POSITIVE_INFINITY;
    double last = Double.NEGATIVE_INFINITY;
    double discriminant = b * b - a * c;
    if (discriminant >= 0 && a != 0) {
      double root = Math.sqrt(discriminant);
      for (int sign = -1; sign <= 1; sign += 2) {
        double t = (-b + sign * root) / a;
        double along = n + t * m;
        if (along >= 0 && along <= length) {
          first = Math.min(first, t);
          last = Math.max(last, t);
        }
      }
    }
    if (m != 0) {
      for (int end = 0; end <= 1; end++) {
        double t = (end * length - n) / m;
        double x = ox + t * ray.dx - end * length * ax;
        double y = oy + t * ray.dy - end * length * ay;
        double z = oz + t * ray.dz - end * length * az;
        double r = end == 0 ? r0 : r1;
        if (square(x, y, z) <= r * r) {
          first = Math.min(first, t);
          last = Math.max(last, t);
        }
      }
    }
    return first <= last ? firstOf(ray, first, last, limit) : Double.POSITIVE_INFINITY;
  }

  private static double square(double x, double y, double z) {
    return x * x + y * y + z * z;
  }

  @Override
  void describe(Ray ray, double t, Hit hit) {
    hit.at(ray, t);
    double x = hit.x - px;
    double y = hit.y - py;
    double z = hit.z - pz;
    hit.lx = x;
    hit.ly = y;
    hit.lz = z;
    double along = x * ax + y * ay + z * az;
    double wx = x - along * ax;
    double wy = y - along * ay;
    double wz = z - along * az;
    double away = Math.sqrt(square(wx, wy, wz));
    double off = Math.abs(away - (r0 + slope * along));
    if (Math.min(Math.abs(along), Math.abs(length - along)) < off || away == 0) {
      hit.normal(ray, ax, ay, az);
      hit.flat(ax, ay, az);
      return;
    }
    double scale = 1 / (away * Math.sqrt(1 + slope * slope));
    double lean = slope / Math.sqrt(1 + slope * slope);
    double nx = wx * scale - lean * ax;
    double ny = wy * scale - lean * ay;
    double nz = wz * scale - lean * az;
    hit.normal(ray, nx, ny, nz);
    hit.upright = true;
    hit.v = along;
    hit.u = turn(wx, wy, wz) * Math.max(r0, r1);
  }

  /** A number that grows with the angle about the axis: 0 to 4 in place of 0 to 2 pi. */
  private double turn(double wx, double wy, double wz) {
    boolean standing = Math.abs(ay) > 0.7;
    double p = standing ? wx : wy;
    double q = standing ? wz : Math.abs(ax) > Math.abs(az) ? wz : wx;
    double share = q / (Math.abs(p) + Math.abs(q) + 1e-30);
    return 1.5 * (p >= 0 ? 1 + share : 3 - share);
  }
}
