package dev.fathom.bench.gpu;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;

/**
 * One measurement.
 *
 * @param section the table that it belongs to
 * @param name what was measured, unique within its section
 * @param ms milliseconds, a median unless the name says otherwise
 * @param amount floating-point operations or bytes, 0 where neither is counted
 * @param unit of the amount
 * @param peers others that do the same, in the same run
 * @param kernels what was launched, by name; empty where nobody looked
 */
record Row(
    String section,
    String name,
    double ms,
    double amount,
    Unit unit,
    List<Peer> peers,
    List<String> kernels) {

  /** What is counted. */
  enum Unit {
    /** Operations; a multiply-add is two. */
    FLOP("TFLOP/s", 1e-9),
    /** Bytes read and written, each operand once. */
    BYTE("GB/s", 1e-6),
    /** Only time. */
    NONE("", 0);

    private final String rate;
    private final double factor;

    Unit(String rate, double factor) {
      this.rate = rate;
      this.factor = factor;
    }

    /** The unit of a rate. */
    String rate() {
      return rate;
    }
  }

  /**
   * Another implementation.
   *
   * @param name who
   * @param ms milliseconds, a median
   */
  record Peer(String name, double ms) {}

  Row {
    peers = List.copyOf(peers);
    kernels = List.copyOf(kernels);
  }

  static Row flop(String section, String name, double ms, double flop, List<Peer> peers) {
    return new Row(section, name, ms, flop, Unit.FLOP, peers, List.of());
  }

  static Row bytes(String section, String name, double ms, double bytes) {
    return new Row(section, name, ms, bytes, Unit.BYTE, List.of(), List.of());
  }

  static Row time(String section, String name, double ms) {
    return new Row(section, name, ms, 0, Unit.NONE, List.of(), List.of());
  }

  /** The rate in the unit's unit, 0 without an amount. */
  double rate() {
    return amount * unit.factor / ms;
  }

  /** The same with one more peer. */
  Row beside(Peer peer) {
    List<Peer> all = new ArrayList<>(peers);
    all.add(peer);
    return new Row(section, name, ms, amount, unit, all, kernels);
  }

  /** The same with what was launched. */
  Row by(Collection<String> launched) {
    return new Row(section, name, ms, amount, unit, peers, List.copyOf(launched));
  }
}
