package dev.fathom.nn.layer;

import dev.fathom.nn.autograd.Parameter;
import dev.fathom.nn.autograd.Tape;
import dev.fathom.nn.op.ConvOps;
import dev.fathom.nn.tensor.Tensor;

/** A transposed convolution whose stride is its kernel. */
public final class ConvTranspose2d {

  private final String name;
  private final int in;
  private final int out;
  private final int kernel;
  private final Parameter weight;
  private final Parameter bias;

  private ConvTranspose2d(
      String name, int in, int out, int kernel, Parameter weight, Parameter bias) {
    this.name = name;
    this.in = in;
    this.out = out;
    this.kernel = kernel;
    this.weight = weight;
    this.bias = bias;
  }

  /** The layer of {@code name.weight} [in,out,k,k] and {@code name.bias} [out]. */
  public static ConvTranspose2d load(Loader loader, String name, int in, int out, int kernel) {
    return new ConvTranspose2d(
        name,
        in,
        out,
        kernel,
        loader.convTranspose2d(name + ".weight", in, out, kernel),
        loader.plain(name + ".bias", out));
  }

  /**
   * The enlarged map.
   *
   * @param x [B,H,W,in]
   * @return [B,kH,kW,out]
   */
  public Tensor forward(Pass pass, Tensor x) {
    Shapes.requireRank(name, x, 4, "[B,H,W," + in + "]");
    Shapes.requireChannels(name, x, in);
    Tensor y = pass.allocate(x.extent(0), kernel * x.extent(1), kernel * x.extent(2), out);
    ConvOps ops = pass.backend().conv();
    ops.convTranspose2d(kernel, x, weight.packed(), bias.packed(), y);
    Tape tape = pass.tape();
    if (tape != null && (tape.tracks(x) || weight.trainable() || bias.trainable())) {
      long[] shape = y.shape();
      tape.record(
          y,
          dy ->
              ops.convTranspose2dBackward(
                  kernel,
                  x,
                  weight.value(),
                  dy.view(shape),
                  // The map has this one reader, so there is nothing to add to.
                  tape.slot(x).tensor(),
                  weight.gradient(),
                  bias.gradient()),
          x);
    }
    return y;
  }
}
