package dev.fathom.training.synth;

import java.util.List;

/** What stands in rooms. */
final class Furniture {
  private static final SceneClass KIND = SceneClass.FURNITURE;
  private static final SceneClass THIN = SceneClass.POLE;
  private static final List<Rgb> WOODS =
      List.of(
          Rgb.of(0xB98A5A), Rgb.of(0x7A4E2D), Rgb.of(0xD9B98A), Rgb.of(0x4E3524), Rgb.of(0xE6DED0));

  private Furniture() {}

  static Material wood(Stage stage) {
    Rgb tone = WOODS.get(stage.random.nextInt(WOODS.size())).vary(stage.random, 0.15);
    return Material.of(
            new Textures.Planks(tone.times(1.15), tone.times(0.7), 0.14, 2.5, stage.seed()))
        .glossy(0.25);
  }

  static Material cloth(Stage stage) {
    Rgb one = Rgb.any(stage.random, 0.6, 0.75);
    Rgb other = stage.chance(0.5) ? one.times(0.75) : Rgb.any(stage.random, 0.5, 0.8);
    return switch (stage.random.nextInt(4)) {
      case 0 ->
          Material.of(
              new Textures.Stripes(one, other, stage.between(0.05, 0.2), 0.5, stage.chance(0.5)));
      case 1 -> Material.of(new Textures.Tiles(one, other, one, stage.between(0.05, 0.15), 0, 1));
      default ->
          Material.of(new Textures.Mottled(one.times(1.1), one.times(0.8), 0.05, 2, stage.seed()));
    };
  }

  static Material metal(Stage stage) {
    Rgb grey = Rgb.hsv(0.6, 0.1, stage.between(0.3, 0.8));
    return Material.plain(grey).glossy(0.6);
  }

  static void table(Place at, double width, double depth, double height) {
    Stage stage = at.stage;
    Material wood = wood(stage);
    Material legs = stage.chance(0.4) ? metal(stage) : wood;
    at.box(KIND, wood, 0, height - 0.04, 0, width, 0.04, depth);
    if (stage.chance(0.2)) {
      at.post(KIND, legs, 0, 0, 0, height - 0.04, 0.06);
      at.post(KIND, legs, 0, 0, 0, 0.03, 0.3 * Math.min(width, depth));
    } else {
      double r = stage.between(0.02, 0.035);
      for (int i = 0; i < 4; i++) {
        double x = (i % 2 == 0 ? 1 : -1) * (width / 2 - 0.06);
        double z = (i < 2 ? 1 : -1) * (depth / 2 - 0.06);
        at.post(THIN, legs, x, 0, z, height - 0.04, r);
      }
    }
    int things = stage.count(0, 4);
    for (int i = 0; i < things; i++) {
      double x = stage.between(-0.35, 0.35) * width;
      double z = stage.between(-0.35, 0.35) * depth;
      trinket(at, x, height, z);
    }
  }

  /** Something small that stands on something. */
  static void trinket(Place at, double x, double y, double z) {
    Stage stage = at.stage;
    Material paint = Material.plain(Rgb.any(stage.random, 0.8, 0.85)).glossy(stage.between(0, 0.5));
    switch (stage.random.nextInt(4)) {
      case 0 -> {
        double r = stage.between(0.05, 0.12);
        at.ball(SceneClass.SPHERE, paint, x, y + r, z, r);
      }
      case 1 ->
          at.post(
              SceneClass.CYLINDER,
              paint,
              x,
              y,
              z,
              stage.between(0.08, 0.3),
              stage.between(0.03, 0.06));
      case 2 -> {
        double r = stage.between(0.05, 0.08);
        at.cone(SceneClass.CYLINDER, paint, x, y, z, x, y + 0.2, z, r, 0.4 * r);
      }
      default ->
          at.box(
              SceneClass.BOX,
              paint,
              x,
              y,
              z,
              stage.between(0.1, 0.3),
              stage.between(0.03, 0.25),
              stage.between(0.1, 0.25));
    }
  }

