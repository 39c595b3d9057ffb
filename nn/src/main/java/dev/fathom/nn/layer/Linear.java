package dev.fathom.nn.layer;

import dev.fathom.nn.op.Activation;
import dev.fathom.nn.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** y = activation(x weight^T + bias), weight [out,in]. A 1x1 convolution is one too. */
public final class Linear {

  private final String name;
  private final long in;
  private final long out;
  private final Tensor weight;
  private final @Nullable Tensor bias;

  private Linear(String name, long in, long out, Tensor weight, @Nullable Tensor bias) {
    this.name = name;
    this.in = in;
    this.out = out;
    this.weight = weight;
    this.bias = bias;
  }

  /** The layer of {@code name.weight} [out,in] and {@code name.bias} [out]. */
  public static Linear load(Loader loader, String name, long in, long out) {
    return new Linear(
        name, in, out, loader.linear(name + ".weight", out, in), loader.plain(name + ".bias", out));
  }

  /** The 1x1 convolution of {@code name.weight} [out,in,1,1] and {@code name.bias} [out]. */
  public static Linear loadPointwise(Loader loader, String name, long in, long out) {
    return new Linear(
        name,
        in,
        out,
        loader.pointwise(name + ".weight", out, in),
        loader.plain(name + ".bias", out));
  }

  /**
   * activation(x weight^T + bias).
   *
   * @param x [...,in]
   * @return [...,out]
   */
  public Tensor forward(Pass pass, Tensor x, Activation activation) {
    Shapes.requireChannels(name, x, in);
    Tensor y = pass.allocate(Shapes.withChannels(x, out));
    pass.backend().linear().linear(x, weight, bias, activation, null, null, y, null);
    return y;
  }

  /**
   * residual + gamma * (x weight^T + bias), the end of a residual branch; in place in inference.
   *
   * @param x [...,in]
   * @param gamma LayerScale's [out]
   * @param residual [...,out]; gives its memory to the result
   * @return [...,out]
   */
  public Tensor forwardResidual(Pass pass, Tensor x, Tensor gamma, Tensor residual) {
    Shapes.requireChannels(name, x, in);
    Shapes.requireShape(name, "the residual", residual, Shapes.withChannels(x, out));
    pass.backend()
        .linear()
        .linear(x, weight, bias, Activation.NONE, gamma, residual, residual, null);
    return residual;
  }
}
