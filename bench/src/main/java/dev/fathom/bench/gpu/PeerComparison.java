package dev.fathom.bench.gpu;

import dev.fathom.nn.model.ModelConfig;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/** PyTorch's times beside the rows that are there, and its depth beside ours. */
final class PeerComparison {

  /** What a compilation takes at the least. */
  private static final double COMPILE_SECONDS = 40;

  /**
   * A bfloat16 network that errs more than this times PyTorch's own, and {@link #LEAST_ERROR}, is
   * taken for wrong.
   */
  private static final double TIMES_THE_PEERS_ERROR = 2;

  private static final double LEAST_ERROR = 1e-3;

  private final NetworkRates rates;
  private final TorchPeer peer;
  private final Results results;
  private final Budget budget;
  private final Set<String> sections;
  private final List<Integer> batches;
  private final int largest;
  private final int side;

  PeerComparison(
      NetworkRates rates,
      TorchPeer peer,
      Results results,
      Budget budget,
      Set<String> sections,
      List<Integer> batches,
      int side) {
    this.rates = rates;
    this.peer = peer;
    this.results = results;
    this.budget = budget;
    this.sections = sections;
    this.batches = batches;
    this.side = side;
    largest = batches.stream().mapToInt(Integer::intValue).max().orElseThrow();
  }

  /**
   * Asks for all that the sections want, what is quick first.
   *
   * @param depth ours of the picture in the peer's file; empty if it was not computed
   * @param losses whether the loss is asked for too, which hangs on no model
   */
  void run(ModelConfig model, float[] depth, boolean losses) throws IOException {
    if (depth.length > 0) {
      agreement(model, depth);
    }
    if (sections.contains("inference")) {
      inference("eager", "PyTorch");
    }
    if (sections.contains("kernels")) {
      attention(model);
      if (losses) {
        loss();
      }
    }
    results.write();
    if (sections.contains("training")) {
      training("eager", "PyTorch");
    }
    if (sections.contains("inference")) {
      inference("compiled", "compiled");
    }
    if (sections.contains("training")) {
      training("compiled", "compiled");
    }
  }

  private void inference(String mode, String name) throws IOException {
    for (int batch : batches) {
      if (mode.equals("eager") || budget.allows(COMPILE_SECONDS)) {
        peer.beside(
            "infer %d %s".formatted(batch, mode),
            name,
            NetworkRates.INFERENCE,
            rates.inferenceName(batch));
        results.write();
      }
    }
  }

  private void training(String mode, String name) throws IOException {
    if (budget.allows(COMPILE_SECONDS)) {
      peer.beside(
          "train %d %s".formatted(largest, mode),
          name,
          NetworkRates.TRAINING,
          rates.trainingName(largest));
      results.write();
    }
  }

  private void attention(ModelConfig model) throws IOException {
    long tokens = new NetworkShape(model, 1, side).tokens();
    for (int batch : batches) {
      for (String way : List.of("forward", "backward")) {
        for (String implementation : List.of("flash", "cudnn")) {
          peer.beside(
              "attention %s %s %d %d %d %d"
                  .formatted(implementation, way, batch, model.heads(), tokens, model.headDim()),
              implementation,
              AttentionRates.SECTION,
              "%s %s, batch %d, %d tokens".formatted(way, model.name(), batch, tokens));
        }
      }
    }
  }

  private void loss() throws IOException {
    peer.beside(
        "ssi %d %d".formatted(largest, side),
        "PyTorch",
        LossRates.SECTION,
        "scale-shift-invariant loss and gradient, batch %d, %d x %d"
            .formatted(largest, side, side));
  }

  /** Our depth and PyTorch's in bfloat16, each against PyTorch's in float32. */
  private void agreement(ModelConfig model, float[] depth) throws IOException {
    Path exact = Files.createTempFile("fathom-gpu-check", ".f32");
    Path low = Files.createTempFile("fathom-gpu-check", ".f32");
    try {
      if (peer.ms("output float32 " + exact).isEmpty()
          || peer.ms("output bfloat16 " + low).isEmpty()) {
        return;
      }
      float[] reference = floats(exact);
      double ours = error(depth, reference);
      double theirs = error(floats(low), reference);
      results.add(
          new Results.Tests(
              model.name() + " beside PyTorch",
              ours <= TIMES_THE_PEERS_ERROR * theirs + LEAST_ERROR,
              String.format(
                  Locale.ROOT,
                  "relative error %.2g of float32, PyTorch's in bfloat16 %.2g",
                  ours,
                  theirs),
              List.of()));
    } finally {
      Files.deleteIfExists(exact);
      Files.deleteIfExists(low);
    }
  }

  private static float[] floats(Path file) throws IOException {
    ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
    float[] values = new float[bytes.remaining() / Float.BYTES];
    bytes.asFloatBuffer().get(values);
    return values;
  }

  /** |a - b| / |b|, Euclidean norms. */
  static double error(float[] a, float[] b) {
    if (a.length != b.length) {
      return Double.POSITIVE_INFINITY;
    }
    double difference = 0;
    double norm = 0;
    for (int i = 0; i < a.length; i++) {
      double d = (double) a[i] - b[i];
      difference += d * d;
      norm += (double) b[i] * b[i];
    }
    return Math.sqrt(difference / norm);
  }
}
