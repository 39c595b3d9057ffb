package dev.fathom.nn.tensor;

/** Where tensors come from and go back to. Not thread-safe. */
public interface Memory {

  /**
   * A tensor with undefined contents.
   *
   * @throws OutOfMemoryError naming the shape, if there is no room
   */
  Tensor allocate(ElementType type, long... shape);

  /** A tensor of float32 numbers, as {@link #allocate(ElementType, long...)}. */
  default Tensor allocate(long... shape) {
    return allocate(ElementType.FLOAT32, shape);
  }

  /**
   * Takes the memory of a tensor back, which is not usable from then on.
   *
   * @throws IllegalArgumentException if this memory did not allocate it or has it back already
   */
  void release(Tensor tensor);
}
