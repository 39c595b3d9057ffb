package dev.fathom.nn.cpu;

import dev.fathom.bindings.CpuContext;
import dev.fathom.nn.op.LossOps;
import dev.fathom.nn.tensor.Tensor;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** kernels/cpu/loss.c. */
final class CpuLoss extends CpuFamily implements LossOps {

  CpuLoss(CpuContext context) {
    super(context);
  }

  @Override
  public double scaleShiftInvariant(
      Tensor prediction,
      Tensor target,
      @Nullable Tensor mask,
      double trim,
      double factor,
      @Nullable Tensor dPrediction) {
    throw new UnsupportedOperationException("not built yet");
  }

  @Override
  public double cutMix(
      Tensor prediction,
      Tensor inside,
      Tensor outside,
      List<Box> boxes,
      double factor,
      @Nullable Tensor dPrediction) {
    throw new UnsupportedOperationException("not built yet");
  }

  @Override
  public double gradientMatching(
      Tensor prediction,
      Tensor target,
      @Nullable Tensor mask,
      double factor,
      @Nullable Tensor dPrediction) {
    throw new UnsupportedOperationException("not built yet");
  }

  @Override
  public Alignment alignment(
      Tensor student, Tensor frozen, double margin, double factor, @Nullable Tensor dStudent) {
    throw new UnsupportedOperationException("not built yet");
  }

  @Override
  public double siLog(
      Tensor prediction,
      Tensor target,
      @Nullable Tensor mask,
      double beta,
      double factor,
      @Nullable Tensor dPrediction) {
    throw new UnsupportedOperationException("not built yet");
  }

  @Override
  public double crossEntropy(
      Tensor logits, Tensor target, double factor, @Nullable Tensor dLogits) {
    throw new UnsupportedOperationException("not built yet");
  }
}
