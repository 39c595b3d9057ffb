package dev.fathom.training.data;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;

/**
 * Writes a POSIX tar archive whose bytes depend on nothing but its members: no time, no owner, no
 * names of users. Names that do not fit into a ustar header go into a pax extended header.
 */
public final class TarWriter {

  private static final int NAME_BYTES = 100;
  private static final byte[] ZEROS = new byte[2 * TarReader.BLOCK];

  private final OutputStream out;
  private long written;

  /** An archive on a stream, which the caller closes. */
  public TarWriter(OutputStream out) {
    this.out = out;
  }

  /** Bytes so far. */
  public long written() {
    return written;
  }

  /** Adds a file. */
  public void add(String name, byte[] content) throws IOException {
    byte[] nameBytes = name.getBytes(StandardCharsets.UTF_8);
    boolean ascii = nameBytes.length == name.length();
    if (nameBytes.length > NAME_BYTES || !ascii) {
      byte[] record = record("path", name);
      header("@pax".getBytes(StandardCharsets.US_ASCII), 'x', record.length);
      data(record);
    }
    header(nameBytes, '0', content.length);
    data(content);
  }

  /** The end-of-archive mark. */
  public void finish() throws IOException {
    out.write(ZEROS);
    written += ZEROS.length;
  }

  /** A pax record; its length counts its own digits. */
  private static byte[] record(String key, String value) {
    byte[] rest = (" " + key + "=" + value + "\n").getBytes(StandardCharsets.UTF_8);
    int length = rest.length;
    while (Integer.toString(length).length() + rest.length != length) {
      length = Integer.toString(length).length() + rest.length;
    }
    byte[] digits = Integer.toString(length).getBytes(StandardCharsets.US_ASCII);
    byte[] record = new byte[length];
    System.arraycopy(digits, 0, record, 0, digits.length);
    System.arraycopy(rest, 0, record, digits.length, rest.length);
    return record;
  }

  private void header(byte[] name, char type, int size) throws IOException {
    byte[] header = new byte[TarReader.BLOCK];
    System.arraycopy(name, 0, header, 0, Math.min(name.length, NAME_BYTES));
    octal(header, 100, 7, 0644);
    octal(header, 108, 7, 0);
    octal(header, 116, 7, 0);
    octal(header, 124, 11, size);
    octal(header, 136, 11, 0);
    header[156] = (byte) type;
    put(header, 257, "ustar\0" + "00");
    put(header, 148, "        ");
    int sum = 0;
    for (byte b : header) {
      sum += b & 0xff;
    }
    octal(header, 148, 6, sum);
    header[154] = 0;
    out.write(header);
    written += header.length;
  }

  private void data(byte[] content) throws IOException {
    out.write(content);
    int padding = -content.length & (TarReader.BLOCK - 1);
    out.write(ZEROS, 0, padding);
    written += content.length + padding;
  }

  private static void octal(byte[] header, int offset, int digits, int value) {
    String text = Integer.toOctalString(value);
    put(header, offset, "0".repeat(digits - text.length()) + text);
  }

  private static void put(byte[] header, int offset, String text) {
    byte[] bytes = text.getBytes(StandardCharsets.ISO_8859_1);
    System.arraycopy(bytes, 0, header, offset, bytes.length);
  }
}
