package dev.fathom.training.synth;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.training.data.GroundTruth;
import dev.fathom.training.data.Sample;
import dev.fathom.training.random.Philox;
import dev.fathom.training.random.Purpose;
import dev.fathom.training.synth.BoxTree.Nearest;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What rays meet, beside formulas. */
final class GeometryTest {
  private static final Material GREY = Material.plain(new Rgb(0.5, 0.5, 0.5));

  private static Sky sky() {
    return Light.day(new Stage(stream(0)), 0);
  }

  private static Philox stream(int index) {
    return new Philox(1, Purpose.SCENE, 1000, index);
  }

  private static float[] depth(
      List<Solid> solids, List<Surface> grounds, Camera camera, int width, int height) {
    Sensor sensor = Sensor.any(stream(1));
    Scene scene = new Scene(solids, grounds, sky(), List.of(), camera, sensor);
    Sample sample = SceneRenderer.render("test", scene, width, height);
    GroundTruth truth = sample.truth();
    assertEquals(GroundTruth.Kind.DEPTH, truth.kind());
    return truth.values();
  }

  @Test
  void aPlaneIsWhereItIs() {
    double eye = 1.5;
    double pitch = -0.3;
    double roll = 0.2;
    double fov = 1.1;
    Camera camera = new Camera(3, eye, -2, 0.7, pitch, roll, fov);
    int width = 37;
    int height = 23;
    float[] depth =
        depth(List.of(), List.of(new Level(SceneClass.GROUND, GREY, 0)), camera, width, height);
    double focal = width / 2.0 / Math.tan(fov / 2);
    for (int y = 0; y < height; y++) {
      for (int x = 0; x < width; x++) {
        // Turn the image point back by the roll, then compare angles below the horizon.
        double a = (x + 0.5 - width / 2.0) / focal;
        double b = (y + 0.5 - height / 2.0) / focal;
        double level = a * Math.sin(roll) + b * Math.cos(roll);
        double drop = level * Math.cos(pitch) - Math.sin(pitch);
        double expected = drop > 0 ? eye / drop : Double.POSITIVE_INFINITY;
        if (expected > Scene.FARTHEST) {
          expected = Double.POSITIVE_INFINITY;
        }
        assertEquals(
            (float) expected, depth[y * width + x], (float) (1e-6 * expected), x + "," + y);
      }
    }
  }

  @Test
  void aBallIsWhereItIs() {
    double distance = 5;
    double radius = 1.25;
    double fov = 0.9;
    int side = 31;
    Solid ball = new Ellipsoid(SceneClass.SPHERE, GREY, 0, 0, distance, radius, radius, radius);
    float[] depth = depth(List.of(ball), List.of(), new Camera(0, 0, 0, 0, 0, 0, fov), side, side);
    double focal = side / 2.0 / Math.tan(fov / 2);
    int hits = 0;
    for (int i = 0; i < side * side; i++) {
      double a = (i % side + 0.5 - side / 2.0) / focal;
      int row = i / side;
      double b = (row + 0.5 - side / 2.0) / focal;
      double square = 1 + a * a + b * b;
      double under = distance * distance - square * (distance * distance - radius * radius);
      float expected =
          under < 0 ? Float.POSITIVE_INFINITY : (float) ((distance - Math.sqrt(under)) / square);
      assertEquals(expected, depth[i], 1e-5f);
      hits += under < 0 ? 0 : 1;
    }
    assertEquals((float) (distance - radius), depth[side * side / 2], 1e-6f);
    assertTrue(hits > 50 && hits < side * side);
  }

  @Test
  void bodiesAreMetOnTheirAxes() {
    Camera ahead = new Camera(0, 1, 0, 0, 0, 0, 0.5);
    List<Surface> none = List.of();
    Solid turned = new Box(SceneClass.BOX, GREY, 0, 1, 6, 1, 1, 1, Math.PI / 4);
    assertEquals(6 - Math.sqrt(2), depth(List.of(turned), none, ahead, 1, 1)[0], 1e-5);
    Solid pole = new Frustum(SceneClass.POLE, GREY, 0, 0, 4, 0, 3, 4, 0.2, 0.2);
    assertEquals(3.8, depth(List.of(pole), none, ahead, 1, 1)[0], 1e-6);
    Solid cone = new Frustum(SceneClass.POLE, GREY, 0, 0, 4, 0, 2, 4, 0.6, 0.2);
    assertEquals(3.6, depth(List.of(cone), none, ahead, 1, 1)[0], 1e-6);
    Solid lying = new Frustum(SceneClass.POLE, GREY, 0, 1, 3, 0, 1, 5, 0.3, 0.3);
    assertEquals(3, depth(List.of(lying), none, ahead, 1, 1)[0], 1e-6);
    Stage stage = new Stage(stream(2));
    new Place(stage, 0, 0, 5, Math.PI / 2).wedge(SceneClass.BUILDING, GREY, 0, 0, 0, 2, 2, 1, 1, 2);
    stage.sky(sky());
    stage.camera(ahead);
    Ray ray = new Ray();
    ray.set(0, 1, 0, 0, 0, 1);
    Nearest nearest = new Nearest();
    stage.scene().nearest(ray, nearest);
    assertEquals(4.25, nearest.t, 1e-9, "half way up, the side has come in by a quarter");
  }

