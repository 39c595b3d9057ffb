package dev.fathom.training.report;

import java.util.stream.IntStream;

/** What is done to a curve's numbers before it is drawn. */
final class Curve {

  /** More points than this are not told apart on a chart. */
  private static final int MOST_POINTS = 1000;

  private Curve() {}

  /**
   * The exponential moving average, divided by the weight that it has seen so far, so that it
   * starts at the first value (Kingma and Ba, 2015, section 3). Not-a-number stays where it is and
   * leaves the average as it was.
   */
  static double[] smoothed(double[] values, double weight) {
    double[] smooth = new double[values.length];
    double average = 0;
    double seen = 0;
    for (int i = 0; i < values.length; i++) {
      if (Double.isFinite(values[i])) {
        average = weight * average + (1 - weight) * values[i];
        seen = weight * seen + (1 - weight);
        smooth[i] = average / seen;
      } else {
        smooth[i] = Double.NaN;
      }
    }
    return smooth;
  }

  /**
   * The indices of few enough points to draw: of each of equal runs of points the lowest and the
   * highest, in their order, so that no peak is lost. A run with a value that is not finite is that
   * value, which leaves a gap.
   */
  static int[] drawn(double[] values) {
    int n = values.length;
    if (n <= MOST_POINTS) {
      return IntStream.range(0, n).toArray();
    }
    int runs = MOST_POINTS / 2;
    IntStream.Builder kept = IntStream.builder();
    for (int run = 0; run < runs; run++) {
      int from = (int) ((long) run * n / runs);
      int to = (int) ((long) (run + 1) * n / runs);
      int lowest = from;
      int highest = from;
      for (int i = from; i < to; i++) {
        if (!Double.isFinite(values[i])) {
          lowest = i;
          highest = i;
          break;
        }
        lowest = values[i] < values[lowest] ? i : lowest;
        highest = values[i] > values[highest] ? i : highest;
      }
      kept.add(Math.min(lowest, highest));
      if (lowest != highest) {
        kept.add(Math.max(lowest, highest));
      }
    }
    return kept.build().toArray();
  }
}
