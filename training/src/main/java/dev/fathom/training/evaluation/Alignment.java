package dev.fathom.training.evaluation;

/**
 * The scale and shift that make a disparity, which is known only up to both, comparable to true
 * depths: least squares of 1 / depth on the disparity (Ranftl et al., "Towards Robust Monocular
 * Depth Estimation", 2020, section 5).
 *
 * @param scale factor of the disparity
 * @param shift added after it
 * @param constant whether the disparities were all the same, so that no scale can be fitted: scale
 *     is then 0 and shift the mean of 1 / depth, which is a least-squares solution as well
 */
public record Alignment(double scale, double shift, boolean constant) {

  /** Spread relative to the size, below which disparities are rounding errors of a constant. */
  private static final double CONSTANT = 1e-10;

  /**
   * Fits the two numbers.
   *
   * @param disparity of the valid pixels, finite
   * @param truth depths of the same pixels, positive and finite
   * @throws IllegalArgumentException if there is no pixel or the lengths differ
   */
  public static Alignment fit(double[] disparity, double[] truth) {
    int n = disparity.length;
    if (n == 0 || truth.length != n) {
      throw new IllegalArgumentException(n + " disparities for " + truth.length + " depths");
    }
    double disparityMean = 0;
    double inverseMean = 0;
    double largest = 0;
    for (int i = 0; i < n; i++) {
      disparityMean += disparity[i];
      inverseMean += 1 / truth[i];
      largest = Math.max(largest, Math.abs(disparity[i]));
    }
    disparityMean /= n;
    inverseMean /= n;
    // About the means: the normal equations of the numbers themselves lose the digits of a small
    // spread about a large offset.
    double variance = 0;
    double covariance = 0;
    for (int i = 0; i < n; i++) {
      double d = disparity[i] - disparityMean;
      variance += d * d;
      covariance += d * (1 / truth[i] - inverseMean);
    }
    if (Math.sqrt(variance / n) <= CONSTANT * largest) {
      return new Alignment(0, inverseMean, true);
    }
    double scale = covariance / variance;
    return new Alignment(scale, inverseMean - scale * disparityMean, false);
  }

  /**
   * The depth of a disparity: aligned, raised to 1 / cap where it is below, inverted.
   *
   * @param cap the largest depth that the evaluation knows
   */
  public double depth(double disparity, double cap) {
    return 1 / Math.max(scale * disparity + shift, 1 / cap);
  }
}
