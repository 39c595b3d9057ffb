package dev.fathom.nn.checkpoint;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;

/** Reads little-endian values from a segment, one after the other, and never past its end. */
final class ByteCursor {
  static final ValueLayout.OfShort U16 =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  static final ValueLayout.OfInt I32 =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  static final ValueLayout.OfLong I64 =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private final MemorySegment bytes;
  private final String what;
  private long position;

  /**
   * @param what named in the message when the bytes end too early
   */
  ByteCursor(MemorySegment bytes, long position, String what) {
    this.bytes = bytes;
    this.position = position;
    this.what = what;
  }

  long position() {
    return position;
  }

  long remaining() {
    return bytes.byteSize() - position;
  }

  int u8() throws FormatException {
    return bytes.get(JAVA_BYTE, advance(1)) & 0xff;
  }

  int u16() throws FormatException {
    return bytes.get(U16, advance(2)) & 0xffff;
  }

  int i32() throws FormatException {
    return bytes.get(I32, advance(4));
  }

  long u32() throws FormatException {
    return i32() & 0xffffffffL;
  }

  long i64() throws FormatException {
    return bytes.get(I64, advance(8));
  }

  /** The next {@code size} bytes, in place. */
  MemorySegment slice(long size) throws FormatException {
    return bytes.asSlice(advance(size), size);
  }

  byte[] array(int size) throws FormatException {
    return slice(size).toArray(JAVA_BYTE);
  }

  String utf8(long size, int limit) throws FormatException {
    if (size > limit) {
      throw new FormatException(what + " has a text of " + size + " bytes; at most " + limit);
    }
    return decode(slice(size), what);
  }

  /** Bytes up to a line feed, which is passed over but not part of the result. */
  String line(int limit) throws FormatException {
    long end = Math.min(bytes.byteSize(), position + limit);
    for (long i = position; i < end; i++) {
      if (bytes.get(JAVA_BYTE, i) == '\n') {
        String line = decode(bytes.asSlice(position, i - position), what);
        position = i + 1;
        return line;
      }
    }
    throw new FormatException(what + " has a line that does not end");
  }

  void skip(long size) throws FormatException {
    advance(size);
  }

  static String decode(MemorySegment text, String what) throws FormatException {
    ByteBuffer encoded = ByteBuffer.wrap(text.toArray(JAVA_BYTE));
    try {
      return StandardCharsets.UTF_8
          .newDecoder()
          .onMalformedInput(CodingErrorAction.REPORT)
          .onUnmappableCharacter(CodingErrorAction.REPORT)
          .decode(encoded)
          .toString();
    } catch (CharacterCodingException e) {
      throw new FormatException(what + " has a text that is not UTF-8");
    }
  }

  private long advance(long size) throws FormatException {
    if (size < 0 || size > remaining()) {
      throw new FormatException(what + " is truncated at byte " + bytes.byteSize());
    }
    long start = position;
    position += size;
    return start;
  }
}
