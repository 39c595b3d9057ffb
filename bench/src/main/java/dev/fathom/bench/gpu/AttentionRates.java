package dev.fathom.bench.gpu;

import dev.fathom.nn.tensor.Tensor;

/** Attention, forward and backward; the backward's operations count 2.5 times the forward's. */
final class AttentionRates {

  static final String SECTION = "Attention";
  static final String OTHER_HEADS = "Attention, heads of other dimensions";

  private static final int USUAL_HEAD = 64;
  private static final int HEAD_STEP = 16;
  private static final int WIDEST_HEAD = 128;

  private final Rig rig;

  AttentionRates(Rig rig) {
    this.rig = rig;
  }

  void run(NetworkShape at) {
    measure(
        SECTION,
        "%s, batch %d, %d tokens".formatted(at.model().name(), at.batch(), at.tokens()),
        at,
        at.model().heads(),
        at.model().headDim());
  }

  /** Networks of one's own may have them; the published ones have 64 channels in each. */
  void otherHeads(NetworkShape at) {
    for (int dim = HEAD_STEP; dim <= WIDEST_HEAD; dim += HEAD_STEP) {
      if (dim != USUAL_HEAD) {
        int heads = Math.max(1, at.model().embedDim() / dim);
        measure(
            OTHER_HEADS,
            "%d heads of %d, batch %d, %d tokens".formatted(heads, dim, at.batch(), at.tokens()),
            at,
            heads,
            dim);
      }
    }
  }

  private void measure(String section, String name, NetworkShape at, int heads, int headDim) {
    long tokens = at.tokens();
    long dim = (long) heads * headDim;
    int batch = at.batch();
    float scale = (float) (1 / Math.sqrt((double) headDim));
    double flop = 4.0 * batch * tokens * tokens * dim;
    rig.group(
        "attention " + name,
        operands -> {
          Tensor qkv = operands.elements(batch, tokens, 3 * dim);
          Tensor y = operands.elements(batch, tokens, dim);
          Tensor logSumExp = operands.floats(batch, heads, tokens);
          var ops = rig.backend().attention();
          rig.flop(
              section,
              "forward " + name,
              flop,
              at.cold(),
              () -> ops.attention(qkv, heads, scale, y, logSumExp),
              Rig::alone);
          Tensor dy = operands.elements(batch, tokens, dim);
          Tensor dqkv = operands.elements(batch, tokens, 3 * dim);
          rig.flop(
              section,
              "backward " + name,
              2.5 * flop,
              at.cold(),
              () -> ops.attentionBackward(qkv, heads, scale, y, logSumExp, dy, dqkv),
              Rig::alone);
        });
  }
}
