package dev.fathom.bindings.cuda;

/** A point in a stream's work. */
public final class CudaEvent extends CudaResource {

  private final long handle;

  CudaEvent(CudaContext context, long handle) {
    super(context);
    this.handle = handle;
  }

  /** The driver's handle. */
  public long handle() {
    requireOpen();
    return handle;
  }

  /** Marks the point that the stream's work has reached; an earlier mark is forgotten. */
  public void record(CudaStream stream) {
    driver().eventRecord(handle, stream.handle());
  }

  /** Waits until the work before the mark is done; returns at once if there is no mark. */
  public void synchronize() {
    driver().eventSynchronize(handle);
  }

  /** Whether the work before the mark is done. */
  public boolean hasHappened() {
    return driver().eventQuery(handle);
  }

  /**
   * The time between two marks, both made with timing and past.
   *
   * @return milliseconds, to about half a microsecond
   * @throws CudaException if one has not happened, or was made without timing
   */
  public float millisecondsSince(CudaEvent start) {
    return driver().eventElapsedTime(start.handle(), handle);
  }

  @Override
  String what() {
    return "event";
  }

  @Override
  void release(CudaDriver driver) {
    driver.eventDestroy(handle);
  }
}
