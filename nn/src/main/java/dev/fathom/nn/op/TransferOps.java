package dev.fathom.nn.op;

import dev.fathom.nn.tensor.Tensor;
import java.util.function.Supplier;

/** Copies between the host's memory and a device's. On the CPU both are the same. */
public interface TransferOps {

  /**
   * Copies numbers into a tensor, rounding to its type.
   *
   * @throws IllegalArgumentException if there are more or fewer numbers than elements
   */
  void write(float[] values, Tensor y);

  /**
   * Copies a tensor of the host into one of the backend, rounding to its type.
   *
   * @param x float32, in the host's memory; may be released when this returns
   * @param y of the same size
   * @throws IllegalArgumentException if the sizes differ
   */
  void write(Tensor x, Tensor y);

  /** All elements of a tensor, as float32. Waits for whoever computes them. */
  float[] read(Tensor x);

  /**
   * Begins to read a tensor, which may be overwritten or released then.
   *
   * @return gives all elements, as float32, and waits for whoever computes them; to be asked once,
   *     by any thread
   */
  default Supplier<float[]> readLater(Tensor x) {
    float[] values = read(x);
    return () -> values;
  }

  /**
   * Copies a tensor of the backend into one of the host, as float32. Waits for whoever computes it.
   *
   * @param y float32, in the host's memory, of the same size
   * @throws IllegalArgumentException if the sizes differ
   */
  void read(Tensor x, Tensor y);
}
