package dev.fathom.bindings.cuda;

import java.lang.foreign.MemorySegment;

/** What the implementations of the driver share: errors as exceptions, checks of host memory. */
public abstract class CheckedDriver implements CudaDriver {

  /** For implementations. */
  protected CheckedDriver() {}

  /**
   * Does nothing for CUDA_SUCCESS.
   *
   * @param function the driver function that returned it
   * @throws CudaException for every other code
   */
  protected final void check(int code, String function) {
    if (code != 0) {
      throw failure(code, function);
    }
  }

  /** Whether what a query asks about has ended. */
  protected final boolean ended(int code, String function) {
    if (code == CudaException.NOT_READY) {
      return false;
    }
    check(code, function);
    return true;
  }

  private CudaException failure(int code, String function) {
    return new CudaException(function, code, getErrorName(code), getErrorString(code));
  }

  /**
   * Refuses what must not be passed to the driver.
   *
   * @throws IllegalArgumentException if the segment is of the Java heap or smaller than that
   */
  protected static void requireNative(MemorySegment segment, long bytes) {
    if (!segment.isNative()) {
      throw new IllegalArgumentException("memory of the Java heap: it may move; use native memory");
    }
    if (bytes < 0 || segment.byteSize() < bytes) {
      throw new IllegalArgumentException(
          bytes + " bytes of a segment of " + segment.byteSize() + " bytes");
    }
  }

  /**
   * {@link #requireNative} for memory that the driver writes.
   *
   * @throws IllegalArgumentException also if the segment is read-only
   */
  protected static void requireNativeWritable(MemorySegment segment, long bytes) {
    requireNative(segment, bytes);
    if (segment.isReadOnly()) {
      throw new IllegalArgumentException("the segment is read-only");
    }
  }
}
