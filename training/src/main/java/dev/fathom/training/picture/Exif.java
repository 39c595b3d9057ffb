package dev.fathom.training.picture;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * The orientation in a picture's Exif data: how the stored rows and columns are to be turned for
 * display (Exif 2.32, tag 0x0112).
 */
final class Exif {

  /** Stored as displayed. */
  static final int UPRIGHT = 1;

  private static final int ORIENTATION_TAG = 0x0112;
  private static final int TYPE_SHORT = 3;
  private static final int TYPE_LONG = 4;

  private Exif() {}

  /**
   * The orientation, 1 to 8; {@link #UPRIGHT} if the file says none or nothing that makes sense. A
   * JPEG's is found by {@link JpegFile}.
   */
  static int orientation(PictureFormat format, byte[] file) {
    return switch (format) {
      case TIFF -> inTiff(file, 0, file.length);
      case PNG -> inPng(file);
      case WEBP -> inWebp(file);
      case JPEG, BMP, GIF -> UPRIGHT;
    };
  }

  /** The orientation in the first directory of the TIFF structure in part of a file. */
  static int inTiff(byte[] file, int offset, int length) {
    if (length < 8 || offset < 0 || offset > file.length - length) {
      return UPRIGHT;
    }
    ByteBuffer tiff = ByteBuffer.wrap(file, offset, length).slice();
    if (tiff.get(0) == 'I' && tiff.get(1) == 'I') {
      tiff.order(ByteOrder.LITTLE_ENDIAN);
    } else if (tiff.get(0) != 'M' || tiff.get(1) != 'M') {
      return UPRIGHT;
    }
    long directory = tiff.getInt(4) & 0xffffffffL;
    if (tiff.getShort(2) != 42 || directory > length - 2) {
      return UPRIGHT;
    }
    int entries = tiff.getShort((int) directory) & 0xffff;
    for (int i = 0; i < entries; i++) {
      long entry = directory + 2 + 12L * i;
      if (entry > length - 12) {
        break;
      }
      int at = (int) entry;
      if ((tiff.getShort(at) & 0xffff) == ORIENTATION_TAG) {
        int value =
            switch (tiff.getShort(at + 2)) {
              case TYPE_SHORT -> tiff.getShort(at + 8) & 0xffff;
              case TYPE_LONG -> tiff.getInt(at + 8);
              default -> UPRIGHT;
            };
        return value >= 1 && value <= 8 ? value : UPRIGHT;
      }
    }
    return UPRIGHT;
  }

  /** PNG: chunks of length, type, data, checksum; Exif data is in eXIf. */
  private static int inPng(byte[] file) {
    ByteBuffer png = ByteBuffer.wrap(file);
    long chunk = 8;
    while (chunk <= file.length - 12L) {
      long length = png.getInt((int) chunk) & 0xffffffffL;
      int type = png.getInt((int) chunk + 4);
      if (type == fourCharacters("eXIf") && length <= file.length - chunk - 8) {
        return inTiff(file, (int) chunk + 8, (int) length);
      }
      if (type == fourCharacters("IEND")) {
        break;
      }
      chunk += 12 + length;
    }
    return UPRIGHT;
  }

  /** WebP: RIFF chunks of type, length, data, padded to even; Exif data is in "EXIF". */
  private static int inWebp(byte[] file) {
    ByteBuffer riff = ByteBuffer.wrap(file);
    long chunk = 12;
    while (chunk <= file.length - 8L) {
      int type = riff.order(ByteOrder.BIG_ENDIAN).getInt((int) chunk);
      long length = riff.order(ByteOrder.LITTLE_ENDIAN).getInt((int) chunk + 4) & 0xffffffffL;
      if (type == fourCharacters("EXIF") && length <= file.length - chunk - 8) {
        int start = (int) chunk + 8;
        // Some writers keep the prefix that Exif data has inside a JPEG.
        int prefix = length > 6 && file[start] == 'E' ? 6 : 0;
        return inTiff(file, start + prefix, (int) length - prefix);
      }
      chunk += 8 + length + (length & 1);
    }
    return UPRIGHT;
  }

  private static int fourCharacters(String type) {
    return type.charAt(0) << 24 | type.charAt(1) << 16 | type.charAt(2) << 8 | type.charAt(3);
  }
}
