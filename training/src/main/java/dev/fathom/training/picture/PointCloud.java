package dev.fathom.training.picture;

import dev.fathom.nn.DepthMap;
import dev.fathom.nn.RgbImage;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/**
 * Coloured points in binary PLY: float x, y, z and a byte each of red, green and blue.
 *
 * <p>The pixel at column u, row v of a map W wide and H high, at depth z, lies at {@code X = (u +
 * 1/2 - W/2) z / f}, {@code Y = (v + 1/2 - H/2) z / f}, {@code Z = z} in the axes of the camera: x
 * right, y down, z forward. Depth is along the axis, not the ray. In metres z is the value itself.
 * Disparity has neither scale nor shift: it is stretched to d in 0..1, and {@code z = 1 / (d
 * (1/near - 1/far) + 1/far)}.
 */
final class PointCloud {

  private static final int POINT_BYTES = 15;

  private final DepthMap depth;
  private final DepthOptions.Camera camera;
  private final float min;
  private final float range;

  private PointCloud(DepthMap depth, DepthOptions.Camera camera) {
    this.depth = depth;
    this.camera = camera;
    this.min = depth.min();
    this.range = depth.max() - min;
  }

  static void write(OutputStream out, DepthMap depth, RgbImage picture, DepthOptions.Camera camera)
      throws IOException {
    new PointCloud(depth, camera).write(out, picture);
  }

  private void write(OutputStream out, RgbImage picture) throws IOException {
    int points = 0;
    for (float value : depth.values()) {
      if (!Double.isNaN(z(value))) {
        points++;
      }
    }
    out.write(header(points).getBytes(StandardCharsets.US_ASCII));
    int width = depth.width();
    double f = camera.focalLengthFor(width);
    double flip = camera.axes() == DepthOptions.Axes.Y_UP ? -1 : 1;
    byte[] rgb = picture.rgb();
    float[] values = depth.values();
    ByteBuffer row = ByteBuffer.allocate(width * POINT_BYTES).order(ByteOrder.LITTLE_ENDIAN);
    for (int v = 0; v < depth.height(); v++) {
      row.clear();
      for (int u = 0; u < width; u++) {
        int i = v * width + u;
        double z = z(values[i]);
        if (!Double.isNaN(z)) {
          row.putFloat((float) ((u + 0.5 - width / 2.0) * z / f));
          row.putFloat((float) (flip * (v + 0.5 - depth.height() / 2.0) * z / f));
          row.putFloat((float) (flip * z));
          row.put(rgb, 3 * i, 3);
        }
      }
      out.write(row.array(), 0, row.position());
    }
  }

  private String header(int points) {
    String axes =
        camera.axes() == DepthOptions.Axes.Y_UP
            ? "x right, y up, z towards the viewer"
            : "x right, y down, z away from the viewer";
    String unit = depth.kind() == DepthMap.Kind.METRES ? "metres" : "relative, no unit";
    return "ply\nformat binary_little_endian 1.0\n"
        + ("comment axes: " + axes + "\n")
        + ("comment unit: " + unit + "\n")
        + ("element vertex " + points + "\n")
        + "property float x\nproperty float y\nproperty float z\n"
        + "property uchar red\nproperty uchar green\nproperty uchar blue\n"
        + "end_header\n";
  }

  /** The depth of a value; NaN if there is no point to draw. */
  private double z(float value) {
    if (!Float.isFinite(value)) {
      return Double.NaN;
    }
    if (depth.kind() == DepthMap.Kind.METRES) {
      return value > 0 && value <= camera.far() ? value : Double.NaN;
    }
    double nearness = range > 0 ? (value - min) / range : 1;
    double inverseFar = 1 / camera.far();
    return nearness > 0
        ? 1 / (nearness * (1 / camera.near() - inverseFar) + inverseFar)
        : Double.NaN;
  }
}
