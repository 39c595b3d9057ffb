package dev.fathom.nn.cuda;

import dev.fathom.bindings.cuda.CudaContext;
import dev.fathom.bindings.cuda.CudaEvent;
import dev.fathom.bindings.cuda.CudaStream;
import dev.fathom.bindings.cuda.PinnedMemory;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.Deque;
import org.jspecify.annotations.Nullable;

/**
 * Copies to the host that are waited for later: each into page-locked memory of its own, which the
 * next of its size or less uses again. As much of it is held as copies are under way at a time, and
 * {@value #KEPT} blocks besides.
 */
final class Downloads {

  private static final int KEPT = 3;

  /** Sizes are rounded up, so that pictures of nearly one size share memory. */
  private static final long GRAIN = 1L << 20;

  private record Block(PinnedMemory memory, CudaEvent filled, long bytes) {}

  private final CudaContext context;
  private final CudaStream stream;
  private final Deque<Block> free = new ArrayDeque<>();

  Downloads(CudaContext context, CudaStream stream) {
    this.context = context;
    this.stream = stream;
  }

  /** Copies what is there after the stream's work so far. */
  Download begin(long source, long bytes) {
    Block block = take(bytes);
    context.makeCurrent();
    context
        .driver()
        .memcpyDtoHAsync(block.memory.segment().asSlice(0, bytes), source, bytes, stream.handle());
    block.filled.record(stream);
    return new Download(block, bytes);
  }

  private Block take(long bytes) {
    synchronized (free) {
      for (Block block : free) {
        if (block.bytes >= bytes) {
          free.remove(block);
          return block;
        }
      }
    }
    long size = (bytes + GRAIN - 1) / GRAIN * GRAIN;
    return new Block(context.allocatePinned(size), context.newEvent(false), size);
  }

  /** The block used last comes first; the one that was not used for longest goes. */
  private void giveBack(Block block) {
    @Nullable Block surplus = null;
    synchronized (free) {
      free.addFirst(block);
      if (free.size() > KEPT) {
        surplus = free.removeLast();
      }
    }
    if (surplus != null) {
      surplus.filled.close();
      surplus.memory.close();
    }
  }

  /** A copy under way. */
  final class Download {

    private final long bytes;
    private @Nullable Block block;

    private Download(Block block, long bytes) {
      this.block = block;
      this.bytes = bytes;
    }

    /**
     * Waits for the copy and hands it over.
     *
     * @throws IllegalStateException if that was done before
     */
    synchronized void read(MemorySegment destination) {
      Block filled = block;
      if (filled == null) {
        throw new IllegalStateException("a download is read once");
      }
      filled.filled.synchronize();
      MemorySegment.copy(filled.memory.segment(), 0, destination, 0, bytes);
      block = null;
      giveBack(filled);
    }
  }
}
