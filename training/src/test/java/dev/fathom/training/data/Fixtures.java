package dev.fathom.training.data;

import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.function.IntBinaryOperator;
import javax.imageio.ImageIO;

/** Files that the tests of data sets make. */
final class Fixtures {

  private Fixtures() {}

  /** A colour picture whose first pixel's red is {@code mark}. */
  static byte[] picture(int width, int height, int mark) {
    BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_3BYTE_BGR);
    for (int y = 0; y < height; y++) {
      for (int x = 0; x < width; x++) {
        image.setRGB(x, y, (mark & 0xff) << 16 | (x * 7 & 0xff) << 8 | (y * 5 & 0xff));
      }
    }
    return encode(image);
  }

  /** A grey PNG of 16 bits with these samples. */
  static byte[] grey16(int width, int height, IntBinaryOperator samples) {
    return grey(width, height, BufferedImage.TYPE_USHORT_GRAY, samples);
  }

  /** A grey PNG of 8 bits with these samples. */
  static byte[] grey8(int width, int height, IntBinaryOperator samples) {
    return grey(width, height, BufferedImage.TYPE_BYTE_GRAY, samples);
  }

  private static byte[] grey(int width, int height, int type, IntBinaryOperator samples) {
    BufferedImage image = new BufferedImage(width, height, type);
    for (int y = 0; y < height; y++) {
      for (int x = 0; x < width; x++) {
        image.getRaster().setSample(x, y, 0, samples.applyAsInt(x, y));
      }
    }
    return encode(image);
  }

  static byte[] encode(BufferedImage image) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try {
      ImageIO.write(image, "png", out);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return out.toByteArray();
  }

  /** A portable float map of these values, rows from the top. */
  static byte[] pfm(int width, int height, float... values) {
    byte[] header = ("Pf\n" + width + " " + height + "\n-1.0\n").getBytes(StandardCharsets.UTF_8);
    ByteBuffer file = ByteBuffer.allocate(header.length + 4 * width * height);
    file.put(header).order(ByteOrder.LITTLE_ENDIAN);
    for (int y = height - 1; y >= 0; y--) {
      for (int x = 0; x < width; x++) {
        file.putFloat(values[y * width + x]);
      }
    }
    return file.array();
  }

  /** A NumPy array in the given type. */
  static byte[] npy(String type, int width, int height, byte[] data) {
    String entry =
        "{'descr': '"
            + type
            + "', 'fortran_order': False, 'shape': ("
            + height
            + ", "
            + width
            + ")}";
    byte[] header = entry.getBytes(StandardCharsets.US_ASCII);
    ByteBuffer file = ByteBuffer.allocate(10 + header.length + data.length);
    file.order(ByteOrder.LITTLE_ENDIAN);
    file.put(new byte[] {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0});
    file.putShort((short) header.length).put(header).put(data);
    return file.array();
  }

  static Path write(Path folder, String name, byte[] bytes) {
    try {
      Path file = folder.resolve(name);
      Files.createDirectories(file.getParent());
      return Files.write(file, bytes);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static Path write(Path folder, String name, String text) {
    return write(folder, name, text.getBytes(StandardCharsets.UTF_8));
  }

  /** A tar archive of names and contents. */
  static byte[] tar(Object... namesAndBytes) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    TarWriter tar = new TarWriter(out);
    try {
      for (int i = 0; i < namesAndBytes.length; i += 2) {
        tar.add((String) namesAndBytes[i], (byte[]) namesAndBytes[i + 1]);
      }
      tar.finish();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return out.toByteArray();
  }

  /** A ustar or GNU header with the right checksum. */
  static byte[] tarHeader(String name, char type, String size, String magic) {
    byte[] header = new byte[512];
    put(header, 0, name);
    put(header, 100, "0000644");
    put(header, 124, size);
    header[156] = (byte) type;
    put(header, 257, magic);
    return withCheckSum(header);
  }

  static byte[] withCheckSum(byte[] header) {
    put(header, 148, "        ");
    int sum = 0;
    for (int i = 0; i < 512; i++) {
      sum += header[i] & 0xff;
    }
    put(header, 148, "%06o\0 ".formatted(sum));
    return header;
  }

  static void put(byte[] bytes, int offset, String text) {
    byte[] from = text.getBytes(StandardCharsets.ISO_8859_1);
    System.arraycopy(from, 0, bytes, offset, from.length);
  }

  static byte[] concat(byte[]... parts) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    for (byte[] part : parts) {
      out.writeBytes(part);
    }
    return out.toByteArray();
  }

  /** Content filled up to whole blocks. */
  static byte[] padded(byte[] content) {
    return Arrays.copyOf(content, (content.length + 511) / 512 * 512);
  }

  /** The red of a sample's first pixel. */
  static int mark(Sample sample) {
    return sample.picture().rgb()[0] & 0xff;
  }
}
