package dev.fathom.training.synth;

/** Rooms and corridors. */
final class IndoorLayouts {
  private static final double THICK = 0.2;

  private IndoorLayouts() {}

  static Material floor(Stage stage) {
    Rgb stone = Rgb.hsv(stage.between(0, 0.15), 0.15, stage.between(0.45, 0.85));
    return switch (stage.random.nextInt(4)) {
      case 0 -> Furniture.wood(stage);
      case 1 ->
          Material.of(
                  new Textures.Tiles(
                      stone,
                      stage.chance(0.4) ? stone.times(0.25) : stone.times(0.92),
                      stone.times(0.6),
                      stage.between(0.2, 0.6),
                      0.012,
                      stage.seed()))
              .glossy(stage.between(0, 0.5));
      case 2 ->
          Material.of(
              new Textures.Mottled(
                  Rgb.any(stage.random, 0.4, 0.6), Rgb.hsv(0.1, 0.2, 0.45), 0.06, 2, stage.seed()));
      default ->
          Material.of(
              new Textures.Planks(
                  Rgb.of(0xC09A6A).vary(stage.random, 0.3),
                  Rgb.of(0x8A6238).vary(stage.random, 0.3),
                  stage.between(0.09, 0.22),
                  stage.between(1, 2.4),
                  stage.seed()));
    };
  }

  static Material wall(Stage stage) {
    Rgb paint = Rgb.any(stage.random, 0.25, 0.9);
    return switch (stage.random.nextInt(6)) {
      case 0 ->
          Material.of(
              new Textures.Bricks(
                  Rgb.of(0xA8583E).vary(stage.random, 0.4), Rgb.of(0xBDB6AA), 0.24, 0.08, 1));
      case 1 ->
          Material.of(
              new Textures.Stripes(paint, paint.times(0.82), stage.between(0.1, 0.4), 0.5, false));
      default -> Material.of(Textures.plaster(stage.random, paint));
    };
  }

  /** A wall between x = -half and half of a place, with an opening if {@code open}. */
  private static void wallWithWindow(
      Place at, double width, double height, Material wall, boolean open) {
    SceneClass kind = SceneClass.WALL;
    if (!open) {
      at.box(kind, wall, 0, 0, THICK / 2, width, height, THICK);
      return;
    }
    Stage stage = at.stage;
    double w = Math.min(stage.between(1, 2.2), width - 0.8);
    double sill = stage.between(0.5, 1);
    double top = Math.min(height - 0.2, sill + stage.between(1, 1.6));
    double c = stage.between(-0.5, 0.5) * (width - w - 0.6);
    double left = c - w / 2 + width / 2;
    double right = width / 2 - c - w / 2;
    at.box(kind, wall, -width / 2 + left / 2, 0, THICK / 2, left, height, THICK);
    at.box(kind, wall, width / 2 - right / 2, 0, THICK / 2, right, height, THICK);
    at.box(kind, wall, c, 0, THICK / 2, w, sill, THICK);
    at.box(kind, wall, c, top, THICK / 2, w, height - top, THICK);
    Material frame = Material.plain(Rgb.of(0xE6E4DE));
    at.box(SceneClass.POLE, frame, c, sill, 0.1, 0.05, top - sill, 0.05);
    at.box(SceneClass.POLE, frame, c, (sill + top) / 2, 0.1, w, 0.05, 0.05);
    at.box(SceneClass.FURNITURE, frame, c, sill - 0.03, -0.04, w + 0.2, 0.03, 0.2);
  }

  private static void pictures(Place at, double width, double height) {
    Stage stage = at.stage;
    int count = stage.count(0, 3);
    for (int i = 0; i < count; i++) {
      double x = (-0.5 + (i + 0.5) / count) * width * 0.85;
      double w = stage.between(0.3, 0.9);
      double h = stage.between(0.3, 0.8);
      double y = Math.min(height - h - 0.2, stage.between(1.2, 1.6));
      Material frame = Furniture.wood(stage);
      Material art =
          Material.of(
              new Textures.Blots(
                  Rgb.any(stage.random, 0.6, 0.9),
                  Rgb.any(stage.random, 0.8, 0.7),
                  Rgb.any(stage.random, 0.8, 0.8),
                  stage.between(0.1, 0.3),
                  stage.seed()));
      at.box(SceneClass.WALL, frame, x, y, -0.015, w, h, 0.03);
      at.box(SceneClass.WALL, art, x, y + 0.04, -0.02, w - 0.08, h - 0.08, 0.035);
    }
  }

