package dev.fathom.training.synth;

/** Streets by day and at dusk. */
final class StreetLayouts {
  private StreetLayouts() {}

  static void day(Stage stage) {
    double haze = stage.chance(0.3) ? stage.between(0.002, 0.008) : 0.0008;
    stage.sky(Light.day(stage, haze));
    lay(stage, 0.04, Rgb.BLACK);
  }

  static void dusk(Stage stage) {
    stage.sky(Light.dusk(stage, stage.between(0.001, 0.006)));
    Rgb light = new Rgb(1, stage.between(0.6, 0.85), stage.between(0.25, 0.7));
    lay(stage, stage.between(0.3, 0.6), light.times(stage.between(5, 10)));
    stage.expose(stage.between(0.5, 0.9));
  }

  private static void lay(Stage stage, double lit, Rgb lampLight) {
    double road = stage.between(2.8, 6);
    double walk = stage.between(1.4, 3.6);
    double edge = road + walk;
    Rgb asphalt = Rgb.hsv(0.6, 0.04, stage.between(0.3, 0.5));
    Material carriageway =
        Material.of(
                new Textures.Carriageway(
                    asphalt, Rgb.of(0xDCDAD0), road, stage.between(4, 9), stage.seed()))
            .glossy(stage.chance(0.3) ? 0.5 : 0.1);
    stage.ground(new Level(SceneClass.ROAD, carriageway, 0));
    Rgb stone = Rgb.hsv(0.1, 0.1, stage.between(0.55, 0.75));
    Material paving =
        Material.of(
            new Textures.Tiles(
                stone, stone.times(0.9), stone.times(0.5), stage.between(0.3, 0.7), 0.015, 7));
    Material kerb = Material.plain(Rgb.of(0xA8A6A0));
    double length = 160;
    for (int side = -1; side <= 1; side += 2) {
      stage.box(
          SceneClass.ROAD,
          paving,
          side * (edge + 6),
          0,
          length / 2 - 20,
          12 + 2 * walk,
          0.26,
          length);
      stage.box(
          SceneClass.ROAD, kerb, side * (road + 0.08), 0, length / 2 - 20, 0.16, 0.28, length);
    }
    boolean onWalk = stage.chance(0.4);
    double camX =
        onWalk
            ? (stage.chance(0.5) ? 1 : -1) * (road + 0.5 * walk)
            : stage.between(-0.6, 0.6) * road;
    stage.claim(camX, 0, 1.6);
    stage.claim(camX, 2.5, 0.9);
    for (int side = -1; side <= 1; side += 2) {
      houses(stage, side, edge, lit);
      furniture(stage, side, road, walk, lampLight);
      cars(stage, side, road);
    }
    if (stage.chance(0.5)) {
      StreetThings.powerLine(
          stage, (stage.chance(0.5) ? 1 : -1) * (road + 0.5), stage.between(-12, 6), 24, 4);
    }
    if (stage.chance(0.35)) {
      Place end = new Place(stage, stage.between(-6, 6), 0, stage.between(70, 110), 0);
      StreetThings.house(
          end,
          stage.between(14, 30),
          stage.between(8, 24),
          10,
          StreetThings.facade(stage, lit),
          Rgb.of(0x554840));
    }
    boolean high = stage.chance(0.2);
    stage.camera(
        new Camera(
            camX,
            high ? stage.between(4, 9) : stage.between(1.1, 2.4),
            0,
            stage.between(-0.5, 0.5),
            high ? stage.between(-0.45, -0.1) : stage.between(-0.12, 0.16),
            stage.between(-0.06, 0.06),
            stage.between(0.75, 1.6)));
  }

  private static void houses(Stage stage, int side, double edge, double lit) {
    double z = stage.between(-14, -6);
    double tallest = stage.between(5, 22);
    while (z < 120) {
      double width = stage.between(6, 16);
      double height = Math.max(4, tallest * stage.between(0.5, 1.1));
      double depth = stage.between(8, 14);
      double setback = stage.chance(0.3) ? stage.between(0.5, 3) : 0;
      Rgb roof = stage.chance(0.5) ? Rgb.of(0x7A3E30) : Rgb.of(0x4A4A50);
      Place at =
          new Place(
              stage, side * (edge + depth / 2 + setback), 0, z + width / 2, side * Math.PI / 2);
      StreetThings.house(at, width, height, depth, StreetThings.facade(stage, lit), roof);
      z += width + (stage.chance(0.35) ? stage.between(1, 9) : 0.02);
    }
  }

  private static void furniture(Stage stage, int side, double road, double walk, Rgb lampLight) {
    double kerbside = side * (road + 0.45);
    double spacing = stage.between(14, 24);
    double height = stage.between(4.5, 7);
    for (double z = stage.between(3, 12); z < 70; z += spacing) {
      if (stage.claim(kerbside, z, 0.4)) {
        StreetThings.lampPost(
            new Place(stage, kerbside, 0.13, z, side > 0 ? Math.PI : 0),
            height,
            z < 45 ? lampLight : Rgb.BLACK);
      }
    }
    if (stage.chance(0.6)) {
      Material leaves = Plants.leaves(stage, Rgb.of(0x5E8A38), 0.72);
      Material bark = Plants.bark(stage, Rgb.of(0x5A4634));
      double gap = stage.between(8, 14);
      for (double z = stage.between(5, 12); z < 60; z += gap) {
        double x = side * (road + Math.min(1.1, 0.5 * walk));
        if (stage.claim(x, z, 0.5)) {
          Plants.broadleaf(
              new Place(stage, x, 0.13, z, stage.between(0, 3)),
              stage.between(4.5, 8),
              leaves,
              bark);
        }
      }
    }
    int things = stage.count(2, 7);
    for (int i = 0; i < things; i++) {
      double x = side * (road + stage.between(0.4, Math.max(0.6, walk - 0.4)));
      double z = stage.between(3, 30);
      if (stage.claim(x, z, 0.5)) {
        Place at = new Place(stage, x, 0.13, z, side * Math.PI / 2);
        if (stage.chance(0.15)) {
          StreetThings.bench(at);
        } else {
          StreetThings.oddment(at);
        }
      }
    }
  }

  private static void cars(Stage stage, int side, double road) {
    double x = side * (road - 1.15);
    for (double z = stage.between(5, 14); z < 60; z += stage.between(5.5, 22)) {
      if (stage.claim(x, z, 1.1)) {
        StreetThings.car(new Place(stage, x, 0, z, side > 0 ? 0 : Math.PI));
      }
    }
    if (road > 4 && stage.chance(0.5)) {
      double z = stage.between(9, 40);
      double lane = side * stage.between(1, 0.3 * road);
      if (stage.claim(lane, z, 2)) {
        StreetThings.car(new Place(stage, lane, 0, z, side > 0 ? 0.05 : Math.PI));
      }
    }
  }
}
