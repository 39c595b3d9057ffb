package dev.fathom.training.synth;

import dev.fathom.training.random.Philox;

/** Textures of walls, floors and things; those of landscapes are in {@link Soils}. */
final class Textures {

  private Textures() {}

  /** One colour. */
  record Plain(Rgb colour) implements Texture {
    @Override
    public void paint(Hit hit, double footprint, Paint paint) {
      paint.set(colour);
    }
  }

  /** A colour that shines by itself. */
  record Glowing(Rgb light) implements Texture {
    @Override
    public void paint(Hit hit, double footprint, Paint paint) {
      paint.set(Rgb.WHITE);
      paint.glow(light);
    }
  }

  /** Two colours mixed by noise in space. */
  record Mottled(Rgb one, Rgb other, double size, int octaves, int seed) implements Texture {
    @Override
    public void paint(Hit hit, double footprint, Paint paint) {
      double seen = Texture.seen(size, footprint);
      double t = 0.5;
      if (seen > 0) {
        double noise = Noise.octaves(hit.lx / size, hit.ly / size, hit.lz / size, octaves, seed);
        t += seen * Math.clamp(2.2 * (noise - 0.5), -0.5, 0.5);
      }
      paint.mix(one, other, t);
    }
  }

  /** Rows of bricks, each row shifted by half a brick. */
  record Bricks(Rgb brick, Rgb mortar, double width, double height, int seed) implements Texture {
    @Override
    public void paint(Hit hit, double footprint, Paint paint) {
      double row = Math.floor(hit.v / height);
      double along = hit.u / width + 0.5 * (row - 2 * Math.floor(row / 2));
      double column = Math.floor(along);
      double seen = Texture.seen(height, footprint);
      double tone = Noise.at((int) column, (int) row, 0, seed);
      paint.set(brick);
      paint.scale(1 + seen * 0.55 * (tone - 0.5));
      double joint = 0.012;
      double du = Math.min(along - column, 1 - along + column) * width;
      double dv = (hit.v / height - row) * height;
      boolean isJoint = du < joint / 2 || dv < joint;
      paint.towards(mortar, isJoint ? seen + (1 - seen) * 0.2 : (1 - seen) * 0.2);
    }
  }

  /** Square tiles of two colours in turn, or of one, with joints. */
  record Tiles(Rgb one, Rgb other, Rgb joint, double size, double jointWidth, int seed)
      implements Texture {
    @Override
    public void paint(Hit hit, double footprint, Paint paint) {
      double i = Math.floor(hit.u / size);
      double j = Math.floor(hit.v / size);
      double seen = Texture.seen(size, footprint);
      boolean odd = ((int) i + (int) j & 1) != 0;
      paint.mix(one, other, 0.5 + (odd ? 0.5 : -0.5) * seen);
      paint.scale(1 + 0.14 * seen * (Noise.at((int) i, (int) j, 0, seed) - 0.5));
      double du = hit.u - i * size;
      double dv = hit.v - j * size;
      if (du < jointWidth || dv < jointWidth) {
        paint.towards(joint, Texture.seen(2 * jointWidth, footprint / 2));
      }
    }
  }

  /** Boards with grain, end to end. */
  record Planks(Rgb light, Rgb dark, double width, double length, int seed) implements Texture {
    @Override
    public void paint(Hit hit, double footprint, Paint paint) {
      double row = Math.floor(hit.u / width);
      double shift = Noise.at((int) row, 7, 0, seed);
      double along = hit.v / length + shift;
      double board = Math.floor(along);
      double seen = Texture.seen(width, footprint);
      double tone = Noise.at((int) row, (int) board, 1, seed);
      double t = 0.5 + seen * 0.6 * (tone - 0.5);
      double fine = Texture.seen(0.03, footprint);
      if (fine > 0) {
        double grain = Noise.octaves(hit.u * 40, hit.v * 2.5 + 30 * tone, 2, seed + (int) row);
        t += fine * 0.7 * (grain - 0.5);
      }
      paint.mix(light, dark, Math.clamp(t, 0, 1));
      double gap = Math.min(hit.u - row * width, (along - board) * length);
      if (gap < 0.006) {
        paint.scale(1 - 0.6 * Texture.seen(0.012, footprint));
      }
    }
  }

