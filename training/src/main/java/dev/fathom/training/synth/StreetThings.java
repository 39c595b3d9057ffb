package dev.fathom.training.synth;

import java.util.List;

/** What stands in streets and parks: houses, cars, lamps, poles, fences, benches. */
final class StreetThings {
  private static final SceneClass THIN = SceneClass.POLE;
  private static final List<Rgb> WALLS =
      List.of(
          Rgb.of(0xB5543C),
          Rgb.of(0xC9B48F),
          Rgb.of(0xDCD6C8),
          Rgb.of(0x8C8C90),
          Rgb.of(0x9DB0B8),
          Rgb.of(0xD9A35F),
          Rgb.of(0x6F4A3C),
          Rgb.of(0xA8BFA0));
  private static final List<Rgb> CARS =
      List.of(
          Rgb.of(0x16181C),
          Rgb.of(0xE6E6E4),
          Rgb.of(0x9A9DA2),
          Rgb.of(0xA01C20),
          Rgb.of(0x1E3E78),
          Rgb.of(0x2F5A40),
          Rgb.of(0xC89A28));

  private StreetThings() {}

  /** The outside of a house. */
  static Material facade(Stage stage, double lit) {
    Rgb colour = WALLS.get(stage.random.nextInt(WALLS.size())).vary(stage.random, 0.2);
    Texture wall =
        switch (stage.random.nextInt(4)) {
          case 0, 1 ->
              new Textures.Bricks(
                  colour, Rgb.of(0xB8B2A6), stage.between(0.22, 0.3), 0.085, stage.seed());
          case 2 ->
              new Textures.Tiles(
                  colour, colour.times(0.9), colour.times(0.5), stage.between(0.6, 1.4), 0.02, 3);
          default -> Textures.plaster(stage.random, colour);
        };
    double bay = stage.between(1.8, 3.2);
    double storey = stage.between(2.8, 3.6);
    Rgb frame = stage.chance(0.6) ? Rgb.of(0xE8E6E0) : colour.times(0.4);
    return Material.of(
        new Textures.Facade(
            wall,
            frame,
            Rgb.of(0x2A3742).vary(stage.random, 0.3),
            storey,
            bay,
            bay * stage.between(0.4, 0.75),
            storey * stage.between(0.4, 0.62),
            lit,
            new Rgb(1.2, 0.85, 0.42).vary(stage.random, 0.2),
            stage.seed()));
  }

  /** A house: a block, and a flat or a gable roof. */
  static void house(
      Place at, double width, double height, double depth, Material facade, Rgb roof) {
    Stage stage = at.stage;
    at.box(SceneClass.BUILDING, facade, 0, -1, 0, width, height + 1, depth);
    Material tiles =
        Material.of(
            new Textures.Tiles(roof.times(1.1), roof.times(0.8), roof.times(0.4), 0.3, 0.04, 5));
    if (height < 12 && stage.chance(0.6)) {
      boolean along = stage.chance(0.5);
      double rise = stage.between(0.3, 0.6) * Math.min(width, depth);
      at.wedge(
          SceneClass.BUILDING,
          tiles,
          0,
          height,
          0,
          width + 0.5,
          depth + 0.5,
          along ? width + 0.5 : 0.1,
          along ? 0.1 : depth + 0.5,
          rise);
      at.box(SceneClass.BUILDING, facade, width / 4, height, depth / 6, 0.7, rise * 1.15, 0.7);
    } else {
      at.box(
          SceneClass.BUILDING, Material.plain(roof), 0, height, 0, width + 0.4, 0.35, depth + 0.4);
    }
    if (stage.chance(0.4)) {
      Material awning =
          Material.of(
              new Textures.Stripes(
                  Rgb.any(stage.random, 0.8, 0.8), Rgb.of(0xEAE6DC), 0.4, 0.5, false));
      at.box(SceneClass.BUILDING, awning, 0, 2.7, -depth / 2 - 0.5, 0.6 * width, 0.12, 1);
      at.box(SceneClass.BUILDING, awning, 0, 2.7, depth / 2 + 0.5, 0.6 * width, 0.12, 1);
    }
  }

  /** A car along its own z axis. */
  static void car(Place at) {
    Stage stage = at.stage;
    Rgb colour = CARS.get(stage.random.nextInt(CARS.size())).vary(stage.random, 0.15);
    Material paint = Material.plain(colour).glossy(0.6);
    Material glass = Material.plain(Rgb.of(0x1A2026)).glossy(0.8);
    Material rubber = Material.plain(Rgb.of(0x141414));
    Material hub = Material.plain(Rgb.of(0x9A9A9A)).glossy(0.4);
    SceneClass kind = SceneClass.VEHICLE;
    boolean van = stage.chance(0.25);
    double length = van ? 4.9 : stage.between(3.8, 4.6);
    double width = van ? 1.95 : 1.78;
    double body = van ? 1.0 : 0.62;
    at.box(kind, paint, 0, 0.3, 0, width, body, length);
    if (van) {
      at.wedge(
          kind, paint, 0, 0.3 + body, 0.15, width, length - 0.3, width - 0.2, length - 1.2, 0.95);
      at.box(kind, glass, 0, 0.45 + body, 0.1, width - 0.04, 0.5, length - 1.3);
    } else {
      double cabin = stage.between(0.55, 0.65) * length;
      at.wedge(kind, glass, 0, 0.3 + body, 0.2, width - 0.1, cabin, width - 0.5, cabin - 1.2, 0.5);
      at.box(kind, paint, 0, 0.78 + body, 0.2, width - 0.48, 0.05, cabin - 1.15);
    }
    for (int i = 0; i < 4; i++) {
      double side = i % 2 == 0 ? 1 : -1;
      double z = (i < 2 ? 0.31 : -0.31) * length;
      double x = side * (width / 2 - 0.1);
      at.rod(kind, rubber, x - 0.11, 0.32, z, x + 0.11, 0.32, z, 0.32);
      at.rod(kind, hub, x - 0.12, 0.32, z, x + 0.12, 0.32, z, 0.18);
    }
    Material front = Material.of(new Textures.Glowing(new Rgb(1, 0.95, 0.8)));
    Material rear = Material.of(new Textures.Glowing(new Rgb(0.7, 0.03, 0.02)));
    for (int side = -1; side <= 1; side += 2) {
      at.box(kind, front, side * 0.62, 0.62, length / 2, 0.3, 0.14, 0.03);
      at.box(kind, rear, side * 0.68, 0.65, -length / 2, 0.22, 0.16, 0.03);
    }
  }

