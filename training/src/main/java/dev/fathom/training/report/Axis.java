package dev.fathom.training.report;

import java.math.BigDecimal;
import java.math.MathContext;
import java.util.ArrayList;
import java.util.List;

/**
 * An axis of a chart: from its first number to its last, with ticks at round ones.
 *
 * @param low first number
 * @param high last number, above the first
 * @param logarithmic whether equal factors take equal room; the numbers are positive then
 * @param ticks ascending, within low and high
 */
record Axis(double low, double high, boolean logarithmic, List<Double> ticks) {

  private static final int[] STEPS = {1, 2, 5, 10};
  private static final int MANY_DECADES = 3;

  /** A few ticks more than wanted are better than half as many. */
  private static final double NEARLY = 0.75;

  /** An axis that has all numbers from low to high on it, and about {@code wanted} ticks. */
  static Axis of(double low, double high, boolean logarithmic, int wanted) {
    if (logarithmic) {
      return logarithmic(low, high);
    }
    double from = low;
    double to = high;
    if (!(to > from)) {
      double room = from == 0 ? 1 : Math.abs(from) * 0.1;
      from -= room;
      to += room;
    }
    double rough = (to - from) / Math.max(1, wanted);
    double power = Math.pow(10, Math.floor(Math.log10(rough)));
    double step = 10 * power;
    for (int candidate : STEPS) {
      if (candidate * power >= NEARLY * rough) {
        step = candidate * power;
        break;
      }
    }
    List<Double> ticks = new ArrayList<>();
    for (long k = (long) Math.ceil(from / step - 1e-9); k * step <= to + 1e-9 * step; k++) {
      ticks.add(k * step);
    }
    return new Axis(from, to, false, ticks);
  }

  private static Axis logarithmic(double low, double high) {
    double from = low;
    double to = high;
    if (!(to > from * 1.01)) {
      from /= 2;
      to *= 2;
    }
    int first = (int) Math.floor(Math.log10(from));
    int last = (int) Math.ceil(Math.log10(to));
    int decades = last - first;
    int everyOther = Math.max(1, decades / 6);
    List<Double> ticks = new ArrayList<>();
    for (int exponent = first; exponent <= last; exponent++) {
      for (int digit : new int[] {1, 2, 5}) {
        double tick = digit * Math.pow(10, exponent);
        boolean shown =
            digit == 1 ? Math.floorMod(exponent, everyOther) == 0 : decades <= MANY_DECADES;
        if (shown && tick >= from * (1 - 1e-9) && tick <= to * (1 + 1e-9)) {
          ticks.add(tick);
        }
      }
    }
    return new Axis(from, to, true, ticks);
  }

  /** Where a number is: 0 at the low end, 1 at the high end. */
  double at(double value) {
    return logarithmic
        ? Math.log(value / low) / Math.log(high / low)
        : (value - low) / (high - low);
  }

  /** A number as people write it: 1500, 0.02, 2e-5. */
  static String text(double value) {
    if (value == 0) {
      return "0";
    }
    BigDecimal rounded = new BigDecimal(value).round(new MathContext(4)).stripTrailingZeros();
    double size = Math.abs(value);
    if (size >= 1e-3 && size < 1e6) {
      return rounded.toPlainString();
    }
    int exponent = rounded.precision() - rounded.scale() - 1;
    return rounded.movePointLeft(exponent).stripTrailingZeros().toPlainString() + "e" + exponent;
  }
}
