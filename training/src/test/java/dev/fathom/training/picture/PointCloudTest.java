package dev.fathom.training.picture;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.nn.DepthMap;
import dev.fathom.nn.RgbImage;
import dev.fathom.training.picture.DepthOptions.Axes;
import dev.fathom.training.picture.DepthOptions.Camera;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PointCloudTest {

  private static final RgbImage PICTURE =
      new RgbImage(2, 2, new byte[] {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});

  @TempDir Path folder;

  private record Point(float x, float y, float z, int colour) {}

  private record Cloud(String header, List<Point> points) {}

  private Cloud write(DepthMap.Kind kind, Camera camera, float... values) throws IOException {
    Path file = folder.resolve("x.ply");
    DepthWriter.write(
        file,
        DepthFormat.PLY,
        new DepthMap(2, 2, kind, values),
        PICTURE,
        DepthOptions.DEFAULT.withCamera(camera));
    byte[] bytes = Files.readAllBytes(file);
    String text = new String(bytes, StandardCharsets.ISO_8859_1);
    int data = text.indexOf("end_header\n") + 11;
    String header = text.substring(0, data);
    int count = Integer.parseInt(header.replaceAll("(?s).*element vertex (\\d+)\n.*", "$1"));
    assertEquals(data + 15 * count, bytes.length);
    ByteBuffer buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).position(data);
    List<Point> points = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      float x = buffer.getFloat();
      float y = buffer.getFloat();
      float z = buffer.getFloat();
      int colour = (buffer.get() & 0xff) << 16 | (buffer.get() & 0xff) << 8 | (buffer.get() & 0xff);
      points.add(new Point(x, y, z, colour));
    }
    return new Cloud(header, points);
  }

  @Test
  void metresGoThroughThePinhole() throws IOException {
    Camera camera = Camera.DEFAULT.withFocalLength(2).withAxes(Axes.Y_DOWN);
    Cloud cloud = write(DepthMap.Kind.METRES, camera, 4, 8, 12, 16);
    // Pixel centres lie half a pixel from the middle: half * depth / focal length.
    assertEquals(new Point(-1, -1, 4, 0x010203), cloud.points().get(0));
    assertEquals(new Point(2, -2, 8, 0x040506), cloud.points().get(1));
    assertEquals(new Point(-3, 3, 12, 0x070809), cloud.points().get(2));
    assertEquals(new Point(4, 4, 16, 0x0a0b0c), cloud.points().get(3));
    assertTrue(cloud.header().startsWith("ply\nformat binary_little_endian 1.0\n"));
    assertTrue(cloud.header().contains("comment unit: metres\n"));
  }

  @Test
  void upIsUpByDefault() throws IOException {
    Cloud cloud = write(DepthMap.Kind.METRES, Camera.DEFAULT.withFocalLength(2), 4, 8, 12, 16);
    assertEquals(new Point(-1, 1, -4, 0x010203), cloud.points().get(0));
    assertEquals(new Point(4, -4, -16, 0x0a0b0c), cloud.points().get(3));
    assertTrue(cloud.header().contains("comment axes: x right, y up, z towards the viewer\n"));
  }

  @Test
  void fieldOfViewGivesTheFocalLength() {
    assertEquals(1, Camera.DEFAULT.withFieldOfView(90).focalLengthFor(2), 1e-12);
    assertEquals(320 / Math.tan(Math.PI / 6), Camera.DEFAULT.focalLengthFor(640), 1e-9);
    assertEquals(7, Camera.DEFAULT.withFocalLength(7).focalLengthFor(640));
  }

  @Test
  void disparityGoesFromNearToFar() throws IOException {
    Camera camera = Camera.DEFAULT.withRange(2, 10).withAxes(Axes.Y_DOWN);
    Cloud cloud = write(DepthMap.Kind.DISPARITY, camera, 5, 3, 4, 1);
    // The smallest value is as far as it goes and left out; d = 1, 0.5, 0.75 for the others.
    assertEquals(3, cloud.points().size());
    assertEquals(2, cloud.points().get(0).z(), 1e-6);
    assertEquals(1 / (0.5 * (0.5 - 0.1) + 0.1), cloud.points().get(1).z(), 1e-6);
    assertEquals(1 / (0.75 * (0.5 - 0.1) + 0.1), cloud.points().get(2).z(), 1e-6);
    assertEquals(0x070809, cloud.points().get(2).colour());
  }

  @Test
  void pointsWithoutADepthAreLeftOut() throws IOException {
    Camera camera = Camera.DEFAULT.withRange(1, 50);
    Cloud cloud = write(DepthMap.Kind.METRES, camera, Float.NaN, 0, 51, Float.POSITIVE_INFINITY);
    assertEquals(0, cloud.points().size());
    assertEquals(1, write(DepthMap.Kind.METRES, camera, -1, 50, 60, 0).points().size());
  }

  @Test
  void flatDisparityLiesNear() throws IOException {
    Cloud cloud = write(DepthMap.Kind.DISPARITY, Camera.DEFAULT, 3, 3, 3, Float.NaN);
    assertEquals(3, cloud.points().size());
    assertEquals(-1, cloud.points().get(0).z(), 1e-6);
  }

  @Test
  void camerasThatAreNone() {
    for (double angle : new double[] {0, 180, -1, Double.NaN}) {
      assertThrows(IllegalArgumentException.class, () -> Camera.DEFAULT.withFieldOfView(angle));
    }
    assertThrows(IllegalArgumentException.class, () -> Camera.DEFAULT.withFocalLength(-1));
    assertThrows(IllegalArgumentException.class, () -> Camera.DEFAULT.withRange(0, 5));
    assertThrows(IllegalArgumentException.class, () -> Camera.DEFAULT.withRange(5, 5));
  }
}
