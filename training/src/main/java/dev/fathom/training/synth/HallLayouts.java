package dev.fathom.training.synth;

/** Corridors and warehouses. */
final class HallLayouts {
  private HallLayouts() {}

  /** A long passage with doors, under ceiling lamps. */
  static void corridor(Stage stage) {
    double width = stage.between(1.7, 3.4);
    double length = stage.between(12, 40);
    double height = stage.between(2.3, 3.4);
    double half = width / 2;
    stage.sky(Light.indoor(stage, stage.between(0.1, 0.3), stage.chance(0.6)));
    Material wall = IndoorLayouts.wall(stage);
    Material lower = IndoorLayouts.wall(stage);
    Material ceiling =
        Material.of(
            new Textures.Tiles(
                Rgb.of(0xE6E4DE), Rgb.of(0xDEDCD6), Rgb.of(0x8A8A86), 0.6, 0.02, stage.seed()));
    stage.box(
        SceneClass.FLOOR, IndoorLayouts.floor(stage), 0, -0.1, length / 2, width, 0.2, length + 4);
    stage.box(SceneClass.CEILING, ceiling, 0, height + 0.1, length / 2, width, 0.2, length + 4);
    Place left = new Place(stage, -half, 0, length / 2, Math.PI / 2);
    Place right = new Place(stage, half, 0, length / 2, -Math.PI / 2);
    left.box(SceneClass.WALL, wall, 0, 0, 0.1, length + 4, height, 0.2);
    right.box(SceneClass.WALL, wall, 0, 0, 0.1, length + 4, height, 0.2);
    if (stage.chance(0.5)) {
      left.box(SceneClass.WALL, lower, 0, 0, -0.01, length + 4, 1.1, 0.02);
      right.box(SceneClass.WALL, lower, 0, 0, -0.01, length + 4, 1.1, 0.02);
    }
    Place end = new Place(stage, 0, 0, length, 0);
    end.box(SceneClass.WALL, lower, 0, 0, 0.1, width + 1, height, 0.2);
    IndoorLayouts.door(end, 0);
    stage.box(SceneClass.WALL, wall, 0, height / 2, -2, width + 1, height, 0.2);
    double spacing = stage.between(2.6, 4.5);
    for (double z = 3; z < length - 1; z += spacing) {
      for (Place side : new Place[] {left, right}) {
        double along = (side == left ? 1 : -1) * (z - length / 2) + stage.between(-0.4, 0.4);
        switch (stage.random.nextInt(4)) {
          case 0, 1 -> IndoorLayouts.door(side, along);
          case 2 -> {
            Material column = IndoorLayouts.wall(stage);
            side.box(SceneClass.WALL, column, along, 0, -0.1, 0.4, height, 0.25);
          }
          default -> {}
        }
      }
    }
    Material pipe = Furniture.metal(stage);
    int pipes = stage.count(0, 3);
    for (int i = 0; i < pipes; i++) {
      double x = (stage.chance(0.5) ? 1 : -1) * (half - 0.1 - 0.14 * i);
      double y = height - stage.between(0.1, 0.35);
      stage.rod(SceneClass.POLE, pipe, x, y, -2, x, y, length, stage.between(0.02, 0.06));
    }
    if (stage.chance(0.4)) {
      Material rail = Furniture.wood(stage);
      for (int s = -1; s <= 1; s += 2) {
        double x = s * (half - 0.08);
        stage.rod(SceneClass.POLE, rail, x, 0.95, -2, x, 0.95, length, 0.025);
      }
    }
    ceilingLamps(stage, length, height);
    double cx = stage.between(-0.5, 0.5) * (half - 0.3);
    stage.claim(cx, 0.3, 1.2);
    int things = stage.count(3, 8);
    for (int i = 0; i < things; i++) {
      double side = stage.chance(0.5) ? 1 : -1;
      double z = stage.between(2, Math.min(length - 1, 14));
      double x = side * (half - stage.between(0.3, 0.4));
      if (stage.claim(x, z, 0.35)) {
        Place at = new Place(stage, x, 0, z, stage.between(-0.2, 0.2));
        switch (stage.random.nextInt(4)) {
          case 0 -> Furniture.plant(at, stage.between(0.9, 1.6));
          case 1 -> Furniture.chair(at);
          default -> Furniture.oddment(at);
        }
      }
    }
    stage.camera(
        new Camera(
            cx,
            stage.between(0.8, 2),
            0.3,
            stage.between(-0.3, 0.3),
            stage.between(-0.2, 0.1),
            stage.between(-0.08, 0.08),
            stage.between(0.95, 1.5)));
  }

  private static void ceilingLamps(Stage stage, double length, double height) {
    Rgb light = new Rgb(1, stage.between(0.85, 1), stage.between(0.6, 1));
    double spacing = stage.between(2.4, 5);
    boolean round = stage.chance(0.4);
    Material glow = Material.of(new Textures.Glowing(light.times(2.5)));
    for (double z = stage.between(0.5, 2); z < length; z += spacing) {
      Place at = new Place(stage, 0, height, z, 0);
      if (round) {
        at.post(SceneClass.CEILING, glow, 0, -0.06, 0, 0.06, 0.2);
      } else {
        at.box(SceneClass.CEILING, glow, 0, -0.05, 0, 0.25, 0.05, 1.1);
      }
      stage.add(new Lamp(0, height - 0.12, z, light.times(1.2), z < 16));
    }
  }

