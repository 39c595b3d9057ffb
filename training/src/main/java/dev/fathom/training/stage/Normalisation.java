package dev.fathom.training.stage;

import dev.fathom.nn.op.AugmentOps.Distortion;
import dev.fathom.nn.op.Backend;
import dev.fathom.nn.op.LossOps.Box;
import dev.fathom.nn.tensor.CachingMemory;
import dev.fathom.nn.tensor.Tensor;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** Pictures in 0..1 to the network's input. */
final class Normalisation {

  /** ImageNet's mean and standard deviation, for red, green and blue in 0..1. */
  private static final float[] MEAN = {0.485f, 0.456f, 0.406f};

  private static final float[] STD = {0.229f, 0.224f, 0.225f};

  private Normalisation() {}

  /** Undistorted. [B,S,S,3] to a new tensor of that shape. */
  static Tensor clean(Backend backend, CachingMemory memory, Tensor pictures) {
    return distorted(backend, memory, pictures, List.of(), List.of());
  }

  /**
   * Distorted and mixed: picture b gets the next picture of the batch pasted into its box.
   *
   * @param distortions one for each picture, or none at all
   * @param boxes one for each picture, or none at all
   */
  static Tensor distorted(
      Backend backend,
      CachingMemory memory,
      Tensor pictures,
      List<Distortion> distortions,
      List<Box> boxes) {
    int batch = (int) pictures.extent(0);
    Tensor input = memory.allocate(pictures.shape());
    List<Distortion> all =
        distortions.isEmpty() ? Collections.nCopies(batch, Distortion.NONE) : distortions;
    @Nullable List<Box> pasted = boxes.isEmpty() ? null : boxes;
    @Nullable List<Integer> partners = pasted == null ? null : partners(batch);
    backend.augment().distort(pictures, all, partners, pasted, MEAN, STD, input);
    return input;
  }

  /** Which picture of a batch is pasted into which. */
  static List<Integer> partners(int batch) {
    return IntStream.range(0, batch).mapToObj(b -> (b + 1) % batch).toList();
  }
}
