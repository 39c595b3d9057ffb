package dev.fathom.nn.layer;

import dev.fathom.nn.tensor.Tensor;
import java.util.Arrays;

/** Shape checks whose messages name the operator and the shapes. */
final class Shapes {

  private Shapes() {}

  /** Requires the last dimension to have {@code channels} elements. */
  static void requireChannels(String operator, Tensor x, long channels) {
    if (x.rank() == 0 || x.extent(-1) != channels) {
      throw new IllegalArgumentException(
          operator + ": the input is " + x + "; its last dimension must be " + channels);
    }
  }

  /** Requires a number of dimensions. */
  static void requireRank(String operator, Tensor x, int rank, String meaning) {
    if (x.rank() != rank) {
      throw new IllegalArgumentException(
          operator + ": the input is " + x + "; needed is " + meaning);
    }
  }

  /** Requires an exact shape. */
  static void requireShape(String operator, String what, Tensor x, long... shape) {
    if (!x.hasShape(shape)) {
      throw new IllegalArgumentException(
          operator + ": " + what + " is " + x + "; needed is " + Arrays.toString(shape));
    }
  }

  /** The shape with another last dimension. */
  static long[] withChannels(Tensor x, long channels) {
    long[] shape = x.shape();
    shape[shape.length - 1] = channels;
    return shape;
  }
}
