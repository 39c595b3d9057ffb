package dev.fathom.training.synth;

/** Hills, snow and canyons. */
final class LandLayouts {
  private LandLayouts() {}

  /** The plane beyond the terrain, so that no gap shows below the horizon. */
  private static void terrain(Stage stage, Terrain terrain, Material far, double drop) {
    stage.ground(terrain);
    stage.ground(new Level(SceneClass.GROUND, far, terrain.lowest() - drop));
  }

  private static void standHere(
      Stage stage, double eye, double yaw, double pitchLow, double pitchHigh) {
    stage.camera(
        new Camera(
            0,
            stage.height(0, 0) + eye,
            0,
            yaw,
            stage.between(pitchLow, pitchHigh),
            stage.between(-0.08, 0.08),
            stage.between(0.7, 1.5)));
  }

  /** Rolling grassland before mountains, with trees, fences, huts. */
  static void hills(Stage stage) {
    int seed = stage.seed();
    double roll = stage.between(4, 14);
    double peaks = stage.between(20, 130);
    Rgb green = Rgb.of(0x6E9440).vary(stage.random, 0.25);
    Rgb dry = Rgb.of(0xB0A060).vary(stage.random, 0.2);
    Texture grass = new Soils.Grass(green, dry, stage.seed());
    Texture cliff = new Textures.Mottled(Rgb.of(0x9A9288), Rgb.of(0x5A544E), 3, 4, stage.seed());
    Texture top =
        stage.chance(0.5)
            ? new Soils.Drift(Rgb.of(0xF2F4F8), Rgb.of(0xD8E0EC), 20, 0.05, stage.seed())
            : cliff;
    double limit = stage.between(0.72, 0.82);
    Material skin =
        Material.of(new Soils.Slopes(grass, cliff, top, stage.between(35, 80), limit, seed))
            .bumpy(0.35, 0.7);
    terrain(
        stage,
        new Terrain(
            skin,
            0.6,
            limit,
            (x, z) -> {
              double far = Math.sqrt(x * x + z * z);
              double h = roll * (Noise.octaves(x / 55 + 100, z / 55 + 100, 4, seed) - 0.5);
              double mountains =
                  far < 90
                      ? 0
                      : peaks
                          * Noise.step(90, 420, far)
                          * Noise.ridges(x / 230, z / 230, 5, seed + 20);
              return h + mountains + 0.25 * Noise.value(x / 2.5, z / 2.5, seed + 9);
            }),
        skin,
        1);
    stage.sky(Light.day(stage, stage.between(0.0006, 0.003)));
    boolean lake = stage.chance(0.35);
    if (lake) {
      double level =
          Math.min(stage.height(0, 0) - 0.6, stage.height(10, 40) + stage.between(-0.5, 1));
      stage.ground(new Level(SceneClass.WATER, water(stage, Rgb.of(0x1E3C48)), level));
    }
    double yaw = stage.between(-0.5, 0.5);
    stage.claim(0, 0, 2.5);
    Rgb leafColour =
        stage.chance(0.25) ? Rgb.of(0xB8742A) : Rgb.of(0x4E7A30).vary(stage.random, 0.2);
    Material[] leaves = {
      Plants.leaves(stage, leafColour, 0.7), Plants.leaves(stage, leafColour, 0.6)
    };
    Material bark = Plants.bark(stage, Rgb.of(0x5A4634));
    int trees = stage.count(5, 26);
    for (int i = 0; i < trees; i++) {
      scatter(
          stage,
          yaw,
          5,
          110,
          0.8,
          at -> {
            Plants.broadleaf(at, stage.between(4, 10), leaves[stage.random.nextInt(2)], bark);
          });
    }
    stones(stage, yaw, Plants.rock(stage, Rgb.of(0x8C867C)), stage.count(2, 10), 1.1);
    int bushes = stage.count(2, 12);
    for (int i = 0; i < bushes; i++) {
      scatter(stage, yaw, 3, 40, 0.5, at -> Plants.bush(at, stage.between(0.6, 1.8), leaves[0]));
    }
    if (stage.chance(0.5)) {
      hut(stage, yaw);
    }
    if (stage.chance(0.45)) {
      StreetThings.powerLine(
          stage, (stage.chance(0.5) ? 1 : -1) * stage.between(4, 12), stage.between(4, 12), 28, 5);
    }
    if (stage.chance(0.45)) {
      fenceRow(stage, stage.between(4, 9), stage.random.nextInt(3));
    }
    standHere(stage, stage.between(1.2, 3), yaw, -0.18, 0.12);
  }

  private static Material water(Stage stage, Rgb colour) {
    return Material.of(new Soils.Drift(colour, colour.times(0.7), 12, 0, stage.seed()))
        .glossy(0.9)
        .bumpy(0.12, 0.4);
  }

  /** What is put on the ground. */
  private interface Thing {
    void put(Place at);
  }

