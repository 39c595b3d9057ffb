package dev.fathom.bench;

import dev.fathom.bench.Trial.Operand;
import dev.fathom.nn.op.LossOps;
import dev.fathom.nn.tensor.Tensor;
import java.util.List;
import java.util.function.LongToDoubleFunction;
import org.openjdk.jmh.annotations.Param;

/**
 * The losses of one picture with their gradients, which they give themselves. Bytes are those of
 * inputs and gradient, each once: a median or a second look at a map is not counted.
 */
public class LossBenchmark extends OperatorBenchmark {

  private static final int PIXELS = SIDE * SIDE;
  private static final int CLASSES = 32;
  private static final double BETA = 0.15;
  private static final double LOG_EPS = 1e-7;

  /** The losses of {@link LossOps}; trimmed is the scale-shift-invariant one of V2. */
  @Param({"ssi", "trimmed", "cutmix", "gradient_matching", "alignment", "silog", "cross_entropy"})
  public String layer;

  @Override
  Operator prepare(Trial trial) {
    return switch (layer) {
      case "ssi", "trimmed", "cutmix", "gradient_matching" -> normalised(trial);
      case "alignment" -> alignment(trial);
      case "silog" -> siLog(trial);
      case "cross_entropy" -> crossEntropy(trial);
      default -> throw unknown(layer);
    };
  }

  /** Gradients are multiplied by the number of pixels, which brings them near 1. */
  private Operator normalised(Trial trial) {
    Operand prediction = trial.uniform(1, 1, SIDE, SIDE);
    Operand target = trial.uniform(1, 1, SIDE, SIDE);
    Operand outside = trial.uniform(1, 1, SIDE, SIDE);
    Tensor gradient = trial.allocate(1, SIDE, SIDE);
    LossOps ops = trial.backend().loss();
    LossOps.Box box = new LossOps.Box(SIDE / 4, SIDE / 8, SIDE / 2, SIDE - 3);
    Tensor p = prediction.tensor();
    Tensor d = target.tensor();
    Runnable run =
        switch (layer) {
          case "ssi" -> () -> ops.scaleShiftInvariant(p, d, null, 0, PIXELS, gradient);
          case "trimmed" -> () -> ops.scaleShiftInvariant(p, d, null, 0.1, PIXELS, gradient);
          case "cutmix" -> () -> ops.cutMix(p, d, outside.tensor(), List.of(box), PIXELS, gradient);
          default -> () -> ops.gradientMatching(p, d, null, PIXELS, gradient);
        };
    LossReference reference = new LossReference(values(prediction), values(target));
    double[] expected =
        switch (layer) {
          case "ssi" -> reference.residuals(_ -> true, 0);
          case "trimmed" -> reference.residuals(_ -> true, 0.1);
          case "cutmix" -> mixed(reference, prediction, outside, box);
          default -> reference.gradientMatching(SIDE);
        };
    int maps = layer.equals("cutmix") ? 4 : 3;
    return operator(
        "%dx%d".formatted(SIDE, SIDE),
        4.0 * maps * PIXELS,
        run,
        gradient,
        element -> PIXELS * expected[Math.toIntExact(element)]);
  }

  private static double[] mixed(
      LossReference inside, Operand prediction, Operand outside, LossOps.Box box) {
    double area = (double) (box.bottom() - box.top()) * (box.right() - box.left()) / PIXELS;
    double[] within = inside.residuals(i -> isIn(box, i), 0);
    double[] around =
        new LossReference(values(prediction), values(outside)).residuals(i -> !isIn(box, i), 0);
    double[] sum = new double[PIXELS];
    for (int i = 0; i < PIXELS; i++) {
      sum[i] = area * within[i] + (1 - area) * around[i];
    }
    return sum;
  }

  private static boolean isIn(LossOps.Box box, long pixel) {
    long y = pixel / SIDE;
    long x = pixel % SIDE;
    return y >= box.top() && y < box.bottom() && x >= box.left() && x < box.right();
  }

  private static double[] values(Operand operand) {
    double[] values = new double[PIXELS];
    for (int i = 0; i < PIXELS; i++) {
      values[i] = operand.at(i);
    }
    return values;
  }

