package dev.fathom.training.evaluation;

import dev.fathom.training.random.Philox;
import dev.fathom.training.random.Purpose;
import java.util.Arrays;

/**
 * How sure a mean over pictures is: the percentile bootstrap (Efron, 1979). Pictures are drawn with
 * replacement, as many as there are, again and again; the interval holds the middle 95 % of the
 * means.
 */
public final class Bootstrap {

  /** Resamples unless told otherwise. */
  public static final int RESAMPLES = 2000;

  private static final double LOW = 0.025;
  private static final double HIGH = 0.975;

  private Bootstrap() {}

  /**
   * A mean and its 95 % confidence interval.
   *
   * @param mean of the pictures themselves
   * @param low 2.5th percentile of the resampled means
   * @param high 97.5th percentile
   */
  public record Interval(double mean, double low, double high) {}

  /**
   * The interval of each of several numbers that were measured on the same pictures. The same
   * pictures are drawn for all of them, and for every call with the same seed and number of
   * pictures: intervals of two networks on one data set come from the same resamples.
   *
   * @param columns for each number its values, one per picture, in the order of the pictures
   * @param resamples how often the pictures are drawn
   * @param seed of the drawing
   * @throws IllegalArgumentException if there is no picture, a column has another length, a value
   *     is not finite, or there is no resample
   */
  public static Interval[] intervals(double[][] columns, int resamples, long seed) {
    int n = columns.length == 0 ? 0 : columns[0].length;
    if (n == 0 || resamples < 1) {
      throw new IllegalArgumentException(resamples + " resamples of " + n + " pictures");
    }
    for (double[] column : columns) {
      if (column.length != n || !Arrays.stream(column).allMatch(Double::isFinite)) {
        throw new IllegalArgumentException("not " + n + " finite values");
      }
    }
    double[][] means = new double[columns.length][resamples];
    for (int r = 0; r < resamples; r++) {
      Philox random = new Philox(seed, Purpose.BOOTSTRAP, 0, r);
      for (int i = 0; i < n; i++) {
        int drawn = random.nextInt(n);
        for (int c = 0; c < columns.length; c++) {
          means[c][r] += columns[c][drawn];
        }
      }
      for (double[] mean : means) {
        mean[r] /= n;
      }
    }
    Interval[] intervals = new Interval[columns.length];
    for (int c = 0; c < columns.length; c++) {
      Arrays.sort(means[c]);
      intervals[c] =
          new Interval(mean(columns[c]), percentile(means[c], LOW), percentile(means[c], HIGH));
    }
    return intervals;
  }

  /** As {@link #intervals}, of one number. */
  public static Interval interval(double[] values, int resamples, long seed) {
    return intervals(new double[][] {values}, resamples, seed)[0];
  }

  private static double mean(double[] values) {
    double sum = 0;
    for (double value : values) {
      sum += value;
    }
    return sum / values.length;
  }

  /** Linear between the two nearest of the sorted values. */
  private static double percentile(double[] sorted, double share) {
    double at = share * (sorted.length - 1);
    int below = (int) at;
    int above = Math.min(below + 1, sorted.length - 1);
    return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
  }
}
