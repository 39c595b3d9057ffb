package dev.fathom.nn.checkpoint;

import static dev.fathom.nn.checkpoint.CheckpointException.quote;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Optional;

/** A tensor where it lies in a mapped file: a strided view of a storage. */
final class StoredTensor {
  static final int MAX_RANK = 16;

  /**
   * A view with stride 0 can be of any size over a storage of one element; above this many elements
   * such a view is refused, so that a small file cannot stand for terabytes.
   */
  static final long MAX_EXPANDED = 1L << 24;

  /** Elements gathered at a time from a view that is not contiguous. */
  private static final int CHUNK = 1 << 14;

  private final TensorInfo info;
  private final MemorySegment storage;
  private final long offset;
  private final long[] shape;
  private final long[] strides;
  private final boolean bigEndian;
  private final boolean contiguous;

  private StoredTensor(
      TensorInfo info, MemorySegment storage, long offset, long[] strides, boolean bigEndian) {
    this.info = info;
    this.storage = storage;
    this.offset = offset;
    this.shape = info.dims();
    this.strides = strides;
    this.bigEndian = bigEndian && info.dtype().bytes() > 1;
    this.contiguous = isContiguous(shape, strides);
  }

  /** A tensor whose elements are exactly {@code bytes}, row-major and little-endian. */
  static StoredTensor contiguous(TensorInfo info, MemorySegment bytes) {
    return new StoredTensor(info, bytes, 0, rowMajor(info.dims()), false);
  }

  /**
   * A view of a storage.
   *
   * @param offset first element, counted in elements
   * @param strides in elements, one for each size
   * @throws FormatException if the view is not well-formed or leaves its storage
   */
  static StoredTensor view(
      String name,
      DType dtype,
      List<Long> shape,
      List<Long> strides,
      long offset,
      MemorySegment storage,
      boolean bigEndian)
      throws FormatException {
    String tensor = "tensor " + quote(name);
    if (shape.size() != strides.size() || shape.size() > MAX_RANK || offset < 0) {
      throw new FormatException(tensor + " has an ill-formed view of its storage");
    }
    long elements = 1;
    long last = offset;
    try {
      for (int i = 0; i < shape.size(); i++) {
        long size = shape.get(i);
        long stride = strides.get(i);
        if (size < 0 || stride < 0) {
          throw new FormatException(tensor + " has a negative size or stride");
        }
        elements = Math.multiplyExact(elements, size);
        last = Math.addExact(last, Math.multiplyExact(Math.max(0, size - 1), stride));
      }
      Math.multiplyExact(elements, dtype.bytes());
    } catch (ArithmeticException e) {
      throw new FormatException(tensor + " of shape " + shape + " is too large");
    }
    long stored = storage.byteSize() / dtype.bytes();
    if (elements > 0 && last >= stored) {
      throw new FormatException(
          tensor + " of shape " + shape + " leaves its storage of " + stored + " elements");
    }
    if (elements > stored && elements > MAX_EXPANDED) {
      throw new FormatException(
          tensor + " expands " + stored + " elements to shape " + shape + ", which is refused");
    }
    long[] steps = strides.stream().mapToLong(Long::longValue).toArray();
    return new StoredTensor(new TensorInfo(name, dtype, shape), storage, offset, steps, bigEndian);
  }

  TensorInfo info() {
    return info;
  }

  /** The elements in the file itself, if they lie there row-major and little-endian. */
  Optional<MemorySegment> inPlace() {
    if (!contiguous || bigEndian) {
      return Optional.empty();
    }
    long start = info.elements() == 0 ? 0 : offset * info.dtype().bytes();
    return Optional.of(storage.asSlice(start, info.byteSize()).asReadOnly());
  }

  /** The elements in the file itself, if they can be used as they are as float32. */
  Optional<MemorySegment> mappedFloats() {
    if (info.dtype() != DType.F32 || ByteOrder.nativeOrder() != ByteOrder.LITTLE_ENDIAN) {
      return Optional.empty();
    }
    return inPlace().filter(bytes -> bytes.address() % Float.BYTES == 0);
  }

