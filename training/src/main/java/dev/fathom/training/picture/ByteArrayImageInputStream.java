package dev.fathom.training.picture;

import java.io.IOException;
import java.util.Objects;
import javax.imageio.stream.ImageInputStreamImpl;

/**
 * An image stream over bytes in memory, without the copy that ImageIO's own caches make. A decoder
 * that goes on reading behind the end, as if there were zeros, is stopped after a while.
 */
final class ByteArrayImageInputStream extends ImageInputStreamImpl {

  /** More than the bits that a decoder may hold in advance, each asked for alone. */
  private static final int LEEWAY = 1024;

  private final byte[] bytes;
  private int readsBehindEnd;

  ByteArrayImageInputStream(byte[] bytes) {
    this.bytes = bytes;
  }

  @Override
  public int read() throws IOException {
    bitOffset = 0;
    if (streamPos < bytes.length) {
      return bytes[(int) streamPos++] & 0xff;
    }
    if (++readsBehindEnd > LEEWAY) {
      // Not an EOFException, which decoders catch to go on.
      throw new IOException("the file ends too early");
    }
    return -1;
  }

  @Override
  public int read(byte[] target, int offset, int length) {
    Objects.checkFromIndexSize(offset, length, target.length);
    bitOffset = 0;
    if (length == 0) {
      return 0;
    }
    if (streamPos >= bytes.length) {
      return -1;
    }
    int count = (int) Math.min(length, bytes.length - streamPos);
    System.arraycopy(bytes, (int) streamPos, target, offset, count);
    streamPos += count;
    return count;
  }

  @Override
  public long length() {
    return bytes.length;
  }

  @Override
  public boolean isCached() {
    return true;
  }

  @Override
  public boolean isCachedMemory() {
    return true;
  }
}
