package dev.fathom.training.picture;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.Arrays;
import java.util.zip.DataFormatException;
import java.util.zip.Deflater;
import java.util.zip.Inflater;

/**
 * How OpenEXR packs a block of scan lines for RLE and ZIP: the bytes at even places before those at
 * odd places, then differences to the byte before, then run lengths or zlib. A block that would not
 * get smaller is stored as it is.
 */
final class ExrBlocks {

  private ExrBlocks() {}

  static byte[] deflate(byte[] raw, int length, Deflater deflater) {
    byte[] mixed = new byte[length];
    int half = (length + 1) / 2;
    for (int i = 0; i < length; i++) {
      mixed[(i & 1) == 0 ? i / 2 : half + i / 2] = raw[i];
    }
    for (int i = length - 1; i > 0; i--) {
      mixed[i] = (byte) (mixed[i] - mixed[i - 1] + 128);
    }
    deflater.reset();
    deflater.setInput(mixed);
    deflater.finish();
    byte[] packed = new byte[length];
    int count = deflater.deflate(packed);
    boolean smaller = deflater.finished() && count < length;
    return Arrays.copyOf(smaller ? packed : raw, smaller ? count : length);
  }

  static byte[] inflate(byte[] packed, int length) throws IOException {
    byte[] mixed = new byte[length];
    Inflater inflater = new Inflater();
    try {
      inflater.setInput(packed);
      int count = 0;
      while (count < length) {
        int more = inflater.inflate(mixed, count, length - count);
        if (more == 0) {
          throw new IOException("a block of scan lines ends too early");
        }
        count += more;
      }
    } catch (DataFormatException e) {
      throw new IOException("a block of scan lines is damaged", e);
    } finally {
      inflater.end();
    }
    return unmix(mixed);
  }

  static byte[] runs(byte[] packed, int length) throws IOException {
    ByteArrayOutputStream mixed = new ByteArrayOutputStream(length);
    int at = 0;
    while (at < packed.length) {
      int run = packed[at++];
      int count = run < 0 ? -run : run + 1;
      int used = run < 0 ? count : 1;
      if (used > packed.length - at || count > length - mixed.size()) {
        throw new IOException("a block of scan lines is damaged");
      }
      for (int i = 0; i < count; i++) {
        mixed.write(packed[run < 0 ? at + i : at]);
      }
      at += used;
    }
    if (mixed.size() != length) {
      throw new IOException("a block of scan lines ends too early");
    }
    return unmix(mixed.toByteArray());
  }

  private static byte[] unmix(byte[] mixed) {
    int length = mixed.length;
    for (int i = 1; i < length; i++) {
      mixed[i] = (byte) (mixed[i] + mixed[i - 1] - 128);
    }
    byte[] raw = new byte[length];
    int half = (length + 1) / 2;
    for (int i = 0; i < length; i++) {
      raw[i] = mixed[(i & 1) == 0 ? i / 2 : half + i / 2];
    }
    return raw;
  }
}
