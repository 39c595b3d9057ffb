package dev.fathom.nn.tensor;

import org.jspecify.annotations.Nullable;

/** Working memory that is kept from use to use and replaced by a larger block when need be. */
public final class Buffer {
  private final BlockMemory memory;
  private @Nullable Tensor block;

  /** An empty buffer; its block is freed with {@code memory}. */
  public Buffer(BlockMemory memory) {
    this.memory = memory;
  }

  /**
   * A tensor of {@code floats} numbers or more, valid until the next call. Its contents are not
   * defined. Where there is no memory the buffer is left empty, and may be asked for less.
   */
  public Tensor atLeast(long floats) {
    Tensor current = block;
    if (current == null || current.size() < floats) {
      if (current != null) {
        block = null;
        memory.release(current);
      }
      current = memory.allocate(floats);
      block = current;
    }
    return current;
  }

  /** Bytes that it holds. */
  public long bytes() {
    return block == null ? 0 : block.bytes();
  }
}
