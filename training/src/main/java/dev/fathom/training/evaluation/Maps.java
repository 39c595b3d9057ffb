package dev.fathom.training.evaluation;

import dev.fathom.nn.DepthMap;
import dev.fathom.nn.RgbImage;
import dev.fathom.training.data.GroundTruth;
import dev.fathom.training.data.Sample;

/** What evaluation does to whole pictures and maps: mirror, resize, cut. */
public final class Maps {

  private static final int KITTI_WIDTH = 1216;
  private static final int KITTI_HEIGHT = 352;

  private Maps() {}

  /** The picture with left and right exchanged. */
  static RgbImage mirrored(RgbImage picture) {
    int width = picture.width();
    byte[] source = picture.rgb();
    byte[] target = new byte[source.length];
    for (int y = 0; y < picture.height(); y++) {
      int row = y * width;
      for (int x = 0; x < width; x++) {
        int from = 3 * (row + x);
        int to = 3 * (row + width - 1 - x);
        target[to] = source[from];
        target[to + 1] = source[from + 1];
        target[to + 2] = source[from + 2];
      }
    }
    return new RgbImage(width, picture.height(), target);
  }

  /** The mean of a map and of another that is the mirror image of what it should be. */
  static DepthMap meanWithMirrored(DepthMap map, DepthMap mirrored) {
    int width = map.width();
    int height = map.height();
    if (mirrored.width() != width || mirrored.height() != height) {
      throw new IllegalArgumentException(
          "the mirrored picture's map has another size than the picture's");
    }
    float[] a = map.values();
    float[] b = mirrored.values();
    float[] mean = new float[a.length];
    for (int y = 0; y < height; y++) {
      for (int x = 0; x < width; x++) {
        mean[y * width + x] = 0.5f * (a[y * width + x] + b[y * width + width - 1 - x]);
      }
    }
    return new DepthMap(width, height, map.kind(), mean);
  }

  /**
   * A map at another size: bilinear, the centres of the corner pixels stay where they are
   * (align_corners true).
   */
  public static double[] resized(DepthMap map, int width, int height) {
    float[] source = map.values();
    double[] target = new double[Math.multiplyExact(width, height)];
    double stepX = width > 1 ? (map.width() - 1.0) / (width - 1) : 0;
    double stepY = height > 1 ? (map.height() - 1.0) / (height - 1) : 0;
    for (int y = 0; y < height; y++) {
      double sourceY = y * stepY;
      int y0 = Math.min((int) sourceY, map.height() - 1);
      int y1 = Math.min(y0 + 1, map.height() - 1);
      double down = sourceY - y0;
      for (int x = 0; x < width; x++) {
        double sourceX = x * stepX;
        int x0 = Math.min((int) sourceX, map.width() - 1);
        int x1 = Math.min(x0 + 1, map.width() - 1);
        double right = sourceX - x0;
        double above =
            (1 - right) * source[y0 * map.width() + x0] + right * source[y0 * map.width() + x1];
        double below =
            (1 - right) * source[y1 * map.width() + x0] + right * source[y1 * map.width() + x1];
        target[y * width + x] = (1 - down) * above + down * below;
      }
    }
    return target;
  }

  /**
   * The lowest, middle 352 rows and 1216 columns of picture and truth.
   *
   * @throws IllegalArgumentException if they are smaller, or not of one size
   */
  static Sample kittiBenchmarkCrop(Sample sample, GroundTruth truth) {
    RgbImage picture = sample.picture();
    int width = picture.width();
    int height = picture.height();
    if (truth.width() != width || truth.height() != height) {
      throw new IllegalArgumentException(
          "the KITTI benchmark's crop needs a map of the picture's size");
    }
    if (width < KITTI_WIDTH || height < KITTI_HEIGHT) {
      throw new IllegalArgumentException(
          "a picture of "
              + width
              + " x "
              + height
              + "; the KITTI benchmark's crop is "
              + KITTI_WIDTH
              + " x "
              + KITTI_HEIGHT);
    }
    int left = (width - KITTI_WIDTH) / 2;
    int top = height - KITTI_HEIGHT;
    byte[] rgb = new byte[3 * KITTI_WIDTH * KITTI_HEIGHT];
    float[] values = new float[KITTI_WIDTH * KITTI_HEIGHT];
    for (int y = 0; y < KITTI_HEIGHT; y++) {
      int from = (top + y) * width + left;
      System.arraycopy(picture.rgb(), 3 * from, rgb, 3 * y * KITTI_WIDTH, 3 * KITTI_WIDTH);
      System.arraycopy(truth.values(), from, values, y * KITTI_WIDTH, KITTI_WIDTH);
    }
    return new Sample(
        sample.id(),
        new RgbImage(KITTI_WIDTH, KITTI_HEIGHT, rgb),
        new GroundTruth(KITTI_WIDTH, KITTI_HEIGHT, truth.kind(), values),
        null);
  }
}
