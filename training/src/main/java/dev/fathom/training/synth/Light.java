package dev.fathom.training.synth;

/** Skies of several kinds. */
final class Light {
  private Light() {}

  /** A blue or clouded sky with a sun somewhere above. */
  static Sky day(Stage stage, double haze) {
    double elevation = stage.between(0.35, 1.15);
    double[] sun = Sky.direction(elevation, stage.between(-Math.PI, Math.PI));
    double clouds = stage.chance(0.3) ? 0 : stage.between(0.2, 0.9);
    double strength = stage.between(2.2, 3.4) * (1 - 0.5 * clouds);
    double warm = 0.25 * (1.15 - elevation);
    return new Sky(
        new Rgb(0.16, 0.32, 0.72).vary(stage.random, 0.2),
        new Rgb(0.72, 0.82, 0.95).vary(stage.random, 0.08),
        new Rgb(strength, strength * (0.96 - warm * 0.4), strength * (0.9 - warm)),
        sun[0],
        sun[1],
        sun[2],
        0.5,
        clouds,
        new Rgb(1.05, 1.05, 1.07),
        haze,
        new Rgb(0.55, 0.62, 0.75),
        new Rgb(0.22, 0.2, 0.16),
        stage.seed());
  }

  /** After sunset, or just before: dark blue above, orange at the horizon. */
  static Sky dusk(Stage stage, double haze) {
    double[] sun = Sky.direction(stage.between(0.04, 0.16), stage.between(-1.2, 1.2));
    Rgb glow = new Rgb(0.62, 0.3, 0.13).vary(stage.random, 0.3);
    boolean down = stage.chance(0.5);
    Rgb sunlight = down ? Rgb.BLACK : new Rgb(0.8, 0.36, 0.12);
    return new Sky(
        new Rgb(0.03, 0.05, 0.14).vary(stage.random, 0.3),
        down ? glow.times(0.45) : glow,
        sunlight,
        sun[0],
        sun[1],
        sun[2],
        0.5,
        stage.between(0, 0.7),
        glow.times(0.5),
        haze,
        new Rgb(0.07, 0.085, 0.15),
        new Rgb(0.035, 0.03, 0.03),
        stage.seed());
  }

  /** An even grey sky that casts hardly any shadow. */
  static Sky overcast(Stage stage, Rgb tint, double haze) {
    double[] sun = Sky.direction(stage.between(0.3, 1), stage.between(-3, 3));
    double sunshine = stage.chance(0.5) ? stage.between(0.1, 0.6) : 0;
    return new Sky(
        tint.times(stage.between(0.7, 0.95)),
        tint,
        tint.times(sunshine),
        sun[0],
        sun[1],
        sun[2],
        0.2,
        stage.between(0, 0.6),
        tint.times(0.8),
        haze,
        tint.times(0.85),
        tint.times(0.35),
        stage.seed());
  }

  /** Inside a building: diffuse light, and daylight behind the windows. */
  static Sky indoor(Stage stage, double diffuse, boolean bright) {
    double[] sun = Sky.direction(stage.between(0.25, 0.8), stage.between(-Math.PI, Math.PI));
    Rgb tint = new Rgb(1, 0.95, 0.88).vary(stage.random, 0.1).times(diffuse);
    double outside = bright ? 1 : 0.06;
    double sunshine = bright && stage.chance(0.7) ? 2.4 : 0;
    return new Sky(
        new Rgb(0.4, 0.6, 1).times(outside),
        new Rgb(1, 1.1, 1.2).times(outside),
        new Rgb(1, 0.93, 0.8).times(sunshine),
        sun[0],
        sun[1],
        sun[2],
        0,
        0.4,
        new Rgb(1.2, 1.2, 1.2).times(outside),
        0,
        tint,
        tint.times(0.72),
        stage.seed());
  }
}
