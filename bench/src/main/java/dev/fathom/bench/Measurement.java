package dev.fathom.bench;

import org.jspecify.annotations.Nullable;

/**
 * What was measured of one operator; times in milliseconds.
 *
 * @param isa the instruction set asked for
 * @param library fathom or a peer
 * @param rate of the best iteration: FLOP, bytes or calls per second
 * @param share rate over the machine's peak with the same threads and instruction set, or null
 */
record Measurement(
    String operator,
    String model,
    int threads,
    String isa,
    String library,
    String shape,
    Operator.Unit unit,
    double work,
    double best,
    double median,
    double rate,
    @Nullable Double share,
    Peak peak) {

  static Measurement of(
      Family.Layer layer,
      String model,
      int threads,
      String isa,
      String library,
      Figures figures,
      Statistics milliseconds) {
    double rate = figures.work() / (milliseconds.least() / 1e3);
    Double share =
        switch (figures.unit()) {
          case FLOP -> rate / figures.peak().flopPerSecond();
          case BYTE -> rate / figures.peak().bytesPerSecond();
          case CALL -> null;
        };
    return new Measurement(
        layer.toString(),
        model,
        threads,
        isa,
        library,
        figures.shape(),
        figures.unit(),
        figures.work(),
        milliseconds.least(),
        milliseconds.median(),
        rate,
        share,
        figures.peak());
  }

  /** The rate with its unit. */
  String rateText() {
    return switch (unit) {
      case FLOP -> Table.number(rate / 1e9) + " GFLOP/s";
      case BYTE -> Table.number(rate / 1e9) + " GB/s";
      case CALL -> Table.number(1e9 / rate) + " ns";
    };
  }

  /** The share in percent. */
  String shareText() {
    return share == null ? "" : Math.round(100 * share) + " %";
  }
}
