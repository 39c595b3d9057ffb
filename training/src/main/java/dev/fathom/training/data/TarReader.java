package dev.fathom.training.data;

import dev.fathom.training.UserException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The members of a tar archive, by one pass over its headers: POSIX ustar with pax extended headers
 * (IEEE Std 1003.1, "pax"), and GNU long names. Nothing is unpacked.
 */
final class TarReader {

  static final int BLOCK = 512;

  private static final int LONGEST_EXTENSION = 1 << 20;
  private static final int HEADERS_AHEAD = 16;

  private final Path file;
  private final FileChannel channel;
  private final long fileBytes;
  private final List<Part> members = new ArrayList<>();
  private final ByteBuffer window = ByteBuffer.allocate(HEADERS_AHEAD * BLOCK);
  private long windowStart;

  /** From a header that describes the next one. */
  private @Nullable String longName;

  private long longSize = -1;

  private TarReader(Path file, FileChannel channel) throws IOException {
    this.file = file;
    this.channel = channel;
    fileBytes = channel.size();
    window.limit(0);
  }

  /**
   * The regular files in an archive, in its order; hidden ones, folders and links are left out.
   *
   * @throws UserException if it cannot be read, is no tar archive, is damaged or cut off
   */
  static List<Part> members(Path file) {
    if (!Files.isRegularFile(file)) {
      throw new UserException(file, Files.exists(file) ? "not a regular file" : "no such file");
    }
    try (FileChannel channel = FileChannel.open(file)) {
      TarReader reader = new TarReader(file, channel);
      reader.scan();
      return reader.members;
    } catch (IOException e) {
      throw new UserException(file.toString(), "cannot read the shard: " + e.getMessage(), e);
    }
  }

  private void scan() throws IOException {
    long at = 0;
    while (at < fileBytes) {
      if (fileBytes - at < BLOCK) {
        throw broken(at == 0 ? "not a tar archive" : "the shard is cut off at byte " + fileBytes);
      }
      byte[] header = bytes(at, BLOCK);
      if (isZero(header)) {
        return;
      }
      checkSum(header, at);
      long size = number(header, 124, 12, at);
      char type = (char) header[156];
      boolean extension = type == 'L' || type == 'K' || type == 'x' || type == 'g';
      if (!extension && longSize >= 0) {
        size = longSize;
      }
      long data = at + BLOCK;
      if (size > fileBytes - data) {
        throw broken(
            "the shard is cut off: the member at byte %d needs %d bytes more, %d are there"
                .formatted(at, size, fileBytes - data));
      }
      if (extension) {
        extension(type, data, size);
      } else {
        member(type, header, data, size);
        longName = null;
        longSize = -1;
      }
      at = data + (size + BLOCK - 1) / BLOCK * BLOCK;
    }
    if (at > fileBytes) {
      throw broken("the shard is cut off at byte " + fileBytes);
    }
  }

  private void member(char type, byte[] header, long data, long size) {
    boolean regular = type == '0' || type == '\0' || type == '7';
    if (type == 'S') {
      throw broken("a sparse member at byte " + (data - BLOCK) + " is not read");
    }
    String name = longName != null ? longName : shortName(header);
    while (name.startsWith("./")) {
      name = name.substring(2);
    }
    String base = name.substring(name.lastIndexOf('/') + 1);
    if (!regular || base.isEmpty() || base.startsWith(".")) {
      return;
    }
    for (int i = 0; i < name.length(); i++) {
      if (Character.isISOControl(name.charAt(i))) {
        throw broken("a member at byte " + (data - BLOCK) + " has a control character in its name");
      }
    }
    members.add(new Part(file, name, data, size));
  }

  private void extension(char type, long data, long size) throws IOException {
    if (size > LONGEST_EXTENSION) {
      throw broken(
          "a name or extended header of %d bytes at byte %d is too long"
              .formatted(size, data - BLOCK));
    }
    if (type == 'L') {
      byte[] text = bytes(data, (int) size);
      longName = text(text, 0, text.length);
    } else if (type == 'x') {
      records(bytes(data, (int) size), data);
    }
    // 'K' is the long target of a link, 'g' the defaults of all members: neither names a file.
  }