  /** A hall with racks full of goods. */
  static void warehouse(Stage stage) {
    double width = stage.between(16, 28);
    double length = stage.between(25, 50);
    double height = stage.between(6, 10);
    boolean day = stage.chance(0.5);
    stage.sky(Light.indoor(stage, stage.between(0.2, 0.45), day));
    Rgb concrete = Rgb.hsv(0.1, 0.08, stage.between(0.5, 0.75));
    Material floor =
        Material.of(new Textures.Mottled(concrete, concrete.times(0.7), 1.5, 4, stage.seed()))
            .glossy(stage.between(0, 0.4));
    Rgb sheet = Rgb.any(stage.random, 0.3, 0.7);
    Material wall = Material.of(new Textures.Stripes(sheet, sheet.times(0.75), 0.3, 0.6, false));
    stage.box(SceneClass.FLOOR, floor, 0, -0.1, length / 2 - 2, width, 0.2, length + 4);
    stage.box(SceneClass.CEILING, wall, 0, height + 0.1, length / 2 - 2, width, 0.2, length + 4);
    for (int side = -1; side <= 1; side += 2) {
      stage.box(
          SceneClass.WALL,
          wall,
          side * (width / 2 + 0.1),
          height / 2,
          length / 2 - 2,
          0.2,
          height,
          length + 4);
      // The lines painted beside the aisle.
      stage.box(
          SceneClass.FLOOR,
          Material.plain(Rgb.of(0xD8B020)),
          side * 1.7,
          0,
          length / 2,
          0.1,
          0.004,
          length);
    }
    stage.box(SceneClass.WALL, wall, 0, height / 2, length, width, height, 0.2);
    stage.box(SceneClass.WALL, wall, 0, height / 2, -4, width, height, 0.2);
    Place gate = new Place(stage, stage.between(-4, 4), 0, length - 0.1, 0);
    Material shutter =
        Material.of(new Textures.Stripes(Rgb.of(0x9AA2A8), Rgb.of(0x60686E), 0.2, 0.6, true));
    gate.box(SceneClass.WALL, shutter, 0, 0, -0.05, 4, 4, 0.1);
    double aisle = stage.between(2.2, 3.2);
    double pitch = stage.between(3.6, 5);
    for (double x = aisle / 2 + 0.6; x < width / 2 - 0.8; x += pitch) {
      for (int side = -1; side <= 1; side += 2) {
        rack(stage, side * x, stage.between(2, 5), length * stage.between(0.5, 0.85), height);
      }
    }
    trusses(stage, width, length, height);
    double cx = stage.between(-0.8, 0.8);
    stage.claim(cx, -1, 1.5);
    loose(stage, aisle);
    Rgb light = new Rgb(1, 0.95, 0.85);
    Material glow = Material.of(new Textures.Glowing(light.times(2)));
    for (double z = 3; z < length; z += 8) {
      stage.box(SceneClass.CEILING, glow, 0, height - 0.9, z, 0.5, 0.12, 1.6);
      stage.add(new Lamp(0, height - 1.1, z, light.times(stage.between(6, 14)), z < 24));
    }
    stage.camera(
        new Camera(
            cx,
            stage.between(1.1, 3.6),
            -1,
            stage.between(-0.4, 0.4),
            stage.between(-0.2, 0.12),
            stage.between(-0.05, 0.05),
            stage.between(0.9, 1.5)));
  }

  /** Posts and boards from {@code from} to {@code to} along z, with crates on them. */
  private static void rack(Stage stage, double x, double from, double to, double height) {
    Material post = Material.plain(stage.chance(0.5) ? Rgb.of(0x2A4C9A) : Rgb.of(0xC05A20));
    Material beam = Material.plain(Rgb.of(0xD8862A));
    double bay = 2.7;
    int bays = Math.max(1, Math.min(7, (int) ((to - from) / bay)));
    int shelves = (int) ((height - 2) / 1.6);
    double storey = 1.6;
    for (int i = 0; i <= bays; i++) {
      for (int side = -1; side <= 1; side += 2) {
        stage.box(
            SceneClass.POLE,
            post,
            x + side * 0.5,
            shelves * storey / 2 + 0.3,
            from + i * bay,
            0.09,
            shelves * storey + 0.6,
            0.09);
      }
    }
    double length = bays * bay;
    for (int s = 1; s <= shelves; s++) {
      double y = s * storey - 0.1;
      stage.box(SceneClass.FURNITURE, beam, x, y, from + length / 2, 1, 0.1, length);
    }
    for (int s = 0; s < shelves; s++) {
      double y = s == 0 ? 0 : s * storey - 0.05;
      for (int i = 0; i < bays; i++) {
        double z = from + (i + 0.5) * bay;
        if (stage.chance(0.8)) {
          goods(new Place(stage, x, y, z, 0), bay, i < 3);
        }
      }
    }
  }