  /** Puts something somewhere in view, if the spot is free. */
  private static void scatter(
      Stage stage, double yaw, double near, double far, double radius, Thing thing) {
    double share = stage.random.nextDouble();
    double distance = near + (far - near) * share * share;
    double angle = yaw + stage.between(-0.75, 0.75);
    double x = distance * StrictMath.sin(angle);
    double z = distance * StrictMath.cos(angle);
    if (stage.claim(x, z, radius)) {
      thing.put(new Place(stage, x, stage.height(x, z), z, stage.between(0, 6)));
    }
  }

  private static void stones(Stage stage, double yaw, Material rock, int count, double largest) {
    for (int i = 0; i < count; i++) {
      double size = stage.between(0.2, largest);
      scatter(stage, yaw, 3, 35, size, at -> Plants.boulder(at, size, rock));
    }
  }

  private static void hut(Stage stage, double yaw) {
    scatter(
        stage,
        yaw,
        16,
        60,
        6,
        at -> {
          Rgb roof = stage.chance(0.5) ? Rgb.of(0x8A4030) : Rgb.of(0x3E4248);
          StreetThings.house(
              at,
              stage.between(5, 9),
              stage.between(2.6, 5),
              stage.between(5, 8),
              StreetThings.facade(stage, 0.1),
              roof);
        });
  }

  private static void fenceRow(Stage stage, double z, int style) {
    double height = stage.between(0.9, 1.3);
    double part = 4;
    for (int i = -3; i <= 3; i++) {
      double x = i * part;
      double low = stage.height(x - part / 2, z);
      double high = stage.height(x + part / 2, z);
      StreetThings.fence(new Place(stage, x, 0.5 * (low + high), z, 0), part, height, style);
    }
  }

  /** Snow with conifers and cabins under a pale sky. */
  static void snow(Stage stage) {
    int seed = stage.seed();
    double roll = stage.between(4, 12);
    double peaks = stage.between(10, 120);
    Texture powder =
        new Soils.Drift(
            Rgb.of(0xF4F6FA), Rgb.of(0xD4DCEA).vary(stage.random, 0.05), 6, 0.07, stage.seed());
    Texture cliff = new Textures.Mottled(Rgb.of(0x8A8C92), Rgb.of(0x44464C), 4, 4, stage.seed());
    double limit = stage.between(0.68, 0.76);
    Material skin =
        Material.of(new Soils.Slopes(powder, cliff, powder, 1000, limit, seed)).bumpy(0.2, 1.1);
    terrain(
        stage,
        new Terrain(
            skin,
            0.6,
            limit,
            (x, z) -> {
              double far = Math.sqrt(x * x + z * z);
              double h = roll * (Noise.octaves(x / 45 + 40, z / 45 + 40, 3, seed) - 0.5);
              return h
                  + (far < 70
                      ? 0
                      : peaks
                          * Noise.step(70, 400, far)
                          * Noise.ridges(x / 200, z / 200, 5, seed + 20))
                  + 0.15 * Noise.value(x / 1.7, z / 1.7, seed + 9);
            }),
        skin,
        1);
    boolean grey = stage.chance(0.6);
    Rgb tint = new Rgb(0.86, 0.9, 0.98);
    stage.sky(
        grey
            ? Light.overcast(stage, tint, stage.between(0.002, 0.014))
            : Light.day(stage, stage.between(0.0008, 0.003)));
    stage.expose(1.8);
    double yaw = stage.between(-0.5, 0.5);
    stage.claim(0, 0, 2);
    Material needles = Plants.leaves(stage, Rgb.of(0x2E4A34), 0.8);
    Material white =
        Material.of(new Soils.Leaves(Rgb.of(0xF0F4F8), Rgb.of(0x3A5240), 0.25, stage.seed()))
            .bumpy(1.2, 0.3)
            .open(Material.Holes.leaves(0.28, 0.8, stage.seed()));
    Material bark = Plants.bark(stage, Rgb.of(0x4A3A2E));
    int trees = stage.count(8, 40);
    for (int i = 0; i < trees; i++) {
      scatter(
          stage,
          yaw,
          5,
          100,
          1,
          at -> {
            if (stage.chance(0.15)) {
              Plants.bare(at, stage.between(3, 8), bark);
            } else {
              Plants.conifer(at, stage.between(3, 11), stage.chance(0.5) ? needles : white, bark);
            }
          });
    }
    stones(stage, yaw, Plants.rock(stage, Rgb.of(0x8A8C90)), stage.count(0, 6), 1.2);
    int cabins = stage.count(0, 2);
    for (int i = 0; i < cabins; i++) {
      scatter(stage, yaw, 14, 50, 6, at -> cabin(at));
    }
    if (stage.chance(0.5)) {
      StreetThings.powerLine(
          stage, (stage.chance(0.5) ? 1 : -1) * stage.between(4, 12), stage.between(4, 12), 26, 5);
    }
    if (stage.chance(0.4)) {
      fenceRow(stage, stage.between(4, 9), stage.random.nextInt(2));
    }
    standHere(stage, stage.between(1.2, 3), yaw, -0.2, 0.1);
  }