  /** Records of the form {@code length keyword=value\n}, where the length counts all of it. */
  private void records(byte[] data, long where) {
    int at = 0;
    while (at < data.length && data[at] != 0) {
      int space = at;
      int length = 0;
      while (space < data.length && data[space] >= '0' && data[space] <= '9' && space - at < 8) {
        length = 10 * length + data[space++] - '0';
      }
      boolean whole =
          space < data.length
              && data[space] == ' '
              && length > space - at + 1
              && length <= data.length - at
              && data[at + length - 1] == '\n';
      if (!whole) {
        throw broken("a broken extended header at byte " + (where - BLOCK));
      }
      String entry = new String(data, space + 1, at + length - space - 2, StandardCharsets.UTF_8);
      int equals = entry.indexOf('=');
      String key = equals < 0 ? entry : entry.substring(0, equals);
      String value = entry.substring(equals + 1);
      switch (key) {
        case "path" -> longName = value;
        case "size" -> {
          try {
            longSize = Long.parseLong(value);
          } catch (NumberFormatException e) {
            longSize = -1;
          }
          if (longSize < 0) {
            throw broken("a size of '" + value + "' at byte " + (where - BLOCK));
          }
        }
        default -> {
          if (key.startsWith("GNU.sparse")) {
            throw broken("a sparse member at byte " + (where - BLOCK) + " is not read");
          }
        }
      }
      at += length;
    }
  }

  private static String shortName(byte[] header) {
    String name = text(header, 0, 100);
    // "ustar" and a zero byte: POSIX. GNU's "ustar  " has other things in the prefix's place.
    boolean posix = text(header, 257, 6).equals("ustar") && header[262] == 0;
    String prefix = posix ? text(header, 345, 155) : "";
    return prefix.isEmpty() ? name : prefix + "/" + name;
  }

  private void checkSum(byte[] header, long at) {
    long unsigned = 0;
    long signed = 0;
    for (int i = 0; i < BLOCK; i++) {
      int value = i >= 148 && i < 156 ? ' ' : header[i];
      unsigned += value & 0xff;
      signed += value;
    }
    long stored;
    try {
      stored = number(header, 148, 8, at);
    } catch (UserException e) {
      stored = -1;
    }
    // Some old writers summed signed bytes.
    if (stored != unsigned && stored != signed) {
      boolean packed = (header[0] & 0xff) == 0x1f && (header[1] & 0xff) == 0x8b;
      throw broken(
          at > 0
              ? "the shard is damaged: no member begins at byte " + at
              : packed ? "a compressed archive: unpack it with gunzip first" : "not a tar archive");
    }
  }

  /** An octal number in text, or in base 256 where the first bit is set. */
  private long number(byte[] header, int offset, int length, long at) {
    long value = 0;
    if ((header[offset] & 0x80) != 0) {
      for (int i = offset; i < offset + length; i++) {
        int digit = i == offset ? header[i] & 0x7f : header[i] & 0xff;
        if (value > Long.MAX_VALUE >> 8) {
          throw broken("a size out of range at byte " + at);
        }
        value = value << 8 | digit;
      }
      return value;
    }
    String text = new String(header, offset, length, StandardCharsets.ISO_8859_1);
    int end = text.indexOf('\0');
    String digits = (end < 0 ? text : text.substring(0, end)).strip();
    try {
      value = digits.isEmpty() ? 0 : Long.parseLong(digits, 8);
    } catch (NumberFormatException e) {
      value = -1;
    }
    if (value < 0) {
      throw broken("a broken number in the header at byte " + at);
    }
    return value;
  }

  private static String text(byte[] bytes, int offset, int length) {
    int end = offset;
    while (end < offset + length && bytes[end] != 0) {
      end++;
    }
    return new String(bytes, offset, end - offset, StandardCharsets.UTF_8);
  }

  private static boolean isZero(byte[] block) {
    for (byte b : block) {
      if (b != 0) {
        return false;
      }
    }
    return true;
  }

  /** Bytes that are known to be in the file; headers of small members come out of one read. */
  private byte[] bytes(long at, int length) throws IOException {
    byte[] bytes = new byte[length];
    if (length > window.capacity()) {
      fill(ByteBuffer.wrap(bytes), at);
      return bytes;
    }
    if (at < windowStart || at + length > windowStart + window.limit()) {
      window.clear();
      window.limit((int) Math.min(window.capacity(), fileBytes - at));
      windowStart = at;
      fill(window, at);
    }
    window.get((int) (at - windowStart), bytes);
    return bytes;
  }

  private void fill(ByteBuffer buffer, long at) throws IOException {
    while (buffer.hasRemaining()) {
      if (channel.read(buffer, at + buffer.position()) < 0) {
        throw broken("the shard became shorter while it was read");
      }
    }
    buffer.flip();
  }

  private UserException broken(String problem) {
    return new UserException(file, problem);
  }
}
