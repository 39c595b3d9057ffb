package dev.fathom.nn.tensor;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.IdentityHashMap;
import java.util.List;

/**
 * Where each tensor of a computation lies in one block, known before it runs.
 *
 * <p>A computation whose sequence of allocations depends only on its input's shape is recorded once
 * without computing ({@link Recorder}); tensors that never live at the same time then share memory.
 * The largest are placed first, each at the lowest offset free during its whole life.
 */
public final class MemoryPlan {

  /** What a GPU's loads of whole tiles want; more than a cache line of the CPU. */
  private static final long ALIGNMENT = 256;

  private final List<Life> lives;
  private final long bytes;

  private MemoryPlan(List<Life> lives) {
    this.lives = lives;
    this.bytes = place(lives);
  }

  /** Bytes that the block needs. */
  public long bytes() {
    return bytes;
  }

  /** One allocation: the steps between which it lives, and where it was placed. */
  private static final class Life {
    final ElementType type;
    final long[] shape;
    final int born;
    int died = Integer.MAX_VALUE;
    long offset = -1;

    Life(ElementType type, long[] shape, int born) {
      this.type = type;
      this.shape = shape;
      this.born = born;
    }

    long bytes() {
      return (type.bytes() * Tensor.sizeOf(shape) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }

    boolean overlaps(Life other) {
      return born < other.died && other.born < died;
    }
  }

  /** Notes allocations and releases; its tensors have no memory. */
  public static final class Recorder implements Memory {
    private final List<Life> lives = new ArrayList<>();
    private final IdentityHashMap<Tensor, Life> live = new IdentityHashMap<>();
    private int step;

    @Override
    public Tensor allocate(ElementType type, long... shape) {
      Life life = new Life(type, shape.clone(), step++);
      Tensor tensor = Tensor.unbacked(type, shape);
      lives.add(life);
      live.put(tensor, life);
      return tensor;
    }

    @Override
    public void release(Tensor tensor) {
      Life life = live.remove(tensor);
      if (life == null) {
        throw new IllegalArgumentException("tensor " + tensor + " is not of this memory");
      }
      life.died = step++;
    }

    /** The plan for what was recorded; what was not released lives to the end. */
    public MemoryPlan plan() {
      return new MemoryPlan(lives);
    }
  }

  /**
   * The memory for one run of the recorded computation, over a block of at least {@link #bytes}.
   *
   * @throws IllegalArgumentException if the block is too small
   */
  public Memory replay(Tensor block) {
    if (block.bytes() < bytes) {
      throw new IllegalArgumentException("a plan of " + bytes + " bytes over a block " + block);
    }
    return new Replay(block);
  }

  private final class Replay implements Memory {
    private final Tensor block;
    private int next;

    Replay(Tensor block) {
      this.block = block;
    }

    @Override
    public Tensor allocate(ElementType type, long... shape) {
      if (next == lives.size()
          || lives.get(next).type != type
          || !Arrays.equals(lives.get(next).shape, shape)) {
        throw new IllegalStateException(
            "allocation " + next + " " + type + Arrays.toString(shape) + " differs from the plan");
      }
      Life life = lives.get(next++);
      return block.reuse(life.offset, type, life.shape);
    }

    @Override
    public void release(Tensor tensor) {
      tensor.invalidate();
    }
  }

  private static long place(List<Life> lives) {
    List<Life> bySize = new ArrayList<>(lives);
    bySize.sort(Comparator.comparingLong(Life::bytes).reversed());
    List<Life> placed = new ArrayList<>();
    long end = 0;
    for (Life life : bySize) {
      long offset = 0;
      for (Life other : placed) {
        // placed is in rising order of offset
        if (other.overlaps(life)) {
          if (offset + life.bytes() <= other.offset) {
            break;
          }
          offset = Math.max(offset, other.offset + other.bytes());
        }
      }
      life.offset = offset;
      end = Math.max(end, offset + life.bytes());
      placed.add(life);
      placed.sort(Comparator.comparingLong(other -> other.offset));
    }
    return end;
  }
}
