package dev.fathom.training.synth;

/** A spot on a stage with its own axes: things are put together here as if it were the origin. */
final class Place {
  final Stage stage;
  private final double x;
  private final double y;
  private final double z;
  private final double yaw;
  private final double cos;
  private final double sin;

  Place(Stage stage, double x, double y, double z, double yaw) {
    this.stage = stage;
    this.x = x;
    this.y = y;
    this.z = z;
    this.yaw = yaw;
    cos = StrictMath.cos(yaw);
    sin = StrictMath.sin(yaw);
  }

  double worldX(double lx, double lz) {
    return x + cos * lx - sin * lz;
  }

  double worldY(double ly) {
    return y + ly;
  }

  double worldZ(double lx, double lz) {
    return z + sin * lx + cos * lz;
  }

  /** A box that stands at height {@code ly}; the sides are full lengths. */
  void box(
      SceneClass kind,
      Material material,
      double lx,
      double ly,
      double lz,
      double sx,
      double sy,
      double sz) {
    stage.add(
        new Box(
            kind,
            material,
            worldX(lx, lz),
            y + ly + sy / 2,
            worldZ(lx, lz),
            sx / 2,
            sy / 2,
            sz / 2,
            yaw));
  }

  /** A cylinder or cut cone between two points. */
  void cone(
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
    stage.add(
        new Frustum(
            kind,
            material,
            worldX(px, pz),
            y + py,
            worldZ(px, pz),
            worldX(qx, qz),
            y + qy,
            worldZ(qx, qz),
            r0,
            r1));
  }

  void rod(
      SceneClass kind,
      Material material,
      double px,
      double py,
      double pz,
      double qx,
      double qy,
      double qz,
      double radius) {
    cone(kind, material, px, py, pz, qx, qy, qz, radius, radius);
  }

  /** An upright cylinder that stands at height {@code ly}. */
  void post(
      SceneClass kind,
      Material material,
      double lx,
      double ly,
      double lz,
      double height,
      double radius) {
    cone(kind, material, lx, ly, lz, lx, ly + height, lz, radius, radius);
  }

  void ball(SceneClass kind, Material material, double lx, double ly, double lz, double radius) {
    ball(kind, material, lx, ly, lz, radius, radius, radius);
  }

  /** A ball stretched along the world's axes. */
  void ball(
      SceneClass kind,
      Material material,
      double lx,
      double ly,
      double lz,
      double rx,
      double ry,
      double rz) {
    stage.add(new Ellipsoid(kind, material, worldX(lx, lz), y + ly, worldZ(lx, lz), rx, ry, rz));
  }

  /** A lamp. */
  void lamp(double lx, double ly, double lz, Rgb light) {
    stage.add(new Lamp(worldX(lx, lz), y + ly, worldZ(lx, lz), light, true));
  }

  /**
   * A body with sloping sides: a rectangle below, one above, such as a gable roof (depth 0 above)
   * or the cabin of a car.
   *
   * @param w0 width along x below
   * @param d0 depth along z below
   * @param w1 width above
   * @param d1 depth above
   */
  void wedge(
      SceneClass kind,
      Material material,
      double lx,
      double ly,
      double lz,
      double w0,
      double d0,
      double w1,
      double d1,
      double height) {
    double[] planes = new double[24];
    put(planes, 0, 0, -1, 0, 0);
    put(planes, 1, 0, 1, 0, height);
    side(planes, 2, 1, 0, w0 / 2, w1 / 2, height);
    side(planes, 3, -1, 0, w0 / 2, w1 / 2, height);
    side(planes, 4, 0, 1, d0 / 2, d1 / 2, height);
    side(planes, 5, 0, -1, d0 / 2, d1 / 2, height);
    double w = Math.max(w0, w1) / 2;
    double d = Math.max(d0, d1) / 2;
    double ex = Math.abs(cos) * w + Math.abs(sin) * d;
    double ez = Math.abs(sin) * w + Math.abs(cos) * d;
    double[] bounds = {-ex, 0, -ez, ex, height, ez};
    stage.add(new Hull(kind, material, worldX(lx, lz), y + ly, worldZ(lx, lz), planes, bounds));
  }

  /** A plane that leans from one distance below to another above. */
  private void side(
      double[] planes, int at, double dx, double dz, double below, double above, double height) {
    double rise = below - above;
    double scale = 1 / Math.sqrt(rise * rise + height * height);
    double out = height * scale;
    put(
        planes,
        at,
        out * (cos * dx - sin * dz),
        rise * scale,
        out * (sin * dx + cos * dz),
        below * out);
  }

  private static void put(double[] planes, int at, double nx, double ny, double nz, double d) {
    planes[4 * at] = nx;
    planes[4 * at + 1] = ny;
    planes[4 * at + 2] = nz;
    planes[4 * at + 3] = d;
  }
}
