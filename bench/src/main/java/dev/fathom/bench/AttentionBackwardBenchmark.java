package dev.fathom.bench;

import dev.fathom.bench.Trial.Operand;
import dev.fathom.nn.op.AttentionOps;
import dev.fathom.nn.tensor.Tensor;
import org.openjdk.jmh.annotations.Param;

/**
 * The way back of the attention of one block, which computes the scores again. FLOP are those of
 * its five products: scores, dy v^T, and the gradients of query, key and value.
 */
public class AttentionBackwardBenchmark extends OperatorBenchmark {

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
    Operand qkv = trial.uniform(Math.sqrt(3), 1, TOKENS, 3 * channels);
    Operand dy = trial.uniform(Math.sqrt(3), 1, TOKENS, channels);
    Tensor y = trial.allocate(1, TOKENS, channels);
    Tensor logSumExp = trial.allocate(1, heads, TOKENS);
    AttentionOps ops = trial.backend().attention();
    ops.attention(qkv.tensor(), heads, scale, y, logSumExp);
    Tensor dqkv = trial.allocate(1, TOKENS, 3 * channels);
    Head reference = new Head(qkv, dy, y.toArray(), logSumExp.toArray(), channels, dim, scale);
    return new Operator(
        "%d tokens, %d heads of %d, back".formatted(TOKENS, heads, dim),
        Operator.Unit.FLOP,
        10.0 * TOKENS * TOKENS * channels,
        1e-4,
        () -> ops.attentionBackward(qkv.tensor(), heads, scale, y, logSumExp, dy.tensor(), dqkv),
        dqkv,
        reference::element);
  }

  /** The gradient in float64, from the forward pass's result and row sums. */
  private static final class Head {
    private final Operand qkv;
    private final Operand dy;
    private final float[] y;
    private final float[] logSumExp;
    private final long channels;
    private final int dim;
    private final double scale;

    Head(
        Operand qkv,
        Operand dy,
        float[] y,
        float[] logSumExp,
        long channels,
        int dim,
        double scale) {
      this.qkv = qkv;
      this.dy = dy;
      this.y = y;
      this.logSumExp = logSumExp;
      this.channels = channels;
      this.dim = dim;
      this.scale = scale;
    }

    double element(long element) {
      long row = 3 * channels;
      long token = element / row;
      int which = Math.toIntExact(element % row / channels);
      long channel = element % channels;
      long head = channel / dim * dim;
      return switch (which) {
        case 0 ->
            scale
                * Reference.sum(
                    TOKENS, t -> slope(token, t, head) * qkv.at(t * row + channels + channel));
        case 1 ->
            scale * Reference.sum(TOKENS, t -> slope(t, token, head) * qkv.at(t * row + channel));
        default ->
            Reference.sum(TOKENS, t -> weight(t, token, head) * dy.at(t * channels + channel));
      };
    }

    /** What a query gives to a key. */
    private double weight(long query, long key, long head) {
      long row = 3 * channels;
      double score =
          scale * Reference.dot(qkv, query * row + head, qkv, key * row + channels + head, 1, dim);
      return Math.exp(score - logSumExp[Math.toIntExact(head / dim * TOKENS + query)]);
    }

    /** The gradient of a score. */
    private double slope(long query, long key, long head) {
      long at = query * channels + head;
      double wanted = Reference.dot(dy, at, qkv, key * 3 * channels + 2 * channels + head, 1, dim);
      double given = Reference.sum(dim, d -> dy.at(at + d) * (double) y[Math.toIntExact(at + d)]);
      return weight(query, key, head) * (wanted - given);
    }
  }
}