  /** A street lamp whose arm points along its own x axis. */
  static void lampPost(Place at, double height, Rgb light) {
    Material metal = Material.plain(Rgb.of(0x3A4044)).glossy(0.2);
    at.cone(THIN, metal, 0, -0.3, 0, 0, height, 0, 0.09, 0.05);
    at.rod(THIN, metal, 0, height, 0, 1.3, height + 0.25, 0, 0.04);
    boolean lit = light.g() > 0;
    Material head =
        lit
            ? Material.of(new Textures.Glowing(light.times(0.15)))
            : Material.plain(Rgb.of(0xC8CCD0));
    at.box(THIN, head, 1.45, height + 0.15, 0, 0.6, 0.12, 0.25);
    if (lit) {
      at.lamp(1.45, height - 0.1, 0, light);
    }
  }

  /** A telegraph pole with a cross arm along its own x axis. */
  static void telegraphPole(Place at, double height, Material wood) {
    at.cone(THIN, wood, 0, -0.5, 0, 0, height, 0, 0.14, 0.1);
    at.box(THIN, wood, 0, height - 0.6, 0, 1.8, 0.12, 0.1);
  }

  /** Poles along z with wires between them. */
  static void powerLine(Stage stage, double x, double from, double spacing, int poles) {
    Material wood = Plants.bark(stage, Rgb.of(0x5C4632));
    Material wire = Material.plain(Rgb.of(0x101010));
    double height = stage.between(6, 8.5);
    double lastTop = 0;
    for (int i = 0; i < poles; i++) {
      double z = from + i * spacing;
      double ground = stage.height(x, z);
      telegraphPole(new Place(stage, x, ground, z, 0), height, wood);
      double top = ground + height - 0.45;
      if (i > 0) {
        for (int w = -1; w <= 1; w++) {
          double wx = x + 0.75 * w;
          stage.wire(wire, wx, lastTop, z - spacing, wx, top, z, 0.03 * spacing, 0.018);
        }
      }
      lastTop = top;
    }
  }

  static void bench(Place at) {
    Material wood = Furniture.wood(at.stage);
    Material iron = Material.plain(Rgb.of(0x22262A));
    for (int i = 0; i < 4; i++) {
      at.box(SceneClass.FURNITURE, wood, 0, 0.42, -0.2 + 0.13 * i, 1.6, 0.04, 0.1);
    }
    for (int i = 0; i < 3; i++) {
      at.box(SceneClass.FURNITURE, wood, 0, 0.55 + 0.13 * i, 0.26, 1.6, 0.1, 0.03);
    }
    for (int side = -1; side <= 1; side += 2) {
      at.box(THIN, iron, side * 0.65, 0, -0.18, 0.05, 0.42, 0.05);
      at.box(THIN, iron, side * 0.65, 0, 0.22, 0.05, 0.9, 0.05);
    }
  }

  /** A fence along its own x axis: pickets, rails or wire mesh. */
  static void fence(Place at, double length, double height, int style) {
    Stage stage = at.stage;
    Material wood = stage.chance(0.4) ? Material.plain(Rgb.of(0xE8E8E4)) : Furniture.wood(stage);
    Material metal = Material.plain(Rgb.of(0x55605C));
    Material post = style == 2 ? metal : wood;
    int posts = Math.max(2, (int) (length / 2.2));
    for (int i = 0; i <= posts; i++) {
      at.box(THIN, post, -length / 2 + i * length / posts, -0.3, 0, 0.08, height + 0.4, 0.08);
    }
    switch (style) {
      case 0 ->
          at.box(
              THIN,
              wood.open(Material.Holes.pickets(0.17, 0.55, height)),
              0,
              0.05,
              0,
              length,
              height,
              0.03);
      case 1 -> {
        for (int i = 1; i <= 3; i++) {
          at.box(THIN, wood, 0, height * i / 3 - 0.1, 0, length, 0.1, 0.04);
        }
      }
      default ->
          at.box(
              THIN, metal.open(Material.Holes.mesh(0.14, 0.13)), 0, 0.05, 0, length, height, 0.01);
    }
  }

  /** A small thing by the side of a street: as indoors, or a sign on a pole. */
  static void oddment(Place at) {
    Stage stage = at.stage;
    if (stage.chance(0.8)) {
      Furniture.oddment(at);
      return;
    }
    Material plate = Material.plain(Rgb.any(stage.random, 0.8, 0.75)).glossy(0.3);
    at.post(THIN, Furniture.metal(stage), 0, 0, 0, 2.6, 0.035);
    at.box(THIN, plate, 0, 2, -0.04, 0.6, 0.6, 0.02);
  }
}
