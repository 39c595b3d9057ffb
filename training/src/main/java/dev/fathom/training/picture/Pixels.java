package dev.fathom.training.picture;

import dev.fathom.nn.RgbImage;
import java.awt.color.ColorSpace;
import java.awt.image.BufferedImage;
import java.awt.image.ColorModel;
import java.awt.image.ComponentColorModel;
import java.awt.image.DataBuffer;
import java.awt.image.DataBufferByte;
import java.awt.image.IndexColorModel;
import java.awt.image.PixelInterleavedSampleModel;
import java.awt.image.Raster;
import java.awt.image.WritableRaster;

/**
 * From what a decoder made to packed red, green and blue, as {@code cv2.imread} of the published
 * scripts has them: samples as stored, whatever the colour profile; alpha dropped; 16 bits cut to
 * the upper 8.
 */
final class Pixels {

  private static final int[] RGB_OFFSETS = {0, 1, 2};

  private Pixels() {}

  /** A picture for a decoder to write to, over an array in the order of {@link RgbImage#rgb}. */
  static BufferedImage over(byte[] rgb, int width, int height) {
    ColorModel model =
        new ComponentColorModel(
            ColorSpace.getInstance(ColorSpace.CS_sRGB),
            false,
            false,
            ColorModel.OPAQUE,
            DataBuffer.TYPE_BYTE);
    WritableRaster raster =
        Raster.createInterleavedRaster(
            new DataBufferByte(rgb, rgb.length), width, height, 3 * width, 3, RGB_OFFSETS, null);
    return new BufferedImage(model, raster, false, null);
  }

  /** The pixels of a decoded picture of any type. */
  static RgbImage of(BufferedImage image) {
    int width = image.getWidth();
    int height = image.getHeight();
    byte[] rgb = new byte[3 * width * height];
    Raster raster = image.getRaster();
    ColorModel colours = image.getColorModel();
    if (colours instanceof IndexColorModel palette) {
      fromPalette(raster, palette, rgb);
    } else if (colours instanceof ComponentColorModel && isRgbOrGrey(colours)) {
      switch (raster.getTransferType()) {
        case DataBuffer.TYPE_BYTE -> {
          if (raster.getSampleModel() instanceof PixelInterleavedSampleModel model
              && raster.getDataBuffer() instanceof DataBufferByte data
              && colours.getComponentSize(0) == 8) {
            fromBytes(raster, model, data, rgb);
          } else {
            fromSamples(raster, colours, rgb);
          }
        }
        case DataBuffer.TYPE_USHORT -> fromSamples(raster, colours, rgb);
        default -> converted(image, rgb);
      }
    } else {
      converted(image, rgb);
    }
    return new RgbImage(width, height, rgb);
  }

  private static boolean isRgbOrGrey(ColorModel colours) {
    int type = colours.getColorSpace().getType();
    return (type == ColorSpace.TYPE_RGB && colours.getNumColorComponents() == 3)
        || (type == ColorSpace.TYPE_GRAY && colours.getNumColorComponents() == 1);
  }

  private static void fromPalette(Raster raster, IndexColorModel palette, byte[] rgb) {
    int size = palette.getMapSize();
    int[] colours = new int[size];
    palette.getRGBs(colours);
    int width = raster.getWidth();
    int[] row = new int[width];
    for (int y = 0, o = 0; y < raster.getHeight(); y++) {
      raster.getSamples(raster.getMinX(), raster.getMinY() + y, width, 1, 0, row);
      for (int x = 0; x < width; x++, o += 3) {
        int index = row[x];
        put(index < size ? colours[index] : 0, rgb, o);
      }
    }
  }

