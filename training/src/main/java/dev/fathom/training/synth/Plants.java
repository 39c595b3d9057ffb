package dev.fathom.training.synth;

/** Trees, bushes, hedges; boulders too. */
final class Plants {
  private static final SceneClass KIND = SceneClass.VEGETATION;

  private Plants() {}

  /** Leaves of some green, yellow or red. */
  static Material leaves(Stage stage, Rgb light, double share) {
    Rgb own = light.vary(stage.random, 0.25);
    double size = stage.between(0.08, 0.16);
    return Material.of(new Soils.Leaves(own.times(1.35), own.times(0.4), size, stage.seed()))
        .bumpy(2.2, 0.14)
        .open(Material.Holes.leaves(0.3, share, stage.seed()));
  }

  static Material bark(Stage stage, Rgb colour) {
    Rgb own = colour.vary(stage.random, 0.3);
    return Material.of(new Textures.Mottled(own.times(1.4), own.times(0.5), 0.12, 2, stage.seed()))
        .bumpy(0.8, 0.08);
  }

  /** A tree with a round crown. */
  static void broadleaf(Place at, double height, Material leaves, Material bark) {
    Stage stage = at.stage;
    double trunk = height * stage.between(0.25, 0.4);
    double radius = height * stage.between(0.018, 0.03);
    double lean = stage.between(-0.06, 0.06) * height;
    double spread = height * stage.between(0.24, 0.36);
    at.cone(KIND, bark, 0, -0.3, 0, lean, trunk + 0.2 * height, 0, 1.25 * radius, 0.6 * radius);
    int branches = stage.count(2, 4);
    for (int i = 0; i < branches; i++) {
      double a = 2 * Math.PI * (i + stage.between(0, 0.7)) / branches;
      double x = lean + spread * 0.7 * StrictMath.cos(a);
      double z = spread * 0.7 * StrictMath.sin(a);
      double y = trunk + height * stage.between(0.15, 0.35);
      at.cone(KIND, bark, lean * 0.7, trunk * 0.9, 0, x, y, z, 0.5 * radius, 0.2 * radius);
      double r = spread * stage.between(0.5, 0.8);
      at.ball(KIND, leaves, x, y, z, r, 0.8 * r, r);
    }
    double r = spread * stage.between(0.75, 1);
    at.ball(KIND, leaves, lean, height - 0.75 * r, 0, r, 0.85 * r, r);
  }

  /** A conifer: stacked cones on a trunk. */
  static void conifer(Place at, double height, Material needles, Material bark) {
    Stage stage = at.stage;
    double width = height * stage.between(0.13, 0.22);
    double foot = height * stage.between(0.06, 0.16);
    at.cone(KIND, bark, 0, -0.3, 0, 0, 0.9 * height, 0, 0.022 * height, 0.006 * height);
    int tiers = stage.count(4, 6);
    for (int i = 0; i < tiers; i++) {
      double from = (double) i / tiers;
      double low = foot + (height - foot) * from;
      double high = Math.min(height, low + (height - foot) * 1.7 / tiers);
      double r = width * (1 - 0.85 * from);
      at.cone(KIND, needles, 0, low, 0, 0, high, 0, r, 0.12 * r);
    }
  }

  /** A trunk with bare branches. */
  static void bare(Place at, double height, Material bark) {
    Stage stage = at.stage;
    double radius = height * stage.between(0.012, 0.022);
    double lean = stage.between(-0.05, 0.05) * height;
    at.cone(KIND, bark, 0, -0.4, 0, lean, height, 0, radius * 1.2, 0.35 * radius);
    int branches = stage.count(3, 7);
    for (int i = 0; i < branches; i++) {
      double up = stage.between(0.35, 0.9);
      double a = stage.between(0, 2 * Math.PI);
      double reach = height * 0.22 * (1.2 - up);
      double x = lean * up;
      at.cone(
          KIND,
          bark,
          x,
          up * height,
          0,
          x + reach * StrictMath.cos(a),
          up * height + reach * stage.between(0.3, 0.9),
          reach * StrictMath.sin(a),
          0.35 * radius,
          0.1 * radius);
    }
  }

  static void bush(Place at, double size, Material leaves) {
    Stage stage = at.stage;
    int parts = stage.count(3, 5);
    for (int i = 0; i < parts; i++) {
      double r = size * stage.between(0.35, 0.6);
      double x = size * stage.between(-0.4, 0.4);
      double z = size * stage.between(-0.4, 0.4);
      at.ball(KIND, leaves, x, 0.55 * r, z, r, 0.85 * r, r);
    }
  }

  /** A column with arms. */
  static void cactus(Place at, double height, Material skin) {
    Stage stage = at.stage;
    double r = height * stage.between(0.05, 0.08);
    at.post(KIND, skin, 0, -0.2, 0, height + 0.2, r);
    at.ball(KIND, skin, 0, height, 0, r);
    int arms = stage.count(0, 3);
    for (int i = 0; i < arms; i++) {
      double side = i % 2 == 0 ? 1 : -1;
      double y = height * stage.between(0.35, 0.6);
      double x = side * height * stage.between(0.16, 0.24);
      at.rod(KIND, skin, 0, y, 0, x, y, 0, 0.7 * r);
      at.post(KIND, skin, x, y, 0, height * stage.between(0.15, 0.35), 0.7 * r);
      at.ball(KIND, skin, x, y, 0, 0.7 * r);
    }
  }

  /** A boulder: a ball cut by random planes. */
  static void boulder(Place at, double size, Material rock) {
    Stage stage = at.stage;
    int faces = stage.count(11, 16);
    double[] planes = new double[4 * (faces + 6)];
    for (int i = 0; i < faces + 6; i++) {
      double nx = i == 0 ? 1 : i == 1 ? -1 : 0;
      double ny = i == 2 ? 1 : i == 3 ? -1 : 0;
      double nz = i == 4 ? 1 : i == 5 ? -1 : 0;
      double distance = size;
      if (i >= 6) {
        ny = stage.between(-1, 1);
        double flat = Math.sqrt(1 - ny * ny);
        double a = stage.between(0, 2 * Math.PI);
        nx = flat * StrictMath.cos(a);
        nz = flat * StrictMath.sin(a);
        distance = size * stage.between(0.55, 0.95) * (1 - 0.3 * Math.abs(ny));
      }
      planes[4 * i] = nx;
      planes[4 * i + 1] = ny;
      planes[4 * i + 2] = nz;
      planes[4 * i + 3] = distance;
    }
    double[] bounds = {-size, -size, -size, size, size, size};
    double sunk = size * stage.between(0, 0.35);
    stage.add(
        new Hull(
            SceneClass.ROCK,
            rock,
            at.worldX(0, 0),
            at.worldY(sunk),
            at.worldZ(0, 0),
            planes,
            bounds));
  }

  static Material rock(Stage stage, Rgb colour) {
    Rgb own = colour.vary(stage.random, 0.2);
    return Material.of(new Textures.Mottled(own.times(1.3), own.times(0.55), 0.5, 3, stage.seed()))
        .bumpy(0.7, 0.25);
  }
}
