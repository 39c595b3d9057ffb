package dev.fathom.training.synth;

import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Bodies in a tree of bounding boxes. */
final class BoxTree {
  /** No tree is deeper: from {@link #MEDIANS_FROM} on each level halves the number of bodies. */
  static final int DEEPEST = 72;

  private static final int MEDIANS_FROM = 36;

  private static final int LEAF = 2;

  private final Solid[] solids;

  /** Six bounds a node; the children of node i stand at {@code child[i]} and the next. */
  private final double[] bounds;

  /** First child of an inner node; {@code -1 - first} of a leaf's bodies. */
  private final int[] child;

  private final int[] count;
  private int nodes;

  BoxTree(List<Solid> all) {
    solids = all.toArray(new Solid[0]);
    int capacity = Math.max(1, 2 * solids.length);
    bounds = new double[6 * capacity];
    child = new int[capacity];
    count = new int[capacity];
    if (solids.length > 0) {
      nodes = 1;
      build(0, 0, solids.length, 0);
    }
  }

  private void build(int node, int from, int to, int depth) {
    double[] box = new double[6];
    clear(box);
    for (int i = from; i < to; i++) {
      grow(box, solids[i].bounds);
    }
    System.arraycopy(box, 0, bounds, 6 * node, 6);
    if (to - from <= LEAF) {
      child[node] = -1 - from;
      count[node] = to - from;
      return;
    }
    int middle = depth < MEDIANS_FROM ? cheapestCut(from, to) : cutAtMedian(from, to, 0);
    int first = nodes;
    nodes += 2;
    child[node] = first;
    build(first, from, middle, depth + 1);
    build(first + 1, middle, to, depth + 1);
  }

  private int cutAtMedian(int from, int to, int axis) {
    sort(from, to, axis);
    return (from + to) >>> 1;
  }

  private void sort(int from, int to, int axis) {
    Arrays.sort(
        solids,
        from,
        to,
        Comparator.comparingDouble(solid -> solid.bounds[axis] + solid.bounds[3 + axis]));
  }

  /**
   * Orders the bodies and cuts where rays have least to do: the least sum of surface times number
   * of bodies on both sides (MacDonald and Booth, "Heuristics for ray tracing using space
   * subdivision", 1990).
   */
  private int cheapestCut(int from, int to) {
    int best = (from + to) >>> 1;
    int bestAxis = 0;
    double bestCost = Double.POSITIVE_INFINITY;
    double[] after = new double[to - from];
    double[] box = new double[6];
    for (int axis = 0; axis < 3; axis++) {
      sort(from, to, axis);
      clear(box);
      for (int i = to - 1; i > from; i--) {
        grow(box, solids[i].bounds);
        after[i - from] = surface(box) * (to - i);
      }
      clear(box);
      for (int i = from + 1; i < to; i++) {
        grow(box, solids[i - 1].bounds);
        double cost = surface(box) * (i - from) + after[i - from];
        if (cost < bestCost) {
          bestCost = cost;
          best = i;
          bestAxis = axis;
        }
      }
    }
    sort(from, to, bestAxis);
    return best;
  }

  private static void clear(double[] box) {
    Arrays.fill(box, 0, 3, Double.POSITIVE_INFINITY);
    Arrays.fill(box, 3, 6, Double.NEGATIVE_INFINITY);
  }

  private static void grow(double[] box, double[] other) {
    for (int axis = 0; axis < 3; axis++) {
      box[axis] = Math.min(box[axis], other[axis]);
      box[3 + axis] = Math.max(box[3 + axis], other[3 + axis]);
    }
  }

  /** Half the surface of a box. */
  private static double surface(double[] box) {
    double x = box[3] - box[0];
    double y = box[4] - box[1];
    double z = box[5] - box[2];
    return x * y + y * z + z * x;
  }

  /** The parameter at which a ray enters a node's box; infinity if it misses it. */
  private double entry(Ray ray, int node, double limit) {
    int b = 6 * node;
    double entry = (bounds[b + ray.backX] - ray.ox) * ray.ix;
    double exit = (bounds[b + 3 - ray.backX] - ray.ox) * ray.ix;
    double entryY = (bounds[b + 1 + ray.backY] - ray.oy) * ray.iy;
    double exitY = (bounds[b + 4 - ray.backY] - ray.oy) * ray.iy;
    double entryZ = (bounds[b + 2 + ray.backZ] - ray.oz) * ray.iz;
    double exitZ = (bounds[b + 5 - ray.backZ] - ray.oz) * ray.iz;
    // Comparisons, not Math.max: they are faster, and not-a-number, from a ray within a face's
    // plane, counts as met: the bodies decide.
    if (entryY > entry) {
      entry = entryY;
    }
    if (entryZ > entry) {
      entry = entryZ;
    }
    if (exitY < exit) {
      exit = exitY;
    }
    if (exitZ < exit) {
      exit = exitZ;
    }
    return entry > exit || exit < 0 || entry >= limit ? Double.POSITIVE_INFINITY : entry;
  }

  /**
   * The nearest body below a limit.
   *
   * @param found takes the body and its parameter; untouched if there is none
   */
  void nearest(Ray ray, double limit, Nearest found) {
    if (nodes == 0) {
      return;
    }
    int[] stack = ray.stack;
    int depth = 0;
    int node = 0;
    double best = limit;
    while (true) {
      int first = child[node];
      if (first < 0) {
        int start = -1 - first;
        for (int i = start; i < start + count[node]; i++) {
          double t = solids[i].distance(ray, best);
          if (t < best) {
            best = t;
            found.t = t;
            found.surface = solids[i];
          }
        }
      } else {
        double left = entry(ray, first, best);
        double right = entry(ray, first + 1, best);
        boolean goLeft = left != Double.POSITIVE_INFINITY;
        boolean goRight = right != Double.POSITIVE_INFINITY;
        if (goLeft && goRight) {
          boolean rightFirst = right < left;
          stack[depth++] = rightFirst ? first : first + 1;
          node = rightFirst ? first + 1 : first;
          continue;
        }
        if (goLeft || goRight) {
          node = goLeft ? first : first + 1;
          continue;
        }
      }
      if (depth == 0) {
        return;
      }
      node = stack[--depth];
    }
  }

  /** Some body that is met below a limit; null if there is none. */
  @Nullable Solid blocker(Ray ray, double limit) {
    if (nodes == 0) {
      return null;
    }
    int[] stack = ray.stack;
    int depth = 0;
    stack[depth++] = 0;
    while (depth > 0) {
      int node = stack[--depth];
      if (entry(ray, node, limit) == Double.POSITIVE_INFINITY) {
        continue;
      }
      int first = child[node];
      if (first >= 0) {
        stack[depth++] = first;
        stack[depth++] = first + 1;
        continue;
      }
      int start = -1 - first;
      for (int i = start; i < start + count[node]; i++) {
        if (solids[i].distance(ray, limit) < limit) {
          return solids[i];
        }
      }
    }
    return null;
  }

  /** The nearest surface so far. */
  static final class Nearest {
    double t;
    @Nullable Surface surface;

    void clear(double limit) {
      t = limit;
      surface = null;
    }
  }
}
