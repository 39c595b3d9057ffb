package dev.fathom.nn.layer;

import dev.fathom.nn.autograd.Parameter;
import dev.fathom.nn.autograd.Tape;
import dev.fathom.nn.op.Activation;
import dev.fathom.nn.op.LinearOps;
import dev.fathom.nn.tensor.Tensor;

/** The feed-forward half of a block: fc2(GELU(fc1 x)), or SwiGLU in the giant. */
public final class Mlp {

  private final Linear first;
  private final Linear second;
  private final boolean swiglu;

  private Mlp(Linear first, Linear second, boolean swiglu) {
    this.first = first;
    this.second = second;
    this.swiglu = swiglu;
  }

  /**
   * The layer of {@code name.fc1} and {@code name.fc2}, or {@code name.w12} and {@code name.w3}.
   * Hidden width: 4C; for SwiGLU two thirds of that, rounded up to a multiple of 8 (DINOv2's
   * SwiGLUFFNFused).
   */
  public static Mlp load(Loader loader, String name, int channels, boolean swiglu) {
    if (swiglu) {
      long hidden = swigluHidden(channels);
      return new Mlp(
          Linear.load(loader, name + ".w12", channels, 2 * hidden),
          Linear.load(loader, name + ".w3", hidden, channels),
          true);
    }
    return new Mlp(
        Linear.load(loader, name + ".fc1", channels, 4L * channels),
        Linear.load(loader, name + ".fc2", 4L * channels, channels),
        false);
  }

  /** Width of each half of the gated unit. */
  public static long swigluHidden(int channels) {
    return (4L * channels * 2 / 3 + 7) / 8 * 8;
  }

  /**
   * residual + gamma * mlp(x).
   *
   * @param x [B,T,C], released
   * @param gamma LayerScale's [C]
   * @param residual [B,T,C]; gives its memory to the result
   */
  public Tensor forwardResidual(Pass pass, Tensor x, Parameter gamma, Tensor residual) {
    // With a tape the hidden units before the GELU are kept in any case: better they alone.
    boolean later = !swiglu && pass.tape() != null && pass.backend().linear().activatesInputs();
    Activation activation = swiglu || later ? Activation.NONE : Activation.GELU;
    Tensor hidden = first.forward(pass, x, activation);
    pass.release(x);
    if (swiglu) {
      Tensor gated = swiglu(pass, hidden);
      pass.release(hidden);
      hidden = gated;
    }
    Tensor y =
        later
            ? second.forwardResidualOfGelu(pass, hidden, gamma, residual)
            : second.forwardResidual(pass, hidden, gamma, residual);
    pass.release(hidden);
    return y;
  }

  private static Tensor swiglu(Pass pass, Tensor x) {
    Tensor y = pass.allocate(Shapes.withChannels(x, x.extent(-1) / 2));
    LinearOps ops = pass.backend().linear();
    ops.swiglu(x, y);
    Tape tape = pass.tape();
    if (tape != null && tape.tracks(x)) {
      long[] shape = y.shape();
      tape.record(
          y,
          dy -> {
            // The hidden units have this one reader, so there is nothing to add to.
            Tensor dx = tape.slot(x).tensor();
            if (dx != null) {
              ops.swigluBackward(x, dy.view(shape), dx);
            }
          },
          x);
    }
    return y;
  }
}
