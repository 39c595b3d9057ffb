package dev.fathom.nn.op;

import dev.fathom.nn.tensor.Tensor;

/** Whole tensors taken as vectors; shapes do not matter, sizes do. */
public interface VectorOps {

  /** x = value. */
  void fill(Tensor x, float value);

  /**
   * y = a x + b y. With b = 0, y may be undefined before.
   *
   * @throws IllegalArgumentException if the sizes differ
   */
  void axpby(float a, Tensor x, float b, Tensor y);

  /**
   * y = x, rounded to y's type.
   *
   * @param x float32
   * @param y of the backend's type of activations
   * @throws IllegalArgumentException if the sizes differ
   */
  void round(Tensor x, Tensor y);

  /**
   * Takes the places without a number out of x: where x is NaN, mask = 0 and x becomes 0; elsewhere
   * mask = 1.
   *
   * @throws IllegalArgumentException if the sizes differ
   */
  void splitNan(Tensor x, Tensor mask);

  /**
   * The sum of squares, summed in float64 in an order that does not depend on the number of
   * threads; NaN or infinity if an element is.
   */
  Scalar sumOfSquares(Tensor x);
}
