package dev.fathom.training.evaluation;

/**
 * How far predicted depths p are from true ones t, over the valid pixels of one picture (Eigen et
 * al., "Depth Map Prediction from a Single Image using a Multi-Scale Deep Network", 2014).
 * Everything is computed in float64.
 *
 * @param delta1 share of pixels with max(p / t, t / p) &lt; 1.25
 * @param delta2 the same, &lt; 1.25^2
 * @param delta3 the same, &lt; 1.25^3
 * @param absRel mean of |p - t| / t
 * @param sqRel mean of (p - t)^2 / t, in the depths' unit
 * @param rmse root of the mean of (p - t)^2, in the depths' unit
 * @param rmseLog root of the mean of g^2, g = ln p - ln t
 * @param log10 mean of |log10 p - log10 t|
 * @param siLog 100 times the standard deviation of g: what is left of the error in the logarithm
 *     when the picture's scale is free
 */
public record DepthMetrics(
    double delta1,
    double delta2,
    double delta3,
    double absRel,
    double sqRel,
    double rmse,
    double rmseLog,
    double log10,
    double siLog) {

  private static final double THRESHOLD = 1.25;

  /**
   * The metrics of one picture.
   *
   * @param truth the true depths of the valid pixels, positive and finite
   * @param prediction the predicted depths of the same pixels, positive and finite
   * @throws IllegalArgumentException if there is no pixel, the lengths differ, or a depth is not
   *     positive and finite
   */
  public static DepthMetrics of(double[] truth, double[] prediction) {
    int n = truth.length;
    if (n == 0 || prediction.length != n) {
      throw new IllegalArgumentException(
          prediction.length + " predicted depths for " + n + " true ones");
    }
    long[] within = new long[3];
    double relative = 0;
    double squaredRelative = 0;
    double squared = 0;
    double[] logRatio = new double[n];
    for (int i = 0; i < n; i++) {
      double t = requireDepth(truth[i], "true");
      double p = requireDepth(prediction[i], "predicted");
      double ratio = Math.max(p / t, t / p);
      double threshold = THRESHOLD;
      for (int k = 0; k < within.length; k++) {
        if (ratio < threshold) {
          within[k]++;
        }
        threshold *= THRESHOLD;
      }
      double error = p - t;
      relative += Math.abs(error) / t;
      squaredRelative += error * error / t;
      squared += error * error;
      logRatio[i] = Math.log(p) - Math.log(t);
    }
    double logSum = 0;
    double logSquared = 0;
    double logAbsolute = 0;
    for (double g : logRatio) {
      logSum += g;
      logSquared += g * g;
      logAbsolute += Math.abs(g);
    }
    double logMean = logSum / n;
    double logVariance = 0;
    for (double g : logRatio) {
      logVariance += (g - logMean) * (g - logMean);
    }
    return new DepthMetrics(
        (double) within[0] / n,
        (double) within[1] / n,
        (double) within[2] / n,
        relative / n,
        squaredRelative / n,
        Math.sqrt(squared / n),
        Math.sqrt(logSquared / n),
        logAbsolute / n / Math.log(10),
        100 * Math.sqrt(logVariance / n));
  }

  private static double requireDepth(double depth, String which) {
    if (!(depth > 0 && depth < Double.POSITIVE_INFINITY)) {
      throw new IllegalArgumentException("a " + which + " depth of " + depth);
    }
    return depth;
  }
}
