package dev.fathom.training.synth;

/** Forests and parks. */
final class WoodLayouts {
  private WoodLayouts() {}

  /** Trunks in fog. */
  static void forest(Stage stage) {
    int seed = stage.seed();
    double roll = stage.between(1.5, 6);
    Rgb moss = Rgb.of(0x5A6A34).vary(stage.random, 0.3);
    Rgb litter = Rgb.of(0x7A5A38).vary(stage.random, 0.3);
    Material skin = Material.of(new Soils.Grass(moss, litter, stage.seed())).bumpy(0.6, 0.3);
    Terrain terrain =
        new Terrain(
            skin,
            0.5,
            -1,
            (x, z) ->
                roll * (Noise.octaves(x / 25 + 7, z / 25 + 7, 3, seed) - 0.5)
                    + 0.3 * Noise.value(x / 1.5, z / 1.5, seed + 8));
    stage.ground(terrain);
    stage.ground(new Level(SceneClass.GROUND, skin, terrain.lowest() - 0.5));
    Rgb tint = new Rgb(0.62, 0.68, 0.72).mix(new Rgb(0.8, 0.7, 0.5), stage.random.nextDouble());
    stage.sky(Light.overcast(stage, tint, stage.between(0.015, 0.07)));
    double yaw = stage.between(-0.6, 0.6);
    stage.claim(0, 0, 1.2);
    Material[] barks = {
      Plants.bark(stage, Rgb.of(0x5C4A3A)),
      Plants.bark(stage, stage.chance(0.3) ? Rgb.of(0xC8C4BA) : Rgb.of(0x463A30))
    };
    Material leaves = Plants.leaves(stage, Rgb.of(0x4A6A30), 0.6);
    Material needles = Plants.leaves(stage, Rgb.of(0x2C4630), 0.7);
    double firs = stage.chance(0.4) ? stage.between(0.3, 0.8) : 0;
    double leafy = stage.between(0, 0.4);
    int trees = stage.count(60, 130);
    for (int i = 0; i < trees; i++) {
      double share = stage.random.nextDouble();
      double distance = 2.2 + 50 * share;
      double angle = yaw + stage.between(-0.85, 0.85);
      double x = distance * StrictMath.sin(angle);
      double z = distance * StrictMath.cos(angle);
      if (!stage.claim(x, z, 0.55)) {
        continue;
      }
      Place at = new Place(stage, x, stage.height(x, z), z, stage.between(0, 6));
      Material bark = barks[stage.random.nextInt(2)];
      if (stage.chance(firs)) {
        Plants.conifer(at, stage.between(4, 14), needles, bark);
      } else if (stage.chance(leafy)) {
        Plants.broadleaf(at, stage.between(5, 11), leaves, bark);
      } else {
        Plants.bare(at, stage.between(8, 18), bark);
      }
    }
    undergrowth(stage, yaw, leaves, barks[0]);
    stage.camera(
        new Camera(
            0,
            stage.height(0, 0) + stage.between(0.9, 2.2),
            0,
            yaw,
            stage.between(-0.2, 0.2),
            stage.between(-0.1, 0.1),
            stage.between(0.8, 1.5)));
  }

  private static void undergrowth(Stage stage, double yaw, Material leaves, Material bark) {
    Material rock = Plants.rock(stage, Rgb.of(0x6A6C62));
    int things = stage.count(8, 26);
    for (int i = 0; i < things; i++) {
      double distance = stage.between(2.2, 18);
      double angle = yaw + stage.between(-0.8, 0.8);
      double x = distance * StrictMath.sin(angle);
      double z = distance * StrictMath.cos(angle);
      if (!stage.claim(x, z, 0.3)) {
        continue;
      }
      Place at = new Place(stage, x, stage.height(x, z), z, stage.between(0, 6));
      switch (stage.random.nextInt(5)) {
        case 0 -> Plants.boulder(at, stage.between(0.2, 0.7), rock);
        case 1 -> {
          double r = stage.between(0.1, 0.3);
          double reach = stage.between(1, 3);
          at.rod(SceneClass.VEGETATION, bark, -reach, r, 0, reach, r + 0.2, 0, r);
        }
        case 2 -> at.post(SceneClass.VEGETATION, bark, 0, -0.2, 0, 0.6, stage.between(0.15, 0.35));
        default -> Plants.bush(at, stage.between(0.4, 1.1), leaves);
      }
    }
  }