  private static Material crate(Stage stage) {
    Rgb card = Rgb.of(0xB08A58).vary(stage.random, 0.25);
    return stage.chance(0.6)
        ? Material.of(new Textures.Mottled(card, card.times(0.85), 0.3, 2, stage.seed()))
        : stage.chance(0.5)
            ? Furniture.wood(stage)
            : Material.plain(Rgb.any(stage.random, 0.7, 0.7));
  }

  private static void goods(Place at, double bay, boolean near) {
    Stage stage = at.stage;
    int count = near ? stage.count(1, 2) : 1;
    for (int i = 0; i < count; i++) {
      double z = (i + 0.5) / count * (bay - 0.4) - (bay - 0.4) / 2;
      double depth = (bay - 0.5) / count - stage.between(0.05, 0.2);
      if (stage.chance(0.2)) {
        double r = Math.min(0.4, depth / 2);
        Material barrel = Material.plain(Rgb.any(stage.random, 0.9, 0.6)).glossy(0.3);
        at.post(SceneClass.CYLINDER, barrel, 0, 0.02, z, stage.between(0.8, 1.1), r);
      } else {
        at.box(
            SceneClass.BOX,
            crate(stage),
            0,
            0.02,
            z,
            stage.between(0.6, 0.95),
            stage.between(0.5, 1.25),
            depth);
      }
    }
  }

  private static void trusses(Stage stage, double width, double length, double height) {
    Material steel = Material.plain(Rgb.of(0x70787C));
    double half = width / 2;
    for (double z = 2; z < Math.min(length, 34); z += 6) {
      stage.rod(SceneClass.POLE, steel, -half, height - 0.9, z, half, height - 0.9, z, 0.06);
      int struts = 8;
      for (int i = 0; i < struts; i++) {
        double x0 = -half + i * width / struts;
        double x1 = x0 + width / struts;
        boolean up = i % 2 == 0;
        stage.rod(
            SceneClass.POLE,
            steel,
            x0,
            height - (up ? 0.9 : 0),
            z,
            x1,
            height - (up ? 0 : 0.9),
            z,
            0.035);
      }
    }
  }

  /** Crates, barrels and a fork lift on the floor. */
  private static void loose(Stage stage, double aisle) {
    if (stage.chance(0.5)) {
      double z = stage.between(7, 14);
      double x = stage.between(-0.5, 0.5);
      if (stage.claim(x, z, 1.6)) {
        Place at = new Place(stage, x, 0, z, stage.between(-0.5, 0.5));
        Material paint = Material.plain(Rgb.of(0xD8A41C)).glossy(0.3);
        Material dark = Material.plain(Rgb.of(0x202224));
        at.box(SceneClass.VEHICLE, paint, 0, 0.25, 0.5, 1.1, 0.8, 1.6);
        at.box(SceneClass.VEHICLE, dark, 0, 2.05, 0.4, 1.05, 0.06, 1.2);
        for (int i = 0; i < 4; i++) {
          double px = i % 2 == 0 ? 0.5 : -0.5;
          double pz = i < 2 ? 0.95 : -0.15;
          at.post(SceneClass.VEHICLE, dark, px, 1, pz, 1.1, 0.03);
          at.rod(SceneClass.VEHICLE, dark, px - 0.1, 0.28, pz, px + 0.1, 0.28, pz, 0.28);
        }
        at.box(SceneClass.VEHICLE, dark, 0.3, 0, -0.4, 0.1, 2.3, 0.1);
        at.box(SceneClass.VEHICLE, dark, -0.3, 0, -0.4, 0.1, 2.3, 0.1);
        at.box(SceneClass.VEHICLE, dark, 0.3, 0.1, -1, 0.12, 0.04, 1.1);
        at.box(SceneClass.VEHICLE, dark, -0.3, 0.1, -1, 0.12, 0.04, 1.1);
      }
    }
    int count = stage.count(2, 8);
    for (int i = 0; i < count; i++) {
      double x = stage.between(-0.5, 0.5) * (aisle + 1);
      double z = stage.between(1.5, 12);
      double size = stage.between(0.25, 0.6);
      if (stage.claim(x, z, 0.9 * size)) {
        Place at = new Place(stage, x, 0, z, stage.between(0, 3));
        if (stage.chance(0.3)) {
          Material paint = Material.plain(Rgb.any(stage.random, 0.9, 0.7)).glossy(0.3);
          at.post(SceneClass.CYLINDER, paint, 0, 0, 0, 1.6 * size, 0.5 * size);
        } else {
          at.box(SceneClass.BOX, crate(stage), 0, 0, 0, size, size, size);
          if (stage.chance(0.4)) {
            at.box(SceneClass.BOX, crate(stage), 0.05, size, 0, 0.7 * size, 0.6 * size, 0.7 * size);
          }
        }
      }
    }
  }
}
