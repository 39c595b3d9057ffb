package dev.fathom.bench.gpu;

import dev.fathom.nn.model.ModelConfig;
import dev.fathom.nn.tensor.Tensor;
import java.io.IOException;
import java.util.List;

/**
 * Every kernel that a network or its training launches, what takes most of their time first: a row
 * each, or one for an operator's kernels together.
 */
final class KernelRates {

  static final String PEAKS = "Peaks";

  private static final long COPY_BYTES = 2L << 30;
  private static final int PEAK_SIDE = 8192;

  /** Pictures at a time in the convolutions, whose maps are large. */
  private static final int MOST_CONVOLVED = 8;

  private final Rig rig;
  private final List<Integer> batches;
  private final int side;

  KernelRates(Rig rig, List<Integer> batches, int side) {
    this.rig = rig;
    this.batches = batches;
    this.side = side;
  }

  /**
   * Measures the machine, all of a network, and what hangs little on the network.
   *
   * @param parameters of the network
   */
  void first(ModelConfig model, long parameters) throws IOException {
    peaks();
    network(model);
    rig.results().write();
    NetworkShape shape = new NetworkShape(model, largest(), side);
    new LossRates(rig).run(shape);
    new VectorRates(rig).run(shape, parameters);
    new LinearRates(rig).moves(shape);
    new ResampleRates(rig).run(shape);
    new PictureRates(rig).run(shape);
  }

  /** Measures the other networks, and sizes that none has. */
  void others(List<ModelConfig> models) throws IOException {
    for (ModelConfig model : models.subList(1, models.size())) {
      network(model);
      rig.results().write();
    }
    NetworkShape one = new NetworkShape(models.getFirst(), 1, side);
    new AttentionRates(rig).otherHeads(one);
    new OddRates(rig).run(one);
  }

  private void network(ModelConfig model) {
    NetworkShape all = new NetworkShape(model, largest(), side);
    NetworkShape some = all.of(Math.min(largest(), MOST_CONVOLVED));
    LinearRates linear = new LinearRates(rig);
    AttentionRates attention = new AttentionRates(rig);
    for (int batch : batches) {
      linear.forward(all.of(batch));
      attention.run(all.of(batch));
    }
    ConvRates convolutions = new ConvRates(rig);
    batches.stream()
        .filter(batch -> batch <= MOST_CONVOLVED)
        .forEach(batch -> convolutions.run(all.of(batch)));
    if (largest() > MOST_CONVOLVED && !batches.contains(MOST_CONVOLVED)) {
      convolutions.run(some);
    }
    linear.backward(all);
    int smallest = batches.stream().mapToInt(Integer::intValue).min().orElseThrow();
    if (smallest < largest()) {
      linear.backward(all.of(smallest));
    }
    new ConvBackwardRates(rig).run(some);
    for (int batch : batches) {
      new NormRates(rig).forward(all.of(batch));
      new PatchEmbedRates(rig).forward(all.of(batch));
      linear.head(all.of(batch));
    }
    new NormRates(rig).backward(all);
    new PatchEmbedRates(rig).backward(all);
    linear.headBackward(some);
  }

  private int largest() {
    return batches.stream().mapToInt(Integer::intValue).max().orElseThrow();
  }

  /** What the machine reaches: a copy and a large product, by a library where there is one. */
  private void peaks() {
    rig.group(
        "peaks",
        operands -> {
          long n = rig.small() ? 1 << 16 : COPY_BYTES / 4;
          Tensor x = operands.floats(n);
          Tensor y = operands.floats(n);
          double copied = rig.timer().warm(() -> rig.backend().resample().copy(x, y));
          rig.results()
              .add(Row.bytes(PEAKS, "copy of " + ((4 * n) >> 20) + " MiB", copied, 8.0 * n));
          rig.results().peakBytes(8.0 * n / copied * 1e-6);
        });
    rig.group(
        "peaks",
        operands -> {
          int length = rig.small() ? 64 : PEAK_SIDE;
          Tensor x = operands.elements(length, length);
          Tensor w = operands.elements(length, length);
          Tensor y = operands.elements(length, length);
          double flop = 2.0 * length * length * length;
          LinearRates.product(rig, PEAKS, "product of " + length + "^3", operands, x, w, y);
          Row row = rig.results().rows().getLast();
          double best = row.peers().stream().mapToDouble(Row.Peer::ms).reduce(row.ms(), Math::min);
          rig.results().peakFlop(flop / best * 1e-9);
        });
  }
}
