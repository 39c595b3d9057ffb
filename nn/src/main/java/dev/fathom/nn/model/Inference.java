package dev.fathom.nn.model;

import dev.fathom.nn.layer.Pass;
import dev.fathom.nn.op.Backend;
import dev.fathom.nn.op.Recording;
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
import org.jspecify.annotations.Nullable;

/**
 * Runs a network again and again in one block of memory. The first picture of a size makes a plan
 * for it; from then on nothing is allocated. On a GPU the second records a CUDA graph, which the
 * later ones launch as one. Not thread-safe.
 */
public final class Inference {

  /** Shapes whose runs are recorded, where the device records; others run operator by operator. */
  private static final int MOST_RECORDINGS = 16;

  private final DepthAnything network;
  private final Backend backend;
  private final Map<List<Long>, Prepared> plans = new HashMap<>();
  private final Buffer block;
  private int recordings;

  /** What is known of one shape. */
  private final class Prepared {
    final MemoryPlan plan;
    int runs;
    boolean refused;
    @Nullable Recorded recorded;

    Prepared(MemoryPlan plan) {
      this.plan = plan;
    }

    void forget() {
      Recorded old = recorded;
      if (old != null) {
        old.recording.close();
        recorded = null;
        recordings--;
      }
    }
  }

  /**
   * A run that the device noted.
   *
   * @param room the block that it works in
   * @param image its input there
   * @param depth its result there
   */
  private record Recorded(Recording recording, Tensor room, Tensor image, Tensor depth) {}

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
    Prepared prepared =
        plans.computeIfAbsent(
            Arrays.stream(shape).boxed().toList(), _ -> new Prepared(plan(shape)));
    MemoryPlan plan = prepared.plan;
    Tensor room = block.atLeast((plan.bytes() + 3) / 4);
    if (prepared.recorded != null && prepared.recorded.room != room) {
      prepared.forget();
    }
    Recorded recorded = prepared.recorded;
    if (recorded != null) {
      fill.accept(recorded.image);
      if (recorded.recording.replay()) {
        return read.apply(recorded.depth);
      }
      prepared.forget();
    }
    Memory planned = plan.replay(room);
    Tensor image = planned.allocate(shape);
    fill.accept(image);
    Pass pass = new Pass(backend, planned);
    if (prepared.runs++ > 0 && !prepared.refused && recordings < MOST_RECORDINGS) {
      Recorded made = record(plan, room, image);
      if (made != null && made.recording.replay()) {
        recordings++;
        prepared.recorded = made;
        return read.apply(made.depth);
      }
      // Nothing was done, nor would it be the next time.
      prepared.refused = true;
      if (made != null) {
        made.recording.close();
      }
    }
    return read.apply(network.forward(pass, image));
  }

  /** Records a run; null if the device does not. */
  private @Nullable Recorded record(MemoryPlan plan, Tensor room, Tensor image) {
    Tensor[] depth = new Tensor[1];
    Recording recording =
        backend.record(() -> {
          Memory planned = plan.replay(room);
          depth[0] = network.forward(new Pass(backend, planned), planned.allocate(image.shape()));
        });
    // Addresses outlive the tensors of this run.
    return recording == null
        ? null
        : new Recorded(recording, room, sameMemory(image), sameMemory(depth[0]));
  }

  private static Tensor sameMemory(Tensor tensor) {
    return Tensor.onDevice(tensor.address(), tensor.type(), tensor.shape());
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
