package dev.fathom.nn.op;

import dev.fathom.nn.tensor.Tensor;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The losses of Depth Anything and of metric fine-tuning. Each gives its value, which a device may
 * still be computing (see {@link Scalar}), and writes its gradient times {@code factor} if asked
 * for it. A mask is 0 where a pixel does not count; without one, every pixel does. A pixel that
 * does not count has gradient 0, whatever its value.
 *
 * <p>NaN or infinity among the pixels that count makes the loss NaN, and with it the gradient of
 * what was normalised together: the picture, or the region of a CutMix pair. The derivative of |x|
 * at 0 is 0; pixels equal to a median share its gradient evenly. Sizes that do not fit, a gradient
 * that overlaps an input, a box outside its picture or a parameter out of range throw {@link
 * dev.fathom.bindings.FathomException} or {@link IllegalArgumentException}.
 */
public interface LossOps {

  /**
   * A rectangle of one picture of a batch: rows [top,bottom), columns [left,right). Empty where the
   * picture is not mixed.
   */
  record Box(int top, int left, int bottom, int right) {}

  /**
   * Scale-shift-invariant loss (Ranftl et al., "Towards Robust Monocular Depth Estimation", 2020;
   * Depth Anything, section 3.1): each picture's prediction and target are normalised over its
   * valid pixels, (d - t) / s with t the (lower) median and s the mean absolute deviation from it;
   * the loss is the mean absolute difference over a picture's pixels, then over the B pictures. A
   * picture without valid pixels, or whose s is 0, adds nothing and has no gradient; it is still
   * one of the B. The gradient is that of the whole, t and s included.
   *
   * @param prediction [B,H,W]
   * @param target [B,H,W]
   * @param mask [B,H,W]
   * @param trim the share of each picture's pixels with the largest residuals that is left out: 0
   *     in Depth Anything, 0.1 in V2; of n pixels floor((1 - trim) n) are averaged, and a picture
   *     where that is none adds nothing
   * @param factor multiplies the gradient
   * @param dPrediction [B,H,W], overwritten; null if nobody wants it
   */
  Scalar scaleShiftInvariant(
      Tensor prediction,
      Tensor target,
      @Nullable Tensor mask,
      double trim,
      double factor,
      @Nullable Tensor dPrediction);

  /**
   * The pair of losses of pictures mixed by CutMix (Depth Anything, section 3.2): inside the box
   * against the teacher's map of the picture pasted, outside against that of the picture pasted on;
   * each region is normalised on its own and weighted by its area; then the mean over the B
   * pictures. A box may be empty or the whole picture. A region whose s is 0 adds nothing and has
   * no gradient; its area still counts.
   *
   * @param prediction [B,H,W]
   * @param inside [B,H,W], the target inside the boxes
   * @param outside [B,H,W], the target elsewhere
   * @param boxes one for each picture
   * @param factor multiplies the gradient
   * @param dPrediction [B,H,W], overwritten; null if nobody wants it
   */
  Scalar cutMix(
      Tensor prediction,
      Tensor inside,
      Tensor outside,
      List<Box> boxes,
      double factor,
      @Nullable Tensor dPrediction);

  /**
   * Gradient matching at the strides 1, 2, 4, 8 on normalised maps (V2; Li and Snavely,
   * "MegaDepth", 2018). For each stride: the sum over the batch of |differences| between horizontal
   * and between vertical neighbours, of every stride-th pixel, of the difference of the maps (pairs
   * of valid pixels only), divided by the batch's valid pixels of that grid. The loss is the sum
   * over the strides. Pixels of a picture whose s is 0 are as invalid ones.
   *
   * @param prediction [B,H,W]
   * @param target [B,H,W]
   * @param mask [B,H,W]
   * @param dPrediction [B,H,W], overwritten; null if nobody wants it
   */
  Scalar gradientMatching(
      Tensor prediction,
      Tensor target,
      @Nullable Tensor mask,
      double factor,
      @Nullable Tensor dPrediction);

  /**
   * What {@link #alignment} gives.
   *
   * @param loss the mean of 1 - cosine over the tokens kept; 0 if none is
   * @param kept how many tokens are
   */
  record Alignment(Scalar loss, Scalar kept) {}

  /**
   * Feature alignment (Depth Anything, section 3.3): 1 - cosine between each token of the student
   * and the frozen encoder. Tokens whose cosine is at least the margin are left out; the mean is
   * over all others of the batch. A token that is 0 throughout in one of the two has cosine 0 and
   * no gradient.
   *
   * @param student [B,T,C]
   * @param frozen [B,T,C]
   * @param margin alpha; 0.85 in Depth Anything
   * @param dStudent [B,T,C], overwritten; null if nobody wants it
   */
  Alignment alignment(
      Tensor student, Tensor frozen, double margin, double factor, @Nullable Tensor dStudent);

  /**
   * Scale-invariant log loss in ZoeDepth's form: 10 sqrt(var(g) + beta mean(g)^2), g =
   * log(prediction + 1e-7) - log(target + 1e-7), unbiased variance over the batch's valid pixels (0
   * for a single one). Without valid pixels the loss is 0; where it is 0, so is the gradient.
   *
   * @param prediction [B,H,W], positive
   * @param target [B,H,W], positive where valid
   * @param mask [B,H,W]
   * @param beta 0.15 in ZoeDepth
   * @param dPrediction [B,H,W], overwritten; null if nobody wants it
   */
  Scalar siLog(
      Tensor prediction,
      Tensor target,
      @Nullable Tensor mask,
      double beta,
      double factor,
      @Nullable Tensor dPrediction);

  /**
   * Cross-entropy with soft targets: the mean over the rows of -sum_k target_k log
   * softmax(logits)_k. A row whose targets are all 0 does not count.
   *
   * @param logits [N,K]
   * @param target [N,K], not negative; a row sums to 1 or is 0
   * @param dLogits [N,K], overwritten; null if nobody wants it
   */
  Scalar crossEntropy(Tensor logits, Tensor target, double factor, @Nullable Tensor dLogits);
}
