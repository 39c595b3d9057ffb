package dev.fathom.nn.cuda;

import dev.fathom.bindings.cuda.DeviceMemory;
import dev.fathom.nn.tensor.BlockMemory;
import dev.fathom.nn.tensor.ElementType;
import dev.fathom.nn.tensor.Tensor;
import java.util.IdentityHashMap;

/**
 * Tensors in a GPU's memory, from the driver's pool in the order of the backend's stream: what is
 * released may be given out again while kernels that were launched before still use it.
 */
final class CudaMemory implements BlockMemory {

  private final Engine engine;
  private final IdentityHashMap<Tensor, DeviceMemory> live = new IdentityHashMap<>();
  private long bytes;
  private long peakBytes;
  private boolean closed;

  CudaMemory(Engine engine) {
    this.engine = engine;
  }

  @Override
  public Tensor allocate(ElementType type, long... shape) {
    if (closed) {
      throw new IllegalStateException("memory used after close");
    }
    long size = Math.max(type.bytes() * Tensor.sizeOf(shape), 4);
    DeviceMemory block = engine.allocate(size);
    Tensor tensor = Tensor.onDevice(block.address(), type, shape);
    live.put(tensor, block);
    bytes += size;
    peakBytes = Math.max(peakBytes, bytes);
    return tensor;
  }

  @Override
  public void release(Tensor tensor) {
    DeviceMemory block = live.remove(tensor);
    if (block == null) {
      throw new IllegalArgumentException("tensor " + tensor + " is not of this memory");
    }
    tensor.invalidate();
    bytes -= block.byteSize();
    // Not into a graph that another thread is recording.
    synchronized (engine) {
      block.close();
    }
  }

  @Override
  public long bytes() {
    return bytes;
  }

  @Override
  public long peakBytes() {
    return peakBytes;
  }

  @Override
  public void close() {
    if (closed) {
      return;
    }
    closed = true;
    live.forEach((tensor, block) -> {
      tensor.invalidate();
      if (engine.context().isOpen()) {
        block.close();
      }
    });
    live.clear();
  }
}
