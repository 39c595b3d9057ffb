package dev.fathom.training.synth;

import java.util.function.DoubleBinaryOperator;

/**
 * A height field: nested square grids about the origin, finer near it, with a bilinear patch over
 * each cell. Rays are intersected with the patches exactly. Where two grids meet, a vertical skirt
 * closes the gap.
 */
final class Terrain extends Surface {
  /** Cells along a side of every grid. */
  private static final int CELLS = 96;

  /** Cells along a side of a block, whose greatest height is known. */
  private static final int BLOCK = 4;

  private static final int BLOCKS = CELLS / BLOCK;

  /** Blocks along a side of a square of blocks, whose greatest height is known, too. */
  private static final int SQUARE = 4;

  private static final int SQUARES = BLOCKS / SQUARE;

  /** Each grid's cells are so many times as long as the next finer one's. */
  private static final int COARSER = 4;

  private static final int LEVELS = 3;

  /** The finer grid covers these cells of the coarser. */
  private static final int INNER_FROM = (CELLS - CELLS / COARSER) / 2;

  private static final int INNER_TO = CELLS - INNER_FROM;

  private final double finestCell;
  private final double[][] heights = new double[LEVELS][];
  private final double[][] greatest = new double[LEVELS][BLOCKS * BLOCKS];

  /** Infinite for squares that the finer grid begins in: they are walked block by block. */
  private final double[][] greatestOfSquares = new double[LEVELS][SQUARES * SQUARES];

  private final double steepest;
  private double lowest = Double.POSITIVE_INFINITY;
  private double highest = Double.NEGATIVE_INFINITY;

  /**
   * @param finestCell side of the finest cells; the finest grid reaches 48 of them from the origin,
   *     the coarsest 768
   * @param steepest cosine of the slope beyond which the ground is rock; below 0 for all ground,
   *     above 1 for all rock
   * @param height height at (x, z)
   */
  Terrain(Material material, double finestCell, double steepest, DoubleBinaryOperator height) {
    super(SceneClass.GROUND, material);
    this.finestCell = finestCell;
    this.steepest = steepest;
    int side = CELLS + 1;
    for (int level = 0; level < LEVELS; level++) {
      double cell = cell(level);
      double from = -cell * CELLS / 2;
      double[] grid = new double[side * side];
      for (int j = 0; j < side; j++) {
        for (int i = 0; i < side; i++) {
          double h = height.applyAsDouble(from + i * cell, from + j * cell);
          grid[j * side + i] = h;
          lowest = Math.min(lowest, h);
          highest = Math.max(highest, h);
        }
      }
      heights[level] = grid;
      for (int b = 0; b < BLOCKS * BLOCKS; b++) {
        greatest[level][b] = greatestOf(grid, b % BLOCKS * BLOCK, b / BLOCKS * BLOCK);
      }
      for (int b = 0; b < BLOCKS * BLOCKS; b++) {
        int i = b % BLOCKS;
        int j = b / BLOCKS;
        int square = j / SQUARE * SQUARES + i / SQUARE;
        double most =
            b % BLOCKS % SQUARE == 0 && j % SQUARE == 0
                ? Double.NEGATIVE_INFINITY
                : greatestOfSquares[level][square];
        boolean inner = level > 0 && isInner(i) && isInner(j);
        greatestOfSquares[level][square] =
            Math.max(most, inner ? Double.POSITIVE_INFINITY : greatest[level][b]);
      }
    }
  }

  private static double greatestOf(double[] grid, int i0, int j0) {
    double max = Double.NEGATIVE_INFINITY;
    for (int j = j0; j <= j0 + BLOCK; j++) {
      for (int i = i0; i <= i0 + BLOCK; i++) {
        max = Math.max(max, grid[j * (CELLS + 1) + i]);
      }
    }
    return max;
  }

  private double cell(int level) {
    int scale = 1;
    for (int i = 0; i < level; i++) {
      scale *= COARSER;
    }
    return finestCell * scale;
  }

