package dev.fathom.training.weights;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.Optional;

/** Tells by its first bytes whether a file can be weights at all. */
final class FileKind {
  /** Bytes that {@link #problem} looks at. */
  static final int HEAD = 64;

  private FileKind() {}

  /**
   * Why the file cannot be weights; empty if it can.
   *
   * @param head its first bytes
   * @param size bytes of the whole file
   */
  static Optional<String> problem(byte[] head, long size) {
    if (isZip(head) || isPickle(head) || isSafetensors(head, size)) {
      return Optional.empty();
    }
    String text = new String(head, StandardCharsets.ISO_8859_1).strip().toLowerCase(Locale.ROOT);
    if (text.startsWith("<!doctype html") || text.startsWith("<html")) {
      return Optional.of("the server sent an HTML page, not weights");
    }
    if (text.startsWith("version https://git-lfs")) {
      return Optional.of("the server sent a Git LFS pointer, not weights");
    }
    return Optional.of("the server sent neither a PyTorch nor a safetensors file");
  }

  /** torch.save since 1.6 writes a zip archive. */
  private static boolean isZip(byte[] head) {
    return head.length >= 4 && head[0] == 'P' && head[1] == 'K' && head[2] == 3 && head[3] == 4;
  }

  /** torch.save before that wrote pickles of protocol 2. */
  private static boolean isPickle(byte[] head) {
    return head.length >= 2 && head[0] == (byte) 0x80 && head[1] == 2;
  }

  /** A little-endian length of the JSON header, then the header. */
  private static boolean isSafetensors(byte[] head, long size) {
    if (head.length < 9 || head[8] != '{') {
      return false;
    }
    long header = ByteBuffer.wrap(head).order(ByteOrder.LITTLE_ENDIAN).getLong();
    return header > 0 && header <= size - 8;
  }
}
