package dev.fathom.nn.op;

import dev.fathom.nn.tensor.BlockMemory;
import dev.fathom.nn.tensor.ElementType;
import org.jspecify.annotations.Nullable;

/**
 * A device: the sum of its operator families, and its memory. Operators may be called from any
 * thread.
 */
public interface Backend extends AutoCloseable {

  /** What it is and runs on, for people: {@code cpu (avx512, 2 threads)}. */
  String description();

  /** What activations and their gradients are kept in; parameters and statistics are float32. */
  default ElementType activationType() {
    return ElementType.FLOAT32;
  }

  /** Whether operators return before they are done, so that the host gets ahead of the device. */
  default boolean runsBehind() {
    return false;
  }

  /** Memory on this device, the caller's to close. */
  BlockMemory newMemory();

  /** Bytes of scratch memory that operators hold. */
  long scratchBytes();

  /** Frees what the backend holds; waits for operators that are running. */
  @Override
  void close();

  /**
   * Notes operators instead of doing them, where a device starts many of them faster as one. They
   * must have run before with tensors of the same shapes, and neither read nor write the host, nor
   * allocate on the device.
   *
   * @param operators calls operators, none that returns a number; may be called again, to the same
   *     effect, where the device has to make room first
   * @return null where nothing is gained or the device has no room: call the operators themselves
   */
  default @Nullable Recording record(Runnable operators) {
    return null;
  }

  /** Copies to and from the device. */
  TransferOps transfer();

  /** Linear layers. */
  LinearOps linear();

  /** Multi-head attention. */
  AttentionOps attention();

  /** Layer normalisation. */
  NormOps norm();

  /** The encoder's first layer. */
  PatchEmbedOps patchEmbed();

  /** Convolutions. */
  ConvOps conv();

  /** Resizing. */
  ResampleOps resample();

  /** Losses. */
  LossOps loss();

  /** Distortion of training pictures. */
  AugmentOps augment();

  /** Optimisers. */
  OptimOps optim();

  /** Whole tensors taken as vectors. */
  VectorOps vector();
}
