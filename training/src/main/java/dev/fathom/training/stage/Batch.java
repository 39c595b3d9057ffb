package dev.fathom.training.stage;

import dev.fathom.nn.RgbImage;
import dev.fathom.nn.op.AugmentOps.Crop;
import dev.fathom.nn.op.Backend;
import dev.fathom.nn.tensor.CachingMemory;
import dev.fathom.nn.tensor.Tensor;
import dev.fathom.training.data.GroundTruth;
import dev.fathom.training.data.Sample;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;

/**
 * Samples as tensors: pictures [B,S,S,3] in 0..1, target disparity [B,S,S] and its mask. They are
 * the caller's to release, by {@link #close}.
 */
final class Batch implements AutoCloseable {

  private final CachingMemory memory;
  private final Tensor pictures;
  private final @Nullable Tensor target;
  private final @Nullable Tensor mask;

  private Batch(
      CachingMemory memory, Tensor pictures, @Nullable Tensor target, @Nullable Tensor mask) {
    this.memory = memory;
    this.pictures = pictures;
    this.target = target;
    this.mask = mask;
  }

  /**
   * Reads samples.
   *
   * @param crops the part of each sample's picture that is read
   * @param side S
   * @param labelled whether targets are wanted; each sample then has a truth
   */
  static Batch read(
      Backend backend,
      CachingMemory memory,
      List<Sample> samples,
      IntFunction<Crop> crops,
      int side,
      boolean labelled) {
    int batch = samples.size();
    long pixels = (long) side * side;
    Tensor pictures = memory.allocate(batch, side, side, 3);
    Tensor target = labelled ? memory.allocate(batch, side, side) : null;
    Tensor mask = labelled ? memory.allocate(batch, side, side) : null;
    for (int b = 0; b < batch; b++) {
      Sample sample = samples.get(b);
      Crop crop = crops.apply(b);
      RgbImage picture = sample.picture();
      readPicture(backend, picture, crop, pictures.slice(3L * b * pixels, 1, side, side, 3));
      if (target != null && mask != null) {
        GroundTruth truth = sample.truth();
        if (truth == null) {
          throw new IllegalArgumentException(sample.id() + " has no depth");
        }
        readTarget(
            backend,
            memory,
            truth,
            scaled(crop, picture, truth.width(), truth.height()),
            target.slice(b * pixels, side, side),
            mask.slice(b * pixels, side, side));
      }
    }
    return new Batch(memory, pictures, target, mask);
  }

  private static void readPicture(Backend backend, RgbImage picture, Crop crop, Tensor y) {
    byte[] rgb = picture.rgb();
    try (Arena host = Arena.ofConfined()) {
      MemorySegment bytes = host.allocate(rgb.length);
      MemorySegment.copy(rgb, 0, bytes, ValueLayout.JAVA_BYTE, 0, rgb.length);
      backend.augment().readPicture(bytes, picture.width(), picture.height(), crop, y);
    }
  }

  private static void readTarget(
      Backend backend,
      CachingMemory memory,
      GroundTruth truth,
      Crop crop,
      Tensor target,
      Tensor mask) {
    Tensor map = memory.allocate(truth.height(), truth.width());
    backend.transfer().write(truth.targetDisparity(), map);
    backend.augment().readMap(map, crop, target);
    memory.release(map);
    backend.vector().splitNan(target, mask);
  }

  /** A crop of the picture as one of a map of the same view but another size. */
  static Crop scaled(Crop crop, RgbImage picture, int width, int height) {
    double x = (double) width / picture.width();
    double y = (double) height / picture.height();
    return new Crop(
        crop.top() * y, crop.left() * x, crop.height() * y, crop.width() * x, crop.flip());
  }

  /** [B,S,S,3], in 0..1. */
  Tensor pictures() {
    return pictures;
  }

  /** [B,S,S], disparity in 0..1, 0 where it is not valid. */
  Tensor target() {
    return required(target);
  }

  /** [B,S,S], 1 where the target is valid. */
  Tensor mask() {
    return required(mask);
  }

  private static Tensor required(@Nullable Tensor tensor) {
    if (tensor == null) {
      throw new IllegalStateException("the batch was read without targets");
    }
    return tensor;
  }

  @Override
  public void close() {
    memory.release(pictures);
    if (target != null) {
      memory.release(target);
    }
    if (mask != null) {
      memory.release(mask);
    }
  }
}
