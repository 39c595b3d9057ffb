package dev.fathom.nn.layer;

import dev.fathom.nn.autograd.Parameter;
import dev.fathom.nn.autograd.Tape;
import dev.fathom.nn.op.Activation;
import dev.fathom.nn.op.LinearOps;
import dev.fathom.nn.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** y = activation(x weight^T + bias), weight [out,in]. A 1x1 convolution is one too. */
public final class Linear {

  private final String name;
  private final long in;
  private final long out;
  private final Parameter weight;
  private final Parameter bias;

  private Linear(String name, long in, long out, Parameter weight, Parameter bias) {
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
    Tape tape = tapeFor(pass, x);
    Tensor pre = tape == null || activation == Activation.NONE ? null : pass.allocate(y.shape());
    LinearOps ops = pass.backend().linear();
    ops.linear(x, weight.packed(), bias.packed(), activation, null, null, y, pre);
    if (tape != null) {
      tape.record(
          y,
          dy -> {
            Tape.Slot dx = tape.slot(x);
            ops.linearBackward(
                x,
                matrix(weight),
                weight.packed(),
                bias.value(),
                activation,
                pre,
                null,
                dy.view(y(x)),
                dx.tensor(),
                dx.accumulate(),
                weight.gradient(out, in),
                bias.gradient(),
                null);
          },
          x,
          pre);
      if (pre != null) {
        pass.release(pre);
      }
    }
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
  public Tensor forwardResidual(Pass pass, Tensor x, Parameter gamma, Tensor residual) {
    return forwardResidual(pass, x, false, gamma, residual);
  }

  /**
   * {@link #forwardResidual} of GELU(x), where the backend {@link LinearOps#activatesInputs}:
   * GELU(x) itself is nowhere kept.
   */
  public Tensor forwardResidualOfGelu(Pass pass, Tensor x, Parameter gamma, Tensor residual) {
    return forwardResidual(pass, x, true, gamma, residual);
  }

  private Tensor forwardResidual(
      Pass pass, Tensor x, boolean gelu, Parameter gamma, Tensor residual) {
    Shapes.requireChannels(name, x, in);
    Shapes.requireShape(name, "the residual", residual, Shapes.withChannels(x, out));
    Tensor y = pass.inPlace() ? residual : pass.allocate(residual.shape());
    LinearOps ops = pass.backend().linear();
    if (gelu) {
      ops.activatedLinear(x, weight.packed(), bias.packed(), gamma.packed(), residual, y);
    } else {
      ops.linear(
          x, weight.packed(), bias.packed(), Activation.NONE, gamma.packed(), residual, y, null);
    }
    Tape tape = pass.tape();
    if (tape != null && (gamma.trainable() || tape.tracks(residual) || tapeFor(pass, x) != null)) {
      tape.record(
          y,
          dy -> {
            residualBackward(ops, x, gelu, gamma, dy.view(y(x)), tape.slot(x));
            tape.pass(dy, residual);
          },
          x);
    }
    if (y != residual) {
      pass.release(residual);
    }
    return y;
  }

  private void residualBackward(
      LinearOps ops, Tensor x, boolean gelu, Parameter gamma, Tensor dy, Tape.Slot dx) {
    if (gelu) {
      ops.activatedLinearBackward(
          x,
          matrix(weight),
          bias.value(),
          gamma.value(),
          dy,
          dx.tensor(),
          dx.accumulate(),
          weight.gradient(out, in),
          bias.gradient(),
          gamma.gradient());
    } else {
      ops.linearBackward(
          x,
          matrix(weight),
          weight.packed(),
          bias.value(),
          Activation.NONE,
          null,
          gamma.value(),
          dy,
          dx.tensor(),
          dx.accumulate(),
          weight.gradient(out, in),
          bias.gradient(),
          gamma.gradient());
    }
  }

  /** The tape, if a step back through this layer is wanted. */
  private @Nullable Tape tapeFor(Pass pass, Tensor x) {
    Tape tape = pass.tape();
    boolean wanted = tape != null && (tape.tracks(x) || weight.trainable() || bias.trainable());
    return wanted ? tape : null;
  }

  /** A 1x1 convolution's weight as a matrix. */
  private Tensor matrix(Parameter parameter) {
    return parameter.value().view(out, in);
  }

  private long[] y(Tensor x) {
    return Shapes.withChannels(x, out);
  }
}
