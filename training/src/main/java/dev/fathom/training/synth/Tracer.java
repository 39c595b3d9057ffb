package dev.fathom.training.synth;

import dev.fathom.training.synth.Beam.Shaft;
import dev.fathom.training.synth.Beam.Tile;
import dev.fathom.training.synth.BoxTree.Nearest;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Looks along rays of one scene, in bundles of neighbours: first {@link #begin}, then {@link #look}
 * for each ray, then {@link #shade} for each. Holds working storage: one thread each.
 */
final class Tracer {
  /** Rays in a bundle, at most. */
  static final int MOST_RAYS = 48;

  /** A shaft with more leaves than this is no better than the tree. */
  private static final int MOST_LEAVES = 24;

  /** Shadow rays start so far off the surface, in metres per metre of distance. */
  private static final double LIFT = 1e-3;

  /** Lamps that give a surface less than this share of its other light cast no shadow ray. */
  private static final double FAINT = 0.06;

  private final Scene scene;
  private final Beam beam;
  private final Ray[] rays = new Ray[MOST_RAYS];
  private final Hit[] hits = new Hit[MOST_RAYS];
  private final @Nullable Surface[] surfaces = new @Nullable Surface[MOST_RAYS];
  private int count;

  /** The one that is being shaded. */
  private Ray ray;

  private Hit hit;

  /** The bodies between the bundle's hits and each lamp, and last the sun, where asked for. */
  private final Beam[] shafts;

  private final Shaft shaft = new Shaft();

  /** Whether they were: not yet, and then whether the shaft has few enough. */
  private final Gathered[] gathered;

  private final Ray shadow = new Ray();
  private final Nearest nearest = new Nearest();
  private final Nearest mirrored = new Nearest();
  private final Texture.Paint paint = new Texture.Paint();
  private final Texture.Paint skyPaint = new Texture.Paint();

  /** What last stood before each lamp, and at the end before the sun: likely to do so again. */
  private final @Nullable Surface[] blockers;

  /** The light found by {@link #shade}. */
  double r;

  double g;
  double b;

  Tracer(Scene scene) {
    this.scene = scene;
    int lights = scene.lamps.length + 1;
    blockers = new @Nullable Surface[lights];
    gathered = new Gathered[lights];
    shafts = new Beam[lights];
    Arrays.setAll(shafts, _ -> scene.beam());
    beam = scene.beam();
    for (int i = 0; i < MOST_RAYS; i++) {
      rays[i] = new Ray();
      hits[i] = new Hit();
    }
    ray = rays[0];
    hit = hits[0];
  }

  /** What is known of the way to a light. */
  private enum Gathered {
    NOT_YET,
    ALL,
    TOO_MANY
  }

  /** Begins a bundle of rays through a part of the picture. */
  void begin(Tile tile) {
    beam.gather(tile);
    count = 0;
    Arrays.fill(gathered, Gathered.NOT_YET);
  }

  /**
   * Finds what a ray of the bundle meets.
   *
   * @return its number in the bundle, from 0
   */
  int look(Camera.Frame frame, double px, double py) {
    int number = count++;
    Ray own = rays[number];
    frame.ray(px, py, own);
    scene.nearest(own, beam, nearest);
    Surface surface = nearest.surface;
    if (surface != null) {
      surface.describe(own, nearest.t, hits[number]);
    }
    surfaces[number] = surface;
    return number;
  }

  /** What a ray met; null for sky. */
  @Nullable Surface surface(int number) {
    return surfaces[number];
  }

  /** Where a ray met it. */
  Hit hit(int number) {
    return hits[number];
  }

  /**
   * The light that comes back along a ray of the bundle, whose rays have all been looked along.
   *
   * @param pixel angle of a pixel
   */
  void shade(int number, double pixel) {
    ray = rays[number];
    hit = hits[number];
    Surface surface = surfaces[number];
    double length = ray.length();
    if (surface == null) {
      scene.sky.look(ray.dx / length, ray.dy / length, ray.dz / length, skyPaint);
      r = skyPaint.r;
      g = skyPaint.g;
      b = skyPaint.b;
      return;
    }
    double distance = hit.t * length;
    double facing = -(hit.nx * ray.dx + hit.ny * ray.dy + hit.nz * ray.dz) / length;
    double footprint = distance * pixel / Math.sqrt(Math.max(0.02, facing));
    Material material = surface.material;
    paint.dark();
    material.texture().paint(hit, footprint, paint);
    if (material.bump() > 0) {
      bump(material, footprint);
    }
    light();
    if (material.gloss() > 0) {
      mirror(material.gloss(), Math.max(0, facing));
    }
    haze(distance, length);
  }

  /** Tilts the normal by noise, less where the bumps are below a pixel. */
  private void bump(Material material, double footprint) {
    double size = material.bumpSize();
    double tilt = material.bump() * Texture.seen(size, footprint);
    if (tilt <= 0) {
      return;
    }
    double x = hit.x / size;
    double y = hit.y / size;
    double z = hit.z / size;
    double bx = hit.nx + tilt * (Noise.value(x, y, z, 101) - 0.5);
    double by = hit.ny + tilt * (Noise.value(x, y, z, 102) - 0.5);
    double bz = hit.nz + tilt * (Noise.value(x, y, z, 103) - 0.5);
    double scale = 1 / Math.sqrt(bx * bx + by * by + bz * bz);
    hit.nx = bx * scale;
    hit.ny = by * scale;
    hit.nz = bz * scale;
  }

  /** Lambert's law for the sky, the sun and the lamps. */
  private void light() {
    Sky sky = scene.sky;
    double lr = Sky.diffuse(hit.ny, sky.above().r(), sky.below().r());
    double lg = Sky.diffuse(hit.ny, sky.above().g(), sky.below().g());
    double lb = Sky.diffuse(hit.ny, sky.above().b(), sky.below().b());
    if (sky.hasSun()) {
      double facing = hit.nx * sky.sx() + hit.ny * sky.sy() + hit.nz * sky.sz();
      if (facing > 0) {
        lift(sky.sx(), sky.sy(), sky.sz());
        int last = blockers.length - 1;
        blockers[last] = scene.blocker(shadow, Scene.FARTHEST, blockers[last], towards(last));
        if (blockers[last] == null) {
          lr += facing * sky.sun().r();
          lg += facing * sky.sun().g();
          lb += facing * sky.sun().b();
        }
      }
    }
    for (int i = 0; i < scene.lamps.length; i++) {
      Lamp lamp = scene.lamps[i];
      double dx = lamp.x() - hit.x;
      double dy = lamp.y() - hit.y;
      double dz = lamp.z() - hit.z;
      double facing = hit.nx * dx + hit.ny * dy + hit.nz * dz;
      if (facing <= 0) {
        continue;
      }
      double square = dx * dx + dy * dy + dz * dz;
      // Lamps have a size: close to one, its light does not grow without end.
      double strength = facing / Math.sqrt(square) / (square + 0.05);
      double lit = strength * lamp.light().g();
      if (lit < FAINT * lg) {
        if (lit < 0.2 * FAINT * lg) {
          continue;
        }
      } else if (lamp.shadows()) {
        lift(dx, dy, dz);
        blockers[i] = scene.blocker(shadow, 0.97, blockers[i], towards(i));
        if (blockers[i] != null) {
          continue;
        }
      }
      lr += strength * lamp.light().r();
      lg += strength * lamp.light().g();
      lb += strength * lamp.light().b();
    }
    r = paint.r * lr + paint.er;
    g = paint.g * lg + paint.eg;
    b = paint.b * lb + paint.eb;
  }

  /** The bodies that can keep a light off the bundle's hits; null if these are many. */
  private @Nullable Beam towards(int light) {
    if (gathered[light] == Gathered.NOT_YET) {
      shaft.clear();
      double most = 0;
      for (int i = 0; i < count; i++) {
        if (surfaces[i] != null) {
          double around = 1.001 * off(hits[i].t);
          shaft.add(hits[i].x, hits[i].y, hits[i].z, around);
          most = Math.max(most, around);
        }
      }
      if (light < scene.lamps.length) {
        Lamp lamp = scene.lamps[light];
        shaft.to(lamp.x(), lamp.y(), lamp.z(), most);
      } else {
        shaft.along(scene.sky.sx(), scene.sky.sy(), scene.sky.sz(), Scene.FARTHEST);
      }
      boolean all = shafts[light].gather(shaft, MOST_LEAVES);
      gathered[light] = all ? Gathered.ALL : Gathered.TOO_MANY;
    }
    return gathered[light] == Gathered.ALL ? shafts[light] : null;
  }

  private static double off(double t) {
    return LIFT * (0.5 + 0.2 * t);
  }

  /** A ray from just above the hit. */
  private void lift(double dx, double dy, double dz) {
    double off = off(hit.t);
    shadow.set(hit.x + off * hit.nx, hit.y + off * hit.ny, hit.z + off * hit.nz, dx, dy, dz);
  }

  /** Adds what a smooth surface mirrors: the sky, or the darkness of what stands before it. */
  private void mirror(double gloss, double facing) {
    double along = 2 * (ray.dx * hit.nx + ray.dy * hit.ny + ray.dz * hit.nz);
    double mx = ray.dx - along * hit.nx;
    double my = ray.dy - along * hit.ny;
    double mz = ray.dz - along * hit.nz;
    double scale = 1 / Math.sqrt(mx * mx + my * my + mz * mz);
    // Schlick's approximation of Fresnel's law.
    double graze = 1 - facing;
    double graze5 = graze * graze * graze * graze * graze;
    double share = gloss * (0.1 + 0.9 * graze5);
    lift(mx * scale, my * scale, mz * scale);
    scene.nearest(shadow, mirrored);
    if (mirrored.surface == null) {
      scene.sky.look(mx * scale, Math.abs(my) * scale, mz * scale, skyPaint);
    } else {
      mirrored.surface.describe(shadow, mirrored.t, shadow.probe);
      skyPaint.dark();
      mirrored.surface.material.texture().paint(shadow.probe, 0.2, skyPaint);
      double up = shadow.probe.ny;
      Sky sky = scene.sky;
      double sun =
          Math.max(
              0,
              shadow.probe.nx * sky.sx() + shadow.probe.ny * sky.sy() + shadow.probe.nz * sky.sz());
      skyPaint.r *= Sky.diffuse(up, sky.above().r(), sky.below().r()) + sun * sky.sun().r();
      skyPaint.g *= Sky.diffuse(up, sky.above().g(), sky.below().g()) + sun * sky.sun().g();
      skyPaint.b *= Sky.diffuse(up, sky.above().b(), sky.below().b()) + sun * sky.sun().b();
      skyPaint.r += skyPaint.er;
      skyPaint.g += skyPaint.eg;
      skyPaint.b += skyPaint.eb;
    }
    r += (skyPaint.r - r) * share;
    g += (skyPaint.g - g) * share;
    b += (skyPaint.b - b) * share;
  }

  /** Mixes in the air between the camera and the hit. */
  private void haze(double distance, double length) {
    Sky sky = scene.sky;
    if (sky.haze() <= 0) {
      return;
    }
    double clear = Sky.clear(sky.haze(), distance);
    double towardsSun = (ray.dx * sky.sx() + ray.dy * sky.sy() + ray.dz * sky.sz()) / length;
    double shine = sky.glow() * 0.1 * Math.max(0, towardsSun) * Math.max(0, towardsSun);
    r = clear * r + (1 - clear) * (sky.horizon().r() + shine * sky.sun().r());
    g = clear * g + (1 - clear) * (sky.horizon().g() + shine * sky.sun().g());
    b = clear * b + (1 - clear) * (sky.horizon().b() + shine * sky.sun().b());
  }
}
