package dev.fathom.bindings.cuda;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Page-locked memory of the host. Close it when no copy from or to it is under way: the driver does
 * not wait.
 */
public final class PinnedMemory extends CudaResource {

  private final long address;
  private final Arena arena = Arena.ofShared();
  private final MemorySegment segment;

  PinnedMemory(CudaContext context, long address, long bytes) {
    super(context);
    this.address = address;
    this.segment = MemorySegment.ofAddress(address).reinterpret(bytes, arena, null);
  }

  /** The memory; any thread may use it, and after close nobody can. */
  public MemorySegment segment() {
    requireOpen();
    return segment;
  }

  @Override
  String what() {
    return "page-locked memory";
  }

  @Override
  void release(CudaDriver driver) {
    if (arena.scope().isAlive()) {
      arena.close();
    }
    driver.memFreeHost(address);
  }
}
