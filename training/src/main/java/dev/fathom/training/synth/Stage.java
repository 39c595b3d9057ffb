package dev.fathom.training.synth;

import dev.fathom.training.random.Philox;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A scene in the making. */
final class Stage {
  final Philox random;
  private final List<Solid> solids = new ArrayList<>();
  private final List<Surface> grounds = new ArrayList<>();
  private final List<Lamp> lamps = new ArrayList<>();
  private final List<double[]> taken = new ArrayList<>();
  private @Nullable Terrain terrain;
  private @Nullable Sky sky;
  private @Nullable Camera camera;
  private Sensor sensor;

  Stage(Philox random) {
    this.random = random;
    sensor = Sensor.any(random);
  }

  double between(double low, double high) {
    return random.uniform(low, high);
  }

  boolean chance(double probability) {
    return random.chance(probability);
  }

  /** From low to high, both included. */
  int count(int low, int high) {
    return low + random.nextInt(high - low + 1);
  }

  int seed() {
    return random.nextInt();
  }

  void add(Solid solid) {
    solids.add(solid);
  }

  void add(Lamp lamp) {
    lamps.add(lamp);
  }

  void ground(Terrain ground) {
    terrain = ground;
    grounds.add(ground);
  }

  void ground(Level ground) {
    grounds.add(ground);
  }

  void sky(Sky light) {
    sky = light;
  }

  Sky sky() {
    if (sky == null) {
      throw new IllegalStateException("no sky yet");
    }
    return sky;
  }

  void camera(Camera view) {
    camera = view;
  }

  /** Makes the picture brighter or darker than its mean asks for. */
  void expose(double factor) {
    sensor = sensor.exposed(factor);
  }

  /** Height of the ground at a point; 0 without terrain. */
  double height(double x, double z) {
    return terrain == null ? 0 : terrain.height(x, z);
  }

  /** Claims a disc of ground; false, and nothing claimed, if it touches one claimed before. */
  boolean claim(double x, double z, double radius) {
    for (double[] other : taken) {
      double dx = x - other[0];
      double dz = z - other[1];
      double apart = radius + other[2];
      if (dx * dx + dz * dz < apart * apart) {
        return false;
      }
    }
    taken.add(new double[] {x, z, radius});
    return true;
  }

  /** A box by its centre and its full sides. */
  void box(
      SceneClass kind,
      Material material,
      double cx,
      double cy,
      double cz,
      double sx,
      double sy,
      double sz) {
    add(new Box(kind, material, cx, cy, cz, sx / 2, sy / 2, sz / 2, 0));
  }

  /** A cylinder between two points. */
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
    add(new Frustum(kind, material, px, py, pz, qx, qy, qz, radius, radius));
  }

  /** A wire that sags between two points, as a chain of short cylinders. */
  void wire(
      Material material,
      double px,
      double py,
      double pz,
      double qx,
      double qy,
      double qz,
      double sag,
      double radius) {
    int parts = 6;
    double lastX = px;
    double lastY = py;
    double lastZ = pz;
    for (int i = 1; i <= parts; i++) {
      double t = (double) i / parts;
      double x = px + (qx - px) * t;
      double y = py + (qy - py) * t - 4 * sag * t * (1 - t);
      double z = pz + (qz - pz) * t;
      rod(SceneClass.POLE, material, lastX, lastY, lastZ, x, y, z, radius);
      lastX = x;
      lastY = y;
      lastZ = z;
    }
  }

  Scene scene() {
    if (sky == null || camera == null) {
      throw new IllegalStateException("a scene without sky or camera");
    }
    return new Scene(solids, grounds, sky, lamps, camera, sensor);
  }
}