  /** Stripes along the height, or along the width where {@code flat}. */
  record Stripes(Rgb one, Rgb other, double period, double share, boolean flat) implements Texture {
    @Override
    public void paint(Hit hit, double footprint, Paint paint) {
      double p = (flat ? hit.v : hit.u) / period;
      double seen = Texture.seen(period / 2, footprint);
      boolean first = p - Math.floor(p) < share;
      paint.mix(one, other, (1 - share) + (first ? share - 1 : share) * seen);
    }
  }

  /** Books in a shelf, doors of lockers: upright bands of many colours. */
  record Spines(double width, double saturation, int seed) implements Texture {
    @Override
    public void paint(Hit hit, double footprint, Paint paint) {
      double i = Math.floor(hit.u / width);
      double seen = Texture.seen(width, footprint);
      double hue = Noise.at((int) i, 0, 0, seed);
      double value = 0.25 + 0.65 * Noise.at((int) i, 1, 0, seed);
      Rgb mean = new Rgb(0.2, 0.17, 0.14);
      paint.set(mean);
      paint.towards(Rgb.hsv(hue, saturation, value), seen);
    }
  }

  /** A painting: blots of three colours. */
  record Blots(Rgb one, Rgb two, Rgb three, double size, int seed) implements Texture {
    @Override
    public void paint(Hit hit, double footprint, Paint paint) {
      double n = Noise.octaves(hit.u / size, hit.v / size, 3, seed);
      double m = Noise.value(hit.u / size + 40, hit.v / size, seed + 9);
      paint.set(one);
      paint.towards(two, Noise.step(0.45, 0.55, n));
      paint.towards(three, Noise.step(0.6, 0.64, m));
    }
  }

  /**
   * The outside of a house: windows in rows, some of them lit, in a wall.
   *
   * @param lit share of the windows with light behind them
   */
  record Facade(
      Texture wall,
      Rgb frame,
      Rgb glass,
      double storey,
      double bay,
      double windowWidth,
      double windowHeight,
      double lit,
      Rgb light,
      int seed)
      implements Texture {
    @Override
    public void paint(Hit hit, double footprint, Paint paint) {
      wall.paint(hit, footprint, paint);
      if (!hit.upright) {
        return;
      }
      double i = Math.floor(hit.u / bay);
      double j = Math.floor(hit.v / storey);
      double du = Math.abs(hit.u / bay - i - 0.5) * bay;
      double dv = Math.abs(hit.v / storey - j - 0.55) * storey;
      double inside = Math.min(windowWidth / 2 - du, windowHeight / 2 - dv);
      if (inside < 0) {
        return;
      }
      double seen = Texture.seen(0.4 * bay, footprint);
      boolean bar = inside < 0.07 || du < 0.03;
      if (bar) {
        paint.towards(frame, seen * Texture.seen(0.1, footprint));
        return;
      }
      paint.towards(glass, 0.4 + 0.6 * seen);
      double lamp = Noise.at((int) i, (int) j, 3, seed);
      paint.scale(0.6 + 0.8 * Noise.at((int) i, (int) j, 4, seed));
      if (lamp < lit) {
        paint.glow(light.times(0.4 + 0.6 * lamp / lit));
      }
    }
  }

  /** A carriageway along z: asphalt, a broken middle line, edge lines. */
  record Carriageway(Rgb asphalt, Rgb line, double halfWidth, double dash, int seed)
      implements Texture {
    @Override
    public void paint(Hit hit, double footprint, Paint paint) {
      double patches = Noise.octaves(hit.x / 3, hit.z / 5, 2, seed);
      double fine = Texture.seen(0.04, footprint);
      double grain = fine > 0 ? fine * (Noise.value(hit.x * 30, hit.z * 30, seed + 5) - 0.5) : 0;
      paint.set(asphalt);
      paint.scale(0.75 + 0.5 * patches + 0.4 * grain);
      double across = Math.abs(hit.x);
      double phase = hit.z / dash - Math.floor(hit.z / dash);
      boolean middle = across < 0.07 && phase < 0.45;
      boolean edge = Math.abs(across - halfWidth + 0.25) < 0.06;
      if (middle || edge) {
        double worn = 0.6 + 0.4 * Noise.value(hit.x * 6, hit.z * 2, seed + 8);
        paint.towards(line, worn * Texture.seen(0.15, footprint / 2));
      }
    }
  }

  /** Speckled paint on a wall with some dirt towards its foot. */
  static Texture plaster(Philox random, Rgb colour) {
    return new Mottled(
        colour.times(1.08), colour.times(0.86), random.uniform(0.4, 1.6), 3, random.nextInt());
  }
}