  @Test
  void holesLetThrough() {
    Material pickets = GREY.open(hit -> hit.u > 0);
    Solid panel = new Box(SceneClass.POLE, pickets, 0, 0, 2, 1, 1, 0.01, 0);
    Ray ray = new Ray();
    ray.set(0.5, 0, 0, 0, 0, 1);
    assertEquals(1.99, panel.distance(ray, 100), 1e-9);
    ray.set(-0.5, 0, 0, 0, 0, 1);
    assertEquals(Double.POSITIVE_INFINITY, panel.distance(ray, 100));
  }

  private static List<Solid> solids(Philox random) {
    List<Solid> solids = new ArrayList<>();
    for (int i = 0; i < 150; i++) {
      double x = random.uniform(-10, 10);
      double y = random.uniform(-10, 10);
      double z = random.uniform(-10, 10);
      double size = random.uniform(0.1, 1.5);
      solids.add(
          switch (i % 3) {
            case 0 -> new Box(SceneClass.BOX, GREY, x, y, z, size, 0.5, 0.3, random.uniform(0, 3));
            case 1 -> new Ellipsoid(SceneClass.SPHERE, GREY, x, y, z, size, 0.5, 0.7);
            default ->
                new Frustum(SceneClass.POLE, GREY, x, y, z, x + size, y - 1, z + 0.4, 0.3, 0.1);
          });
    }
    return solids;
  }

  @Test
  void theTreeFindsWhatALinearSearchFinds() {
    Philox random = stream(3);
    List<Solid> solids = solids(random);
    BoxTree tree = new BoxTree(solids);
    Ray ray = new Ray();
    Nearest found = new Nearest();
    int hits = 0;
    for (int i = 0; i < 5000; i++) {
      ray.set(
          random.uniform(-12, 12),
          random.uniform(-12, 12),
          -14,
          random.uniform(-0.5, 0.5),
          i % 7 == 0 ? 0 : random.uniform(-0.5, 0.5),
          1);
      Surface expected = null;
      double nearest = 50;
      for (Solid solid : solids) {
        double t = solid.distance(ray, nearest);
        if (t < nearest) {
          nearest = t;
          expected = solid;
        }
      }
      found.clear(50);
      tree.nearest(ray, 50, found);
      assertEquals(nearest, found.t);
      assertSame(expected, found.surface);
      assertEquals(expected != null, tree.blocker(ray, 50) != null);
      hits += expected != null ? 1 : 0;
    }
    assertTrue(hits > 500, hits + " hits");
  }

  /** Bundles of rays, with bodies that share faces: of equals the tree's is found. */
  @Test
  void aBeamFindsWhatTheTreeFinds() {
    Philox random = stream(6);
    List<Solid> solids = solids(random);
    for (int i = 0; i < 30; i++) {
      double x = random.uniform(-6, 6);
      double y = random.uniform(-6, 6);
      solids.add(new Box(SceneClass.BOX, GREY, x, y, 2, 0.8, 0.6, 0.5, 0));
      solids.add(new Box(SceneClass.WALL, GREY, x + 0.3, y + 0.2, 2, 0.7, 0.7, 0.5, 0));
    }
    BoxTree tree = new BoxTree(solids);
    Beam beam = new Beam(tree);
    Beam.Tile tile = new Beam.Tile();
    Camera.Frame frame = new Camera(0.5, -0.2, -13, 0.1, 0.05, 0.2, 1.2).frame(60, 44);
    Ray ray = new Ray();
    Nearest expected = new Nearest();
    Nearest found = new Nearest();
    int hits = 0;
    for (int top = 0; top < 44; top += 4) {
      for (int left = 0; left < 60; left += 4) {
        tile.set(frame, left, top, left + 4, top + 4);
        beam.gather(tile);
        assertTrue(beam.size() < solids.size() / 2, beam.size() + " leaves");
        for (int i = 0; i < 40; i++) {
          frame.ray(left + random.uniform(0, 4), top + random.uniform(0, 4), ray);
          expected.clear(Scene.FARTHEST);
          tree.nearest(ray, Scene.FARTHEST, expected);
          found.clear(Scene.FARTHEST);
          beam.nearest(ray, found);
          assertSame(expected.surface, found.surface);
          assertEquals(expected.t, found.t);
          hits += found.surface == null ? 0 : 1;
        }
      }
    }
    assertTrue(hits > 1000, hits + " hits");
  }

