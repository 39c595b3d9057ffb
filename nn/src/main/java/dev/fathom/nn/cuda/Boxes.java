package dev.fathom.nn.cuda;

import dev.fathom.nn.op.LossOps.Box;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** The boxes of a batch mixed by CutMix. */
final class Boxes {

  private Boxes() {}

  /**
   * Checks that there is one for each picture, and that each lies within it.
   *
   * @throws IllegalArgumentException naming the operator and the box
   */
  static void require(String operator, List<Box> boxes, long batch, long height, long width) {
    if (boxes.size() != batch) {
      throw new IllegalArgumentException(
          operator + ": " + boxes.size() + " boxes for " + batch + " pictures");
    }
    for (Box box : boxes) {
      if (box.top() < 0
          || box.left() < 0
          || box.bottom() > height
          || box.right() > width
          || box.top() > box.bottom()
          || box.left() > box.right()) {
        throw new IllegalArgumentException(
            operator + ": " + box + " in pictures of " + width + " x " + height);
      }
    }
  }

  /** As the kernels read them, int64 [B,4]: top, left, bottom, right; on the heap. */
  static MemorySegment corners(List<Box> boxes) {
    long[] corners = new long[4 * boxes.size()];
    int at = 0;
    for (Box box : boxes) {
      corners[at++] = box.top();
      corners[at++] = box.left();
      corners[at++] = box.bottom();
      corners[at++] = box.right();
    }
    return MemorySegment.ofArray(corners);
  }
}
