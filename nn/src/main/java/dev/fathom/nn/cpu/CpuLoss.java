package dev.fathom.nn.cpu;

import dev.fathom.bindings.CpuContext;
import dev.fathom.bindings.Native;
import dev.fathom.bindings.generated.FathomNative;
import dev.fathom.bindings.generated.fathom_alignment_loss_args;
import dev.fathom.bindings.generated.fathom_cross_entropy_loss_args;
import dev.fathom.bindings.generated.fathom_cutmix_loss_args;
import dev.fathom.bindings.generated.fathom_gradient_matching_loss_args;
import dev.fathom.bindings.generated.fathom_silog_loss_args;
import dev.fathom.bindings.generated.fathom_ssi_loss_args;
import dev.fathom.nn.op.LossOps;
import dev.fathom.nn.op.Scalar;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * kernels/cpu/loss_ssi.c, loss_gradient_matching.c, loss_alignment.c, loss_silog.c,
 * loss_cross_entropy.c.
 */
final class CpuLoss extends CpuFamily implements LossOps {

  CpuLoss(CpuContext context) {
    super(context);
  }

  @Override
  public Scalar scaleShiftInvariant(
      Tensor prediction,
      Tensor target,
      @Nullable Tensor mask,
      double trim,
      double factor,
      @Nullable Tensor dPrediction) {
    requireMaps("scaleShiftInvariant", prediction, target, mask, dPrediction);
    MemorySegment args = Native.arguments(fathom_ssi_loss_args.layout());
    fathom_ssi_loss_args.batch(args, prediction.extent(0));
    fathom_ssi_loss_args.height(args, prediction.extent(1));
    fathom_ssi_loss_args.width(args, prediction.extent(2));
    fathom_ssi_loss_args.prediction(args, prediction.data());
    fathom_ssi_loss_args.target(args, target.data());
    fathom_ssi_loss_args.mask(args, address(mask));
    fathom_ssi_loss_args.trim(args, trim);
    fathom_ssi_loss_args.factor(args, factor);
    fathom_ssi_loss_args.gradient(args, address(dPrediction));
    Native.check(FathomNative.fathom_ssi_loss(context.handle(), args));
    return Scalar.of(fathom_ssi_loss_args.loss(args));
  }

  @Override
  public Scalar cutMix(
      Tensor prediction,
      Tensor inside,
      Tensor outside,
      List<Box> boxes,
      double factor,
      @Nullable Tensor dPrediction) {
    requireMaps("cutMix", prediction, inside, outside, dPrediction);
    if (boxes.size() != prediction.extent(0)) {
      throw new IllegalArgumentException(
          "cutMix: " + boxes.size() + " boxes for a batch " + prediction);
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment args = Native.arguments(fathom_cutmix_loss_args.layout());
      fathom_cutmix_loss_args.batch(args, prediction.extent(0));
      fathom_cutmix_loss_args.height(args, prediction.extent(1));
      fathom_cutmix_loss_args.width(args, prediction.extent(2));
      fathom_cutmix_loss_args.prediction(args, prediction.data());
      fathom_cutmix_loss_args.inside(args, inside.data());
      fathom_cutmix_loss_args.outside(args, outside.data());
      fathom_cutmix_loss_args.boxes(args, native64(boxes, arena));
      fathom_cutmix_loss_args.factor(args, factor);
      fathom_cutmix_loss_args.gradient(args, address(dPrediction));
      Native.check(FathomNative.fathom_cutmix_loss(context.handle(), args));
      return Scalar.of(fathom_cutmix_loss_args.loss(args));
    }
  }

  @Override
  public Scalar gradientMatching(
      Tensor prediction,
      Tensor target,
      @Nullable Tensor mask,
      double factor,
      @Nullable Tensor dPrediction) {
    requireMaps("gradientMatching", prediction, target, mask, dPrediction);
    MemorySegment args = Native.arguments(fathom_gradient_matching_loss_args.layout());
    fathom_gradient_matching_loss_args.batch(args, prediction.extent(0));
    fathom_gradient_matching_loss_args.height(args, prediction.extent(1));
    fathom_gradient_matching_loss_args.width(args, prediction.extent(2));
    fathom_gradient_matching_loss_args.prediction(args, prediction.data());
    fathom_gradient_matching_loss_args.target(args, target.data());
    fathom_gradient_matching_loss_args.mask(args, address(mask));
    fathom_gradient_matching_loss_args.factor(args, factor);
    fathom_gradient_matching_loss_args.gradient(args, address(dPrediction));
    Native.check(FathomNative.fathom_gradient_matching_loss(context.handle(), args));
    return Scalar.of(fathom_gradient_matching_loss_args.loss(args));
  }

