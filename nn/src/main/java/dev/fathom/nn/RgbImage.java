package dev.fathom.nn;

import java.awt.AlphaComposite;
import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.image.BufferedImage;
import java.awt.image.DataBufferByte;
import java.awt.image.PixelInterleavedSampleModel;

/** An 8-bit colour picture in sRGB: what the network reads. */
public final class RgbImage {

  private final int width;
  private final int height;
  private final byte[] rgb;

  /**
   * A picture over an array, which is not copied.
   *
   * @param width pixels, at least 1
   * @param height pixels, at least 1
   * @param rgb red, green and blue of each pixel, row by row; {@code width * height * 3} bytes
   * @throws IllegalArgumentException if the sizes do not fit
   */
  public RgbImage(int width, int height, byte[] rgb) {
    if (width < 1 || height < 1) {
      throw new IllegalArgumentException("a picture of " + width + " x " + height + " pixels");
    }
    long bytes = 3L * width * height;
    if (rgb.length != bytes) {
      throw new IllegalArgumentException(
          width + " x " + height + " pixels need " + bytes + " bytes, not " + rgb.length);
    }
    this.width = width;
    this.height = height;
    this.rgb = rgb;
  }

  /** Pixels in a row. */
  public int width() {
    return width;
  }

  /** Rows. */
  public int height() {
    return height;
  }

  /** Red, green and blue of each pixel, row by row; the picture's own array. */
  public byte[] rgb() {
    return rgb;
  }

  /**
   * The pixels of a picture of any type: colours converted to sRGB, 16-bit samples rounded to 8,
   * transparency laid over white.
   *
   * @throws IllegalArgumentException if the picture has more pixels than an array holds
   */
  public static RgbImage of(BufferedImage image) {
    int width = image.getWidth();
    int height = image.getHeight();
    if (3L * width * height > Integer.MAX_VALUE - 8) {
      throw new IllegalArgumentException(
          "a picture of " + width + " x " + height + " pixels is too large");
    }
    BufferedImage bgr = isPlainBgr(image) ? image : draw(image);
    byte[] source = ((DataBufferByte) bgr.getRaster().getDataBuffer()).getData();
    byte[] rgb = new byte[source.length];
    for (int i = 0; i < rgb.length; i += 3) {
      rgb[i] = source[i + 2];
      rgb[i + 1] = source[i + 1];
      rgb[i + 2] = source[i];
    }
    return new RgbImage(width, height, rgb);
  }

  /** Red, green and blue at column x, row y as 0xRRGGBB. */
  public int at(int x, int y) {
    if (x < 0 || y < 0 || x >= width || y >= height) {
      throw new IndexOutOfBoundsException(
          "(" + x + ", " + y + ") in a picture of " + width + " x " + height);
    }
    int i = 3 * (y * width + x);
    return (rgb[i] & 0xff) << 16 | (rgb[i + 1] & 0xff) << 8 | (rgb[i + 2] & 0xff);
  }

  /** The picture for java.awt, of type TYPE_3BYTE_BGR. */
  public BufferedImage toBufferedImage() {
    BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_3BYTE_BGR);
    byte[] target = ((DataBufferByte) image.getRaster().getDataBuffer()).getData();
    for (int i = 0; i < rgb.length; i += 3) {
      target[i] = rgb[i + 2];
      target[i + 1] = rgb[i + 1];
      target[i + 2] = rgb[i];
    }
    return image;
  }

  /** Whether the raster is exactly width x height packed BGR bytes in sRGB. */
  private static boolean isPlainBgr(BufferedImage image) {
    return image.getType() == BufferedImage.TYPE_3BYTE_BGR
        && image.getColorModel().getColorSpace().isCS_sRGB()
        && image.getRaster().getSampleModel() instanceof PixelInterleavedSampleModel model
        && model.getScanlineStride() == 3 * image.getWidth()
        && image.getRaster().getParent() == null
        && image.getRaster().getDataBuffer().getOffset() == 0
        && image.getRaster().getDataBuffer().getSize() == 3 * image.getWidth() * image.getHeight();
  }

  private static BufferedImage draw(BufferedImage image) {
    BufferedImage bgr =
        new BufferedImage(image.getWidth(), image.getHeight(), BufferedImage.TYPE_3BYTE_BGR);
    Graphics2D graphics = bgr.createGraphics();
    try {
      if (image.getColorModel().hasAlpha()) {
        graphics.setColor(Color.WHITE);
        graphics.fillRect(0, 0, image.getWidth(), image.getHeight());
      } else {
        graphics.setComposite(AlphaComposite.Src);
      }
      graphics.drawImage(image, 0, 0, null);
    } finally {
      graphics.dispose();
    }
    return bgr;
  }
}
