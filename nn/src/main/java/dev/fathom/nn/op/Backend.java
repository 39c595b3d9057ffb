package dev.fathom.nn.op;

/** A device: the sum of its operator families. Operators may be called from any thread. */
public interface Backend {

  /** What it is and runs on, for people: {@code cpu (avx512, 2 threads)}. */
  String description();

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
