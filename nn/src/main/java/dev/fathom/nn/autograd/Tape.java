package dev.fathom.nn.autograd;

import dev.fathom.nn.op.Backend;
import dev.fathom.nn.tensor.CachingMemory;
import dev.fathom.nn.tensor.Tensor;
import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Remembers how to go back. Each operator of a forward pass that a trainable parameter led to
 * records a step; {@link #backward} runs the steps from the last to the first.
 *
 * <p>A tensor that is a view (the same elements under another shape) shares the gradient of the one
 * it is a view of. Gradients of tensors live only from the first step that adds to them to the step
 * that consumes them; those of parameters are added to {@link Parameter#gradient}. Not thread-safe;
 * for one forward and one backward pass.
 */
public final class Tape implements AutoCloseable {

  /** How to go back through one operator. */
  @FunctionalInterface
  public interface Backward {
    /** Given the gradient of the result, adds to those of inputs and parameters. */
    void run(Tensor dy);
  }

  /**
   * Where an operator writes the gradient of one of its inputs.
   *
   * @param tensor of the input's shape; null if nobody wants the gradient
   * @param accumulate whether there is something in it already, to be added to
   */
  public record Slot(@Nullable Tensor tensor, boolean accumulate) {}

  private record Step(Tensor y, Backward backward, List<Tensor> saved) {}

  private final Backend backend;
  private final CachingMemory memory;
  private final List<Step> steps = new ArrayList<>();
  private final Set<Tensor> tracked = Collections.newSetFromMap(new IdentityHashMap<>());
  private final IdentityHashMap<Tensor, Tensor> gradients = new IdentityHashMap<>();
  private @Nullable Tensor current;

  /** A tape over tensors of {@code memory}. */
  public Tape(Backend backend, CachingMemory memory) {
    this.backend = backend;
    this.memory = memory;
  }

  /** Whether a gradient is wanted for a tensor: a step made it, or {@link #track} named it. */
  public boolean tracks(Tensor x) {
    return tracked.contains(x.root());
  }

  /** Asks for the gradient of a tensor that no step made. */
  public void track(Tensor x) {
    tracked.add(x.root());
  }

  /**
   * Records a step.
   *
   * @param y the operator's result
   * @param backward how to go back
   * @param saved tensors that the way back reads; they are kept for it
   */
  public void record(Tensor y, Backward backward, @Nullable Tensor... saved) {
    List<Tensor> kept = new ArrayList<>();
    for (Tensor tensor : saved) {
      if (tensor != null) {
        memory.retain(tensor);
        kept.add(tensor);
      }
    }
    tracked.add(y.root());
    steps.add(new Step(y.root(), backward, kept));
  }

  /**
   * Where to write the gradient of x, an input of the step that is running.
   *
   * @throws IllegalArgumentException if x is a part of another tensor: only a whole one, under any
   *     shape, has a gradient; so everywhere here
   */
  public Slot slot(Tensor x) {
    Tensor root = whole(x);
    if (!tracked.contains(root)) {
      return new Slot(null, false);
    }
    Tensor gradient = gradients.get(root);
    if (gradient != null) {
      return new Slot(gradient.view(x.shape()), true);
    }
    gradient = memory.allocate(x.type(), x.shape());
    gradients.put(root, gradient);
    return new Slot(gradient, false);
  }

  /** As {@link #slot} for an operator that only adds: zeros if nothing is in it. Null as there. */
  public @Nullable Tensor zeroedSlot(Tensor x) {
    Slot slot = slot(x);
    if (slot.tensor() != null && !slot.accumulate()) {
      backend.vector().fill(slot.tensor(), 0);
    }
    return slot.tensor();
  }

  /**
   * Adds dy, the gradient that the running step was given, to that of x as it is; the last thing
   * that a step does with it. The first input that has no gradient yet gets dy itself, no copy.
   */
  public void pass(Tensor dy, Tensor x) {
    Tensor root = whole(x);
    if (!tracked.contains(root)) {
      return;
    }
    Tensor gradient = gradients.get(root);
    if (gradient != null && gradient == dy.root()) {
      // x was given dy itself, which another input may still want: x gets a sum of its own.
      Tensor sum = memory.allocate(x.type(), x.shape());
      backend.vector().axpby(2, dy, 0, sum);
      gradients.put(root, sum);
      current = gradient;
    } else if (gradient != null) {
      backend.vector().axpby(1, dy, 1, gradient);
    } else if (current != null && current == dy.root()) {
      gradients.put(root, current);
      current = null;
    } else {
      gradient = memory.allocate(x.type(), x.shape());
      backend.vector().axpby(1, dy, 0, gradient);
      gradients.put(root, gradient);
    }
  }

  /**
   * Adds to the gradient of a tensor before the way back begins: that of a loss.
   *
   * @param dx of x's size, from this tape's memory; it becomes the tape's, which releases it at
   *     once if nobody wants the gradient of x
   */
  public void seed(Tensor x, Tensor dx) {
    Tensor root = whole(x);
    if (!tracked.contains(root)) {
      memory.release(dx);
      return;
    }
    Tensor gradient = gradients.putIfAbsent(root, dx);
    if (gradient != null) {
      backend.vector().axpby(1, dx, 1, gradient);
      memory.release(dx);
    }
  }

  /** Runs the steps from the last to the first and forgets them. */
  public void backward() {
    while (!steps.isEmpty()) {
      Step step = steps.removeLast();
      Tensor dy = gradients.remove(step.y);
      if (dy != null) {
        current = dy.root();
        step.backward.run(dy);
        if (current != null) {
          memory.release(dy);
          current = null;
        }
      }
      step.saved.forEach(memory::release);
    }
  }

  /**
   * The gradient of a tensor that {@link #track} named; the caller releases it. Null if none came.
   */
  public @Nullable Tensor take(Tensor x) {
    return gradients.remove(x.root());
  }

  /** Releases what a way back that was not gone holds. */
  @Override
  public void close() {
    steps.forEach(step -> step.saved.forEach(memory::release));
    steps.clear();
    gradients.values().forEach(memory::release);
    gradients.clear();
    tracked.clear();
  }

  private static Tensor whole(Tensor x) {
    Tensor root = x.root();
    if (root.size() != x.size()) {
      throw new IllegalArgumentException("the gradient of a part " + x + " of a tensor " + root);
    }
    return root;
  }
}
