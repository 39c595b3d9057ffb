package dev.fathom.training.picture;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Finds files that end too early before anything is allocated for their pixels, and in formats
 * whose decoders do not mind.
 */
final class CutOff {

  private static final int BMP_CORE_HEADER = 12;
  private static final int BMP_INFO_HEADER = 40;
  private static final int BMP_PLAIN = 0;
  private static final int BMP_BIT_FIELDS = 3;

  /** Deflate makes at most 258 bytes of 2 bits. */
  private static final int LARGEST_DEFLATE_RATIO = 1032;

  private CutOff() {}

  /** The fewest bytes that can be packed data of a length. */
  static long deflated(long rawBytes) {
    return rawBytes / LARGEST_DEFLATE_RATIO;
  }

  /**
   * @throws IOException if by its header the file is longer than it is
   */
  static void check(PictureFormat format, byte[] file) throws IOException {
    ByteBuffer header = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN);
    long length =
        switch (format) {
          case WEBP -> 8 + (header.getInt(4) & 0xffffffffL);
          case BMP -> bmpLength(header);
          case PNG -> pngLength(file);
          case JPEG, TIFF, GIF -> 0;
        };
    if (length > file.length) {
      throw new IOException(
          "the file ends too early: " + file.length + " bytes where " + length + " are due");
    }
  }

  private static long pngLength(byte[] file) {
    if (file.length < 33) {
      return 33;
    }
    ByteBuffer header = ByteBuffer.wrap(file);
    int samples =
        switch (header.get(25)) {
          case 2 -> 3;
          case 4 -> 2;
          case 6 -> 4;
          default -> 1;
        };
    long rowBits = (long) samples * header.get(24) * header.getInt(16);
    return deflated((rowBits + 7) / 8 * header.getInt(20));
  }

  /** Where the pixels end; 0 where their length is not known since they are packed. */
  private static long bmpLength(ByteBuffer header) {
    int headerBytes = header.getInt(14);
    boolean core = headerBytes == BMP_CORE_HEADER;
    int needed = 14 + (core ? BMP_CORE_HEADER : BMP_INFO_HEADER);
    if (header.capacity() < needed) {
      return needed;
    }
    long pixels = header.getInt(10) & 0xffffffffL;
    long width = core ? header.getShort(18) & 0xffff : header.getInt(18);
    long height = core ? header.getShort(20) & 0xffff : Math.abs((long) header.getInt(22));
    int bits = header.getShort(core ? 24 : 28);
    int packing = core ? BMP_PLAIN : header.getInt(30);
    if (width < 1 || bits < 1 || (packing != BMP_PLAIN && packing != BMP_BIT_FIELDS)) {
      return 0;
    }
    long rowBytes = (width * bits + 31) / 32 * 4;
    return rowBytes > Integer.MAX_VALUE ? Long.MAX_VALUE : pixels + rowBytes * height;
  }
}