  @Override
  public Alignment alignment(
      Tensor student, Tensor frozen, double margin, double factor, @Nullable Tensor dStudent) {
    requireMaps("alignment", student, frozen, null, dStudent);
    MemorySegment args = Native.arguments(fathom_alignment_loss_args.layout());
    fathom_alignment_loss_args.rows(args, student.extent(0) * student.extent(1));
    fathom_alignment_loss_args.channels(args, student.extent(2));
    fathom_alignment_loss_args.student(args, student.data());
    fathom_alignment_loss_args.frozen(args, frozen.data());
    fathom_alignment_loss_args.margin(args, margin);
    fathom_alignment_loss_args.factor(args, factor);
    fathom_alignment_loss_args.gradient(args, address(dStudent));
    Native.check(FathomNative.fathom_alignment_loss(context.handle(), args));
    return new Alignment(
        Scalar.of(fathom_alignment_loss_args.loss(args)),
        Scalar.of((double) fathom_alignment_loss_args.kept(args)));
  }

  @Override
  public Scalar siLog(
      Tensor prediction,
      Tensor target,
      @Nullable Tensor mask,
      double beta,
      double factor,
      @Nullable Tensor dPrediction) {
    requireMaps("siLog", prediction, target, mask, dPrediction);
    MemorySegment args = Native.arguments(fathom_silog_loss_args.layout());
    fathom_silog_loss_args.batch(args, prediction.extent(0));
    fathom_silog_loss_args.height(args, prediction.extent(1));
    fathom_silog_loss_args.width(args, prediction.extent(2));
    fathom_silog_loss_args.prediction(args, prediction.data());
    fathom_silog_loss_args.target(args, target.data());
    fathom_silog_loss_args.mask(args, address(mask));
    fathom_silog_loss_args.beta(args, beta);
    fathom_silog_loss_args.factor(args, factor);
    fathom_silog_loss_args.gradient(args, address(dPrediction));
    Native.check(FathomNative.fathom_silog_loss(context.handle(), args));
    return Scalar.of(fathom_silog_loss_args.loss(args));
  }

  /** Boxes as int64 [B,4]: top, left, bottom, right. */
  static MemorySegment native64(List<Box> boxes, Arena arena) {
    MemorySegment segment = arena.allocate(ValueLayout.JAVA_LONG, 4L * boxes.size());
    int i = 0;
    for (Box box : boxes) {
      for (int edge : new int[] {box.top(), box.left(), box.bottom(), box.right()}) {
        segment.setAtIndex(ValueLayout.JAVA_LONG, i++, edge);
      }
    }
    return segment;
  }

  private static void requireMaps(String operator, Tensor first, @Nullable Tensor... others) {
    if (first.rank() != 3) {
      throw new IllegalArgumentException(operator + ": three dimensions wanted, got " + first);
    }
    for (Tensor other : others) {
      if (other != null && !other.hasShape(first.shape())) {
        throw new IllegalArgumentException(operator + ": " + other + " beside " + first);
      }
    }
  }

  @Override
  public Scalar crossEntropy(
      Tensor logits, Tensor target, double factor, @Nullable Tensor dLogits) {

    if (target.size() != logits.size() || (dLogits != null && dLogits.size() != logits.size())) {
      throw new IllegalArgumentException(
          "crossEntropy: logits " + logits + ", target " + target + ", gradient " + dLogits);
    }
    MemorySegment args = Native.arguments(fathom_cross_entropy_loss_args.layout());
    fathom_cross_entropy_loss_args.rows(args, logits.size() / logits.extent(-1));
    fathom_cross_entropy_loss_args.classes(args, logits.extent(-1));
    fathom_cross_entropy_loss_args.logits(args, logits.data());
    fathom_cross_entropy_loss_args.target(args, target.data());
    fathom_cross_entropy_loss_args.factor(args, factor);
    fathom_cross_entropy_loss_args.gradient(args, address(dLogits));
    Native.check(FathomNative.fathom_cross_entropy_loss(context.handle(), args));
    return Scalar.of(fathom_cross_entropy_loss_args.loss(args));
  }
}