  static void chair(Place at) {
    Stage stage = at.stage;
    Material frame = stage.chance(0.5) ? wood(stage) : metal(stage);
    Material seat = stage.chance(0.5) ? cloth(stage) : frame;
    double w = stage.between(0.4, 0.48);
    at.box(KIND, seat, 0, 0.42, 0, w, 0.05, w);
    for (int i = 0; i < 4; i++) {
      double x = (i % 2 == 0 ? 1 : -1) * (w / 2 - 0.03);
      boolean back = i < 2;
      at.post(THIN, frame, x, 0, back ? w / 2 - 0.03 : 0.03 - w / 2, back ? 0.9 : 0.42, 0.018);
    }
    if (stage.chance(0.5)) {
      at.box(KIND, seat, 0, 0.6, w / 2 - 0.03, w, 0.3, 0.03);
    } else {
      for (int i = 0; i < 3; i++) {
        at.box(THIN, frame, 0, 0.55 + 0.13 * i, w / 2 - 0.03, w - 0.06, 0.05, 0.02);
      }
    }
  }

  static void sofa(Place at, double width) {
    Material cloth = cloth(at.stage);
    at.box(KIND, cloth, 0, 0.12, 0, width, 0.3, 0.85);
    at.box(KIND, cloth, 0, 0.42, 0.33, width, 0.4, 0.2);
    at.box(KIND, cloth, -width / 2 + 0.09, 0.42, -0.05, 0.18, 0.2, 0.75);
    at.box(KIND, cloth, width / 2 - 0.09, 0.42, -0.05, 0.18, 0.2, 0.75);
    Material cushion = cloth(at.stage);
    at.box(KIND, cushion, -width / 4, 0.42, 0.16, 0.42, 0.36, 0.14);
  }

  static void bed(Place at) {
    Material cloth = cloth(at.stage);
    Material white = Material.plain(Rgb.of(0xE8E4DC));
    Material frame = wood(at.stage);
    at.box(KIND, frame, 0, 0.1, 0, 1.6, 0.2, 2.05);
    at.box(KIND, cloth, 0, 0.3, -0.15, 1.55, 0.22, 1.7);
    at.box(KIND, frame, 0, 0, 1.03, 1.65, 0.95, 0.06);
    at.ball(KIND, white, -0.4, 0.52, 0.75, 0.3, 0.1, 0.22);
    at.ball(KIND, white, 0.4, 0.52, 0.75, 0.3, 0.1, 0.22);
  }

  /** A shelf with books, open to its -z side. */
  static void shelf(Place at, double width, double height) {
    Stage stage = at.stage;
    Material wood = wood(stage);
    double depth = 0.32;
    at.box(KIND, wood, 0, 0, depth / 2, width, height, 0.02);
    at.box(KIND, wood, -width / 2, 0, 0, 0.03, height, depth);
    at.box(KIND, wood, width / 2, 0, 0, 0.03, height, depth);
    int boards = (int) (height / 0.38);
    for (int i = 0; i <= boards; i++) {
      double y = i * (height - 0.03) / boards;
      at.box(KIND, wood, 0, y, 0, width, 0.03, depth);
      if (i == boards) {
        break;
      }
      double from = -width / 2 + 0.04;
      double filled = stage.between(0.2, 0.95) * (width - 0.1);
      Material books =
          Material.of(new Textures.Spines(stage.between(0.025, 0.05), 0.7, stage.seed()));
      at.box(KIND, books, from + filled / 2, y + 0.03, 0.03, filled, stage.between(0.18, 0.3), 0.2);
      if (filled < 0.6 * width) {
        trinket(at, from + filled + 0.2 * width, y + 0.03, 0);
      }
    }
  }

