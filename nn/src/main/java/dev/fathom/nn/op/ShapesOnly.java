package dev.fathom.nn.op;

import dev.fathom.nn.tensor.Memory;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** A backend that computes nothing: a network run on it tells which tensors it needs, and when. */
public final class ShapesOnly
    implements Backend, LinearOps, AttentionOps, NormOps, PatchEmbedOps, ConvOps, ResampleOps {

  @Override
  public String description() {
    return "shapes only";
  }

  @Override
  public LinearOps linear() {
    return this;
  }

  @Override
  public AttentionOps attention() {
    return this;
  }

  @Override
  public NormOps norm() {
    return this;
  }

  @Override
  public PatchEmbedOps patchEmbed() {
    return this;
  }

  @Override
  public ConvOps conv() {
    return this;
  }

  @Override
  public ResampleOps resample() {
    return this;
  }

  @Override
  public Tensor packLinear(Tensor weight, Memory memory) {
    return weight;
  }

  @Override
  public void linear(
      Tensor x,
      Tensor packed,
      @Nullable Tensor bias,
      Activation activation,
      @Nullable Tensor scale,
      @Nullable Tensor residual,
      Tensor y) {}

  @Override
  public void swiglu(Tensor x, Tensor y) {}

  @Override
  public void attention(Tensor qkv, int heads, float scale, Tensor y, @Nullable Tensor logSumExp) {}

  @Override
  public void layerNorm(Tensor x, int skip, Tensor weight, Tensor bias, float eps, Tensor y) {}

  @Override
  public Tensor packPatchEmbed(Tensor weight, Memory memory) {
    return weight;
  }

  @Override
  public void patchEmbed(
      Tensor image,
      int patch,
      Tensor packed,
      Tensor bias,
      Tensor cls,
      Tensor position,
      Tensor tokens) {}

  @Override
  public Tensor packConv2d(Conv2dShape shape, Tensor weight, Memory memory) {
    return weight;
  }

  @Override
  public void conv2d(
      Conv2dShape shape,
      Tensor x,
      long height,
      long width,
      Tensor packed,
      @Nullable Tensor bias,
      Fusion fusion,
      Tensor y) {}

  @Override
  public Tensor packConvTranspose2d(int in, int out, int kernel, Tensor weight, Memory memory) {
    return weight;
  }

  @Override
  public void convTranspose2d(
      int kernel, Tensor x, Tensor packed, @Nullable Tensor bias, Tensor y) {}

  @Override
  public void copy(Tensor x, Tensor y) {}

  @Override
  public void resizeBilinear(Tensor x, boolean alignCorners, Tensor y) {}

  @Override
  public void resizeBicubic(Tensor x, double stepY, double stepX, Tensor y) {}

  @Override
  public void preprocess(
      MemorySegment pixels, int width, int height, float[] mean, float[] std, Tensor y) {}
}
