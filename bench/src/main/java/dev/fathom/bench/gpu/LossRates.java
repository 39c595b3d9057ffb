package dev.fathom.bench.gpu;

import dev.fathom.nn.op.LossOps;
import dev.fathom.nn.tensor.Tensor;
import java.util.Collections;
import java.util.List;

/** Losses with their gradients. Bytes: each operand once, read or written. */
final class LossRates {

  static final String SECTION = "Losses";

  private static final double TRIM = 0.1;
  private static final double MARGIN = 0.85;
  private static final double BETA = 0.15;

  /** Classes of the encoder's first training. */
  private static final int CLASSES = 128;

  private final Rig rig;

  LossRates(Rig rig) {
    this.rig = rig;
  }

  void run(NetworkShape at) {
    maps(at.batch(), at.side());
    features(at);
  }

  private void maps(int batch, int side) {
    double map = 4.0 * batch * side * side;
    String shape = ", batch %d, %d x %d".formatted(batch, side, side);
    rig.group(
        "losses of maps",
        operands -> {
          LossOps ops = rig.backend().loss();
          Tensor prediction = operands.positive(batch, side, side);
          Tensor target = operands.positive(batch, side, side);
          Tensor other = operands.positive(batch, side, side);
          Tensor gradient = operands.floats(batch, side, side);
          rig.bytes(
              SECTION,
              "scale-shift-invariant loss and gradient" + shape,
              3 * map,
              () -> {
                var _ = ops.scaleShiftInvariant(prediction, target, null, 0, 1, gradient);
              });
          rig.bytes(
              SECTION,
              "trimmed scale-shift-invariant loss and gradient" + shape,
              3 * map,
              () -> {
                var _ = ops.scaleShiftInvariant(prediction, target, null, TRIM, 1, gradient);
              });
          List<LossOps.Box> boxes =
              Collections.nCopies(
                  batch, new LossOps.Box(side / 4, side / 4, side * 3 / 4, side * 3 / 4));
          rig.bytes(
              SECTION,
              "loss of CutMix and gradient" + shape,
              4 * map,
              () -> {
                var _ = ops.cutMix(prediction, target, other, boxes, 1, gradient);
              });
          rig.bytes(
              SECTION,
              "gradient matching and gradient" + shape,
              3 * map,
              () -> {
                var _ = ops.gradientMatching(prediction, target, null, 1, gradient);
              });
          rig.bytes(
              SECTION,
              "SILog and gradient" + shape,
              3 * map,
              () -> {
                var _ = ops.siLog(prediction, target, null, BETA, 1, gradient);
              });
        });
  }

  private void features(NetworkShape at) {
    long dim = at.model().embedDim();
    rig.group(
        "losses of features",
        operands -> {
          LossOps ops = rig.backend().loss();
          Tensor student = operands.elements(at.batch(), at.tokens(), dim);
          Tensor frozen = operands.elements(at.batch(), at.tokens(), dim);
          Tensor gradient = operands.elements(at.batch(), at.tokens(), dim);
          rig.bytes(
              SECTION,
              "feature alignment and gradient " + at,
              3 * rig.elementBytes((double) at.rows() * dim),
              () -> {
                var _ = ops.alignment(student, frozen, MARGIN, 1, gradient);
              });
          Tensor logits = operands.elements(at.rows(), CLASSES);
          Tensor target = operands.positive(at.rows(), CLASSES);
          Tensor dLogits = operands.elements(at.rows(), CLASSES);
          double count = (double) at.rows() * CLASSES;
          rig.bytes(
              SECTION,
              "cross-entropy and gradient, [%d,%d]".formatted(at.rows(), CLASSES),
              2 * rig.elementBytes(count) + 4 * count,
              () -> {
                var _ = ops.crossEntropy(logits, target, 1, dLogits);
              });
        });
  }
}
