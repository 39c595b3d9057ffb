package dev.fathom.nn.autograd;

import dev.fathom.nn.tensor.Memory;
import dev.fathom.nn.tensor.Tensor;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * One named weight of a network: as the checkpoints have it, and in the order in which the operator
 * reads it.
 *
 * <p>A network for inference has the operator's form alone. In one that is trained, value and
 * gradient lie in the flat arenas of its {@link Parameters}, and the operator's form is made again
 * when it is asked for after the values changed.
 */
public final class Parameter {

  /** Makes the operator's form of a weight; null for one that operators read as it is. */
  @FunctionalInterface
  public interface Packing {
    /** The form, allocated in {@code memory}. */
    Tensor pack(Tensor weight, Memory memory);
  }

  private final String name;
  private final long[] shape;
  private final @Nullable Parameters owner;
  private final @Nullable Tensor value;
  private final @Nullable Tensor gradient;
  private final @Nullable Packing packing;
  private final boolean rounded;
  private final @Nullable Memory memory;
  private @Nullable Tensor packed;
  private long packedVersion;
  private boolean frozen;

  /** A parameter for inference. */
  private Parameter(String name, long[] shape, Tensor packed) {
    this.name = name;
    this.shape = shape;
    this.packed = packed;
    owner = null;
    value = null;
    gradient = null;
    packing = null;
    rounded = false;
    memory = null;
  }

  /**
   * A parameter that can be trained.
   *
   * @param rounded whether the operator's form is the value rounded to the type of activations
   */
  Parameter(
      String name,
      Parameters owner,
      Tensor value,
      Tensor gradient,
      @Nullable Packing packing,
      boolean rounded,
      Memory memory) {
    this.name = name;
    this.shape = value.shape();
    this.owner = owner;
    this.value = value;
    this.gradient = gradient;
    this.packing = packing;
    this.rounded = rounded;
    this.memory = memory;
    packedVersion = -1;
  }

  /** A parameter that only its operator reads, in the operator's form. */
  public static Parameter forInference(String name, long[] shape, Tensor packed) {
    return new Parameter(name, shape.clone(), packed);
  }

  /** The published name. */
  public String name() {
    return name;
  }

  /** The shape as in the checkpoints. */
  public long[] shape() {
    return shape.clone();
  }

  /** Number of elements. */
  public long size() {
    return Tensor.sizeOf(shape);
  }

  /** What the forward operator reads; valid until the values change and it is asked for again. */
  public Tensor packed() {
    Tensor current = packed;
    if (owner == null) {
      if (current == null) {
        throw new IllegalStateException(name + " has no value");
      }
      return current;
    }
    if (rounded) {
      return owner.slice(owner.rounded(), this);
    }
    if (packing == null) {
      return value();
    }
    if (current == null || packedVersion != owner.version()) {
      if (current != null) {
        memory().release(current);
      }
      current = packing.pack(value(), memory());
      packed = current;
      packedVersion = owner.version();
    }
    return current;
  }

  /**
   * The value as in the checkpoints.
   *
   * @throws IllegalStateException in a network for inference, which does not keep it
   */
  public Tensor value() {
    Tensor current = value;
    if (current == null) {
      throw new IllegalStateException(name + " was loaded for inference and cannot be trained");
    }
    return current;
  }

  /** Where the gradient is summed up; null if it is frozen or the network is for inference. */
  public @Nullable Tensor gradient() {
    return frozen ? null : gradient;
  }

  /** The gradient under another shape, for operators that want it so; null as for gradient(). */
  public @Nullable Tensor gradient(long... as) {
    Tensor current = gradient();
    return current == null ? null : current.view(as);
  }

  /** Whether it gets gradients. */
  public boolean trainable() {
    return gradient() != null;
  }

  /** Excludes it from training, or includes it again. */
  public void freeze(boolean freeze) {
    this.frozen = freeze;
  }

  private Memory memory() {
    Memory current = memory;
    if (current == null) {
      throw new IllegalStateException(name + " has no memory for its operator's form");
    }
    return current;
  }

  @Override
  public String toString() {
    return name + " " + Arrays.toString(shape).replace(" ", "");
  }
}
