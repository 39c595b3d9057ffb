package dev.fathom.nn.layer;

import dev.fathom.nn.op.Backend;
import dev.fathom.nn.tensor.Memory;
import dev.fathom.nn.tensor.Tensor;
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

  public Pass(Backend backend, Memory memory) {
    this(backend, memory, null);
  }

  public Pass(Backend backend, Memory memory, @Nullable Observer observer) {
    this.backend = backend;
    this.memory = memory;
    this.observer = observer;
  }

  /** Where operators run. */
  public Backend backend() {
    return backend;
  }

  /** A tensor with undefined contents. */
  public Tensor allocate(long... shape) {
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
