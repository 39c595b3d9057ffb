package dev.fathom.nn.op;

import dev.fathom.nn.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** Multi-head attention. */
public interface AttentionOps {

  /**
   * y = softmax(scale * q k^T) v per head; the score matrix is never stored.
   *
   * @param qkv [B,T,3*heads*D], as the fused projection gives it
   * @param heads number of heads
   * @param scale D^-1/2
   * @param y [B,T,heads*D]
   * @param logSumExp [B,heads,T], kept for the backward pass, or null
   */
  void attention(Tensor qkv, int heads, float scale, Tensor y, @Nullable Tensor logSumExp);

  /**
   * Backward of {@link #attention}; the score matrix is computed again in tiles from logSumExp, and
   * never stored.
   *
   * @param qkv [B,T,3*heads*D], as in the forward pass
   * @param y [B,T,heads*D], the forward result
   * @param logSumExp [B,heads,T], from the forward pass
   * @param dy [B,T,heads*D]
   * @param dqkv [B,T,3*heads*D], overwritten
   */
  void attentionBackward(
      Tensor qkv, int heads, float scale, Tensor y, Tensor logSumExp, Tensor dy, Tensor dqkv);
}
