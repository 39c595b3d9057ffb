package dev.fathom.training.synth;

/**
 * A pinhole camera.
 *
 * @param x where it stands
 * @param yaw turn to the right of straight ahead, in radians
 * @param pitch turn upwards
 * @param roll turn clockwise about its axis
 * @param fieldOfView angle over the longer side of the picture, in radians
 */
record Camera(
    double x, double y, double z, double yaw, double pitch, double roll, double fieldOfView) {

  /** The camera for pictures of a size: gives the rays through points of the picture. */
  Frame frame(int width, int height) {
    return new Frame(this, width, height);
  }

  /** A picture's rays. */
  static final class Frame {
    private final Camera camera;
    private final double centreX;
    private final double centreY;
    private final double right0;
    private final double right1;
    private final double right2;
    private final double down0;
    private final double down1;
    private final double down2;
    private final double ahead0;
    private final double ahead1;
    private final double ahead2;

    /** Angle of one pixel, at the middle of the picture. */
    final double pixel;

    Frame(Camera camera, int width, int height) {
      this.camera = camera;
      centreX = width / 2.0;
      centreY = height / 2.0;
      pixel = 2 * StrictMath.tan(camera.fieldOfView / 2) / Math.max(width, height);
      double cy = StrictMath.cos(camera.yaw);
      double sy = StrictMath.sin(camera.yaw);
      double cp = StrictMath.cos(camera.pitch);
      double sp = StrictMath.sin(camera.pitch);
      double cr = StrictMath.cos(camera.roll);
      double sr = StrictMath.sin(camera.roll);
      ahead0 = sy * cp;
      ahead1 = sp;
      ahead2 = cy * cp;
      // Without roll: right is level, down is square to both.
      double u0 = -sy * sp;
      double u1 = cp;
      double u2 = -cy * sp;
      right0 = (cy * cr - u0 * sr) * pixel;
      right1 = -u1 * sr * pixel;
      right2 = (-sy * cr - u2 * sr) * pixel;
      down0 = -(u0 * cr + cy * sr) * pixel;
      down1 = -u1 * cr * pixel;
      down2 = -(u2 * cr - sy * sr) * pixel;
    }

    /** Puts the camera's axis, a unit vector, into an array. */
    void axis(double[] to, int at) {
      to[at] = ahead0;
      to[at + 1] = ahead1;
      to[at + 2] = ahead2;
    }

    /** The ray through a point of the picture in pixels; (0, 0) is the upper left corner. */
    void ray(double px, double py, Ray ray) {
      double a = px - centreX;
      double b = py - centreY;
      ray.set(
          camera.x,
          camera.y,
          camera.z,
          ahead0 + a * right0 + b * down0,
          ahead1 + a * right1 + b * down1,
          ahead2 + a * right2 + b * down2);
    }
  }
}
