package dev.fathom.nn.op;

import dev.fathom.nn.tensor.Memory;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Losses, augmentation and optimisers that compute nothing. */
final class TrainingOfShapes implements LossOps, AugmentOps, OptimOps, VectorOps {

  @Override
  public Scalar scaleShiftInvariant(
      Tensor prediction,
      Tensor target,
      @Nullable Tensor mask,
      double trim,
      double factor,
      @Nullable Tensor dPrediction) {
    return Scalar.of(0);
  }

  @Override
  public Scalar cutMix(
      Tensor prediction,
      Tensor inside,
      Tensor outside,
      List<Box> boxes,
      double factor,
      @Nullable Tensor dPrediction) {
    return Scalar.of(0);
  }

  @Override
  public Scalar gradientMatching(
      Tensor prediction,
      Tensor target,
      @Nullable Tensor mask,
      double factor,
      @Nullable Tensor dPrediction) {
    return Scalar.of(0);
  }

  @Override
  public Alignment alignment(
      Tensor student, Tensor frozen, double margin, double factor, @Nullable Tensor dStudent) {
    return new Alignment(Scalar.of(0), Scalar.of(0));
  }

  @Override
  public Scalar siLog(
      Tensor prediction,
      Tensor target,
      @Nullable Tensor mask,
      double beta,
      double factor,
      @Nullable Tensor dPrediction) {
    return Scalar.of(0);
  }

  @Override
  public void readPicture(MemorySegment pixels, int width, int height, Crop crop, Tensor y) {}

  @Override
  public void readMap(Tensor x, Crop crop, Tensor y) {}

  @Override
  public void distort(
      Tensor x,
      List<Distortion> distortions,
      @Nullable List<Integer> partners,
      @Nullable List<LossOps.Box> boxes,
      float[] mean,
      float[] std,
      Tensor y) {}

  @Override
  public void adamW(
      Tensor value,
      Tensor gradient,
      Tensor m,
      Tensor v,
      long step,
      double rate,
      double beta1,
      double beta2,
      double eps,
      double weightDecay,
      double gradientScale) {}

  @Override
  public GradientCheck newCheck(Memory memory) {
    throw new UnsupportedOperationException("nothing is trained on shapes");
  }

  @Override
  public void adamW(Arrays arrays, Rates rates, double gradientScale, GradientCheck check) {}

  @Override
  public void fill(Tensor x, float value) {}

  @Override
  public void splitNan(Tensor x, Tensor mask) {}

  @Override
  public void axpby(float a, Tensor x, float b, Tensor y) {}

  @Override
  public void round(Tensor x, Tensor y) {}

  @Override
  public Scalar sumOfSquares(Tensor x) {
    return Scalar.of(0);
  }

  @Override
  public Scalar crossEntropy(
      Tensor logits, Tensor target, double factor, @Nullable Tensor dLogits) {
    return Scalar.of(0);
  }
}
