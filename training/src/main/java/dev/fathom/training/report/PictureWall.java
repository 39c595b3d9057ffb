package dev.fathom.training.report;

import dev.fathom.nn.Colormap;
import dev.fathom.nn.DepthMap;
import dev.fathom.nn.RgbImage;
import dev.fathom.training.data.GroundTruth;
import dev.fathom.training.evaluation.Maps;
import java.util.Arrays;

/**
 * Pictures and depth as small PNG files for reports.
 *
 * <p>One rule for all maps, true and predicted, of teacher and student: what is shown is disparity,
 * so that near is the bright or warm end; the map's own smallest finite value takes the first
 * colour and its largest the last. Predictions are known only up to scale and shift, and this
 * removes both: two maps that differ in nothing else look the same. Depths are inverted first, sky
 * is 0, and pixels of which nothing is known are black; with colours that are not dark at the far
 * end, such as spectral, the two are told apart.
 */
public final class PictureWall {

  private final Colormap colours;
  private final int longestSide;

  /**
   * How pictures are made.
   *
   * @param colours for disparity
   * @param longestSide larger pictures and maps are reduced to it, each pixel the mean of those
   *     that it covers
   */
  public PictureWall(Colormap colours, int longestSide) {
    if (longestSide < 1) {
      throw new IllegalArgumentException("pictures of " + longestSide + " pixels");
    }
    this.colours = colours;
    this.longestSide = longestSide;
  }

  /** A picture as PNG. */
  public byte[] picture(RgbImage picture) {
    int width = reduced(picture.width(), picture.height());
    int height = reduced(picture.height(), picture.width());
    byte[] rgb = new byte[3 * width * height];
    byte[] source = picture.rgb();
    for (int channel = 0; channel < 3; channel++) {
      float[] plane = new float[picture.width() * picture.height()];
      for (int i = 0; i < plane.length; i++) {
        plane[i] = source[3 * i + channel] & 0xFF;
      }
      float[] small = reduce(plane, picture.width(), picture.height(), width, height);
      for (int i = 0; i < small.length; i++) {
        rgb[3 * i + channel] = (byte) Math.round(small[i]);
      }
    }
    return Png.encode(new RgbImage(width, height, rgb));
  }

  /**
   * A prediction as PNG, of the size that its picture has here; metres are inverted.
   *
   * @param picture that it is of: a network's map has other sides, and not quite its proportions
   */
  public byte[] map(DepthMap map, RgbImage picture) {
    float[] disparity = map.values();
    if (map.kind() == DepthMap.Kind.METRES) {
      disparity = disparity.clone();
      for (int i = 0; i < disparity.length; i++) {
        disparity[i] = disparity[i] > 0 ? 1 / disparity[i] : Float.NaN;
      }
    }
    int width = reduced(picture.width(), picture.height());
    int height = reduced(picture.height(), picture.width());
    boolean larger = map.width() >= width && map.height() >= height;
    return encoded(
        larger
            ? reduce(disparity, map.width(), map.height(), width, height)
            : enlarged(
                new DepthMap(map.width(), map.height(), map.kind(), disparity), width, height),
        width,
        height);
  }

  /** What is known of a picture's depth as PNG. */
  public byte[] map(GroundTruth truth) {
    return disparity(truth.targetDisparity(), truth.width(), truth.height());
  }

  private byte[] disparity(float[] values, int width, int height) {
    int smallWidth = reduced(width, height);
    int smallHeight = reduced(height, width);
    float[] small = reduce(values, width, height, smallWidth, smallHeight);
    return encoded(small, smallWidth, smallHeight);
  }

  private byte[] encoded(float[] disparity, int width, int height) {
    return Png.encode(
        colours.apply(new DepthMap(width, height, DepthMap.Kind.DISPARITY, disparity)));
  }

  private static float[] enlarged(DepthMap map, int width, int height) {
    double[] values = Maps.resized(map, width, height);
    float[] floats = new float[values.length];
    for (int i = 0; i < floats.length; i++) {
      floats[i] = (float) values[i];
    }
    return floats;
  }

  private int reduced(int side, int otherSide) {
    int longest = Math.max(side, otherSide);
    return longest <= longestSide
        ? side
        : Math.max(1, Math.toIntExact(Math.round((double) side * longestSide / longest)));
  }

  /** Means of the finite values under each pixel; NaN where there is none. */
  private static float[] reduce(float[] source, int width, int height, int toWidth, int toHeight) {
    if (width == toWidth && height == toHeight) {
      return source;
    }
    double[] sums = new double[toWidth * toHeight];
    int[] counts = new int[toWidth * toHeight];
    for (int y = 0; y < height; y++) {
      int row = (int) ((long) y * toHeight / height) * toWidth;
      for (int x = 0; x < width; x++) {
        float value = source[y * width + x];
        if (Float.isFinite(value)) {
          int pixel = row + (int) ((long) x * toWidth / width);
          sums[pixel] += value;
          counts[pixel]++;
        }
      }
    }
    float[] target = new float[sums.length];
    Arrays.setAll(sums, i -> counts[i] == 0 ? Double.NaN : sums[i] / counts[i]);
    for (int i = 0; i < target.length; i++) {
      target[i] = (float) sums[i];
    }
    return target;
  }
}
