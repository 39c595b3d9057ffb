package dev.fathom.nn.layer;

import dev.fathom.nn.autograd.Parameter;
import dev.fathom.nn.autograd.Tape;
import dev.fathom.nn.op.Activation;
import dev.fathom.nn.op.ConvOps;
import dev.fathom.nn.op.ConvOps.Conv2dShape;
import dev.fathom.nn.op.ConvOps.Fusion;
import dev.fathom.nn.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** A 3x3 convolution on maps [B,H,W,C]. */
public final class Conv2d {

  private final String name;
  private final Conv2dShape shape;
  private final Parameter weight;
  private final @Nullable Parameter bias;

  private Conv2d(String name, Conv2dShape shape, Parameter weight, @Nullable Parameter bias) {
    this.name = name;
    this.shape = shape;
    this.weight = weight;
    this.bias = bias;
  }

  /**
   * The layer of {@code name.weight} [out,in,k,k] and, if there is one, {@code name.bias} [out].
   */
  public static Conv2d load(Loader loader, String name, Conv2dShape shape, boolean bias) {
    return new Conv2d(
        name,
        shape,
        loader.conv2d(name + ".weight", shape),
        bias ? loader.plain(name + ".bias", shape.out()) : null);
  }

  /**
   * The convolution with what is fused into it.
   *
   * @param x [B,H,W,in]
   * @return [B,OH,OW,out]
   */
  public Tensor forward(Pass pass, Tensor x, Fusion fusion) {
    Shapes.requireRank(name, x, 4, "[B,H,W," + shape.in() + "]");
    return forward(pass, x, x.extent(1), x.extent(2), fusion);
  }

  /**
   * The convolution of x resized to height x width as it is read, if the fusion says so.
   *
   * @param x [B,h,w,in]
   * @return [B,OH,OW,out], or [B,OH,OW] with a projection
   */
  public Tensor forward(Pass pass, Tensor x, long height, long width, Fusion fusion) {
    Shapes.requireRank(name, x, 4, "[B,H,W," + shape.in() + "]");
    Shapes.requireChannels(name, x, shape.in());
    long[] wide = {x.extent(0), shape.outExtent(height), shape.outExtent(width), shape.out()};
    for (Tensor residual : new Tensor[] {fusion.residual(), fusion.residual2()}) {
      if (residual != null) {
        Shapes.requireShape(name, "a residual", residual, wide);
      }
    }
    ConvOps ops = pass.backend().conv();
    Tensor packedBias = bias == null ? null : bias.packed();
    Tape tape = tapeFor(pass, x);
    if (tape == null) {
      Tensor y =
          fusion.projection() == null
              ? pass.allocate(wide)
              : pass.allocateFloats(wide[0], wide[1], wide[2]);
      ops.conv2d(shape, x, height, width, weight.packed(), packedBias, fusion, y);
      return y;
    }
    if (fusion.projection() != null) {
      throw new IllegalArgumentException(
          name + ": a projection fused into a convolution has no way back; project separately");
    }
    Tensor y = pass.allocate(wide);
    ops.conv2d(shape, x, height, width, weight.packed(), packedBias, fusion, y);
    boolean activated = fusion.activation() != Activation.NONE;
    tape.record(
        y,
        dy -> {
          Tape.Slot dx = tape.slot(x);
          ops.conv2dBackward(
              shape,
              x,
              height,
              width,
              weight.value(),
              fusion.reluInput(),
              fusion.sourceResized(),
              activated ? y : null,
              dy.view(wide),
              dx.tensor(),
              dx.accumulate(),
              weight.gradient(),
              bias == null ? null : bias.gradient());
          for (Tensor residual : new Tensor[] {fusion.residual(), fusion.residual2()}) {
            if (residual != null) {
              tape.pass(dy, residual);
            }
          }
        },
        x,
        activated ? y : null);
    return y;
  }

  /** The tape, if a step back through this layer is wanted. */
  private @Nullable Tape tapeFor(Pass pass, Tensor x) {
    Tape tape = pass.tape();
    boolean wanted = tape != null && (tape.tracks(x) || weight.trainable());
    return wanted ? tape : null;
  }
}
