package dev.fathom.bindings.cuda;

/** A vendor's 3x3 convolution in bfloat16 with float32 accumulation, to compare with. */
public interface ConvProvider extends AutoCloseable {

  /** The library and how it is called. */
  String name();

  /**
   * y = x * w, a cross-correlation with stride 1 and padding 1. All is bfloat16 and contiguous.
   *
   * @param stream the stream that it runs in
   * @param x [B,H,W,I]
   * @param w [O,3,3,I]
   * @param y [B,H,W,O], overwritten
   * @param batch B
   * @param height H
   * @param width W
   * @param inputs I
   * @param outputs O
   * @throws CudaException if the library refuses
   * @throws IllegalArgumentException if a tensor is too small
   */
  void convolve(
      CudaStream stream,
      int batch,
      int height,
      int width,
      int inputs,
      int outputs,
      DeviceMemory x,
      DeviceMemory w,
      DeviceMemory y);

  @Override
  void close();
}
