package dev.fathom.nn.op;

import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.MemorySegment;

/** Resizing of maps [B,H,W,C] and of pictures. */
public interface ResampleOps {

  /** Copies x to y, which have the same number of elements. */
  void copy(Tensor x, Tensor y);

  /** Bilinear, with either of torch's conventions. x [B,H,W,C], y [B,OH,OW,C]. */
  void resizeBilinear(Tensor x, boolean alignCorners, Tensor y);

  /**
   * Bicubic (A = -0.75, edges clamped) at source = (o + 1/2) * step - 1/2. x [B,H,W,C], y
   * [B,OH,OW,C].
   */
  void resizeBicubic(Tensor x, double stepY, double stepX, Tensor y);

  /** Backward of {@link #resizeBilinear}. dy [B,OH,OW,C]; dx [B,H,W,C], overwritten or added to. */
  void resizeBilinearBackward(Tensor dy, boolean alignCorners, Tensor dx, boolean accumulate);

  /** Backward of {@link #resizeBicubic}. dy [B,OH,OW,C]; dx [B,H,W,C], added to. */
  void resizeBicubicBackward(Tensor dy, double stepY, double stepX, Tensor dx);

  /**
   * A picture to the network's input: (bicubic(pixels) / 255 - mean) / std.
   *
   * @param pixels native, 8-bit red, green, blue, [height,width,3]
   * @param mean three numbers
   * @param std three numbers
   * @param y [1,OH,OW,3]
   */
  void preprocess(MemorySegment pixels, int width, int height, float[] mean, float[] std, Tensor y);
}
