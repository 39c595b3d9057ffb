package dev.fathom.bindings.cuda;

import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Memory of the device, or a part of such a block. It belongs to the context, which frees it at the
 * latest; a part is usable as long as its block is, and closing it does nothing.
 */
public final class DeviceMemory implements AutoCloseable {

  /** What the driver gave out. */
  static final class Block extends CudaResource {

    private final @Nullable CudaStream stream;
    private final long address;
    private final long bytes;
    private final boolean borrowed;

    Block(CudaContext context, @Nullable CudaStream stream, long address, long bytes) {
      this(context, stream, address, bytes, false);
    }

    private Block(
        CudaContext context,
        @Nullable CudaStream stream,
        long address,
        long bytes,
        boolean borrowed) {
      super(context);
      this.stream = stream;
      this.address = address;
      this.bytes = bytes;
      this.borrowed = borrowed;
    }

    @Override
    String what() {
      return "device memory";
    }

    @Override
    void release(CudaDriver driver) {
      if (borrowed) {
        return;
      }
      if (stream != null && stream.isOpen()) {
        driver.memFreeAsync(address, stream.handle());
      } else {
        driver.memFree(address);
      }
      context().freed(bytes);
    }
  }

  private final Block block;
  private final long offset;
  private final long bytes;

  private DeviceMemory(Block block, long offset, long bytes) {
    this.block = block;
    this.offset = offset;
    this.bytes = bytes;
  }

  /**
   * Memory that someone else frees, by its address. Closing this does nothing to it; whoever owns
   * it says how long it lives.
   */
  public static DeviceMemory borrowed(CudaContext context, long address, long bytes) {
    return of(new Block(context, null, address, bytes, true));
  }

  static DeviceMemory of(Block block) {
    return new DeviceMemory(block, 0, block.bytes);
  }

  /**
   * The device address, for the argument of a kernel: not to be read by the host.
   *
   * @throws IllegalStateException if the memory is closed
   */
  public long address() {
    block.requireOpen();
    return block.address + offset;
  }

  /** Bytes. */
  public long byteSize() {
    return bytes;
  }

  /**
   * A part of it.
   *
   * @param start the part's first byte
   * @param length its bytes, may be 0
   * @throws IndexOutOfBoundsException if it does not lie within this memory
   */
  public DeviceMemory slice(long start, long length) {
    Objects.checkFromIndexSize(start, length, bytes);
    return new DeviceMemory(block, offset + start, length);
  }

  /** The context that owns it. */
  public CudaContext context() {
    return block.context();
  }

  /** Whether it has not been closed. */
  public boolean isOpen() {
    return block.isOpen();
  }

  /**
   * Frees the block; of a part, does nothing. What {@link CudaStream#allocate} gave is freed in the
   * stream's order, other memory after all work of the device. Later calls do nothing.
   */
  @Override
  public void close() {
    if (offset == 0 && bytes == block.bytes) {
      block.close();
    }
  }

  @Override
  public String toString() {
    return bytes + " bytes of device memory at 0x" + Long.toHexString(block.address + offset);
  }
}
