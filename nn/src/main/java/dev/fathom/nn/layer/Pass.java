package dev.fathom.nn.layer;

import dev.fathom.nn.autograd.Tape;
import dev.fathom.nn.op.Backend;
import dev.fathom.nn.tensor.CachingMemory;
import dev.fathom.nn.tensor.Memory;
import dev.fathom.nn.tensor.Tensor;
import java.util.function.BiFunction;
import org.jspecify.annotations.Nullable;

/**
 * One run through a network: where it computes and where its tensors come from.
 *
 * <p>A layer allocates its result here and releases what nobody needs any more, so that inference
 * works in little memory.
 */
public final class Pass {

  /** Sees named intermediate results; for tests and for people who look inside. */
  @FunctionalInterface
  public interface Observer {
    /** A tensor valid during the call only. */
    void observe(String name, Tensor tensor);
  }

  private final Backend backend;
  private final Memory memory;
  private final @Nullable Observer observer;
  private final @Nullable Tape tape;
  private final boolean inPlace;
  private final boolean checkpoints;

  /** A pass for its result alone: no gradients, and results may take the place of inputs. */
  public Pass(Backend backend, Memory memory) {
    this(backend, memory, null);
  }

  /** As {@link #Pass(Backend, Memory)}, with an observer. */
  public Pass(Backend backend, Memory memory, @Nullable Observer observer) {
    this(backend, memory, observer, null, true, false);
  }

  private Pass(
      Backend backend,
      Memory memory,
      @Nullable Observer observer,
      @Nullable Tape tape,
      boolean inPlace,
      boolean checkpoints) {
    this.backend = backend;
    this.memory = memory;
    this.observer = observer;
    this.tape = tape;
    this.inPlace = inPlace;
    this.checkpoints = checkpoints;
  }

  /**
   * A pass to go back through.
   *
   * @param checkpoints whether blocks keep their input alone and compute the rest again on the way
   *     back (Chen et al., "Training deep nets with sublinear memory cost", 2016)
   */
  public static Pass training(
      Backend backend, CachingMemory memory, Tape tape, boolean checkpoints) {
    return new Pass(backend, memory, null, tape, false, checkpoints);
  }

  /** The tape of a pass to go back through, null in any other. */
  public @Nullable Tape tape() {
    return tape;
  }

  /** Whether a result may be written over an input that is then not needed. */
  public boolean inPlace() {
    return inPlace;
  }

  /**
   * Runs a part of the network that turns x into one tensor of its own. If this pass checkpoints,
   * the part's inner results are not kept, and it runs again on the way back.
   *
   * @param x released
   */
  public Tensor checkpointed(Tensor x, BiFunction<Pass, Tensor, Tensor> part) {
    Tape outer = tape;
    if (outer == null || !checkpoints || !(memory instanceof CachingMemory caching)) {
      return part.apply(this, x);
    }
    // The part releases its input; the owner added here keeps it for the way back.
    caching.retain(x);
    Tensor y = part.apply(new Pass(backend, memory, null, null, false, false), x);
    outer.record(
        y,
        dy -> {
          try (Tape inner = new Tape(backend, caching)) {
            if (outer.tracks(x)) {
              inner.track(x);
            }
            caching.retain(x);
            Tensor again = part.apply(training(backend, caching, inner, false), x);
            Tensor seed = caching.allocate(dy.type(), dy.shape());
            backend.vector().axpby(1, dy, 0, seed);
            inner.seed(again, seed);
            caching.release(again);
            inner.backward();
            Tensor dx = inner.take(x);
            if (dx != null) {
              outer.seed(x, dx);
            }
          }
        },
        x);
    caching.release(x);
    return y;
  }

  /** Where operators run. */
  public Backend backend() {
    return backend;
  }

  /** An activation with undefined contents, of the backend's type for them. */
  public Tensor allocate(long... shape) {
    return memory.allocate(backend.activationType(), shape);
  }

  /** A float32 tensor with undefined contents: statistics, depth. */
  public Tensor allocateFloats(long... shape) {
    return memory.allocate(shape);
  }

  /** Says that a tensor made in this pass is not needed any more. */
  public void release(Tensor tensor) {
    memory.release(tensor);
  }

  /** Shows an intermediate result to the observer, if there is one. */
  public void observe(String name, Tensor tensor) {
    if (observer != null) {
      observer.observe(name, tensor);
    }
  }
}
