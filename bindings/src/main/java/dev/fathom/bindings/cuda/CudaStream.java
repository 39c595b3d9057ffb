package dev.fathom.bindings.cuda;

import java.lang.foreign.MemorySegment;

/**
 * A queue of work of the device. Copies, fills and launches return before they are done, and are
 * done in order; {@link #synchronize} waits. What they use must stay open until then.
 */
public final class CudaStream extends CudaResource {

  private final long handle;

  CudaStream(CudaContext context, long handle) {
    super(context);
    this.handle = handle;
  }

  /** The driver's handle. */
  public long handle() {
    requireOpen();
    return handle;
  }

  /**
   * Waits for the work so far.
   *
   * @throws CudaException if the work failed
   */
  public void synchronize() {
    driver().streamSynchronize(handle);
  }

  /** Whether the work so far is done. */
  public boolean isIdle() {
    return driver().streamQuery(handle);
  }

  /**
   * Copies all of a segment to the beginning of device memory.
   *
   * @param source native memory; {@link PinnedMemory} to be copied asynchronously
   * @throws IllegalArgumentException if it is of the Java heap or does not fit
   */
  public void copyToDevice(DeviceMemory destination, MemorySegment source) {
    long bytes = source.byteSize();
    requireRoom(destination.byteSize(), bytes);
    driver().memcpyHtoDAsync(destination.address(), source, bytes, handle);
  }

  /**
   * Copies all of device memory to the beginning of a segment.
   *
   * @param destination native memory; {@link PinnedMemory} to be copied to asynchronously
   * @throws IllegalArgumentException if it is of the Java heap or too small
   */
  public void copyToHost(MemorySegment destination, DeviceMemory source) {
    long bytes = source.byteSize();
    requireRoom(destination.byteSize(), bytes);
    driver().memcpyDtoHAsync(destination, source.address(), bytes, handle);
  }

  /**
   * Copies all of one device memory to the beginning of another.
   *
   * @throws IllegalArgumentException if it does not fit
   */
  public void copy(DeviceMemory destination, DeviceMemory source) {
    long bytes = source.byteSize();
    requireRoom(destination.byteSize(), bytes);
    driver().memcpyDtoDAsync(destination.address(), source.address(), bytes, handle);
  }

  /** Sets every byte. */
  public void fill(DeviceMemory destination, byte value) {
    driver().memsetD8Async(destination.address(), value, destination.byteSize(), handle);
  }

  /**
   * Sets every 32-bit word.
   *
   * @throws IllegalArgumentException if the memory is not made of whole, aligned words
   */
  public void fillWords(DeviceMemory destination, int value) {
    long address = destination.address();
    long bytes = destination.byteSize();
    if ((address | bytes) % Integer.BYTES != 0) {
      throw new IllegalArgumentException(destination + " is not made of 32-bit words");
    }
    driver().memsetD32Async(address, value, bytes / Integer.BYTES, handle);
  }

  /**
   * Device memory from the device's pool, usable by this stream's later work. Closing it gives it
   * back in this stream's order, so that no wait is needed.
   *
   * @throws IllegalArgumentException if the number of bytes is not positive
   * @throws CudaOutOfMemoryException if there is no room; the context stays usable
   */
  public DeviceMemory allocate(long bytes) {
    requireOpen();
    return context().allocate(bytes, this);
  }

  /** Makes later work of this stream wait for an event. */
  public void waitFor(CudaEvent event) {
    driver().streamWaitEvent(handle, event.handle());
  }

  /**
   * Notes the work that is given to this stream meanwhile, without doing it.
   *
   * @param work what gives it; it must not wait for the device, nor allocate but from a stream
   * @return the work, to be launched as one as often as wanted
   * @throws CudaException if the driver cannot capture it
   */
  public CudaGraph capture(Runnable work) {
    driver().streamBeginCapture(handle, CudaConstants.STREAM_CAPTURE_MODE_THREAD_LOCAL);
    try {
      work.run();
    } catch (RuntimeException | Error e) {
      abandonCapture(e);
      throw e;
    }
    CudaDriver driver = driver();
    long graph = driver.streamEndCapture(handle);
    try {
      return context().own(new CudaGraph(context(), driver.graphInstantiate(graph, 0)));
    } finally {
      driver.graphDestroy(graph);
    }
  }

  /** Leaves the stream as it was before; the failure that is under way stays the one to tell. */
  private void abandonCapture(Throwable failure) {
    try {
      CudaDriver driver = driver();
      long graph = driver.streamEndCapture(handle);
      if (graph != 0) {
        driver.graphDestroy(graph);
      }
    } catch (CudaException e) {
      failure.addSuppressed(e);
    }
  }

  private static void requireRoom(long room, long bytes) {
    if (bytes > room) {
      throw new IllegalArgumentException("a copy of " + bytes + " bytes to " + room + " bytes");
    }
  }

  @Override
  String what() {
    return "stream";
  }

  @Override
  void release(CudaDriver driver) {
    driver.streamDestroy(handle);
  }
}
