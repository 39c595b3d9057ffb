package dev.fathom.training.synth;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The leaves of a {@link BoxTree} that a bundle of neighbouring rays can meet: found once for the
 * bundle, then looked at one by one for each ray, which costs less than a way down the tree for
 * each. What is found is the same.
 */
final class Beam {
  private final BoxTree tree;
  private final int[] stack = new int[BoxTree.DEEPEST + 1];
  private int[] leaves = new int[64];

  /** For each leaf, a parameter below which no ray of the bundle meets it; ascending. */
  private double[] nearest = new double[64];

  private int size;

  Beam(BoxTree tree) {
    this.tree = tree;
  }

  /** Number of leaves. */
  int size() {
    return size;
  }

  /**
   * Takes the leaves that rays of a camera through a part of the picture can meet.
   *
   * @param tile in pixels of the picture
   */
  void gather(Tile tile) {
    size = 0;
    if (tree.isEmpty()) {
      return;
    }
    int depth = 0;
    stack[depth++] = 0;
    while (depth > 0) {
      int node = stack[--depth];
      if (!tile.mayMeet(tree.bounds(), 6 * node)) {
        continue;
      }
      int first = tree.child(node);
      if (first >= 0) {
        stack[depth++] = first;
        stack[depth++] = first + 1;
      } else {
        add(node, tile.depth(tree.bounds(), 6 * node));
      }
    }
  }

  /**
   * Takes the leaves that stand between some points and a light.
   *
   * @param most leaves that are of use
   * @return whether there are no more
   */
  boolean gather(Shaft shaft, int most) {
    size = 0;
    if (tree.isEmpty()) {
      return true;
    }
    int depth = 0;
    stack[depth++] = 0;
    while (depth > 0) {
      int node = stack[--depth];
      if (!shaft.mayMeet(tree.bounds(), 6 * node)) {
        continue;
      }
      int first = tree.child(node);
      if (first >= 0) {
        stack[depth++] = first;
        stack[depth++] = first + 1;
      } else if (size == most) {
        return false;
      } else {
        add(node, 0);
      }
    }
    return true;
  }

  /** Puts a leaf into its place. */
  private void add(int node, double near) {
    if (size == leaves.length) {
      leaves = Arrays.copyOf(leaves, 2 * size);
      nearest = Arrays.copyOf(nearest, 2 * size);
    }
    int at = size++;
    while (at > 0 && nearest[at - 1] > near) {
      nearest[at] = nearest[at - 1];
      leaves[at] = leaves[at - 1];
      at--;
    }
    nearest[at] = near;
    leaves[at] = node;
  }

  /** As {@link BoxTree#nearest}, for a ray of the bundle. */
  void nearest(Ray ray, BoxTree.Nearest found) {
    for (int i = 0; i < size && nearest[i] < found.t; i++) {
      tree.nearestInLeaf(leaves[i], ray, found);
    }
  }

  /** As {@link BoxTree#blocker}, for a ray of the bundle. */
  @Nullable Solid blocker(Ray ray, double limit) {
    for (int i = 0; i < size; i++) {
      Solid solid = tree.blockerInLeaf(leaves[i], ray, limit);
      if (solid != null) {
        return solid;
      }
    }
    return null;
  }

  /** The rays of a camera through a rectangle of its picture: a pyramid. */
  static final class Tile {
    /** Rounding cannot carry a ray out of a tile that is so many pixels larger. */
    private static final double MARGIN = 0.01;

    private double ox;
    private double oy;
    private double oz;

    /** Inward normals of the sides, and last the camera's axis. */
    private final double[] normals = new double[15];

    private final Ray corner = new Ray();

    /** Sets the rectangle, in pixels. */
    void set(Camera.Frame frame, double left, double top, double right, double bottom) {
      double[] corners = new double[12];
      double l = left - MARGIN;
      double t = top - MARGIN;
      double r = right + MARGIN;
      double b = bottom + MARGIN;
      direction(frame, l, t, corners, 0);
      direction(frame, r, t, corners, 3);
      direction(frame, r, b, corners, 6);
      direction(frame, l, b, corners, 9);
      ox = corner.ox;
      oy = corner.oy;
      oz = corner.oz;
      for (int i = 0; i < 4; i++) {
        int p = 3 * i;
        int q = 3 * ((i + 1) % 4);
        int opposite = 3 * ((i + 2) % 4);
        double x = corners[p + 1] * corners[q + 2] - corners[p + 2] * corners[q + 1];
        double y = corners[p + 2] * corners[q] - corners[p] * corners[q + 2];
        double z = corners[p] * corners[q + 1] - corners[p + 1] * corners[q];
        double towards =
            x * corners[opposite] + y * corners[opposite + 1] + z * corners[opposite + 2];
        double sign = towards < 0 ? -1 : 1;
        normals[p] = sign * x;
        normals[p + 1] = sign * y;
        normals[p + 2] = sign * z;
      }
      frame.axis(normals, 12);
    }

