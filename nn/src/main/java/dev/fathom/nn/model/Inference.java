package dev.fathom.nn.model;

import dev.fathom.nn.layer.Pass;
import dev.fathom.nn.op.Backend;
import dev.fathom.nn.op.ShapesOnly;
import dev.fathom.nn.tensor.BlockMemory;
import dev.fathom.nn.tensor.Buffer;
import dev.fathom.nn.tensor.Memory;
import dev.fathom.nn.tensor.MemoryPlan;
import dev.fathom.nn.tensor.Tensor;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * Runs a network again and again in one block of memory. The first picture of a size makes a plan
 * for it; from then on nothing is allocated. Not thread-safe.
 */
public final class Inference {

  private final DepthAnything network;
  private final Backend backend;
  private final Map<List<Long>, MemoryPlan> plans = new HashMap<>();
  private final Buffer block;

  /**
   * A runner.
   *
   * @param memory gives the block, and frees it when it is closed
   */
  public Inference(DepthAnything network, Backend backend, BlockMemory memory) {
    this.network = network;
    this.backend = backend;
    block = new Buffer(memory);
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
    Memory planned = plan.replay(block.atLeast((plan.bytes() + 3) / 4));
    Tensor image = planned.allocate(shape);
    fill.accept(image);
    Tensor depth = network.forward(new Pass(backend, planned), image);
    return read.apply(depth);
  }

  /** Bytes of the block that holds all intermediate results. */
  public long bytes() {
    return block.bytes();
  }

  private MemoryPlan plan(long[] shape) {
    MemoryPlan.Recorder recorder = new MemoryPlan.Recorder();
    Tensor image = recorder.allocate(shape);
    var _ = network.forward(new Pass(new ShapesOnly(backend.activationType()), recorder), image);
    return recorder.plan();
  }
}