  static void cabinet(Place at, double width, double height) {
    Stage stage = at.stage;
    Material front =
        stage.chance(0.5)
            ? wood(stage)
            : Material.plain(Rgb.any(stage.random, 0.3, 0.8)).glossy(0.3);
    Material knob = metal(stage);
    at.box(KIND, front, 0, 0.06, 0, width, height - 0.06, 0.45);
    at.box(KIND, Material.plain(Rgb.of(0x30302C)), 0, 0, 0.03, width - 0.05, 0.06, 0.38);
    int doors = Math.max(1, (int) (width / 0.5));
    for (int i = 0; i < doors; i++) {
      double x = -width / 2 + (i + 0.5) * width / doors;
      at.box(KIND, front, x, 0.1, -0.23, width / doors - 0.03, height - 0.16, 0.02);
      at.rod(THIN, knob, x + 0.12, 0.6 * height, -0.26, x + 0.12, 0.6 * height + 0.12, -0.26, 0.01);
    }
    trinket(at, stage.between(-0.3, 0.3) * width, height, 0);
  }

  /** A lamp on a pole; it shines where {@code light} is brighter than black. */
  static void floorLamp(Place at, Rgb light) {
    Stage stage = at.stage;
    Material metal = metal(stage);
    double height = stage.between(1.3, 1.8);
    at.post(KIND, metal, 0, 0, 0, 0.03, 0.15);
    at.post(THIN, metal, 0, 0, 0, height, 0.014);
    boolean lit = light.g() > 0;
    Material shade =
        lit
            ? Material.of(new Textures.Glowing(light.times(0.35)))
            : Material.plain(Rgb.of(0xD8CDB8));
    at.cone(KIND, shade, 0, height - 0.1, 0, 0, height + 0.2, 0, 0.2, 0.12);
    if (lit) {
      at.lamp(0, height + 0.3, 0, light);
    }
  }

  static void plant(Place at, double height) {
    Stage stage = at.stage;
    Material pot = Material.plain(Rgb.any(stage.random, 0.5, 0.6));
    at.cone(SceneClass.CYLINDER, pot, 0, 0, 0, 0, 0.3, 0, 0.12, 0.17);
    Rgb green = Rgb.of(0x4E8A3A).vary(stage.random, 0.3);
    Material leaves =
        Material.of(new Soils.Leaves(green.times(1.3), green.times(0.5), 0.04, stage.seed()))
            .bumpy(1.5, 0.08)
            .open(Material.Holes.leaves(0.11, 0.55, stage.seed()));
    at.post(
        SceneClass.VEGETATION,
        Plants.bark(stage, Rgb.of(0x5A4430)),
        0,
        0.25,
        0,
        0.5 * height,
        0.02);
    int parts = stage.count(2, 4);
    for (int i = 0; i < parts; i++) {
      double r = height * stage.between(0.16, 0.26);
      at.ball(
          SceneClass.VEGETATION,
          leaves,
          stage.between(-0.15, 0.15),
          height * stage.between(0.55, 0.85),
          stage.between(-0.15, 0.15),
          r);
    }
  }

  /** Something on the floor: a bollard, a bin, a crate or a ball. */
  static void oddment(Place at) {
    Stage stage = at.stage;
    Material paint = Material.plain(Rgb.any(stage.random, 0.8, 0.75)).glossy(0.3);
    switch (stage.random.nextInt(4)) {
      case 0 -> {
        at.post(SceneClass.CYLINDER, paint, 0, 0, 0, 0.75, 0.11);
        at.ball(SceneClass.SPHERE, paint, 0, 0.78, 0, 0.13);
      }
      case 1 -> at.post(SceneClass.CYLINDER, paint, 0, 0, 0, 0.95, 0.28);
      case 2 ->
          at.box(
              SceneClass.BOX,
              paint,
              0,
              0,
              0,
              stage.between(0.4, 0.9),
              stage.between(0.4, 1.3),
              stage.between(0.4, 0.7));
      default -> {
        double r = stage.between(0.2, 0.45);
        at.ball(SceneClass.SPHERE, paint, 0, r, 0, r);
      }
    }
  }
}
