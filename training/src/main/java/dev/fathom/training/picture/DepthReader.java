package dev.fathom.training.picture;

import dev.fathom.nn.DepthMap;
import java.awt.image.BufferedImage;
import java.awt.image.IndexColorModel;
import java.awt.image.Raster;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Reads depth: grey PNG of 8 or 16 bits, PFM of either byte order, NumPy arrays (float16, float32,
 * float64, integers of 8 and 16 bits, bool; row order) and OpenEXR (scan lines; NONE, RLE, ZIPS,
 * ZIP). The format is told by the file's content.
 *
 * <p>A PNG gives its samples as they are, unless it has the text chunks of {@link
 * DepthFormat#PNG16}: then {@code sample * scale + offset}, and NaN for the sample that stands for
 * values that are not finite.
 */
public final class DepthReader {

  private DepthReader() {}

  /**
   * The numbers in a depth file of at most {@link PictureReader#DEFAULT_PIXEL_LIMIT} values.
   *
   * @throws PictureException if there are none, or they cannot be read; no other exception or error
   *     comes from broken data
   */
  public static DepthFile read(Path file) throws PictureException {
    return decode(file, PictureReader.readBytes(file, "cannot read the depth map"));
  }

  /**
   * The numbers in the bytes of a depth file that were read already, as from an archive.
   *
   * @param file names it in messages
   * @throws PictureException as {@link #read}
   */
  public static DepthFile decode(Path file, byte[] bytes) throws PictureException {
    long limit = PictureReader.DEFAULT_PIXEL_LIMIT;
    try {
      if (PictureFormat.isPng(bytes)) {
        return readPng(bytes, limit);
      }
      if (NpyDepth.isNpy(bytes)) {
        return NpyDepth.read(bytes, limit);
      }
      if (ExrReader.isExr(bytes)) {
        return ExrReader.read(bytes, limit);
      }
      if (PfmDepth.isPfm(bytes)) {
        return PfmDepth.read(bytes, limit);
      }
    } catch (IOException | RuntimeException | OutOfMemoryError | StackOverflowError e) {
      throw PictureException.of(file, "cannot read the depth map", e);
    }
    throw new PictureException(
        file, "not a depth map in a format that is read (PNG, PFM, NPY, EXR)");
  }

  private static DepthFile readPng(byte[] file, long limit) throws IOException {
    BufferedImage image = new PictureDecoder(limit).decodeImage(file, PictureFormat.PNG);
    Raster raster = image.getRaster();
    if (raster.getNumBands() != 1 || image.getColorModel() instanceof IndexColorModel) {
      throw new IOException("not a grey PNG of 8 or 16 bits");
    }
    Map<String, String> text = PngDepth.text(file);
    double scale = number(text.get(PngDepth.SCALE), 1);
    double offset = number(text.get(PngDepth.OFFSET), 0);
    double invalid = number(text.get(PngDepth.INVALID), -1);
    int width = raster.getWidth();
    int height = raster.getHeight();
    float[] values = new float[width * height];
    int[] row = new int[width];
    for (int y = 0; y < height; y++) {
      raster.getSamples(0, y, width, 1, 0, row);
      for (int x = 0; x < width; x++) {
        values[y * width + x] = row[x] == invalid ? Float.NaN : (float) (row[x] * scale + offset);
      }
    }
    DepthMap.Kind kind = DepthFile.kindNamed(text.get(PngDepth.KIND));
    boolean plain = kind == null && !text.containsKey(PngDepth.SCALE);
    return new DepthFile(width, height, values, kind, plain);
  }

  private static double number(@Nullable String text, double otherwise) throws IOException {
    try {
      return text == null ? otherwise : Double.parseDouble(text);
    } catch (NumberFormatException e) {
      throw new IOException("'" + text + "' in a text chunk is not a number", e);
    }
  }
}
