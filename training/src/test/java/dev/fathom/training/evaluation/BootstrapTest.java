package dev.fathom.training.evaluation;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.training.evaluation.Bootstrap.Interval;
import dev.fathom.training.random.Philox;
import dev.fathom.training.random.Purpose;
import org.junit.jupiter.api.Test;

class BootstrapTest {

  /** For many pictures the interval is the normal one: mean +- 1.96 standard errors. */
  @Test
  void theIntervalIsThatOfTheNormalDistributionForManyPictures() {
    int n = 2000;
    Philox random = new Philox(5, Purpose.SCENE, 0, 0);
    double[] values = new double[n];
    double sum = 0;
    for (int i = 0; i < n; i++) {
      values[i] = 3 + random.nextGaussian();
      sum += values[i];
    }
    Interval interval = Bootstrap.interval(values, 2000, 1);
    assertEquals(sum / n, interval.mean(), 1e-12);
    double expected = 1.96 / Math.sqrt(n);
    assertEquals(expected, interval.mean() - interval.low(), 0.1 * expected);
    assertEquals(expected, interval.high() - interval.mean(), 0.1 * expected);
  }

  @Test
  void theSameSeedGivesTheSameIntervalAndEqualColumnsEqualOnes() {
    double[] values = {1.03, 5.77, 2.19, 8.61, 3.13, 3.59, 9};
    Interval interval = Bootstrap.interval(values, 1000, 7);
    assertEquals(interval, Bootstrap.interval(values, 1000, 7));
    assertNotEquals(interval, Bootstrap.interval(values, 1000, 8));
    Interval[] both = Bootstrap.intervals(new double[][] {{7, 6, 5, 4, 3, 2, 1}, values}, 1000, 7);
    assertEquals(interval, both[1], "the same pictures are drawn for every column");
    assertTrue(interval.low() < interval.mean() && interval.mean() < interval.high());
    assertTrue(interval.low() >= 1 && interval.high() <= 9);
  }

  @Test
  void onePictureHasAnIntervalOfNoWidth() {
    assertEquals(new Interval(4, 4, 4), Bootstrap.interval(new double[] {4}, 1000, 0));
  }

  @Test
  void nothingAndNotANumberAreRefused() {
    double[] one = {1};
    assertThrows(IllegalArgumentException.class, () -> Bootstrap.interval(new double[0], 1000, 0));
    assertThrows(IllegalArgumentException.class, () -> Bootstrap.interval(one, 0, 0));
    assertThrows(
        IllegalArgumentException.class,
        () -> Bootstrap.interval(new double[] {1, Double.NaN}, 1000, 0));
    assertThrows(
        IllegalArgumentException.class,
        () -> Bootstrap.intervals(new double[][] {{1, 2}, {1}}, 1000, 0));
  }
}
