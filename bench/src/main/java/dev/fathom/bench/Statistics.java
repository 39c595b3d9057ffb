package dev.fathom.bench;

import java.util.List;
import java.util.stream.IntStream;

/**
 * Of repeated measurements. Times have a floor and no ceiling, so the least is quoted beside the
 * median.
 */
public record Statistics(double least, double median, double most) {

  /**
   * The statistics of some values.
   *
   * @throws IllegalArgumentException if there are none, or one is not a number
   */
  public static Statistics of(List<Double> values) {
    double[] sorted = values.stream().mapToDouble(Double::doubleValue).sorted().toArray();
    if (sorted.length == 0) {
      throw new IllegalArgumentException("no values");
    }
    // NaN sorts last.
    if (Double.isNaN(sorted[sorted.length - 1])) {
      throw new IllegalArgumentException("a value is not a number");
    }
    int half = sorted.length / 2;
    double median = sorted.length % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
    return new Statistics(sorted[0], median, sorted[sorted.length - 1]);
  }

  /**
   * The statistics of a / b, pair by pair: measurements that took turns.
   *
   * @throws IllegalArgumentException if there are not as many of one as of the other
   */
  public static Statistics ofRatios(List<Double> a, List<Double> b) {
    if (a.size() != b.size()) {
      throw new IllegalArgumentException(a.size() + " values beside " + b.size());
    }
    return of(IntStream.range(0, a.size()).mapToObj(i -> a.get(i) / b.get(i)).toList());
  }
}
