package dev.fathom.nn.layer;

import dev.fathom.nn.tensor.Tensor;

/** Layer normalisation over the channels of tokens [B,T,C]. */
public final class LayerNorm {

  private final String name;
  private final long channels;
  private final float eps;
  private final Tensor weight;
  private final Tensor bias;

  private LayerNorm(String name, long channels, float eps, Tensor weight, Tensor bias) {
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
    pass.backend().norm().layerNorm(x, skip, weight, bias, eps, y, null, null);
    return y;
  }
}
