package dev.fathom.bench;

import dev.fathom.bench.Trial.Operand;
import dev.fathom.nn.op.AttentionOps;
import dev.fathom.nn.tensor.Tensor;
import org.openjdk.jmh.annotations.Param;

/** Attention of one block: scores, softmax and their product with the values. */
public class AttentionBenchmark extends OperatorBenchmark {

  /** The attention of a block. */
  @Param("attention")
  public String layer;

  @Override
  Operator prepare(Trial trial) {
    if (!layer.equals("attention")) {
      throw unknown(layer);
    }
    int heads = config().heads();
    int dim = config().headDim();
    long channels = config().embedDim();
    float scale = (float) (1 / Math.sqrt(dim));
    // Scores of a standard deviation of about 1.
    Operand qkv = trial.uniform(Math.sqrt(3), 1, TOKENS, 3 * channels);
    Tensor y = trial.allocate(1, TOKENS, channels);
    AttentionOps ops = trial.backend().attention();
    return new Operator(
        "%d tokens, %d heads of %d".formatted(TOKENS, heads, dim),
        Operator.Unit.FLOP,
        4.0 * TOKENS * TOKENS * channels,
        1e-4,
        () -> ops.attention(qkv.tensor(), heads, scale, y, null),
        y,
        element -> element(qkv, channels, dim, scale, element));
  }

  private static double element(Operand qkv, long channels, int dim, double scale, long element) {
    long token = element / channels;
    long channel = element % channels;
    long head = channel / dim * dim;
    long row = 3 * channels;
    double[] scores = new double[TOKENS];
    double max = Double.NEGATIVE_INFINITY;
    for (int t = 0; t < TOKENS; t++) {
      scores[t] =
          scale * Reference.dot(qkv, token * row + head, qkv, t * row + channels + head, 1, dim);
      max = Math.max(max, scores[t]);
    }
    double sum = 0;
    double value = 0;
    for (int t = 0; t < TOKENS; t++) {
      double weight = Math.exp(scores[t] - max);
      sum += weight;
      value += weight * qkv.at(t * row + 2 * channels + channel);
    }
    return value / sum;
  }
}
