package dev.fathom.nn.op;

import dev.fathom.nn.tensor.BlockMemory;
import dev.fathom.nn.tensor.ElementType;
import dev.fathom.nn.tensor.Memory;
import dev.fathom.nn.tensor.NativeMemory;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** A backend that computes nothing: a network run on it tells which tensors it needs, and when. */
public final class ShapesOnly
    implements Backend,
        LinearOps,
        AttentionOps,
        NormOps,
        PatchEmbedOps,
        ConvOps,
        ResampleOps,
        TransferOps {

  private final ElementType activationType;
  private final TrainingOfShapes training = new TrainingOfShapes();

  /** One whose activations are of the type that another backend has. */
  public ShapesOnly(ElementType activationType) {
    this.activationType = activationType;
  }

  /** One of float32 activations. */
  public ShapesOnly() {
    this(ElementType.FLOAT32);
  }

  @Override
  public String description() {
    return "shapes only";
  }

  @Override
  public ElementType activationType() {
    return activationType;
  }

  @Override
  public BlockMemory newMemory() {
    return new NativeMemory();
  }

  @Override
  public long scratchBytes() {
    return 0;
  }

  @Override
  public void close() {}

  @Override
  public TransferOps transfer() {
    return this;
  }

  @Override
  public void write(float[] values, Tensor y) {}

  @Override
  public void write(Tensor x, Tensor y) {}

  @Override
  public float[] read(Tensor x) {
    return new float[Math.toIntExact(x.size())];
  }

  @Override
  public void read(Tensor x, Tensor y) {}

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
  public LossOps loss() {
    return training;
  }

  @Override
  public AugmentOps augment() {
    return training;
  }

  @Override
  public OptimOps optim() {
    return training;
  }

  @Override
  public VectorOps vector() {
    return training;
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
      Tensor y,
      @Nullable Tensor preActivation) {}

  @Override
  public void swiglu(Tensor x, Tensor y) {}

  @Override
  public void attention(Tensor qkv, int heads, float scale, Tensor y, @Nullable Tensor logSumExp) {}

  @Override
  public void layerNorm(
      Tensor x,
      int skip,
      Tensor weight,
      Tensor bias,
      float eps,
      Tensor y,
      @Nullable Tensor mean,
      @Nullable Tensor rstd) {}

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

  @Override
  public void linearBackward(
      @Nullable Tensor x,
      Tensor weight,
      Tensor packed,
      @Nullable Tensor bias,
      Activation activation,
      @Nullable Tensor preActivation,
      @Nullable Tensor scale,
      Tensor dy,
      @Nullable Tensor dx,
      boolean accumulate,
      @Nullable Tensor dWeight,
      @Nullable Tensor dBias,
      @Nullable Tensor dScale) {}

  @Override
  public void swigluBackward(Tensor x, Tensor dy, Tensor dx) {}

  @Override
  public void attentionBackward(
      Tensor qkv, int heads, float scale, Tensor y, Tensor logSumExp, Tensor dy, Tensor dqkv) {}

  @Override
  public void layerNormBackward(
      Tensor x,
      int skip,
      Tensor weight,
      Tensor mean,
      Tensor rstd,
      Tensor dy,
      @Nullable Tensor dx,
      boolean accumulate,
      @Nullable Tensor dWeight,
      @Nullable Tensor dBias) {}

  @Override
  public void patchEmbedBackward(
      Tensor image,
      int patch,
      Tensor dTokens,
      @Nullable Tensor dWeight,
      @Nullable Tensor dBias,
      @Nullable Tensor dCls,
      @Nullable Tensor dPosition) {}

  @Override
  public void conv2dBackward(
      Conv2dShape shape,
      Tensor x,
      long height,
      long width,
      Tensor weight,
      boolean reluInput,
      boolean sourceResized,
      @Nullable Tensor activated,
      Tensor dy,
      @Nullable Tensor dx,
      boolean accumulate,
      @Nullable Tensor dWeight,
      @Nullable Tensor dBias) {}

  @Override
  public void convTranspose2dBackward(
      int kernel,
      Tensor x,
      Tensor weight,
      Tensor dy,
      @Nullable Tensor dx,
      @Nullable Tensor dWeight,
      @Nullable Tensor dBias) {}

  @Override
  public void project(Tensor x, Projection projection, Tensor y) {}

  @Override
  public void projectBackward(
      Tensor x,
      Projection projection,
      Tensor y,
      Tensor dy,
      @Nullable Tensor dx,
      @Nullable Tensor dWeight,
      @Nullable Tensor dBias) {}

  @Override
  public void resizeBilinearBackward(
      Tensor dy, boolean alignCorners, Tensor dx, boolean accumulate) {}

  @Override
  public void resizeBicubicBackward(Tensor dy, double stepY, double stepX, Tensor dx) {}
}
