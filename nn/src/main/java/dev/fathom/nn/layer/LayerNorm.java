package dev.fathom.nn.layer;

import dev.fathom.nn.autograd.Parameter;
import dev.fathom.nn.autograd.Tape;
import dev.fathom.nn.op.NormOps;
import dev.fathom.nn.tensor.Tensor;

/** Layer normalisation over the channels of tokens [B,T,C]. */
public final class LayerNorm {

  private final String name;
  private final long channels;
  private final float eps;
  private final Parameter weight;
  private final Parameter bias;

  private LayerNorm(String name, long channels, float eps, Parameter weight, Parameter bias) {
    this.name = name;
    this.channels = channels;
    this.eps = eps;
    this.weight = weight;
    this.bias = bias;
  }

  /** The layer of {@code name.weight} and {@code name.bias}, both [channels]. */
  public static LayerNorm load(Loader loader, String name, long channels, float eps) {
    return new LayerNorm(
        name,
        channels,
        eps,
        loader.plain(name + ".weight", channels),
        loader.plain(name + ".bias", channels));
  }

  /**
   * The normalised tokens, without the first {@code skip} of each batch entry.
   *
   * @param x [B,T,C]
   * @return [B,T-skip,C]
   */
  public Tensor forward(Pass pass, Tensor x, int skip) {
    Shapes.requireRank(name, x, 3, "[B,T," + channels + "]");
    Shapes.requireChannels(name, x, channels);
    Tensor y = pass.allocate(x.extent(0), x.extent(1) - skip, channels);
    Tape tape = pass.tape();
    boolean taped = tape != null && (tape.tracks(x) || weight.trainable() || bias.trainable());
    Tensor mean = taped ? pass.allocateFloats(y.extent(0), y.extent(1)) : null;
    Tensor rstd = taped ? pass.allocateFloats(y.extent(0), y.extent(1)) : null;
    NormOps ops = pass.backend().norm();
    ops.layerNorm(x, skip, weight.packed(), bias.packed(), eps, y, mean, rstd);
    if (tape != null && mean != null && rstd != null) {
      long[] shape = y.shape();
      tape.record(
          y,
          dy -> {
            Tape.Slot dx = tape.slot(x);
            ops.layerNormBackward(
                x,
                skip,
                weight.value(),
                mean,
                rstd,
                dy.view(shape),
                dx.tensor(),
                dx.accumulate(),
                weight.gradient(),
                bias.gradient());
          },
          x,
          mean,
          rstd);
      pass.release(mean);
      pass.release(rstd);
    }
    return y;
  }
}
