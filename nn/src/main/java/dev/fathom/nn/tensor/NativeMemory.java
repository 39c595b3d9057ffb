package dev.fathom.nn.tensor;

import dev.fathom.bindings.generated.FathomNative;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.IdentityHashMap;

/**
 * Tensors that each own a block from the native allocator, aligned to 64 bytes. What was not
 * released is freed by {@link #close}; use after that throws.
 */
public final class NativeMemory implements BlockMemory {

  private final IdentityHashMap<Tensor, MemorySegment> live = new IdentityHashMap<>();
  private final Arena arena = Arena.ofShared();
  private long bytes;
  private long peakBytes;
  private boolean closed;

  @Override
  public Tensor allocate(ElementType type, long... shape) {
    MemorySegment block = allocateBytes(type.bytes() * Tensor.sizeOf(shape));
    Tensor tensor = Tensor.of(block, type, shape);
    live.put(tensor, block);
    return tensor;
  }

  @Override
  public void release(Tensor tensor) {
    MemorySegment block = live.remove(tensor);
    if (block == null) {
      throw new IllegalArgumentException("tensor " + tensor + " is not of this memory");
    }
    tensor.invalidate();
    free(block);
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
      free(block);
    });
    live.clear();
    arena.close();
  }

  private MemorySegment allocateBytes(long size) {
    if (closed) {
      throw new IllegalStateException("memory used after close");
    }
    MemorySegment address = FathomNative.fathom_allocate(Math.max(size, 4));
    if (address.address() == 0) {
      throw new OutOfMemoryError(
          "no room for a tensor of " + size + " bytes; " + bytes + " bytes are in use");
    }
    bytes += size;
    peakBytes = Math.max(peakBytes, bytes);
    // The arena is only the segment's scope: after close, access throws.
    return address.reinterpret(size, arena, null);
  }

  private void free(MemorySegment block) {
    bytes -= block.byteSize();
    FathomNative.fathom_free(block);
  }
}
