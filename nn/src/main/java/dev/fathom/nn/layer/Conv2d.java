package dev.fathom.nn.layer;

import dev.fathom.nn.op.ConvOps.Conv2dShape;
import dev.fathom.nn.op.ConvOps.Fusion;
import dev.fathom.nn.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** A 3x3 convolution on maps [B,H,W,C]. */
public final class Conv2d {

  private final String name;
  private final Conv2dShape shape;
  private final Tensor weight;
  private final @Nullable Tensor bias;

  private Conv2d(String name, Conv2dShape shape, Tensor weight, @Nullable Tensor bias) {
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
    long outHeight = shape.outExtent(height);
    long outWidth = shape.outExtent(width);
    Tensor y =
        fusion.projection() == null
            ? pass.allocate(x.extent(0), outHeight, outWidth, shape.out())
            : pass.allocate(x.extent(0), outHeight, outWidth);
    for (Tensor residual : new Tensor[] {fusion.residual(), fusion.residual2()}) {
      if (residual != null) {
        Shapes.requireShape(
            name, "a residual", residual, x.extent(0), outHeight, outWidth, shape.out());
      }
    }
    pass.backend().conv().conv2d(shape, x, height, width, weight, bias, fusion, y);
    return y;
  }
}