  /** The finest level that covers a point, or {@link #LEVELS}. */
  private int levelAt(double x, double z) {
    double reach = Math.max(Math.abs(x), Math.abs(z));
    int level = 0;
    while (level < LEVELS && reach > cell(level) * CELLS / 2) {
      level++;
    }
    return level;
  }

  /** The lowest height. */
  double lowest() {
    return lowest;
  }

  /** How far it reaches from the origin along the axes. */
  double reach() {
    return cell(LEVELS - 1) * CELLS / 2;
  }

  /** The height at a point; beyond the edge, that of the edge. */
  double height(double x, double z) {
    return height(Math.min(levelAt(x, z), LEVELS - 1), x, z);
  }

  private double height(int level, double x, double z) {
    double cell = cell(level);
    double gx = Math.clamp(x / cell + CELLS / 2.0, 0, CELLS);
    double gz = Math.clamp(z / cell + CELLS / 2.0, 0, CELLS);
    int i = Math.min((int) gx, CELLS - 1);
    int j = Math.min((int) gz, CELLS - 1);
    double fx = gx - i;
    double fz = gz - j;
    double[] grid = heights[level];
    int at = j * (CELLS + 1) + i;
    double near = grid[at] + (grid[at + 1] - grid[at]) * fx;
    double far = grid[at + CELLS + 1] + (grid[at + CELLS + 2] - grid[at + CELLS + 1]) * fx;
    return near + (far - near) * fz;
  }

  @Override
  double distance(Ray ray, double limit) {
    // Above the highest point a rising ray meets nothing more.
    double until = ray.dy > 0 ? Math.min(limit, (highest - ray.oy) * ray.iy + NEAREST) : limit;
    return until > NEAREST ? walk(ray, until) : Double.POSITIVE_INFINITY;
  }

  /** Follows a ray from grid to grid. */
  private double walk(Ray ray, double limit) {
    double t = NEAREST;
    for (int tries = 0; tries < 4 * LEVELS; tries++) {
      double ahead = t + 1e-9 * (1 + t);
      int level = levelAt(ray.ox + ahead * ray.dx, ray.oz + ahead * ray.dz);
      if (level == LEVELS) {
        double entry = entry(ray, t);
        if (!(entry > t && entry < limit)) {
          return Double.POSITIVE_INFINITY;
        }
        t = entry;
        continue;
      }
      double hit = walkBlocks(ray, level, t, limit);
      if (hit < Double.POSITIVE_INFINITY || ray.walked >= limit) {
        return hit < limit ? hit : Double.POSITIVE_INFINITY;
      }
      t = ray.walked;
    }
    return Double.POSITIVE_INFINITY;
  }

  /** Where a ray from outside enters the coarsest grid; infinity if it does not. */
  private double entry(Ray ray, double from) {
    double reach = reach();
    double x0 = (-reach - ray.ox) * ray.ix;
    double x1 = (reach - ray.ox) * ray.ix;
    double z0 = (-reach - ray.oz) * ray.iz;
    double z1 = (reach - ray.oz) * ray.iz;
    double entry = Math.max(Math.min(x0, x1), Math.min(z0, z1));
    double exit = Math.min(Math.max(x0, x1), Math.max(z0, z1));
    return entry < exit && entry > from ? entry : Double.POSITIVE_INFINITY;
  }