  private Operator alignment(Trial trial) {
    long channels = config().embedDim();
    long patches = (long) PATCHES * PATCHES;
    Operand student = trial.uniform(1, 1, patches, channels);
    Operand frozen = trial.uniform(1, 1, patches, channels);
    Tensor gradient = trial.allocate(1, patches, channels);
    LossOps ops = trial.backend().loss();
    double factor = (double) patches * channels;
    return operator(
        "[%d,%d]".formatted(patches, channels),
        4.0 * 3 * patches * channels,
        () -> ops.alignment(student.tensor(), frozen.tensor(), 0.85, factor, gradient),
        gradient,
        element -> {
          // Random features are far from alike: every token counts.
          long start = element / channels * channels;
          double f = Math.sqrt(Reference.dot(student, start, student, start, 1, channels));
          double g = Math.sqrt(Reference.dot(frozen, start, frozen, start, 1, channels));
          double cosine = Reference.dot(student, start, frozen, start, 1, channels) / (f * g);
          return -factor
              / patches
              * (frozen.at(element) / (f * g) - cosine * student.at(element) / (f * f));
        });
  }

  private Operator siLog(Trial trial) {
    Operand logits = trial.uniform(0.4, 1, SIDE, SIDE);
    Operand other = trial.uniform(0.4, 1, SIDE, SIDE);
    // Positive: 0.1 to 0.9.
    Tensor prediction = shifted(trial, logits);
    Tensor target = shifted(trial, other);
    float[] p = prediction.toArray();
    float[] d = target.toArray();
    Tensor gradient = trial.allocate(1, SIDE, SIDE);
    LossOps ops = trial.backend().loss();
    double mean = Reference.sum(PIXELS, i -> difference(p, d, i)) / PIXELS;
    double variance =
        Reference.sum(PIXELS, i -> Math.pow(difference(p, d, i) - mean, 2)) / (PIXELS - 1);
    double root = Math.sqrt(variance + BETA * mean * mean);
    return operator(
        "%dx%d".formatted(SIDE, SIDE),
        4.0 * 3 * PIXELS,
        () -> ops.siLog(prediction, target, null, BETA, PIXELS / 10.0, gradient),
        gradient,
        element -> {
          int i = Math.toIntExact(element);
          double byDifference = (difference(p, d, i) - mean) / (PIXELS - 1) + BETA * mean / PIXELS;
          return PIXELS * byDifference / root / (p[i] + LOG_EPS);
        });
  }

  private static Tensor shifted(Trial trial, Operand operand) {
    float[] values = operand.tensor().toArray();
    for (int i = 0; i < values.length; i++) {
      values[i] += 0.5f;
    }
    return trial.allocate(1, SIDE, SIDE).set(values);
  }

  private static double difference(float[] p, float[] d, long i) {
    int at = Math.toIntExact(i);
    return Math.log(p[at] + LOG_EPS) - Math.log(d[at] + LOG_EPS);
  }

  private static Operator crossEntropy(Trial trial) {
    long rows = (long) PATCHES * PATCHES;
    Operand logits = trial.uniform(2, rows, CLASSES);
    float[] shares = new float[Math.toIntExact(rows * CLASSES)];
    for (int row = 0; row < rows; row++) {
      shares[row * CLASSES + row % CLASSES] = 0.75f;
      shares[row * CLASSES + (row + 5) % CLASSES] = 0.25f;
    }
    Tensor target = trial.allocate(rows, CLASSES).set(shares);
    Tensor gradient = trial.allocate(rows, CLASSES);
    LossOps ops = trial.backend().loss();
    return operator(
        "[%d,%d]".formatted(rows, CLASSES),
        4.0 * 3 * rows * CLASSES,
        () -> ops.crossEntropy(logits.tensor(), target, (double) rows, gradient),
        gradient,
        element -> {
          long start = element / CLASSES * CLASSES;
          double sum = Reference.sum(CLASSES, k -> Math.exp(logits.at(start + k)));
          return Math.exp(logits.at(element)) / sum - shares[Math.toIntExact(element)];
        });
  }

  private static Operator operator(
      String shape, double bytes, Runnable run, Tensor gradient, LongToDoubleFunction reference) {
    return new Operator(
        shape + ", with gradient", Operator.Unit.BYTE, bytes, 2e-4, run, gradient, reference);
  }
}
