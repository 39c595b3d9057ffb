package dev.fathom.bindings.cuda;

/**
 * What a context owns and closes when it is closed, unless it was closed before. Use after close
 * throws {@link IllegalStateException}.
 */
public abstract sealed class CudaResource implements AutoCloseable
    permits CudaEvent, CudaGraph, CudaModule, CudaStream, DeviceMemory.Block, PinnedMemory {

  private final CudaContext context;
  private volatile boolean closed;

  CudaResource(CudaContext context) {
    this.context = context;
  }

  /** The context that owns it. */
  public final CudaContext context() {
    return context;
  }

  /** Whether it has not been closed. */
  public final boolean isOpen() {
    return !closed;
  }

  /** The driver, with the context current on this thread. */
  final CudaDriver driver() {
    requireOpen();
    context.makeCurrent();
    return context.driver();
  }

  final void requireOpen() {
    if (closed) {
      throw new IllegalStateException("the " + what() + " is closed");
    }
  }

  /** What it is, for messages. */
  abstract String what();

  /** Gives back to the driver; the context is current. */
  abstract void release(CudaDriver driver);

  /**
   * Gives it back to the driver. Later calls do nothing.
   *
   * @throws CudaException if the driver refuses; it stays open then
   */
  @Override
  public final synchronized void close() {
    if (closed) {
      return;
    }
    context.makeCurrent();
    release(context.driver());
    closed = true;
    context.disown(this);
  }
}
