package dev.fathom.bindings.cuda;

import org.jspecify.annotations.Nullable;

/** A vendor's matrix product in bfloat16 with float32 accumulation, to compare with. */
public interface GemmProvider extends AutoCloseable {

  /** The library and how it is called. */
  String name();

  /** Whether {@link #multiply} takes a bias. */
  boolean hasBias();

  /**
   * y = x w^T + bias: a linear layer. All is bfloat16, row-major and contiguous.
   *
   * @param stream the stream that it runs in
   * @param rows M, rows of x and y
   * @param inputs K, columns of x and w
   * @param outputs N, rows of w and columns of y
   * @param x [M,K]
   * @param w [N,K]
   * @param bias [N], or null for none
   * @param y [M,N], overwritten
   * @throws CudaException if the library refuses
   * @throws IllegalArgumentException if a tensor is too small, or there is a bias and {@link
   *     #hasBias} is false
   */
  void multiply(
      CudaStream stream,
      int rows,
      int inputs,
      int outputs,
      DeviceMemory x,
      DeviceMemory w,
      @Nullable DeviceMemory bias,
      DeviceMemory y);

  @Override
  void close();
}
