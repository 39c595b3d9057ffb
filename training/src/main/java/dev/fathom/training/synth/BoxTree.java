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
  private final int[] parent;
  private int nodes;

  BoxTree(List<Solid> all) {
    solids = all.toArray(new Solid[0]);
    int capacity = Math.max(1, 2 * solids.length);
    bounds = new double[6 * capacity];
    child = new int[capacity];
    count = new int[capacity];
    parent = new int[capacity];
    parent[0] = -1;
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
    parent[first] = node;
    parent[first + 1] = node;
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

  /**
   * Looks for something nearer than what is found in a leaf alone. Of bodies that are equally near,
   * that one is kept which {@link #nearest} meets first, so that the order of the leaves does not
   * matter.
   */
  void nearestInLeaf(int leaf, Ray ray, Nearest found) {
    double limit = Math.nextUp(found.t);
    // A body's parameter may be a rounding below that of its box.
    if (entry(ray, leaf, limit + 1e-12 * limit) == Double.POSITIVE_INFINITY) {
      return;
    }
    int start = -1 - child[leaf];
    for (int i = start; i < start + count[leaf]; i++) {
      double t = solids[i].distance(ray, limit);
      if (t < found.t || (t == found.t && precedes(leaf, found.leaf, ray))) {
        found.t = t;
        found.surface = solids[i];
        found.leaf = leaf;
        limit = Math.nextUp(t);
      }
    }
  }

  /** Whether a ray that visits the nearer child first comes to a leaf before another. */
  private boolean precedes(int leaf, int other, Ray ray) {
    if (other < 0 || leaf == other) {
      return false;
    }
    // Children have larger numbers than their parents.
    int one = leaf;
    int two = other;
    while (parent[one] != parent[two]) {
      if (one > two) {
        one = parent[one];
      } else {
        two = parent[two];
      }
    }
    boolean isLeft = one < two;
    double left = entry(ray, Math.min(one, two), Double.POSITIVE_INFINITY);
    double right = entry(ray, Math.max(one, two), Double.POSITIVE_INFINITY);
    return isLeft == !(right < left);
  }

  /** Some body of a leaf that is met below a limit; null if there is none. */
  @Nullable Solid blockerInLeaf(int leaf, Ray ray, double limit) {
    if (entry(ray, leaf, limit) == Double.POSITIVE_INFINITY) {
      return null;
    }
    int start = -1 - child[leaf];
    for (int i = start; i < start + count[leaf]; i++) {
      if (solids[i].distance(ray, limit) < limit) {
        return solids[i];
      }
    }
    return null;
  }

  /** Whether there are no bodies, and so no nodes. */
  boolean isEmpty() {
    return nodes == 0;
  }

  /**
   * The first of a node's two children, which stand together; below 0 for a leaf. Node 0 is the
   * root.
   */
  int child(int node) {
    return child[node];
  }

  /** Six bounds of each node: least x, y, z, greatest x, y, z. Not to be changed. */
  double[] bounds() {
    return bounds;
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

    /** That the surface is in; below 0 if it is in none, or it does not matter which. */
    int leaf;

    void clear(double limit) {
      t = limit;
      surface = null;
      leaf = -1;
    }
  }
}
