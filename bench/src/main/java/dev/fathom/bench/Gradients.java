package dev.fathom.bench;

import dev.fathom.nn.tensor.Tensor;

/**
 * The gradients that an operator's way back gives, one after the other in one tensor, so that
 * elements of each are checked. They are 0 at first: those of parameters are added to.
 */
final class Gradients {

  private final Tensor all;
  private final long[] starts;

  /**
   * Room for gradients.
   *
   * @param sizes of each in floats; 0 for one that is not wanted
   */
  Gradients(Trial trial, long... sizes) {
    starts = new long[sizes.length + 1];
    for (int i = 0; i < sizes.length; i++) {
      starts[i + 1] = starts[i] + sizes[i];
    }
    all = trial.allocate(starts[sizes.length]);
    trial.backend().vector().fill(all, 0);
  }

  /** One of them. */
  Tensor part(int index, long... shape) {
    return all.slice(starts[index], shape);
  }

  /** An element of a gradient in float64. */
  @FunctionalInterface
  interface Element {
    /**
     * The element.
     *
     * @param part which gradient
     * @param element within it
     */
    double of(int part, long element);
  }

  /** The operator whose result they are; see {@link Operator}. */
  Operator operator(
      String shape,
      Operator.Unit unit,
      double work,
      double tolerance,
      Runnable run,
      Element reference) {
    return new Operator(
        shape,
        unit,
        work,
        tolerance,
        run,
        all,
        element -> {
          int part = 0;
          while (element >= starts[part + 1]) {
            part++;
          }
          return reference.of(part, element - starts[part]);
        });
  }
}