  /** A living room, bedroom or office. */
  static void room(Stage stage) {
    double width = stage.between(3.4, 7);
    double depth = stage.between(4, 8.5);
    double height = stage.between(2.4, 3.2);
    boolean day = stage.chance(0.6);
    boolean leftWindow = stage.chance(0.6);
    boolean backWindow = stage.chance(0.5);
    stage.sky(Light.indoor(stage, day ? stage.between(0.35, 0.6) : stage.between(0.12, 0.3), day));
    Material walls = wall(stage);
    Material accent = stage.chance(0.3) ? wall(stage) : walls;
    Material white = Material.plain(Rgb.hsv(0.1, 0.03, stage.between(0.8, 0.97)));
    stage.box(SceneClass.FLOOR, floor(stage), 0, -0.1, depth / 2, width, 0.2, depth);
    stage.box(SceneClass.CEILING, white, 0, height + 0.1, depth / 2, width, 0.2, depth);
    double quarter = Math.PI / 2;
    Place back = new Place(stage, 0, 0, depth, 0);
    Place left = new Place(stage, -width / 2, 0, depth / 2, quarter);
    Place right = new Place(stage, width / 2, 0, depth / 2, -quarter);
    wallWithWindow(back, width + 2 * THICK, height, accent, backWindow);
    wallWithWindow(left, depth, height, walls, leftWindow);
    wallWithWindow(right, depth, height, walls, stage.chance(0.25));
    wallWithWindow(new Place(stage, 0, 0, 0, Math.PI), width + 2 * THICK, height, walls, false);
    Material skirting = Material.plain(Rgb.of(0xDAD6CC));
    back.box(SceneClass.WALL, skirting, 0, 0, -0.01, width, 0.1, 0.02);
    left.box(SceneClass.WALL, skirting, 0, 0, -0.01, depth, 0.1, 0.02);
    right.box(SceneClass.WALL, skirting, 0, 0, -0.01, depth, 0.1, 0.02);
    if (!backWindow) {
      pictures(back, width, height);
    }
    if (!leftWindow) {
      pictures(left, depth, height);
    }
    door(right, stage.between(-0.4, 0.4) * depth);
    double cx = stage.between(-0.3, 0.3) * width;
    double cz = stage.between(0.3, 0.9);
    stage.claim(cx, cz, 0.9);
    furnish(stage, width, depth);
    lamps(stage, width, depth, height, day);
    double yaw = -cx / width * stage.between(0.4, 1.4) + stage.between(-0.25, 0.25);
    stage.camera(
        new Camera(
            cx,
            stage.between(0.9, Math.min(2.1, height - 0.4)),
            cz,
            yaw,
            stage.between(-0.35, 0.06),
            stage.between(-0.06, 0.06),
            stage.between(1, 1.6)));
  }

  static void door(Place wall, double x) {
    Stage stage = wall.stage;
    Material paint = stage.chance(0.5) ? Furniture.wood(stage) : Material.plain(Rgb.of(0xE2DED4));
    Material frame = Material.plain(Rgb.any(stage.random, 0.2, 0.8));
    wall.box(SceneClass.WALL, frame, x, 0, -0.02, 1.05, 2.12, 0.05);
    wall.box(SceneClass.WALL, paint, x, 0, -0.035, 0.9, 2.05, 0.05);
    Material metal = Furniture.metal(stage);
    wall.rod(SceneClass.POLE, metal, x + 0.36, 1.02, -0.1, x + 0.24, 1.02, -0.1, 0.012);
    wall.rod(SceneClass.POLE, metal, x + 0.36, 1.02, -0.1, x + 0.36, 1.02, 0, 0.012);
  }

  private static void lamps(Stage stage, double width, double depth, double height, boolean day) {
    Rgb light = new Rgb(1, stage.between(0.75, 0.95), stage.between(0.5, 0.9));
    int count = stage.count(1, 2);
    for (int i = 0; i < count; i++) {
      double x = stage.between(-0.2, 0.2) * width;
      double z = depth * (i + stage.between(0.4, 0.6)) / count;
      double power = day ? stage.between(0, 1) : stage.between(1.5, 4);
      double drop = stage.between(0.1, 0.7);
      Place at = new Place(stage, x, height - drop, z, 0);
      Material cord = Material.plain(Rgb.of(0x202020));
      at.rod(SceneClass.POLE, cord, 0, 0.1, 0, 0, drop, 0, 0.008);
      Material globe = Material.of(new Textures.Glowing(light.times(0.3 + 0.8 * power)));
      at.ball(SceneClass.FURNITURE, globe, 0, 0, 0, 0.13);
      // Off the globe's side: it would shade its own light.
      at.lamp(0, -0.16, 0, light.times(0.7 * power));
      stage.add(new Lamp(x, height - drop + 0.05, z, light.times(0.3 * power), false));
    }
  }

