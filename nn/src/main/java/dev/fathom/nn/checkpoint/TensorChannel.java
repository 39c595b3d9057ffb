package dev.fathom.nn.checkpoint;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import java.util.zip.CRC32;
import org.jspecify.annotations.Nullable;

/** Writes segments of any size to a channel through one buffer, counting and checking the bytes. */
final class TensorChannel implements WritableTensor.Sink, AutoCloseable {
  private static final int BUFFER = 1 << 20;

  private final WritableByteChannel out;
  private final Arena arena = Arena.ofConfined();
  private final MemorySegment buffer = arena.allocate(BUFFER);
  private final ByteBuffer view = buffer.asByteBuffer();
  private @Nullable CRC32 crc;
  private long written;

  TensorChannel(WritableByteChannel out) {
    this.out = out;
  }

  /** Bytes written so far, counting those still in the buffer. */
  long written() {
    return written;
  }

  @Override
  public void write(MemorySegment bytes) throws IOException {
    long size = bytes.byteSize();
    for (long at = 0; at < size; ) {
      if (!view.hasRemaining()) {
        flush();
      }
      int part = (int) Math.min(view.remaining(), size - at);
      int position = view.position();
      MemorySegment.copy(bytes, at, buffer, position, part);
      if (crc != null) {
        crc.update(view.slice(position, part));
      }
      view.position(position + part);
      at += part;
    }
    written += size;
  }

  void write(byte[] bytes) throws IOException {
    write(MemorySegment.ofArray(bytes));
  }

  /** Writes a tensor and checks that it gives as many bytes as it said; returns their CRC-32. */
  long write(WritableTensor tensor) throws IOException {
    CRC32 sum = new CRC32();
    crc = sum;
    long before = written;
    tensor.writeTo(this);
    crc = null;
    TensorInfo info = tensor.info();
    if (written - before != info.byteSize()) {
      throw new IllegalStateException(
          "tensor %s gave %d bytes instead of %d"
              .formatted(info.name(), written - before, info.byteSize()));
    }
    return sum.getValue();
  }

  void flush() throws IOException {
    view.flip();
    while (view.hasRemaining()) {
      out.write(view);
    }
    view.clear();
  }

  /** Releases the buffer; what was not flushed is lost. */
  @Override
  public void close() {
    arena.close();
  }
}
