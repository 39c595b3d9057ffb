package dev.fathom.nn.model;

import dev.fathom.nn.layer.Pass;
import dev.fathom.nn.op.Backend;
import dev.fathom.nn.op.ShapesOnly;
import dev.fathom.nn.tensor.Memory;
import dev.fathom.nn.tensor.MemoryPlan;
import dev.fathom.nn.tensor.NativeMemory;
import dev.fathom.nn.tensor.Tensor;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Runs a network again and again in one block of memory. The first picture of a size makes a plan
 * for it; from then on nothing is allocated. Not thread-safe.
 */
public final class Inference {

  private final DepthAnything network;
  private final Backend backend;
  private final NativeMemory memory;
  private final Map<List<Long>, MemoryPlan> plans = new HashMap<>();
  private @Nullable Tensor block;

  /**
   * A runner.
   *
   * @param memory gives the block, and frees it when it is closed
   */
  public Inference(DepthAnything network, Backend backend, NativeMemory memory) {
    this.network = network;
    this.backend = backend;
    this.memory = memory;
  }

  /**
   * Runs the network.
   *
   * @param shape [B,H,W,3]; H and W multiples of the patch
   * @param fill writes the normalised pictures
   * @param read takes what it needs of the result [B,H,W], which is valid during the call only
   * @return what {@code read} returns
   */
  public <R> R run(long[] shape, Consumer<Tensor> fill, Function<Tensor, R> read) {
    MemoryPlan plan =
        plans.computeIfAbsent(Arrays.stream(shape).boxed().toList(), _ -> plan(shape));
    Memory planned = plan.replay(block(plan.bytes()));
    Tensor image = planned.allocate(shape);
    fill.accept(image);
    Tensor depth = network.forward(new Pass(backend, planned), image);
    return read.apply(depth);
  }

  /** Bytes of the block that holds all intermediate results. */
  public long bytes() {
    return block == null ? 0 : 4 * block.size();
  }

  private MemoryPlan plan(long[] shape) {
    MemoryPlan.Recorder recorder = new MemoryPlan.Recorder();
    Tensor image = recorder.allocate(shape);
    var _ = network.forward(new Pass(new ShapesOnly(), recorder), image);
    return recorder.plan();
  }

  private Tensor block(long bytes) {
    Tensor current = block;
    if (current == null || 4 * current.size() < bytes) {
      if (current != null) {
        memory.release(current);
        block = null;
      }
      current = memory.allocate((bytes + 3) / 4);
      block = current;
    }
    return current;
  }
}