  private static void fromBytes(
      Raster raster, PixelInterleavedSampleModel model, DataBufferByte data, byte[] rgb) {
    byte[] source = data.getData();
    int[] offsets = model.getBandOffsets();
    boolean grey = offsets.length < 3;
    int red = offsets[0];
    int green = grey ? red : offsets[1];
    int blue = grey ? red : offsets[2];
    int step = model.getPixelStride();
    int first =
        data.getOffset()
            + (raster.getMinY() - raster.getSampleModelTranslateY()) * model.getScanlineStride()
            + (raster.getMinX() - raster.getSampleModelTranslateX()) * step;
    for (int y = 0, o = 0; y < raster.getHeight(); y++) {
      int i = first + y * model.getScanlineStride();
      for (int x = 0; x < raster.getWidth(); x++, i += step, o += 3) {
        rgb[o] = source[i + red];
        rgb[o + 1] = source[i + green];
        rgb[o + 2] = source[i + blue];
      }
    }
  }

  /** Samples of 1 to 16 bits: the upper 8, or the whole range stretched where there are fewer. */
  private static void fromSamples(Raster raster, ColorModel colours, byte[] rgb) {
    int width = raster.getWidth();
    int bands = raster.getNumBands();
    int bits = colours.getComponentSize(0);
    int green = bands < 3 ? 0 : 1;
    int blue = bands < 3 ? 0 : 2;
    int[] row = new int[width * bands];
    for (int y = 0, o = 0; y < raster.getHeight(); y++) {
      raster.getPixels(raster.getMinX(), raster.getMinY() + y, width, 1, row);
      for (int i = 0; i < row.length; i += bands, o += 3) {
        rgb[o] = toByte(row[i], bits);
        rgb[o + 1] = toByte(row[i + green], bits);
        rgb[o + 2] = toByte(row[i + blue], bits);
      }
    }
  }

  private static byte toByte(int sample, int bits) {
    return (byte) (bits >= 8 ? sample >> (bits - 8) : sample * 255 / ((1 << bits) - 1));
  }

  /**
   * Everything rare (packed ints, floats, printing inks in a TIFF): by the platform's conversion.
   */
  private static void converted(BufferedImage image, byte[] rgb) {
    int width = image.getWidth();
    int[] row = new int[width];
    for (int y = 0, o = 0; y < image.getHeight(); y++) {
      image.getRGB(0, y, width, 1, row, 0, width);
      for (int x = 0; x < width; x++, o += 3) {
        put(row[x], rgb, o);
      }
    }
  }

  private static void put(int colour, byte[] rgb, int offset) {
    rgb[offset] = (byte) (colour >> 16);
    rgb[offset + 1] = (byte) (colour >> 8);
    rgb[offset + 2] = (byte) colour;
  }

  /**
   * The picture turned for display.
   *
   * @param orientation Exif's 1 to 8: 2 mirrored left to right, 3 upside down, 4 mirrored top to
   *     bottom, 5 transposed, 6 to be turned a quarter to the right, 7 transposed the other way, 8
   *     to be turned a quarter to the left
   */
  static RgbImage upright(RgbImage image, int orientation) {
    int w = image.width();
    int h = image.height();
    int last = w * h - 1;
    // Where the result's first pixel comes from, and the steps there to the right and down.
    return switch (orientation) {
      case 2 -> walk(image, w, h, w - 1, -1, w);
      case 3 -> walk(image, w, h, last, -1, -w);
      case 4 -> walk(image, w, h, last - w + 1, 1, -w);
      case 5 -> walk(image, h, w, 0, w, 1);
      case 6 -> walk(image, h, w, last - w + 1, -w, 1);
      case 7 -> walk(image, h, w, last, -w, -1);
      case 8 -> walk(image, h, w, w - 1, w, -1);
      default -> image;
    };
  }

  private static RgbImage walk(
      RgbImage image, int width, int height, int first, int right, int down) {
    byte[] source = image.rgb();
    byte[] target = new byte[source.length];
    for (int y = 0, o = 0; y < height; y++) {
      int i = 3 * (first + y * down);
      for (int x = 0; x < width; x++, i += 3 * right, o += 3) {
        target[o] = source[i];
        target[o + 1] = source[i + 1];
        target[o + 2] = source[i + 2];
      }
    }
    return new RgbImage(width, height, target);
  }
}