  /**
   * Follows a ray from block to block of a grid until it hits, leaves or enters the finer grid;
   * past squares of blocks that it passes above at once.
   *
   * @return the hit; infinity if there is none, and then {@code ray.walked} says how far it got
   */
  private double walkBlocks(Ray ray, int level, double from, double limit) {
    double block = cell(level) * BLOCK;
    double ahead = from + 1e-9 * (1 + from);
    int i = index((ray.ox + ahead * ray.dx) / block + BLOCKS / 2.0, BLOCKS);
    int j = index((ray.oz + ahead * ray.dz) / block + BLOCKS / 2.0, BLOCKS);
    int stepX = ray.dx > 0 ? 1 : -1;
    int stepZ = ray.dz > 0 ? 1 : -1;
    double[] greatestHere = greatest[level];
    double[] squares = greatestOfSquares[level];
    int square = -1;
    double t = from;
    while (t < limit) {
      int at = j / SQUARE * SQUARES + i / SQUARE;
      if (at != square) {
        square = at;
        int lastX = stepX > 0 ? i | (SQUARE - 1) : i & -SQUARE;
        int lastZ = stepZ > 0 ? j | (SQUARE - 1) : j & -SQUARE;
        double outX = crossing(ray.dx, ray.ox, ray.ix, lastX, stepX, block);
        double outZ = crossing(ray.dz, ray.oz, ray.iz, lastZ, stepZ, block);
        double out = Math.max(t, Math.min(outX, outZ));
        double end = Math.min(out, limit);
        double low = ray.oy + Math.min(t * ray.dy, end * ray.dy);
        if (out < Double.POSITIVE_INFINITY && low > squares[at]) {
          // As if it had gone block by block: through the other sides that it crosses before.
          if (outX <= outZ) {
            while (j != lastZ && crossing(ray.dz, ray.oz, ray.iz, j, stepZ, block) < outX) {
              j += stepZ;
            }
            i = lastX + stepX;
          } else {
            while (i != lastX && crossing(ray.dx, ray.ox, ray.ix, i, stepX, block) <= outZ) {
              i += stepX;
            }
            j = lastZ + stepZ;
          }
          t = out;
          if (i < 0
              || j < 0
              || i >= BLOCKS
              || j >= BLOCKS
              || (level > 0 && isInner(i) && isInner(j))) {
            ray.walked = t;
            return Double.POSITIVE_INFINITY;
          }
          continue;
        }
      }
      double tx = crossing(ray.dx, ray.ox, ray.ix, i, stepX, block);
      double tz = crossing(ray.dz, ray.oz, ray.iz, j, stepZ, block);
      double next = Math.max(t, Math.min(tx, tz));
      if (next == Double.POSITIVE_INFINITY) {
        next = limit; // Straight down.
      }
      double end = Math.min(next, limit);
      double low = ray.oy + Math.min(t * ray.dy, end * ray.dy);
      if (low <= greatestHere[j * BLOCKS + i]) {
        double hit = walkCells(ray, level, i, j, t, end);
        if (hit < Double.POSITIVE_INFINITY) {
          return hit;
        }
      }
      t = next;
      if (tx <= tz) {
        i += stepX;
      } else {
        j += stepZ;
      }
      boolean left = i < 0 || j < 0 || i >= BLOCKS || j >= BLOCKS;
      if (left || (level > 0 && isInner(i) && isInner(j))) {
        ray.walked = t;
        return Double.POSITIVE_INFINITY;
      }
    }
    ray.walked = limit;
    return Double.POSITIVE_INFINITY;
  }

  /** Where a ray leaves a block along an axis; infinity if it stays within its stretch. */
  private static double crossing(
      double direction, double origin, double inverse, int index, int step, double block) {
    double edge = ((index + (step + 1) / 2) - BLOCKS / 2.0) * block;
    return direction == 0 ? Double.POSITIVE_INFINITY : (edge - origin) * inverse;
  }

  private static boolean isInner(int block) {
    return block >= INNER_FROM / BLOCK && block < INNER_TO / BLOCK;
  }

  private static int index(double position, int count) {
    return Math.clamp((long) Math.floor(position), 0, count - 1);
  }

