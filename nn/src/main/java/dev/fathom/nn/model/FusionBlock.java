package dev.fathom.nn.model;

import dev.fathom.nn.layer.Conv2d;
import dev.fathom.nn.layer.Linear;
import dev.fathom.nn.layer.Loader;
import dev.fathom.nn.layer.Pass;
import dev.fathom.nn.op.Activation;
import dev.fathom.nn.op.ConvOps.Conv2dShape;
import dev.fathom.nn.op.ConvOps.Fusion;
import dev.fathom.nn.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * A RefineNet block: the coarser path plus a residual unit of the skip, another residual unit, and
 * a 1x1 convolution. The published block enlarges before the 1x1; both are linear and act on
 * different dimensions, so they commute exactly, and this order does a quarter of the work. The
 * caller enlarges.
 */
final class FusionBlock {

  /** ReLU, 3x3, ReLU, 3x3, plus the input. */
  private record ResidualUnit(Conv2d conv1, Conv2d conv2) {

    static ResidualUnit load(Loader loader, String name, int features) {
      Conv2dShape shape = new Conv2dShape(features, features, 3, 1);
      return new ResidualUnit(
          Conv2d.load(loader, name + ".conv1", shape, true),
          Conv2d.load(loader, name + ".conv2", shape, true));
    }

    /** The unit's result, plus {@code plus} if there is one. x is released. */
    Tensor forward(Pass pass, Tensor x, @Nullable Tensor plus) {
      Fusion first = new Fusion(true, false, Activation.NONE, null, null, null);
      Tensor inner = conv1.forward(pass, x, first);
      Fusion second = new Fusion(true, false, Activation.NONE, x, plus, null);
      Tensor y = conv2.forward(pass, inner, second);
      pass.release(inner);
      pass.release(x);
      return y;
    }
  }

  private final @Nullable ResidualUnit unit1;
  private final ResidualUnit unit2;
  private final Linear outConv;

  private FusionBlock(@Nullable ResidualUnit unit1, ResidualUnit unit2, Linear outConv) {
    this.unit1 = unit1;
    this.unit2 = unit2;
    this.outConv = outConv;
  }

  /** The block called {@code name}; the coarsest has no skip, so its first unit is never used. */
  static FusionBlock load(Loader loader, String name, int features, boolean skip) {
    return new FusionBlock(
        skip ? ResidualUnit.load(loader, name + ".resConfUnit1", features) : null,
        ResidualUnit.load(loader, name + ".resConfUnit2", features),
        Linear.loadPointwise(loader, name + ".out_conv", features, features));
  }

  /**
   * The fused map at the skip's size.
   *
   * @param path [B,H,W,features], the coarser block's result enlarged, released; null for the
   *     coarsest
   * @param skip [B,H,W,features], released
   */
  Tensor forward(Pass pass, @Nullable Tensor path, Tensor skip) {
    Tensor sum = skip;
    if (unit1 != null && path != null) {
      sum = unit1.forward(pass, skip, path);
      pass.release(path);
    }
    Tensor refined = unit2.forward(pass, sum, null);
    Tensor y = outConv.forward(pass, refined, Activation.NONE);
    pass.release(refined);
    return y;
  }
}