  /** Visits all elements in order, as row-major little-endian chunks. */
  <E extends Exception> void forEachChunk(ChunkVisitor<E> visitor) throws E {
    Optional<MemorySegment> whole = inPlace();
    if (whole.isPresent()) {
      visitor.visit(whole.get(), 0);
      return;
    }
    int size = info.dtype().bytes();
    long elements = info.elements();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment buffer = arena.allocate((long) CHUNK * size, Long.BYTES);
      for (long from = 0; from < elements; from += CHUNK) {
        long count = Math.min(CHUNK, elements - from);
        gather(from, count, buffer);
        visitor.visit(buffer.asSlice(0, count * size), from);
      }
    }
  }

  /** Receives elements {@code first} and following as little-endian bytes. */
  interface ChunkVisitor<E extends Exception> {
    void visit(MemorySegment bytes, long first) throws E;
  }

  /** Copies {@code count} elements from the {@code from}-th on, in row-major order. */
  private void gather(long from, long count, MemorySegment target) {
    int size = info.dtype().bytes();
    int rank = shape.length;
    if (rank == 0) {
      MemorySegment.copy(storage, offset * size, target, 0, size);
      order(target, size);
      return;
    }
    long[] index = new long[rank];
    long rest = from;
    long position = offset;
    for (int i = rank - 1; i >= 0; i--) {
      index[i] = rest % shape[i];
      rest /= shape[i];
      position += index[i] * strides[i];
    }
    int inner = rank - 1;
    long done = 0;
    while (done < count) {
      long run = Math.min(shape[inner] - index[inner], count - done);
      if (strides[inner] == 1) {
        MemorySegment.copy(storage, position * size, target, done * size, run * size);
      } else {
        for (long k = 0; k < run; k++) {
          long source = (position + k * strides[inner]) * size;
          MemorySegment.copy(storage, source, target, (done + k) * size, size);
        }
      }
      done += run;
      index[inner] += run;
      position += run * strides[inner];
      for (int i = inner; i > 0 && index[i] == shape[i]; i--) {
        position += strides[i - 1] - shape[i] * strides[i];
        index[i] = 0;
        index[i - 1]++;
      }
    }
    order(target, count * size);
  }

  /** Turns gathered big-endian elements into little-endian ones. */
  private void order(MemorySegment elements, long byteSize) {
    if (!bigEndian) {
      return;
    }
    int size = info.dtype().bytes();
    for (long start = 0; start < byteSize; start += size) {
      for (int i = 0; i < size / 2; i++) {
        byte low = elements.get(JAVA_BYTE, start + i);
        elements.set(JAVA_BYTE, start + i, elements.get(JAVA_BYTE, start + size - 1 - i));
        elements.set(JAVA_BYTE, start + size - 1 - i, low);
      }
    }
  }

  /** Converts all elements to float32 in row-major order. */
  void readFloats(MemorySegment target) {
    forEachChunk((bytes, first) -> {
      long count = bytes.byteSize() / info.dtype().bytes();
      toFloats(info.dtype(), bytes, target.asSlice(first * Float.BYTES, count * Float.BYTES));
    });
  }

  private static void toFloats(DType dtype, MemorySegment source, MemorySegment target) {
    ValueLayout.OfFloat out = ValueLayout.JAVA_FLOAT_UNALIGNED;
    long n = target.byteSize() / Float.BYTES;
    switch (dtype) {
      case F32 -> {
        if (ByteOrder.nativeOrder() == ByteOrder.LITTLE_ENDIAN) {
          MemorySegment.copy(source, 0, target, 0, n * Float.BYTES);
        } else {
          for (long i = 0; i < n; i++) {
            target.set(out, i * 4, Float.intBitsToFloat(source.get(ByteCursor.I32, i * 4)));
          }
        }
      }
      case BF16 -> {
        for (long i = 0; i < n; i++) {
          target.set(out, i * 4, Float.intBitsToFloat(source.get(ByteCursor.U16, i * 2) << 16));
        }
      }
      case F16 -> {
        for (long i = 0; i < n; i++) {
          target.set(out, i * 4, Float.float16ToFloat(source.get(ByteCursor.U16, i * 2)));
        }
      }
      case F64 -> {
        for (long i = 0; i < n; i++) {
          double value = Double.longBitsToDouble(source.get(ByteCursor.I64, i * 8));
          target.set(out, i * 4, (float) value);
        }
      }
      default -> {
        for (long i = 0; i < n; i++) {
          target.set(out, i * 4, integerToFloat(dtype, source, i));
        }
      }
    }
  }

  private static float integerToFloat(DType dtype, MemorySegment source, long i) {
    return switch (dtype) {
      case BOOL -> source.get(JAVA_BYTE, i) == 0 ? 0 : 1;
      case U8 -> source.get(JAVA_BYTE, i) & 0xff;
      case I8 -> source.get(JAVA_BYTE, i);
      case U16 -> source.get(ByteCursor.U16, i * 2) & 0xffff;
      case I16 -> source.get(ByteCursor.U16, i * 2);
      case U32 -> source.get(ByteCursor.I32, i * 4) & 0xffffffffL;
      case I32 -> source.get(ByteCursor.I32, i * 4);
      case I64 -> source.get(ByteCursor.I64, i * 8);
      case U64 -> unsignedToFloat(source.get(ByteCursor.I64, i * 8));
      case F16, BF16, F32, F64 -> throw new AssertionError(dtype);
    };
  }

  private static float unsignedToFloat(long value) {
    // Halving keeps the value's leading bits; the lowest bit is kept so that rounding stays right.
    return value >= 0 ? value : ((value >>> 1) | (value & 1)) * 2f;
  }

  private static long[] rowMajor(long[] shape) {
    long[] strides = new long[shape.length];
    long step = 1;
    for (int i = shape.length - 1; i >= 0; i--) {
      strides[i] = step;
      step *= shape[i];
    }
    return strides;
  }

  private static boolean isContiguous(long[] shape, long[] strides) {
    long step = 1;
    boolean packed = true;
    for (int i = shape.length - 1; i >= 0; i--) {
      if (shape[i] == 0) {
        return true;
      }
      // The stride of a size of one is never used.
      packed &= shape[i] == 1 || strides[i] == step;
      step *= shape[i];
    }
    return packed;
  }
}