  /** Lawns, paths, hedges, a pond. */
  static void park(Stage stage) {
    Rgb green = Rgb.of(0x5E9A3A).vary(stage.random, 0.2);
    Texture grass = new Soils.Grass(green, green.mix(Rgb.of(0xB0A860), 0.4), stage.seed());
    Rgb gravel = Rgb.of(0xC8B698).vary(stage.random, 0.2);
    Texture way =
        stage.chance(0.5)
            ? new Soils.Drift(gravel, gravel.times(0.85), 1.5, 0.5, stage.seed())
            : new Textures.Tiles(
                gravel, gravel.times(0.9), gravel.times(0.5), 0.4, 0.02, stage.seed());
    Soils.Path path =
        new Soils.Path(
            grass,
            way,
            stage.between(1.6, 3.4),
            stage.between(0, 4),
            stage.between(12, 30),
            stage.between(-3, 3));
    stage.ground(new Level(SceneClass.GROUND, Material.of(path), 0));
    stage.sky(
        stage.chance(0.8)
            ? Light.day(stage, stage.between(0.0006, 0.004))
            : Light.overcast(stage, new Rgb(0.8, 0.84, 0.9), 0.004));
    double cx = stage.chance(0.6) ? path.middle(0) : stage.between(-4, 4);
    stage.claim(cx, 0, 1.6);
    pond(stage, cx);
    sides(stage, path);
    trees(stage, path);
    stage.camera(
        new Camera(
            cx,
            stage.between(0.9, 2.6),
            0,
            stage.between(-0.45, 0.45),
            stage.between(-0.2, 0.12),
            stage.between(-0.07, 0.07),
            stage.between(0.8, 1.5)));
  }

  private static void pond(Stage stage, double cx) {
    if (!stage.chance(0.6)) {
      return;
    }
    double r = stage.between(2.5, 6);
    double x = cx + (stage.chance(0.5) ? 1 : -1) * stage.between(r + 2, r + 6);
    double z = stage.between(6, 18) + r;
    if (!stage.claim(x, z, r + 0.5)) {
      return;
    }
    Place at = new Place(stage, x, 0, z, 0);
    Material rim = Material.plain(Rgb.of(0xA8A298));
    Rgb deep = Rgb.of(0x23424A).vary(stage.random, 0.3);
    Material water =
        Material.of(new Soils.Drift(deep, deep.times(0.7), 3, 0, stage.seed()))
            .glossy(0.9)
            .bumpy(0.08, 0.3);
    at.post(SceneClass.CYLINDER, rim, 0, -0.2, 0, 0.38, r + 0.3);
    at.post(SceneClass.WATER, water, 0, -0.1, 0, 0.3, r);
    if (stage.chance(0.5)) {
      at.post(SceneClass.CYLINDER, rim, 0, 0, 0, 1.3, 0.25);
      at.cone(SceneClass.CYLINDER, rim, 0, 1.2, 0, 0, 1.5, 0, 0.3, 0.9);
      at.ball(SceneClass.SPHERE, rim, 0, 1.75, 0, 0.3);
    }
  }

