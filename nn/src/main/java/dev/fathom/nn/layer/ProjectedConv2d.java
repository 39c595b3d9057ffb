package dev.fathom.nn.layer;

import dev.fathom.nn.autograd.Parameter;
import dev.fathom.nn.autograd.Tape;
import dev.fathom.nn.op.Activation;
import dev.fathom.nn.op.ConvOps;
import dev.fathom.nn.op.ConvOps.Conv2dShape;
import dev.fathom.nn.op.ConvOps.Fusion;
import dev.fathom.nn.op.ConvOps.Projection;
import dev.fathom.nn.tensor.Tensor;

/**
 * The end of the head: resize, 3x3 convolution, ReLU, 1x1 convolution to one channel, activation,
 * scale. One operator in inference; with a tape the channels in between are kept.
 */
public final class ProjectedConv2d {

  private final Conv2d conv;
  private final Parameter weight;
  private final Parameter bias;
  private final Activation activation;
  private final float scale;

  private ProjectedConv2d(
      Conv2d conv, Parameter weight, Parameter bias, Activation activation, float scale) {
    this.conv = conv;
    this.weight = weight;
    this.bias = bias;
    this.activation = activation;
    this.scale = scale;
  }

  /**
   * The layers of {@code convolution} (3x3) and {@code projection} (1x1, to one channel).
   *
   * @param activation at the very end
   * @param scale multiplies what the activation gives
   */
  public static ProjectedConv2d load(
      Loader loader,
      String convolution,
      String projection,
      Conv2dShape shape,
      Activation activation,
      float scale) {
    return new ProjectedConv2d(
        Conv2d.load(loader, convolution, shape, true),
        loader.plain(projection + ".weight", 1, shape.out(), 1, 1),
        loader.plain(projection + ".bias", 1),
        activation,
        scale);
  }

  /**
   * One number per pixel.
   *
   * @param x [B,h,w,in], resized to height x width as it is read
   * @return [B,height,width]
   */
  public Tensor forward(Pass pass, Tensor x, long height, long width) {
    Projection projection = new Projection(weight.packed(), bias.packed(), activation, scale);
    if (pass.tape() == null) {
      Fusion fused = new Fusion(false, true, Activation.RELU, null, null, projection);
      return conv.forward(pass, x, height, width, fused);
    }
    Fusion fused = new Fusion(false, true, Activation.RELU, null, null, null);
    Tensor inner = conv.forward(pass, x, height, width, fused);
    Tensor y = project(pass, inner, projection);
    pass.release(inner);
    return y;
  }

  private Tensor project(Pass pass, Tensor x, Projection projection) {
    Tensor y = pass.allocateFloats(x.extent(0), x.extent(1), x.extent(2));
    ConvOps ops = pass.backend().conv();
    ops.project(x, projection, y);
    Tape tape = pass.tape();
    if (tape != null && (tape.tracks(x) || weight.trainable())) {
      tape.record(
          y,
          dy ->
              ops.projectBackward(
                  x,
                  projection,
                  y,
                  dy.view(y.shape()),
                  // The map has this one reader, so there is nothing to add to.
                  tape.slot(x).tensor(),
                  weight.gradient(),
                  bias.gradient()),
          x,
          y);
    }
    return y;
  }
}
