package dev.fathom.bindings.cuda;

/**
 * A vendor's convolution and its gradients in bfloat16 with float32 accumulation, to compare with.
 * All tensors are bfloat16 and contiguous.
 */
public interface ConvProvider extends AutoCloseable {

  /**
   * A cross-correlation of x [B,H,W,I] with w [O,K,K,I] to y [B,OH,OW,O].
   *
   * @param batch B
   * @param height H
   * @param width W
   * @param inputs I
   * @param outputs O
   * @param kernel K, odd; the padding is (K - 1) / 2
   * @param stride OH = ceil(H / stride), OW = ceil(W / stride)
   */
  record Shape(int batch, int height, int width, int inputs, int outputs, int kernel, int stride) {

    /** OH. */
    public int outHeight() {
      return (height + stride - 1) / stride;
    }

    /** OW. */
    public int outWidth() {
      return (width + stride - 1) / stride;
    }

    void requireInput(DeviceMemory x, String name) {
      VendorLibraries.require(x, name, batch, height, width, inputs);
    }

    void requireWeight(DeviceMemory w, String name) {
      VendorLibraries.require(w, name, outputs, kernel, kernel, inputs);
    }

    void requireOutput(DeviceMemory y, String name) {
      VendorLibraries.require(y, name, batch, outHeight(), outWidth(), outputs);
    }
  }

  /** The library and how it is called. */
  String name();

  /**
   * y = x * w.
   *
   * @param stream the stream that it runs in
   * @param y overwritten
   * @throws CudaException if the library refuses
   * @throws IllegalArgumentException if a tensor is too small
   */
  void convolve(CudaStream stream, Shape shape, DeviceMemory x, DeviceMemory w, DeviceMemory y);

  /**
   * The gradient of x.
   *
   * @param dy of y's shape
   * @param dx of x's shape, overwritten
   * @throws CudaException if the library refuses
   * @throws IllegalArgumentException if a tensor is too small
   */
  void inputGradient(
      CudaStream stream, Shape shape, DeviceMemory w, DeviceMemory dy, DeviceMemory dx);

  /**
   * The gradient of w.
   *
   * @param dy of y's shape
   * @param dw of w's shape, overwritten
   * @throws CudaException if the library refuses
   * @throws IllegalArgumentException if a tensor is too small
   */
  void weightGradient(
      CudaStream stream, Shape shape, DeviceMemory x, DeviceMemory dy, DeviceMemory dw);

  @Override
  void close();
}
