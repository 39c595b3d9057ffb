package dev.fathom.nn.tensor;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.Map;

/**
 * Memory for training. A tensor counts who needs it: it has one owner when it is allocated, {@link
 * #retain} adds one, {@link #release} takes one away, and the last to go frees it. Freed blocks are
 * kept for tensors of a similar size, so that a step like the one before allocates nothing.
 */
public final class CachingMemory implements Memory, AutoCloseable {

  /** Sizes are rounded up to a multiple of an eighth of their power of two: at most 12.5% more. */
  private static final int STEPS = 8;

  private static final long SMALLEST = 4096;

  private final BlockMemory blocks;
  private final Map<Long, Deque<Tensor>> free = new HashMap<>();
  private final IdentityHashMap<Tensor, Use> live = new IdentityHashMap<>();
  private long bytes;
  private long peakBytes;

  private static final class Use {
    final Tensor block;
    int owners = 1;

    Use(Tensor block) {
      this.block = block;
    }
  }

  /** A cache of the host's memory. */
  public CachingMemory() {
    this(new NativeMemory());
  }

  /**
   * A cache.
   *
   * @param blocks where blocks come from; becomes this memory's, which closes it
   */
  public CachingMemory(BlockMemory blocks) {
    this.blocks = blocks;
  }

  @Override
  public Tensor allocate(ElementType type, long... shape) {
    long size = sizeClass(type.bytes() * Tensor.sizeOf(shape));
    Deque<Tensor> kept = free.get(size);
    Tensor block = kept == null ? null : kept.poll();
    if (block == null) {
      block = allocateBlock(size);
    }
    Tensor tensor = block.reuse(0, type, shape);
    live.put(tensor, new Use(block));
    bytes += size;
    peakBytes = Math.max(peakBytes, bytes);
    return tensor;
  }

  /** Adds an owner to a tensor of this memory, or to the one it is a view of. */
  public void retain(Tensor tensor) {
    use(tensor).owners++;
  }

  @Override
  public void release(Tensor tensor) {
    Use use = use(tensor);
    if (--use.owners > 0) {
      return;
    }
    Tensor root = tensor.root();
    live.remove(root);
    root.invalidate();
    bytes -= use.block.bytes();
    free.computeIfAbsent(use.block.bytes(), _ -> new ArrayDeque<>()).push(use.block);
  }

  /** Number of tensors that have an owner. */
  public int liveTensors() {
    return live.size();
  }

  /** Bytes of the tensors that have an owner. */
  public long bytes() {
    return bytes;
  }

  /** The most bytes that tensors had at one time. */
  public long peakBytes() {
    return peakBytes;
  }

  /** Bytes taken from the system: those of tensors and those kept for the next ones. */
  public long reservedBytes() {
    return blocks.bytes();
  }

  /** Gives the blocks that no tensor uses back to the system. */
  public void trim() {
    for (Deque<Tensor> kept : free.values()) {
      kept.forEach(blocks::release);
    }
    free.clear();
  }

  /** Frees everything; every tensor of this memory becomes unusable. */
  @Override
  public void close() {
    live.keySet().forEach(Tensor::invalidate);
    live.clear();
    free.clear();
    blocks.close();
  }

  private Tensor allocateBlock(long size) {
    try {
      return blocks.allocate(size / Float.BYTES);
    } catch (OutOfMemoryError e) {
      // What is kept for other sizes may be enough.
      trim();
      return blocks.allocate(size / Float.BYTES);
    }
  }

  private Use use(Tensor tensor) {
    Use use = live.get(tensor.root());
    if (use == null) {
      throw new IllegalArgumentException("tensor " + tensor + " is not of this memory");
    }
    return use;
  }

  /** What is taken for so many bytes; a multiple of {@code SMALLEST / STEPS} bytes. */
  static long sizeClass(long bytes) {
    if (bytes <= SMALLEST) {
      return SMALLEST;
    }
    long step = Long.highestOneBit(bytes) / STEPS;
    return (bytes + step - 1) / step * step;
  }
}
