package dev.fathom.training.picture;

import dev.fathom.nn.RgbImage;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Objects;
import java.util.zip.CRC32;
import javax.imageio.IIOImage;
import javax.imageio.ImageIO;
import javax.imageio.ImageWriteParam;
import javax.imageio.ImageWriter;
import javax.imageio.stream.ImageOutputStream;

/** Pictures that the tests make, and files that they change. */
final class Pictures {

  private Pictures() {}

  /** A picture without symmetry: smooth ramps and a dark block in one corner. */
  static BufferedImage scene(int width, int height, int type) {
    BufferedImage image = new BufferedImage(width, height, type);
    for (int y = 0; y < height; y++) {
      for (int x = 0; x < width; x++) {
        int red = 255 * x / width;
        int green = 255 * y / height;
        int blue = x < width / 3 && y < height / 4 ? 20 : 180;
        image.setRGB(x, y, 0xff000000 | red << 16 | green << 8 | blue);
      }
    }
    return image;
  }

  /** A file as ImageIO writes it. */
  static byte[] encode(BufferedImage image, String format) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    if (!ImageIO.write(image, format, out)) {
      throw new IOException("no writer for " + format);
    }
    return out.toByteArray();
  }

  /** A JPEG file, baseline or progressive. */
  static byte[] jpeg(BufferedImage image, boolean progressive) throws IOException {
    ImageWriter writer = ImageIO.getImageWritersByFormatName("jpeg").next();
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try (ImageOutputStream stream = ImageIO.createImageOutputStream(out)) {
      ImageWriteParam parameters = writer.getDefaultWriteParam();
      parameters.setCompressionMode(ImageWriteParam.MODE_EXPLICIT);
      parameters.setCompressionQuality(0.9f);
      parameters.setProgressiveMode(
          progressive ? ImageWriteParam.MODE_DEFAULT : ImageWriteParam.MODE_DISABLED);
      writer.setOutput(stream);
      writer.write(null, new IIOImage(image, null, null), parameters);
    } finally {
      writer.dispose();
    }
    return out.toByteArray();
  }

  /** A TIFF structure with an orientation and nothing else. */
  static byte[] exif(int orientation, ByteOrder order) {
    byte[] tiff = new byte[26];
    ByteBuffer buffer = ByteBuffer.wrap(tiff).order(order);
    byte mark = (byte) (order == ByteOrder.LITTLE_ENDIAN ? 'I' : 'M');
    buffer.put(mark).put(mark).putShort((short) 42).putInt(8);
    buffer.putShort((short) 1);
    buffer.putShort((short) 0x0112).putShort((short) 3).putInt(1).putShort((short) orientation);
    return tiff;
  }

  /** A JPEG file with a segment put in behind the start. */
  static byte[] withSegment(byte[] jpeg, int marker, byte[] data) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.write(jpeg, 0, 2);
    out.write(0xff);
    out.write(marker);
    out.write((data.length + 2) >> 8);
    out.write(data.length + 2);
    out.writeBytes(data);
    out.write(jpeg, 2, jpeg.length - 2);
    return out.toByteArray();
  }

  static byte[] withExif(byte[] jpeg, int orientation, ByteOrder order) {
    byte[] tiff = exif(orientation, order);
    byte[] data = Arrays.copyOf("Exif\0\0".getBytes(StandardCharsets.ISO_8859_1), tiff.length + 6);
    System.arraycopy(tiff, 0, data, 6, tiff.length);
    return withSegment(jpeg, 0xe1, data);
  }

  /** A PNG file with a chunk put in behind the header. */
  static byte[] withChunk(byte[] png, String type, byte[] data) {
    int header = 8 + 25;
    byte[] name = type.getBytes(StandardCharsets.US_ASCII);
    CRC32 crc = new CRC32();
    crc.update(name);
    crc.update(data);
    ByteBuffer out = ByteBuffer.allocate(png.length + 12 + data.length);
    out.put(png, 0, header).putInt(data.length).put(name).put(data);
    out.putInt((int) crc.getValue()).put(png, header, png.length - header);
    return out.array();
  }

  /** A PNG file with the first four bytes of its header's size changed, checksum and all. */
  static byte[] withPngSize(byte[] png, int width, int height) {
    byte[] copy = png.clone();
    ByteBuffer.wrap(copy).putInt(16, width).putInt(20, height);
    CRC32 crc = new CRC32();
    crc.update(copy, 12, 17);
    ByteBuffer.wrap(copy).putInt(29, (int) crc.getValue());
    return copy;
  }

  static byte[] resource(String name) throws IOException {
    try (InputStream in = Pictures.class.getResourceAsStream("/picture/" + name)) {
      return Objects.requireNonNull(in, name).readAllBytes();
    }
  }

  /** The largest difference of any sample. */
  static int distance(RgbImage a, RgbImage b) {
    if (a.width() != b.width() || a.height() != b.height()) {
      throw new AssertionError(
          a.width() + " x " + a.height() + " and " + b.width() + " x " + b.height());
    }
    int largest = 0;
    for (int i = 0; i < a.rgb().length; i++) {
      largest = Math.max(largest, Math.abs((a.rgb()[i] & 0xff) - (b.rgb()[i] & 0xff)));
    }
    return largest;
  }
}