  /** What stands along the path. */
  private static void sides(Stage stage, Soils.Path path) {
    for (int side = -1; side <= 1; side += 2) {
      double off = path.width() / 2 + 0.8;
      if (stage.chance(0.55)) {
        Material hedge = hedge(stage);
        double h = stage.between(0.5, 1.4);
        double from = stage.between(3, 9);
        double x = path.shift() + side * (Math.abs(path.swing()) + off + stage.between(0.6, 4));
        stage.box(
            SceneClass.VEGETATION, hedge, x, h / 2, from + 12, stage.between(0.5, 0.9), h, 24);
        for (double z = from; z < from + 24; z += 0.8) {
          stage.claim(x, z, 0.5);
        }
      }
      for (double z = stage.between(3, 8); z < 45; z += stage.between(4, 10)) {
        double x = path.middle(z) + side * off;
        if (!stage.claim(x, z, 0.7)) {
          continue;
        }
        Place at = new Place(stage, x, 0, z, side * Math.PI / 2);
        switch (stage.random.nextInt(6)) {
          case 0, 1 -> StreetThings.bench(at);
          case 2 -> lantern(at);
          case 3 -> statue(at);
          default -> StreetThings.oddment(at);
        }
      }
    }
    if (stage.chance(0.6)) {
      int style = stage.random.nextInt(3);
      double z = stage.between(12, 35);
      double gap = path.middle(z);
      for (int side = -1; side <= 1; side += 2) {
        StreetThings.fence(
            new Place(stage, gap + side * (path.width() / 2 + 9.5), 0, z, 0),
            18,
            stage.between(0.9, 1.6),
            style);
      }
    }
    if (stage.chance(0.5)) {
      Place far = new Place(stage, stage.between(-25, 25), 0, stage.between(45, 80), 0);
      StreetThings.house(
          far,
          stage.between(10, 24),
          stage.between(5, 16),
          9,
          StreetThings.facade(stage, 0),
          Rgb.of(0x6A4438));
    }
  }

  private static Material hedge(Stage stage) {
    Rgb green = Rgb.of(0x3E6A2C).vary(stage.random, 0.2);
    return Material.of(new Soils.Leaves(green.times(1.4), green.times(0.45), 0.06, stage.seed()))
        .bumpy(1.5, 0.12);
  }

  private static void lantern(Place at) {
    Material iron = Material.plain(Rgb.of(0x24302A));
    at.cone(SceneClass.POLE, iron, 0, 0, 0, 0, 2.9, 0, 0.06, 0.035);
    at.post(SceneClass.POLE, iron, 0, 0, 0, 0.3, 0.12);
    at.ball(SceneClass.SPHERE, Material.plain(Rgb.of(0xF0EEE0)), 0, 3.05, 0, 0.2);
  }

  private static void statue(Place at) {
    Stage stage = at.stage;
    Material stone = Plants.rock(stage, Rgb.of(0xB4B0A6));
    at.box(SceneClass.BOX, stone, 0, 0, 0, 0.8, 0.9, 0.8);
    if (stage.chance(0.5)) {
      at.ball(SceneClass.SPHERE, stone, 0, 1.35, 0, 0.45);
    } else {
      at.cone(SceneClass.CYLINDER, stone, 0, 0.9, 0, 0, 2, 0, 0.28, 0.16);
      at.ball(SceneClass.SPHERE, stone, 0, 2.15, 0, 0.2);
    }
  }

  private static void trees(Stage stage, Soils.Path path) {
    Rgb green = Rgb.of(0x548A36).vary(stage.random, 0.2);
    Material[] leaves = {
      Plants.leaves(stage, green, 0.75),
      Plants.leaves(stage, stage.chance(0.3) ? Rgb.of(0xD08AA0) : Rgb.of(0x7A9A3A), 0.7)
    };
    Material bark = Plants.bark(stage, Rgb.of(0x5A4634));
    int trees = stage.count(10, 34);
    for (int i = 0; i < trees; i++) {
      double z = stage.between(4, 70);
      double x = path.middle(z) + stage.between(-0.9, 0.9) * (8 + z);
      if (Math.abs(x - path.middle(z)) < path.width() / 2 + 1 || !stage.claim(x, z, 1)) {
        continue;
      }
      Place at = new Place(stage, x, 0, z, stage.between(0, 6));
      if (stage.chance(0.25)) {
        Plants.bush(at, stage.between(0.7, 1.6), leaves[stage.random.nextInt(2)]);
      } else {
        Plants.broadleaf(at, stage.between(4, 10), leaves[stage.random.nextInt(2)], bark);
      }
    }
  }
}
