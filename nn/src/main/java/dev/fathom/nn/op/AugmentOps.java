package dev.fathom.nn.op;

import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Distortion of training pictures. Pictures are [B,H,W,3], red, green, blue in 0..1; what is random
 * was drawn before and comes in as parameters, one record for each picture of the batch. Operators
 * give what torchvision's give on float images.
 */
public interface AugmentOps {

  /**
   * How one picture is read: a crop of the source resized to the batch's size.
   *
   * @param top first row of the crop in the source, in pixels
   * @param left first column
   * @param height rows of the crop
   * @param width columns of the crop
   * @param flip whether it is mirrored left to right
   */
  record Crop(double top, double left, double height, double width, boolean flip) {}

  /**
   * Reads one 8-bit picture into a batch: crop, resize (bicubic, A = -0.75, with an averaging
   * window where it shrinks so that nothing aliases), clamp to 0..1, flip. The kernel reaches past
   * the crop into the picture, and repeats the picture's edge.
   *
   * @param pixels native, 8-bit red, green, blue, [height,width,3]
   * @param crop within the picture, larger than nothing
   * @param y [1,H,W,3]
   * @throws dev.fathom.bindings.FathomException if the crop is not
   */
  void readPicture(MemorySegment pixels, int width, int height, Crop crop, Tensor y);

  /**
   * The same for a map of float numbers: nearest neighbour at the pixel centres, so that neither
   * NaN (no reading) nor an edge spreads.
   *
   * @param x [height,width]
   * @param y [H,W]
   */
  void readMap(Tensor x, Crop crop, Tensor y);

  /** Operations of a colour jitter. */
  enum ColorOp {
    /** x * factor. */
    BRIGHTNESS,
    /** Blend with the mean of the grey picture. */
    CONTRAST,
    /** Blend with the grey picture. */
    SATURATION,
    /** Hue turned by a factor in -0.5..0.5 of the circle. */
    HUE
  }

  /** One operation and its factor. */
  record ColorStep(ColorOp op, float factor) {}

  /**
   * What is done to the colours and sharpness of one picture.
   *
   * @param jitter operations in the order in which they are applied; empty for none
   * @param grey whether it becomes grey after that
   * @param blurSigma standard deviation of a Gaussian blur in pixels, reflecting edges, 2 ceil(3
   *     sigma) + 1 taps; 0 for none
   */
  record Distortion(List<ColorStep> jitter, boolean grey, float blurSigma) {

    /** Nothing done. */
    public static final Distortion NONE = new Distortion(List.of(), false, 0);

    public Distortion {
      jitter = List.copyOf(jitter);
    }
  }

  /**
   * Distorts colours and blurs, then pastes by CutMix, then normalises: y_b = ((inside box_b ?
   * distorted x_partner(b) : distorted x_b) - mean) / std.
   *
   * @param x [B,H,W,3], not changed
   * @param distortions one for each picture, applied before pasting
   * @param partners the picture that is pasted into picture b; null for no CutMix
   * @param boxes where, one for each picture, empty where nothing is pasted; null for no CutMix
   * @param mean three numbers
   * @param std three numbers
   * @param y [B,H,W,3]; not x
   * @throws dev.fathom.bindings.FathomException for a factor (hue -0.5 to 0.5, others 0 or more), a
   *     sigma (0 to 170), a partner or a box that is out of range
   * @throws IllegalArgumentException if the lists or shapes do not fit together
   */
  void distort(
      Tensor x,
      List<Distortion> distortions,
      @Nullable List<Integer> partners,
      @Nullable List<LossOps.Box> boxes,
      float[] mean,
      float[] std,
      Tensor y);
}
