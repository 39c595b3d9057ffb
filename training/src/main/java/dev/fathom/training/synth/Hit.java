package dev.fathom.training.synth;

/** A point of a surface that a ray meets. One is used over and over by a thread. */
final class Hit {
  /** The ray's parameter. */
  double t;

  /** The point. */
  double x;

  double y;
  double z;

  /** The unit normal, towards the ray's origin. */
  double nx;

  double ny;
  double nz;

  /** The point in metres along the surface, for textures that lie flat. */
  double u;

  double v;

  /** The point from the body's own origin, for textures that fill space. */
  double lx;

  double ly;
  double lz;

  /** Whether the surface stands rather than lies: walls, not tops. */
  boolean upright;

  /** Sets the parameter and the point. */
  void at(Ray ray, double parameter) {
    t = parameter;
    x = ray.ox + parameter * ray.dx;
    y = ray.oy + parameter * ray.dy;
    z = ray.oz + parameter * ray.dz;
  }

  /** Sets the normal, turned towards the ray's origin. */
  void normal(Ray ray, double ax, double ay, double az) {
    double towards = ax * ray.dx + ay * ray.dy + az * ray.dz > 0 ? -1 : 1;
    nx = towards * ax;
    ny = towards * ay;
    nz = towards * az;
  }

  /** Takes the two coordinates of {@code l} along the faces that this direction is normal to. */
  void flat(double ax, double ay, double az) {
    double x1 = Math.abs(ax);
    double y1 = Math.abs(ay);
    double z1 = Math.abs(az);
    upright = y1 < x1 || y1 < z1;
    if (!upright) {
      u = lx;
      v = lz;
    } else {
      u = x1 > z1 ? lz : lx;
      v = ly;
    }
  }
}
