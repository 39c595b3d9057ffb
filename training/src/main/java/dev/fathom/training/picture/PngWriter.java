package dev.fathom.training.picture;

import java.io.BufferedOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.zip.CRC32;
import java.util.zip.Deflater;
import java.util.zip.DeflaterOutputStream;

/**
 * A PNG file row by row (PNG specification, third edition): 8-bit RGB, 8-bit or 16-bit grey.
 * Nothing but two rows and one chunk is held.
 */
public final class PngWriter {

  /** The kinds of sample that pictures, depth and masks need. */
  public enum Samples {
    /** Red, green and blue, a byte each. */
    RGB8(8, 2, 3),
    /** Grey, a byte. */
    GREY8(8, 0, 1),
    /** Grey, two bytes. */
    GREY16(16, 0, 2);

    private final int bits;
    private final int colourType;
    private final int pixelBytes;

    Samples(int bits, int colourType, int pixelBytes) {
      this.bits = bits;
      this.colourType = colourType;
      this.pixelBytes = pixelBytes;
    }
  }

  /** Gives the bytes of row {@code y}; 16-bit samples with the upper byte first. */
  @FunctionalInterface
  public interface Rows {
    /** Fills one row. */
    void row(int y, byte[] row);
  }

  private static final byte[] SIGNATURE = {(byte) 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  private static final int CHUNK_BYTES = 1 << 16;
  private static final int COMPRESSION = 4;
  private static final byte FILTER_SUB = 1;
  private static final byte FILTER_UP = 2;

  private PngWriter() {}

  /**
   * Writes a whole file.
   *
   * @param text keywords and values for tEXt chunks; Latin-1
   */
  public static void write(
      OutputStream out, int width, int height, Samples samples, Map<String, String> text, Rows rows)
      throws IOException {
    out.write(SIGNATURE);
    ByteBuffer header = ByteBuffer.allocate(13).putInt(width).putInt(height);
    header.put((byte) samples.bits).put((byte) samples.colourType);
    chunk(out, "IHDR", header.array(), 0, header.capacity());
    for (Map.Entry<String, String> entry : text.entrySet()) {
      byte[] data =
          (entry.getKey() + '\0' + entry.getValue()).getBytes(StandardCharsets.ISO_8859_1);
      chunk(out, "tEXt", data, 0, data.length);
    }
    Deflater deflater = new Deflater(COMPRESSION);
    try (OutputStream chunks = new BufferedOutputStream(new DataChunks(out), CHUNK_BYTES);
        DeflaterOutputStream compressed = new DeflaterOutputStream(chunks, deflater)) {
      filterRows(compressed, height, width * samples.pixelBytes, samples.pixelBytes, rows);
    } finally {
      deflater.end();
    }
    chunk(out, "IEND", new byte[0], 0, 0);
  }

  /** Each row as differences to the left or to the row above, whichever are smaller in sum. */
  private static void filterRows(
      OutputStream out, int height, int rowBytes, int pixelBytes, Rows rows) throws IOException {
    byte[] above = new byte[rowBytes];
    byte[] row = new byte[rowBytes];
    byte[] sub = new byte[rowBytes + 1];
    byte[] up = new byte[rowBytes + 1];
    sub[0] = FILTER_SUB;
    up[0] = FILTER_UP;
    for (int y = 0; y < height; y++) {
      rows.row(y, row);
      long subSum = 0;
      long upSum = 0;
      for (int i = 0; i < rowBytes; i++) {
        byte left = i < pixelBytes ? 0 : row[i - pixelBytes];
        sub[i + 1] = (byte) (row[i] - left);
        up[i + 1] = (byte) (row[i] - above[i]);
        subSum += Math.abs(sub[i + 1]);
        upSum += Math.abs(up[i + 1]);
      }
      out.write(upSum <= subSum ? up : sub);
      byte[] swap = above;
      above = row;
      row = swap;
    }
  }

  private static void chunk(OutputStream out, String type, byte[] data, int offset, int length)
      throws IOException {
    byte[] name = type.getBytes(StandardCharsets.US_ASCII);
    CRC32 crc = new CRC32();
    crc.update(name);
    crc.update(data, offset, length);
    DataOutputStream stream = new DataOutputStream(out);
    stream.writeInt(length);
    stream.write(name);
    stream.write(data, offset, length);
    stream.writeInt((int) crc.getValue());
  }

  /** Makes an IDAT chunk of each full buffer, and of the last. */
  private static final class DataChunks extends OutputStream {
    private final OutputStream file;

    DataChunks(OutputStream file) {
      this.file = file;
    }

    @Override
    public void write(int b) throws IOException {
      write(new byte[] {(byte) b}, 0, 1);
    }

    @Override
    public void write(byte[] bytes, int offset, int length) throws IOException {
      chunk(file, "IDAT", bytes, offset, length);
    }
  }
}