  private static void furnish(Stage stage, double width, double depth) {
    Rgb glow = new Rgb(1.4, 1, 0.6).times(stage.chance(0.5) ? stage.between(0.5, 1.5) : 0);
    double half = width / 2;
    int pieces = stage.count(9, 20);
    for (int i = 0; i < pieces; i++) {
      int kind = stage.random.nextInt(9);
      double yawNoise = stage.between(-0.08, 0.08);
      // Against a wall: 0 back, 1 left, 2 right.
      int side = stage.random.nextInt(3);
      double along = side == 0 ? stage.between(-0.8, 0.8) * half : stage.between(0.25, 0.9) * depth;
      double off = kind == 4 ? 1.15 : 0.55;
      double x = side == 0 ? along : side == 1 ? -half + off : half - off;
      double z = side == 0 ? depth - off : along;
      double yaw = side == 0 ? 0 : side == 1 ? Math.PI / 2 : -Math.PI / 2;
      double freeX = stage.between(-0.7, 0.7) * half;
      double freeZ = stage.between(0.3, 0.85) * depth;
      switch (kind) {
        case 0, 1 -> {
          double w = stage.between(0.8, 1.7);
          double d = stage.between(0.6, 1);
          if (stage.claim(freeX, freeZ, 0.45 * (w + d))) {
            Place at = new Place(stage, freeX, 0, freeZ, stage.between(-1.6, 1.6));
            Furniture.table(at, w, d, stage.chance(0.3) ? 0.45 : 0.74);
            int chairs = stage.count(0, 3);
            for (int c = 0; c < chairs; c++) {
              double cx = (c - 1) * 0.55;
              double front = c % 2 == 0 ? 1 : -1;
              double cz = front * (d / 2 + 0.2);
              Place seat =
                  new Place(
                      stage,
                      at.worldX(cx, cz),
                      0,
                      at.worldZ(cx, cz),
                      stage.between(-1.6, 1.6) + yawNoise);
              Furniture.chair(seat);
            }
          }
        }
        case 2 -> {
          double w = stage.between(1.4, 2.2);
          if (stage.claim(x, z, 0.45 * w)) {
            Furniture.sofa(new Place(stage, x, 0, z, yaw + yawNoise), w);
          }
        }
        case 3 -> {
          if (stage.claim(x, z, 0.6)) {
            double h = stage.between(0.9, 2.1);
            Furniture.shelf(
                new Place(
                    stage,
                    side == 0 ? x : x * (half - 0.2) / (half - 0.55),
                    0,
                    side == 0 ? depth - 0.2 : z,
                    yaw),
                stage.between(0.8, 1.3),
                h);
          }
        }
        case 4 -> {
          if (depth > 5 && stage.claim(x, z, 1.1)) {
            Furniture.bed(new Place(stage, x, 0, z, yaw));
          }
        }
        case 5 -> {
          if (stage.claim(x, z, 0.5)) {
            Furniture.floorLamp(new Place(stage, x, 0, z, 0), glow);
            glow = Rgb.BLACK;
          }
        }
        case 6 -> {
          if (stage.claim(x, z, 0.4)) {
            Furniture.plant(new Place(stage, x, 0, z, 0), stage.between(0.8, 1.7));
          }
        }
        case 7 -> {
          if (stage.claim(x, z, 0.5)) {
            Furniture.cabinet(
                new Place(stage, x, 0, z, yaw), stage.between(0.6, 1.2), stage.between(0.5, 1.2));
          }
        }
        default -> {
          if (stage.claim(freeX, freeZ, 0.35)) {
            Furniture.oddment(new Place(stage, freeX, 0, freeZ, stage.between(0, 3)));
          }
        }
      }
    }
    if (stage.chance(0.6)) {
      Material rug = Furniture.cloth(stage);
      double rz = stage.between(0.4, 0.6) * depth;
      Place at = new Place(stage, stage.between(-0.2, 0.2) * width, 0, rz, yawOf(stage));
      at.box(SceneClass.FLOOR, rug, 0, 0, 0, stage.between(1, 2), 0.012, stage.between(1.4, 2.4));
    }
  }

  private static double yawOf(Stage stage) {
    return stage.chance(0.7) ? 0 : stage.between(-0.5, 0.5);
  }
}
