package dev.fathom.training.synth;

import dev.fathom.training.synth.BoxTree.Nearest;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A laid-out scene: bodies, ground, light and camera. Immutable; any number of threads may look.
 */
final class Scene {
  /** What is farther than this is sky. */
  static final double FARTHEST = 5000;

  private final BoxTree solids;
  private final Surface[] grounds;
  final Sky sky;
  final Lamp[] lamps;
  final Camera camera;
  final Sensor sensor;

  Scene(
      List<Solid> solids,
      List<Surface> grounds,
      Sky sky,
      List<Lamp> lamps,
      Camera camera,
      Sensor sensor) {
    this.solids = new BoxTree(solids);
    this.grounds = grounds.toArray(new Surface[0]);
    this.sky = sky;
    this.lamps = lamps.toArray(new Lamp[0]);
    this.camera = camera;
    this.sensor = sensor;
  }

  /** What finds the bodies that bundles of rays can meet; for one thread. */
  Beam beam() {
    return new Beam(solids);
  }

  /** The nearest surface along a ray; {@code found.surface} is null for sky. */
  void nearest(Ray ray, Nearest found) {
    nearestGround(ray, found);
    solids.nearest(ray, found.t, found);
  }

  /** As above, for a ray of a beam. */
  void nearest(Ray ray, Beam beam, Nearest found) {
    nearestGround(ray, found);
    beam.nearest(ray, found);
  }

  private void nearestGround(Ray ray, Nearest found) {
    found.clear(FARTHEST);
    for (Surface ground : grounds) {
      double t = ground.distance(ray, found.t);
      if (t < found.t) {
        found.t = t;
        found.surface = ground;
      }
    }
  }

  /**
   * Something between a ray's origin and the point at a parameter; null if there is nothing.
   *
   * @param likely what blocked the ray before, tried first
   * @param beam that the ray is of; null for a ray alone
   */
  @Nullable Surface blocker(Ray ray, double limit, @Nullable Surface likely, @Nullable Beam beam) {
    if (likely != null && likely.distance(ray, limit) < limit) {
      return likely;
    }
    Surface solid = beam == null ? solids.blocker(ray, limit) : beam.blocker(ray, limit);
    if (solid != null) {
      return solid;
    }
    for (Surface ground : grounds) {
      if (ground instanceof Terrain && ground.distance(ray, limit) < limit) {
        return ground;
      }
    }
    return null;
  }
}
