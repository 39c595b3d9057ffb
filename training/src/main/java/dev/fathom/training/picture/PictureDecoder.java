package dev.fathom.training.picture;

import dev.fathom.nn.RgbImage;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import javax.imageio.ImageIO;
import javax.imageio.ImageReadParam;
import javax.imageio.ImageReader;

/** From a file's bytes to pixels, by the ImageIO readers of the platform and of TwelveMonkeys. */
final class PictureDecoder {

  static {
    // Decoders that open a stream inside a stream (JPEG in TIFF) would write temporary files.
    ImageIO.setUseCache(false);
  }

  /** What libjpeg says of a file whose pixels it partly made up. */
  private static final List<String> BROKEN_JPEG =
      List.of("premature end", "missing eoi", "bad huffman", "instead of rst");

  private static final int[] THREE_BANDS = {0, 1, 2};
  private static final int ARRAY_LIMIT = (Integer.MAX_VALUE - 8) / 3;

  private final long pixelLimit;

  PictureDecoder(long pixelLimit) {
    this.pixelLimit = Math.min(pixelLimit, ARRAY_LIMIT);
  }

  /**
   * The pixels as they are to be shown: upright, in sRGB.
   *
   * @throws IOException if the data is broken or the picture over the limit
   * @throws RuntimeException from decoders that meet broken data
   */
  RgbImage decode(byte[] file, PictureFormat format) throws IOException {
    if (format == PictureFormat.JPEG) {
      JpegFile jpeg = JpegFile.parse(file);
      return Pixels.upright(decode(jpeg), jpeg.orientation());
    }
    return Pixels.upright(Pixels.of(decodeImage(file, format)), Exif.orientation(format, file));
  }

  /** The first picture of a file in any format but JPEG, as the decoder has it. */
  BufferedImage decodeImage(byte[] file, PictureFormat format) throws IOException {
    ImageReader reader = reader(format);
    try (ByteArrayImageInputStream stream = new ByteArrayImageInputStream(file)) {
      reader.setInput(stream, true, true);
      checkSize(reader);
      CutOff.check(format, file);
      return reader.read(0);
    } finally {
      reader.dispose();
    }
  }

  private RgbImage decode(JpegFile jpeg) throws IOException {
    ImageReader reader = reader(PictureFormat.JPEG);
    List<String> broken = new ArrayList<>();
    try (ByteArrayImageInputStream stream = new ByteArrayImageInputStream(jpeg.plain())) {
      reader.setInput(stream, true, true);
      reader.addIIOReadWarningListener((_, warning) -> {
        String lower = warning.toLowerCase(Locale.ROOT);
        if (BROKEN_JPEG.stream().anyMatch(lower::contains)) {
          broken.add(warning);
        }
      });
      checkSize(reader);
      int width = reader.getWidth(0);
      int height = reader.getHeight(0);
      RgbImage image =
          switch (jpeg.components()) {
            case 1 -> Pixels.of(reader.read(0));
            case 3 -> {
              byte[] rgb = new byte[3 * width * height];
              ImageReadParam parameters = reader.getDefaultReadParam();
              parameters.setDestination(Pixels.over(rgb, width, height));
              parameters.setSourceBands(THREE_BANDS);
              parameters.setDestinationBands(THREE_BANDS);
              reader.read(0, parameters);
              yield new RgbImage(width, height, rgb);
            }
            case 4 -> PrintingInks.toRgb(reader.readRaster(0, null), jpeg.adobeTransform() == 2);
            default ->
                throw new IOException("a JPEG of " + jpeg.components() + " samples per pixel");
          };
      if (!broken.isEmpty()) {
        throw new IOException("the picture is cut off or damaged (" + broken.getFirst() + ")");
      }
      return image;
    } finally {
      reader.dispose();
    }
  }

  /** The size is in the header: a picture over the limit costs nothing. */
  private void checkSize(ImageReader reader) throws IOException {
    long width = reader.getWidth(0);
    long height = reader.getHeight(0);
    if (width < 1 || height < 1) {
      throw new IOException("a picture of " + width + " x " + height + " pixels");
    }
    if (width * height > pixelLimit) {
      throw new IOException(
          String.format(
              Locale.ROOT,
              "%d x %d pixels (%.0f megapixels) are over the limit of %.0f megapixels",
              width,
              height,
              width * height * 1e-6,
              pixelLimit * 1e-6));
    }
  }

  /**
   * The reader for a format: the platform's own where it has a good one, since it decodes JPEG and
   * PNG in native code; TwelveMonkeys' for WebP and TIFF.
   */
  private static ImageReader reader(PictureFormat format) throws IOException {
    boolean ofPlatform = format != PictureFormat.WEBP && format != PictureFormat.TIFF;
    ImageReader chosen = null;
    Iterator<ImageReader> readers = ImageIO.getImageReadersByFormatName(format.name());
    while (readers.hasNext()) {
      ImageReader reader = readers.next();
      boolean platforms = reader.getClass().getName().startsWith("com.sun.imageio.");
      if (chosen == null || platforms == ofPlatform) {
        chosen = reader;
      }
    }
    if (chosen == null) {
      throw new IOException("no decoder for " + format + " is on the class path");
    }
    return chosen;
  }
}