    private void direction(Camera.Frame frame, double x, double y, double[] to, int at) {
      frame.ray(x, y, corner);
      to[at] = corner.dx;
      to[at + 1] = corner.dy;
      to[at + 2] = corner.dz;
    }

    /** False only if no ray of the tile meets the box whose six bounds stand at {@code at}. */
    boolean mayMeet(double[] bounds, int at) {
      for (int i = 0; i < 15; i += 3) {
        if (greatest(bounds, at, i) < 0) {
          return false;
        }
      }
      return true;
    }

    /** The largest distance of a corner of a box along a normal. */
    private double greatest(double[] bounds, int at, int i) {
      double x = normals[i];
      double y = normals[i + 1];
      double z = normals[i + 2];
      return x * (bounds[x > 0 ? at + 3 : at] - ox)
          + y * (bounds[y > 0 ? at + 4 : at + 1] - oy)
          + z * (bounds[z > 0 ? at + 5 : at + 2] - oz);
    }

    /** A parameter below which no ray meets the box: a little less than its least depth. */
    double depth(double[] bounds, int at) {
      double x = normals[12];
      double y = normals[13];
      double z = normals[14];
      double least =
          x * (bounds[x > 0 ? at : at + 3] - ox)
              + y * (bounds[y > 0 ? at + 1 : at + 4] - oy)
              + z * (bounds[z > 0 ? at + 2 : at + 5] - oz);
      return least - 1e-9 * (1 + Math.abs(least));
    }
  }

  /** The way from some points to a lamp, or towards the sun: a box that moves and may shrink. */
  static final class Shaft {
    /** Least x, y, z and greatest x, y, z of the points. */
    private final double[] points = new double[6];

    /** How these change with the rays' parameter. */
    private final double[] slopes = new double[6];

    private double limit;

    /** Forgets the points. */
    void clear() {
      Arrays.fill(points, 0, 3, Double.POSITIVE_INFINITY);
      Arrays.fill(points, 3, 6, Double.NEGATIVE_INFINITY);
    }

    /** Adds all points that are no farther from this one than {@code around} in any axis. */
    void add(double x, double y, double z, double around) {
      points[0] = Math.min(points[0], x - around);
      points[1] = Math.min(points[1], y - around);
      points[2] = Math.min(points[2], z - around);
      points[3] = Math.max(points[3], x + around);
      points[4] = Math.max(points[4], y + around);
      points[5] = Math.max(points[5], z + around);
    }

    /** All rays end no farther than {@code around} from a point, where their parameter is 1. */
    void to(double x, double y, double z, double around) {
      for (int i = 0; i < 6; i += 3) {
        double out = i == 0 ? -around : around;
        slopes[i] = x + out - points[i];
        slopes[i + 1] = y + out - points[i + 1];
        slopes[i + 2] = z + out - points[i + 2];
      }
      limit = 1;
    }

    /** All rays have one direction. */
    void along(double dx, double dy, double dz, double farthest) {
      for (int i = 0; i < 6; i += 3) {
        slopes[i] = dx;
        slopes[i + 1] = dy;
        slopes[i + 2] = dz;
      }
      limit = farthest;
    }

    /** False only if no ray meets the box whose six bounds stand at {@code at}. */
    boolean mayMeet(double[] bounds, int at) {
      double from = 0;
      double to = limit;
      for (int axis = 0; axis < 3; axis++) {
        // The least coordinate, on its way, is at most the box's greatest.
        double slope = slopes[axis];
        double room = bounds[at + 3 + axis] - points[axis];
        if (slope > 0) {
          to = Math.min(to, room / slope);
        } else if (slope < 0) {
          from = Math.max(from, room / slope);
        } else if (room < 0) {
          return false;
        }
        // The greatest is at least the box's least.
        slope = slopes[3 + axis];
        room = bounds[at + axis] - points[3 + axis];
        if (slope > 0) {
          from = Math.max(from, room / slope);
        } else if (slope < 0) {
          to = Math.min(to, room / slope);
        } else if (room > 0) {
          return false;
        }
      }
      return from <= to + 1e-9 * (1 + to);
    }
  }
}
