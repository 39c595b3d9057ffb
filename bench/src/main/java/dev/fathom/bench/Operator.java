package dev.fathom.bench;

import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.ValueLayout;
import java.util.Locale;
import java.util.function.LongToDoubleFunction;

/**
 * One operator at one shape, ready to be timed.
 *
 * @param shape for people
 * @param unit what {@code work} counts, and so which of the machine's peaks it is held against
 * @param work floating-point operations (a multiply-add is two) or bytes read and written, each
 *     operand once, of one run
 * @param tolerance largest absolute error of an element; operands are such that results are near 1
 * @param run runs it once
 * @param result what a run writes
 * @param reference an element of the result after the first run, computed in float64
 */
record Operator(
    String shape,
    Unit unit,
    double work,
    double tolerance,
    Runnable run,
    Tensor result,
    LongToDoubleFunction reference) {

  /** What the work of an operator is counted in. */
  enum Unit {
    /** Floating-point operations, against the multiply-add rate. */
    FLOP,
    /** Bytes, against the rate of a copy. */
    BYTE,
    /** Calls, against nothing. */
    CALL
  }

  /** Elements that are checked, spread over the result. */
  private static final int CHECKED = 9;

  /**
   * Runs it for the first time and checks elements of the result, the first and last among them.
   *
   * @throws AssertionError naming the element that is wrong
   */
  void check() {
    run.run();
    long last = result.size() - 1;
    for (int i = 0; i < CHECKED; i++) {
      long element = last * i / (CHECKED - 1);
      double actual = result.data().getAtIndex(ValueLayout.JAVA_FLOAT, element);
      double expected = reference.applyAsDouble(element);
      // Also false for NaN.
      if (!(Math.abs(actual - expected) <= tolerance)) {
        throw new AssertionError(
            String.format(
                Locale.ROOT,
                "%s: element %d is %.9g, and %.9g in float64",
                shape,
                element,
                actual,
                expected));
      }
    }
  }
}
