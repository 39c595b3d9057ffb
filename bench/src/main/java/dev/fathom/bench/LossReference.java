package dev.fathom.bench;

import java.util.Arrays;
import java.util.function.LongPredicate;

/** Gradients of the losses on normalised maps in float64, of one picture without invalid pixels. */
final class LossReference {

  private final double[] prediction;
  private final double[] target;

  LossReference(double[] prediction, double[] target) {
    this.prediction = prediction;
    this.target = target;
  }

  /** A map's region, normalised: (d - t) / s, t the lower median, s the mean deviation from it. */
  private static final class Region {
    final double median;
    final double deviation;

    Region(double[] map, int[] pixels) {
      double[] sorted = Arrays.stream(pixels).mapToDouble(i -> map[i]).sorted().toArray();
      median = sorted[(sorted.length - 1) / 2];
      deviation =
          Arrays.stream(sorted).map(value -> Math.abs(value - median)).average().orElseThrow();
    }

    double of(double value) {
      return (value - median) / deviation;
    }
  }

  /**
   * The mean of the smallest absolute residuals of a region.
   *
   * @param inRegion which pixels
   * @param trim share of the residuals left out
   * @return the gradient by the prediction, 0 outside
   */
  double[] residuals(LongPredicate inRegion, double trim) {
    int[] pixels = pixels(inRegion);
    double[] differences = differences(pixels);
    double[] sorted = Arrays.stream(differences).map(Math::abs).sorted().toArray();
    int kept = (int) Math.floor((1 - trim) * pixels.length);
    double largest = sorted[kept - 1];
    double[] slopes = new double[pixels.length];
    for (int i = 0; i < slopes.length; i++) {
      slopes[i] = Math.abs(differences[i]) <= largest ? Math.signum(differences[i]) / kept : 0;
    }
    return throughNormalisation(pixels, slopes);
  }

  /** Gradient matching at the strides 1, 2, 4, 8 of a square picture. */
  double[] gradientMatching(int side) {
    int[] pixels = pixels(_ -> true);
    double[] differences = differences(pixels);
    double[] slopes = new double[pixels.length];
    for (int stride = 1; stride <= 8; stride *= 2) {
      int grid = (side + stride - 1) / stride;
      double share = 1.0 / ((double) grid * grid);
      for (int y = 0; y < side; y += stride) {
        for (int x = 0; x < side; x += stride) {
          int at = y * side + x;
          if (x + stride < side) {
            pair(differences, slopes, at, at + stride, share);
          }
          if (y + stride < side) {
            pair(differences, slopes, at, at + stride * side, share);
          }
        }
      }
    }
    return throughNormalisation(pixels, slopes);
  }

  private static void pair(double[] differences, double[] slopes, int a, int b, double share) {
    double sign = Math.signum(differences[b] - differences[a]);
    slopes[b] += share * sign;
    slopes[a] -= share * sign;
  }

  private int[] pixels(LongPredicate inRegion) {
    int[] all = new int[prediction.length];
    int count = 0;
    for (int i = 0; i < all.length; i++) {
      if (inRegion.test(i)) {
        all[count++] = i;
      }
    }
    return Arrays.copyOf(all, count);
  }

  private double[] differences(int[] pixels) {
    Region p = new Region(prediction, pixels);
    Region d = new Region(target, pixels);
    return Arrays.stream(pixels).mapToDouble(i -> p.of(prediction[i]) - d.of(target[i])).toArray();
  }

  /** From the gradient by normalised values to that by the prediction, median and s included. */
  private double[] throughNormalisation(int[] pixels, double[] slopes) {
    Region region = new Region(prediction, pixels);
    int n = pixels.length;
    double sum = 0;
    double product = 0;
    double signs = 0;
    int medians = 0;
    for (int i = 0; i < n; i++) {
      double value = prediction[pixels[i]];
      sum += slopes[i];
      product += slopes[i] * region.of(value);
      signs += Math.signum(value - region.median);
      medians += value == region.median ? 1 : 0;
    }
    double[] gradient = new double[prediction.length];
    for (int i = 0; i < n; i++) {
      double value = prediction[pixels[i]];
      double byMedian = value == region.median ? 1.0 / medians : 0;
      double byDeviation = (Math.signum(value - region.median) - signs * byMedian) / n;
      gradient[pixels[i]] = (slopes[i] - sum * byMedian - product * byDeviation) / region.deviation;
    }
    return gradient;
  }
}
