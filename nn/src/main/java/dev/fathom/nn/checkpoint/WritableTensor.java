package dev.fathom.nn.checkpoint;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;

/** A tensor that can be written to a checkpoint, without being in memory as a whole. */
public interface WritableTensor {
  /** Receives a tensor's bytes, piece by piece. */
  interface Sink {
    void write(MemorySegment bytes) throws IOException;
  }

  TensorInfo info();

  /**
   * Gives the elements to the sink: row-major, little-endian, {@code info().byteSize()} bytes
   * together.
   */
  void writeTo(Sink sink) throws IOException;

  /**
   * A float32 tensor.
   *
   * @param values its elements, row-major in native byte order
   * @param shape its sizes, outermost first
   * @throws IllegalArgumentException if the shape does not have as many elements
   */
  static WritableTensor floats(String name, MemorySegment values, long... shape) {
    if (ByteOrder.nativeOrder() != ByteOrder.LITTLE_ENDIAN) {
      throw new UnsupportedOperationException("writing needs a little-endian machine");
    }
    return of(TensorInfo.of(name, DType.F32, shape), values);
  }

  /**
   * A tensor whose bytes are in memory.
   *
   * @param bytes its elements, row-major and little-endian
   * @throws IllegalArgumentException if they are not as many as {@code info} says
   */
  static WritableTensor of(TensorInfo info, MemorySegment bytes) {
    if (bytes.byteSize() != info.byteSize()) {
      throw new IllegalArgumentException(
          "tensor %s of %s %s takes %d bytes, not %d"
              .formatted(
                  info.name(), info.dtype(), info.shape(), info.byteSize(), bytes.byteSize()));
    }
    return new WritableTensor() {
      @Override
      public TensorInfo info() {
        return info;
      }

      @Override
      public void writeTo(Sink sink) throws IOException {
        sink.write(bytes);
      }
    };
  }
}
