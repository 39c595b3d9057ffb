package dev.fathom.training.picture;

import dev.fathom.nn.RgbImage;
import java.awt.image.DataBufferByte;
import java.awt.image.Raster;

/**
 * Cyan, magenta, yellow and black of a JPEG to red, green and blue, without a colour profile, in
 * the integers of libjpeg ({@code ycck_cmyk_convert}) and of OpenCV's JPEG reader. The samples are
 * taken as Adobe stores them: 255 is no ink.
 */
final class PrintingInks {

  private static final int HALF = 1 << 15;

  private PrintingInks() {}

  /**
   * @param raster four bands of bytes, pixel by pixel
   * @param ycck whether the first three bands hold luma and chroma instead of inks
   */
  static RgbImage toRgb(Raster raster, boolean ycck) {
    int width = raster.getWidth();
    int height = raster.getHeight();
    byte[] samples = ((DataBufferByte) raster.getDataBuffer()).getData();
    byte[] rgb = new byte[3 * width * height];
    for (int i = 0, o = 0; o < rgb.length; i += 4, o += 3) {
      int c = samples[i] & 0xff;
      int m = samples[i + 1] & 0xff;
      int y = samples[i + 2] & 0xff;
      int k = samples[i + 3] & 0xff;
      if (ycck) {
        int luma = c;
        int blueness = m - 128;
        int redness = y - 128;
        c = inverse(luma + ((fixed(1.40200) * redness + HALF) >> 16));
        m = inverse(luma + ((-fixed(0.34414) * blueness + HALF - fixed(0.71414) * redness) >> 16));
        y = inverse(luma + ((fixed(1.77200) * blueness + HALF) >> 16));
      }
      rgb[o] = lessInk(c, k);
      rgb[o + 1] = lessInk(m, k);
      rgb[o + 2] = lessInk(y, k);
    }
    return new RgbImage(width, height, rgb);
  }

  private static int inverse(int value) {
    return Math.clamp(255 - value, 0, 255);
  }

  private static byte lessInk(int ink, int black) {
    return (byte) (black - (((255 - ink) * black) >> 8));
  }

  /** A factor in 16.16 fixed point; a constant to the compiler. */
  private static int fixed(double factor) {
    return (int) (factor * 65536 + 0.5);
  }
}
