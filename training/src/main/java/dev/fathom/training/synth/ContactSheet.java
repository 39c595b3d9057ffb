package dev.fathom.training.synth;

import dev.fathom.nn.Colormap;
import dev.fathom.nn.DepthMap;
import dev.fathom.nn.RgbImage;
import dev.fathom.training.data.GroundTruth;
import dev.fathom.training.data.Sample;
import java.util.Arrays;

/** The first samples of each domain in a row, each as picture and disparity side by side. */
final class ContactSheet {
  private static final int COLUMNS = 5;

  /** The longer side of a picture. */
  private static final int SIDE = 140;

  private ContactSheet() {}

  static RgbImage of(SynthDataSet set) {
    int rows = set.domains().size();
    int columns = Math.min(COLUMNS, set.size() / rows);
    // Scenes do not depend on the size of their pictures: rendered again, not scaled.
    SynthDataSet small = set.scaledTo(SIDE);
    int width = small.width();
    int height = small.height();
    int stride = 3 * 2 * width * columns;
    byte[] sheet = new byte[stride * height * rows];
    for (int i = 0; i < rows * columns; i++) {
      Sample sample = small.read(i);
      int at = i % rows * height * stride + i / rows * 6 * width;
      copy(sample.picture(), sheet, at, stride);
      GroundTruth truth = sample.truth();
      if (truth != null) {
        copy(disparity(truth), sheet, at + 3 * width, stride);
      }
    }
    return new RgbImage(2 * width * columns, height * rows, sheet);
  }

  /** Bright is near; the nearest hundredth, often a single wire, does not set the range. */
  private static RgbImage disparity(GroundTruth truth) {
    float[] values = truth.targetDisparity();
    float[] sorted = values.clone();
    Arrays.sort(sorted);
    float near = sorted[sorted.length - 1 - sorted.length / 100];
    DepthMap map = new DepthMap(truth.width(), truth.height(), DepthMap.Kind.DISPARITY, values);
    return Colormap.INFERNO.apply(map, 0, near);
  }

  private static void copy(RgbImage image, byte[] sheet, int at, int stride) {
    int rowBytes = 3 * image.width();
    for (int y = 0; y < image.height(); y++) {
      System.arraycopy(image.rgb(), y * rowBytes, sheet, at + y * stride, rowBytes);
    }
  }
}
