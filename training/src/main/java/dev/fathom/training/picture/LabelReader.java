package dev.fathom.training.picture;

import java.awt.image.BufferedImage;
import java.awt.image.Raster;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;

/**
 * Reads maps of labels: masks, sky, object classes. A PNG gives its samples as they are: grey of
 * any depth, the index of a palette's colour, or the common value where a grey map is stored in
 * colour. NumPy arrays and the other formats of {@link DepthReader} give their numbers. A lossy
 * format is not read: it would blur one label into the next.
 */
public final class LabelReader {

  private LabelReader() {}

  /**
   * The labels in the bytes of a file.
   *
   * @param file names it in messages
   * @throws PictureException if there are none, or they cannot be read; no other exception or error
   *     comes from broken data
   */
  public static DepthFile decode(Path file, byte[] bytes) throws PictureException {
    if (!PictureFormat.isPng(bytes)) {
      return DepthReader.decode(file, bytes);
    }
    try {
      return readPng(bytes);
    } catch (IOException | RuntimeException | OutOfMemoryError | StackOverflowError e) {
      throw PictureException.of(file, "cannot read the map of labels", e);
    }
  }

  private static DepthFile readPng(byte[] file) throws IOException {
    BufferedImage image =
        new PictureDecoder(PictureReader.DEFAULT_PIXEL_LIMIT).decodeImage(file, PictureFormat.PNG);
    Raster raster = image.getRaster();
    int width = raster.getWidth();
    int height = raster.getHeight();
    boolean colour = raster.getNumBands() >= 3;
    float[] values = new float[width * height];
    int[] row = new int[width];
    int[] other = new int[width];
    for (int y = 0; y < height; y++) {
      raster.getSamples(0, y, width, 1, 0, row);
      for (int band = 1; colour && band < 3; band++) {
        raster.getSamples(0, y, width, 1, band, other);
        if (!Arrays.equals(row, other)) {
          throw new IOException("a picture in colour is not a map of labels");
        }
      }
      for (int x = 0; x < width; x++) {
        values[y * width + x] = row[x];
      }
    }
    return new DepthFile(width, height, values, null);
  }
}
