package dev.fathom.nn.layer;

import dev.fathom.nn.autograd.Parameter;
import dev.fathom.nn.autograd.Tape;
import dev.fathom.nn.op.Activation;
import dev.fathom.nn.op.AttentionOps;
import dev.fathom.nn.tensor.Tensor;

/** Multi-head self-attention with its two projections. */
public final class Attention {

  private final int heads;
  private final float scale;
  private final Linear qkv;
  private final Linear proj;

  private Attention(int heads, float scale, Linear qkv, Linear proj) {
    this.heads = heads;
    this.scale = scale;
    this.qkv = qkv;
    this.proj = proj;
  }

  /** The layer of {@code name.qkv} [3C,C] and {@code name.proj} [C,C]. */
  public static Attention load(Loader loader, String name, int channels, int heads) {
    return new Attention(
        heads,
        (float) (1 / Math.sqrt((double) channels / heads)),
        Linear.load(loader, name + ".qkv", channels, 3L * channels),
        Linear.load(loader, name + ".proj", channels, channels));
  }

  /**
   * residual + gamma * proj(attention(qkv(x))).
   *
   * @param x [B,T,C], released
   * @param gamma LayerScale's [C]
   * @param residual [B,T,C]; gives its memory to the result
   */
  public Tensor forwardResidual(Pass pass, Tensor x, Parameter gamma, Tensor residual) {
    Tensor projected = qkv.forward(pass, x, Activation.NONE);
    Tensor mixed = pass.allocate(x.shape());
    pass.release(x);
    Tape tape = pass.tape();
    boolean taped = tape != null && tape.tracks(projected);
    Tensor logSumExp = taped ? pass.allocateFloats(mixed.extent(0), heads, mixed.extent(1)) : null;
    AttentionOps ops = pass.backend().attention();
    ops.attention(projected, heads, scale, mixed, logSumExp);
    if (tape != null && logSumExp != null) {
      tape.record(
          mixed,
          dy -> {
            // The projection has this one reader, so there is nothing to add to.
            Tensor dqkv = tape.slot(projected).tensor();
            if (dqkv != null) {
              ops.attentionBackward(
                  projected, heads, scale, mixed, logSumExp, dy.view(mixed.shape()), dqkv);
            }
          },
          projected,
          mixed,
          logSumExp);
      pass.release(logSumExp);
    }
    pass.release(projected);
    Tensor y = proj.forwardResidual(pass, mixed, gamma, residual);
    pass.release(mixed);
    return y;
  }
}
