package dev.fathom.nn.checkpoint;

import java.util.Arrays;
import java.util.List;

/**
 * What is known of a stored tensor without reading its elements.
 *
 * @param name its name in the file
 * @param dtype type of the stored elements
 * @param shape sizes, outermost first; empty for a scalar
 */
public record TensorInfo(String name, DType dtype, List<Long> shape) {
  public TensorInfo {
    shape = List.copyOf(shape);
    long elements = 1;
    for (long size : shape) {
      if (size < 0) {
        throw new IllegalArgumentException("shape " + shape + " has a negative size");
      }
      elements = Math.multiplyExact(elements, size);
    }
    Math.multiplyExact(elements, dtype.bytes());
  }

  public static TensorInfo of(String name, DType dtype, long... shape) {
    return new TensorInfo(name, dtype, Arrays.stream(shape).boxed().toList());
  }

  /** A new array of the sizes. */
  public long[] dims() {
    return shape.stream().mapToLong(Long::longValue).toArray();
  }

  /** Number of elements; 1 for a scalar. */
  public long elements() {
    long elements = 1;
    for (long size : shape) {
      elements *= size;
    }
    return elements;
  }

  /** Bytes of the elements, stored contiguously. */
  public long byteSize() {
    return elements() * dtype.bytes();
  }
}
