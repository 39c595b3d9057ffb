package dev.fathom.bindings.cuda;

import java.util.Locale;

/**
 * The GPU has no room for what was asked for. Nothing was allocated and nothing is broken: the
 * context stays usable.
 */
public final class CudaOutOfMemoryException extends CudaException {

  private static final long serialVersionUID = 1L;

  private final long requestedBytes;
  private final long inUseBytes;
  private final long freeBytes;
  private final long totalBytes;

  CudaOutOfMemoryException(
      CudaException cause, long requestedBytes, long inUseBytes, MemoryInfo info) {
    super(
        String.format(
            Locale.ROOT,
            "no room for %,d bytes on the GPU: %,d are in use by this context, %,d of %,d are free",
            requestedBytes,
            inUseBytes,
            info.free(),
            info.total()),
        cause.operation(),
        cause.code(),
        cause.errorName(),
        cause.errorText());
    initCause(cause);
    this.requestedBytes = requestedBytes;
    this.inUseBytes = inUseBytes;
    this.freeBytes = info.free();
    this.totalBytes = info.total();
  }

  /** Bytes that were asked for. */
  public long requestedBytes() {
    return requestedBytes;
  }

  /** Bytes of {@link DeviceMemory} that the context had given out at that time. */
  public long inUseBytes() {
    return inUseBytes;
  }

  /** Bytes of the device that no process used. */
  public long freeBytes() {
    return freeBytes;
  }

  /** Bytes of the device. */
  public long totalBytes() {
    return totalBytes;
  }
}