  private static void cabin(Place at) {
    Stage stage = at.stage;
    Material logs =
        Material.of(
            new Textures.Facade(
                new Textures.Stripes(Rgb.of(0x6A4428), Rgb.of(0x3C2616), 0.28, 0.75, true),
                Rgb.of(0xE0DCD0),
                Rgb.of(0x2C343A),
                3,
                2.6,
                1,
                1.2,
                0.5,
                new Rgb(1.3, 0.9, 0.4),
                stage.seed()));
    double w = stage.between(5, 8);
    double d = stage.between(4, 7);
    at.box(SceneClass.BUILDING, logs, 0, -1.5, 0, w, 4.4, d);
    Material cover = Material.plain(Rgb.of(0xEEF2F8));
    at.wedge(
        SceneClass.BUILDING, cover, 0, 2.9, 0, w + 1, d + 1.2, w + 1, 0.2, stage.between(1.6, 2.8));
    at.box(SceneClass.BUILDING, Material.plain(Rgb.of(0x6A5A50)), w / 4, 2.9, 0.5, 0.7, 3, 0.7);
  }

  /** A gorge between layered walls. */
  static void canyon(Stage stage) {
    int seed = stage.seed();
    double floorWidth = stage.between(8, 22);
    double wallHeight = stage.between(18, 70);
    double rise = stage.between(8, 26);
    double swing = stage.between(5, 26);
    double period = stage.between(60, 140);
    Rgb sand = Rgb.of(0xC8925E).vary(stage.random, 0.2);
    Texture strata =
        new Soils.Strata(
            Rgb.of(0xB4623A).vary(stage.random, 0.2),
            Rgb.of(0xD8A070).vary(stage.random, 0.2),
            Rgb.of(0x8A4634).vary(stage.random, 0.2),
            stage.between(1, 3.5),
            stage.seed());
    Texture drift = new Soils.Drift(sand, sand.times(0.8), 5, 0.25, stage.seed());
    double limit = 0.8;
    Material skin =
        Material.of(new Soils.Slopes(drift, strata, strata, 14, limit, seed)).bumpy(0.7, 0.9);
    double shift = stage.between(0, 6);
    terrain(
        stage,
        new Terrain(
            skin,
            0.5,
            limit,
            (x, z) -> {
              double bend =
                  swing * (StrictMath.sin(z / period * 6.283 + shift) - StrictMath.sin(shift));
              double ragged = 9 * (Noise.octaves(x / 16, z / 16, 4, seed) - 0.5);
              double across = Math.abs(x - bend) + ragged - floorWidth / 2;
              double wall = Noise.step(0, rise, across);
              // Steps: the walls rise in ledges.
              double ledges = wall * 4;
              double whole = Math.floor(ledges);
              double stepped = (whole + Noise.step(0.35, 0.9, ledges - whole)) / 4;
              double ground = 1.2 * Noise.octaves(x / 7, z / 7, 3, seed + 5);
              return ground
                  + wallHeight * stepped
                  + 4 * wall * Noise.value(x / 20, z / 20, seed + 7);
            }),
        skin,
        1);
    stage.sky(
        stage.chance(0.25)
            ? Light.overcast(stage, new Rgb(0.95, 0.85, 0.72), stage.between(0.002, 0.008))
            : Light.day(stage, stage.between(0.0005, 0.004)));
    stage.claim(0, 0, 2);
    if (stage.chance(0.35)) {
      double level = stage.height(0, 0) - stage.between(0.1, 0.4);
      stage.ground(new Level(SceneClass.WATER, water(stage, Rgb.of(0x3A5A50)), level));
    }
    double yaw = stage.between(-0.45, 0.45);
    Material rock = Plants.rock(stage, Rgb.of(0xA86A44));
    stones(stage, yaw, rock, stage.count(6, 18), stage.between(0.7, 2));
    Material skinGreen = Material.plain(Rgb.of(0x4E7044).vary(stage.random, 0.2)).bumpy(0.8, 0.1);
    Material dryLeaves = Plants.leaves(stage, Rgb.of(0x8A8848), 0.5);
    int plants = stage.count(3, 16);
    for (int i = 0; i < plants; i++) {
      scatter(
          stage,
          yaw,
          3,
          40,
          0.5,
          at -> {
            if (stage.chance(0.35)) {
              Plants.cactus(at, stage.between(1, 4), skinGreen);
            } else {
              Plants.bush(at, stage.between(0.5, 1.4), dryLeaves);
            }
          });
    }
    standHere(stage, stage.between(1.2, 4), yaw, -0.15, 0.25);
  }
}
