package dev.fathom.nn.op;

import dev.fathom.nn.tensor.Memory;
import dev.fathom.nn.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** Convolutions on maps [B,H,W,C]. */
public interface ConvOps {

  /** The geometry of a convolution: kernel 1 or 3, stride 1 or 2, zero padding (kernel - 1) / 2. */
  record Conv2dShape(int in, int out, int kernel, int stride) {

    /** Output extent for an input extent. */
    public long outExtent(long extent) {
      return (extent + stride - 1) / stride;
    }
  }

  /**
   * What is fused into a convolution.
   *
   * @param reluInput ReLU as the input is read
   * @param sourceResized whether x is smaller than the map convolved, and resized (bilinear,
   *     align_corners) as it is read
   * @param activation NONE or RELU, before the residuals
   * @param residual added, [B,OH,OW,out]; may be y
   * @param residual2 added too
   * @param projection a reduction to one channel at the end
   */
  record Fusion(
      boolean reluInput,
      boolean sourceResized,
      Activation activation,
      @Nullable Tensor residual,
      @Nullable Tensor residual2,
      @Nullable Projection projection) {

    /** Nothing fused. */
    public static final Fusion NONE = new Fusion(false, false, Activation.NONE, null, null, null);
  }

  /**
   * The last 1x1 convolution: scale * activation(sum_c weight[c] * value[c] + bias[0]).
   *
   * @param weight [C]
   * @param bias [1]
   */
  record Projection(Tensor weight, Tensor bias, Activation activation, float scale) {}

  /** A weight [out,in,k,k] in the order in which the kernel reads it. */
  Tensor packConv2d(Conv2dShape shape, Tensor weight, Memory memory);

  /**
   * y = activation(conv(relu?(resize?(x))) + bias) + residual + residual2, then the projection.
   *
   * @param x [B,H,W,in], or a smaller map if it is resized as it is read
   * @param height H of the map that is convolved
   * @param width W of the map that is convolved
   * @param packed from {@link #packConv2d} with the same shape
   * @param bias [out], or null
   * @param y [B,OH,OW,out], or [B,OH,OW] with a projection
   */
  void conv2d(
      Conv2dShape shape,
      Tensor x,
      long height,
      long width,
      Tensor packed,
      @Nullable Tensor bias,
      Fusion fusion,
      Tensor y);

  /** A weight [in,out,k,k] in the order in which the kernel reads it. */
  Tensor packConvTranspose2d(int in, int out, int kernel, Tensor weight, Memory memory);

  /**
   * Transposed convolution with stride = kernel: y[b,k*h+i,k*w+j,:] = x[b,h,w,:] weight[:,:,i,j] +
   * bias.
   *
   * @param x [B,H,W,in]
   * @param bias [out], or null
   * @param y [B,kH,kW,out]
   */
  void convTranspose2d(int kernel, Tensor x, Tensor packed, @Nullable Tensor bias, Tensor y);

  /**
   * Backward of {@link #conv2d} without projection: through the activation, the convolution, the
   * resizing as it is read and the ReLU on the input. The gradient of a residual is dy itself.
   *
   * @param x [B,H,W,in], or the smaller map if it is resized as it is read
   * @param height H of the map that is convolved
   * @param width W of the map that is convolved
   * @param weight [out,in,k,k], as in the checkpoints (not packed)
   * @param reluInput as in the forward pass
   * @param sourceResized as in the forward pass
   * @param activated the forward result [B,OH,OW,out] if the activation was RELU (there are no
   *     residuals then), null if it was NONE
   * @param dy [B,OH,OW,out]
   * @param dx of x's shape; null if nobody wants it
   * @param accumulate whether to add to dx rather than overwrite it
   * @param dWeight [out,in,k,k], added to; null if nobody wants it
   * @param dBias [out], added to; null if nobody wants it
   */
  void conv2dBackward(
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
      @Nullable Tensor dBias);

  /**
   * Backward of {@link #convTranspose2d}.
   *
   * @param x [B,H,W,in]
   * @param weight [in,out,k,k], as in the checkpoints (not packed)
   * @param dy [B,kH,kW,out]
   * @param dx [B,H,W,in], overwritten; null if nobody wants it
   * @param dWeight [in,out,k,k], added to; null if nobody wants it
   * @param dBias [out], added to; null if nobody wants it
   */
  void convTranspose2dBackward(
      int kernel,
      Tensor x,
      Tensor weight,
      Tensor dy,
      @Nullable Tensor dx,
      @Nullable Tensor dWeight,
      @Nullable Tensor dBias);

  /**
   * The projection on its own, where what it reads must be kept: y = scale * activation(sum_c
   * weight[c] * x[...,c] + bias[0]).
   *
   * @param x [B,H,W,C]
   * @param y [B,H,W]
   */
  void project(Tensor x, Projection projection, Tensor y);

  /**
   * Backward of {@link #project}.
   *
   * @param x [B,H,W,C], as in the forward pass
   * @param y [B,H,W], the forward result
   * @param dy [B,H,W]
   * @param dx [B,H,W,C], overwritten; null if nobody wants it
   * @param dWeight [C], added to; null if nobody wants it
   * @param dBias [1], added to; null if nobody wants it
   */
  void projectBackward(
      Tensor x,
      Projection projection,
      Tensor y,
      Tensor dy,
      @Nullable Tensor dx,
      @Nullable Tensor dWeight,
      @Nullable Tensor dBias);
}