  /** Follows a ray through the cells of one block. */
  private double walkCells(Ray ray, int level, int blockX, int blockZ, double from, double to) {
    double cell = cell(level);
    double ahead = from + 1e-9 * (1 + from);
    int i0 = blockX * BLOCK;
    int j0 = blockZ * BLOCK;
    int i = i0 + index((ray.ox + ahead * ray.dx) / cell + CELLS / 2.0 - i0, BLOCK);
    int j = j0 + index((ray.oz + ahead * ray.dz) / cell + CELLS / 2.0 - j0, BLOCK);
    int stepX = ray.dx > 0 ? 1 : -1;
    int stepZ = ray.dz > 0 ? 1 : -1;
    double t = from;
    while (i >= i0 && i < i0 + BLOCK && j >= j0 && j < j0 + BLOCK && t <= to) {
      double edgeX = ((i + (stepX + 1) / 2) - CELLS / 2.0) * cell;
      double edgeZ = ((j + (stepZ + 1) / 2) - CELLS / 2.0) * cell;
      double tx = ray.dx == 0 ? Double.POSITIVE_INFINITY : (edgeX - ray.ox) * ray.ix;
      double tz = ray.dz == 0 ? Double.POSITIVE_INFINITY : (edgeZ - ray.oz) * ray.iz;
      double next = Math.min(to, Math.max(t, Math.min(tx, tz)));
      double hit = patch(ray, level, i, j, t, next);
      if (hit < Double.POSITIVE_INFINITY) {
        return hit;
      }
      if (next >= to) {
        return Double.POSITIVE_INFINITY;
      }
      t = next;
      if (tx <= tz) {
        i += stepX;
      } else {
        j += stepZ;
      }
    }
    return Double.POSITIVE_INFINITY;
  }

  /** The first root within [from, to] of the ray's height over a bilinear patch, a quadratic. */
  private double patch(Ray ray, int level, int i, int j, double from, double to) {
    double cell = cell(level);
    double[] grid = heights[level];
    int at = j * (CELLS + 1) + i;
    double h00 = grid[at];
    double hx = grid[at + 1] - h00;
    double hz = grid[at + CELLS + 1] - h00;
    double hxz = grid[at + CELLS + 2] - grid[at + CELLS + 1] - hx;
    // Along the ray, from its point at `from`: coordinates within the cell, in cells.
    double u = (ray.ox + from * ray.dx) / cell + CELLS / 2.0 - i;
    double v = (ray.oz + from * ray.dz) / cell + CELLS / 2.0 - j;
    double du = ray.dx / cell;
    double dv = ray.dz / cell;
    double c = ray.oy + from * ray.dy - h00 - hx * u - hz * v - hxz * u * v;
    if (c <= 0) {
      return from;
    }
    double b = ray.dy - hx * du - hz * dv - hxz * (u * dv + v * du);
    double a = -hxz * du * dv;
    double length = to - from;
    double root;
    if (Math.abs(a) * length < 1e-12) {
      root = b < 0 ? -c / b : Double.POSITIVE_INFINITY;
    } else {
      double square = b * b - 4 * a * c;
      if (square < 0) {
        return Double.POSITIVE_INFINITY;
      }
      double q = -0.5 * (b + (b < 0 ? -1 : 1) * Math.sqrt(square));
      double one = q / a;
      double two = c / q;
      root =
          Math.min(
              one > 0 ? one : Double.POSITIVE_INFINITY, two > 0 ? two : Double.POSITIVE_INFINITY);
    }
    return root <= length ? from + root : Double.POSITIVE_INFINITY;
  }

  @Override
  void describe(Ray ray, double t, Hit hit) {
    hit.at(ray, t);
    int level = Math.min(levelAt(hit.x, hit.z), LEVELS - 1);
    // Differences over a cell on both sides: continuous, so that the patches do not show.
    double d = cell(level);
    double gx = (height(hit.x + d, hit.z) - height(hit.x - d, hit.z)) / (2 * d);
    double gz = (height(hit.x, hit.z + d) - height(hit.x, hit.z - d)) / (2 * d);
    double scale = 1 / Math.sqrt(1 + gx * gx + gz * gz);
    hit.lx = hit.x;
    hit.ly = hit.y;
    hit.lz = hit.z;
    hit.nx = -gx * scale;
    hit.ny = scale;
    hit.nz = -gz * scale;
    hit.flat(0, 1, 0);
  }

  @Override
  SceneClass kindAt(Hit hit) {
    return hit.ny < steepest ? SceneClass.ROCK : SceneClass.GROUND;
  }
}
