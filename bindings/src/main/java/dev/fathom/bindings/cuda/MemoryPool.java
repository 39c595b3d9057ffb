package dev.fathom.bindings.cuda;

/**
 * The device's pool for stream-ordered allocation. It belongs to the device: there is nothing to
 * close.
 */
public final class MemoryPool {

  private final CudaContext context;
  private final long handle;

  MemoryPool(CudaContext context, long handle) {
    this.context = context;
    this.handle = handle;
  }

  private CudaDriver driver() {
    context.makeCurrent();
    return context.driver();
  }

  /** Bytes that it holds of the device. */
  public long reservedBytes() {
    return driver().memPoolGetAttribute(handle, CudaConstants.MEMPOOL_ATTR_RESERVED_MEM_CURRENT);
  }

  /** Bytes that are given out of it. */
  public long usedBytes() {
    return driver().memPoolGetAttribute(handle, CudaConstants.MEMPOOL_ATTR_USED_MEM_CURRENT);
  }

  /** The most bytes that were given out at a time, since {@link #resetPeak}. */
  public long peakUsedBytes() {
    return driver().memPoolGetAttribute(handle, CudaConstants.MEMPOOL_ATTR_USED_MEM_HIGH);
  }

  /** Starts {@link #peakUsedBytes} anew. */
  public void resetPeak() {
    driver().memPoolSetAttribute(handle, CudaConstants.MEMPOOL_ATTR_USED_MEM_HIGH, 0);
  }

  /** Bytes that it keeps when a stream is synchronised; the rest goes back to the system. */
  public long releaseThreshold() {
    return driver().memPoolGetAttribute(handle, CudaConstants.MEMPOOL_ATTR_RELEASE_THRESHOLD);
  }

  /**
   * Sets {@link #releaseThreshold}; {@link Long#MAX_VALUE} to keep everything, which is fastest.
   */
  public void releaseThreshold(long bytes) {
    driver().memPoolSetAttribute(handle, CudaConstants.MEMPOOL_ATTR_RELEASE_THRESHOLD, bytes);
  }

  /** Gives what is not used back to the system, but for so many bytes. */
  public void trim(long keepBytes) {
    driver().memPoolTrimTo(handle, keepBytes);
  }
}