  @Test
  void aShaftHasEverythingBeforeALight() {
    Philox random = stream(7);
    BoxTree tree = new BoxTree(solids(random));
    Beam beam = new Beam(tree);
    Beam.Shaft shaft = new Beam.Shaft();
    Ray ray = new Ray();
    int blocked = 0;
    for (int i = 0; i < 2000; i++) {
      double x = random.uniform(-12, 12);
      double y = random.uniform(-12, 12);
      double z = random.uniform(-12, 12);
      double lx = random.uniform(-12, 12);
      double ly = i % 5 == 0 ? y : random.uniform(-12, 12);
      double lz = random.uniform(-12, 12);
      double around = 0.02;
      boolean sun = i % 2 == 0;
      shaft.clear();
      shaft.add(x, y, z, around);
      shaft.add(x + 0.4, y, z - 0.3, around);
      if (sun) {
        shaft.along(lx, ly, lz, 3);
      } else {
        shaft.to(lx, ly, lz, around);
      }
      assertTrue(beam.gather(shaft, 1000));
      for (int k = 0; k < 10; k++) {
        double hx = x + (k % 2) * 0.4;
        double hz = z - (k % 2) * 0.3;
        double off = random.uniform(-around, around);
        double dx = sun ? lx : lx - hx;
        double dy = sun ? ly : ly - y;
        double dz = sun ? lz : lz - hz;
        ray.set(hx + off, y - off, hz + off, dx, dy, dz);
        double limit = sun ? 3 : 0.97;
        boolean expected = tree.blocker(ray, limit) != null;
        assertEquals(expected, beam.blocker(ray, limit) != null);
        blocked += expected ? 1 : 0;
      }
      int all = beam.size();
      assertEquals(all <= 3, beam.gather(shaft, 3));
    }
    assertTrue(blocked > 1000, blocked + " blocked");
  }

  @Test
  void aSlopeOfTerrainIsAPlane() {
    double slopeX = 0.3;
    double slopeZ = -0.2;
    Terrain terrain = new Terrain(GREY, 0.5, -1, (x, z) -> slopeX * x + slopeZ * z - 2);
    Philox random = stream(4);
    Ray ray = new Ray();
    for (int i = 0; i < 2000; i++) {
      ray.set(
          0.1, 0.3, -0.2, random.uniform(-2, 2), random.uniform(-1, 0.4), random.uniform(-2, 2));
      double over = ray.oy - slopeX * ray.ox - slopeZ * ray.oz + 2;
      double falling = slopeX * ray.dx + slopeZ * ray.dz - ray.dy;
      double expected = falling > 0 ? over / falling : Double.POSITIVE_INFINITY;
      double reach =
          Math.max(Math.abs(ray.ox + expected * ray.dx), Math.abs(ray.oz + expected * ray.dz));
      boolean onGrid = reach < terrain.reach();
      double t = terrain.distance(ray, 1e9);
      if (onGrid) {
        assertEquals(expected, t, 1e-7 * expected, "ray " + i);
      } else {
        assertEquals(Double.POSITIVE_INFINITY, t, "ray " + i);
      }
    }
  }

  @Test
  void raysEndOnRoughTerrainAndNotBefore() {
    Terrain terrain =
        new Terrain(GREY, 0.5, -1, (x, z) -> 12 * Noise.octaves(x / 18, z / 18, 4, 5) - 6);
    double eye = terrain.height(0, 0) + 2;
    Philox random = stream(5);
    Ray ray = new Ray();
    int hits = 0;
    for (int i = 0; i < 400; i++) {
      ray.set(0, eye, 0, random.uniform(-1, 1), random.uniform(-0.2, 0.15), random.uniform(-1, 1));
      double t = terrain.distance(ray, 300);
      double until = Math.min(t, 40) - 1e-6;
      for (double s = 0.02; s < until; s += 0.02) {
        double above = ray.oy + s * ray.dy - terrain.height(s * ray.dx, s * ray.dz);
        // A skirt may stand up to a coarse cell's error over the finer grid's edge.
        boolean seam = Math.abs(Math.max(Math.abs(s * ray.dx), Math.abs(s * ray.dz)) - 24) < 0.05;
        assertTrue(above > -1e-9 || seam, "under ground at " + s + " of " + t);
      }
      if (t < 20) {
        hits++;
        assertEquals(terrain.height(t * ray.dx, t * ray.dz), ray.oy + t * ray.dy, 1e-6, "ray " + i);
      }
    }
    assertTrue(hits > 50, hits + " hits");
  }
}
