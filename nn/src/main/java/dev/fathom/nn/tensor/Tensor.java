package dev.fathom.nn.tensor;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Numbers in the memory of the host or of a device, row-major and contiguous; float32 unless said
 * otherwise. Tokens are [B,T,C], maps [B,H,W,C]. Only a host's tensor can be read and written here;
 * for any tensor {@link dev.fathom.nn.op.TransferOps} does.
 *
 * <p>A tensor does not own its memory: the {@link Memory} that allocated it does, and takes it back
 * with {@link Memory#release}. Every access after that throws.
 */
public final class Tensor {

  private final ElementType type;
  private final long[] shape;
  private final long size;
  private final @Nullable Tensor base;
  private final long offset;
  private final boolean onDevice;

  /** The host's memory; of a device's, the address alone, which nothing here can read. */
  private @Nullable MemorySegment data;

  private Tensor(
      ElementType type,
      long[] shape,
      @Nullable Tensor base,
      long offset,
      boolean onDevice,
      @Nullable MemorySegment data) {
    this.type = type;
    this.shape = shape;
    this.onDevice = onDevice;
    this.size = sizeOf(shape);
    this.base = base;
    this.offset = offset;
    this.data = data;
  }

  /**
   * A tensor of float32 numbers over a segment, which stays the caller's.
   *
   * @throws IllegalArgumentException if the segment is smaller than the shape
   */
  public static Tensor of(MemorySegment data, long... shape) {
    return of(data, ElementType.FLOAT32, shape);
  }

  /** As {@link #of(MemorySegment, long...)}, of any type. */
  public static Tensor of(MemorySegment data, ElementType type, long... shape) {
    Tensor tensor = new Tensor(type, shape.clone(), null, 0, false, data);
    if (data.byteSize() < tensor.bytes()) {
      throw new IllegalArgumentException(
          "a segment of " + data.byteSize() + " bytes for a tensor " + tensor);
    }
    return tensor;
  }

  /**
   * A tensor in the memory of a device.
   *
   * @param address as the device's driver gave it
   */
  public static Tensor onDevice(long address, ElementType type, long... shape) {
    return new Tensor(type, shape.clone(), null, 0, true, MemorySegment.ofAddress(address));
  }

  /** A tensor without memory, for a computation of which only the shapes matter. */
  static Tensor unbacked(ElementType type, long... shape) {
    return new Tensor(type, shape.clone(), null, 0, false, null);
  }

  /**
   * A tensor of its own in a part of this one's memory; {@link #invalidate} of one does not end the
   * other.
   *
   * @throws IllegalArgumentException if it does not lie within this tensor
   */
  Tensor reuse(long byteOffset, ElementType newType, long... newShape) {
    long wanted = newType.bytes() * sizeOf(newShape);
    if (byteOffset < 0 || byteOffset + wanted > bytes()) {
      throw new IllegalArgumentException(
          "bytes " + byteOffset + " to " + (byteOffset + wanted) + " of a tensor " + this);
    }
    return onDevice
        ? onDevice(address() + byteOffset, newType, newShape)
        : of(data().asSlice(byteOffset, wanted), newType, newShape);
  }

  /** The number of elements of a shape. */
  public static long sizeOf(long... shape) {
    long size = 1;
    for (long extent : shape) {
      if (extent < 0) {
        throw new IllegalArgumentException("negative extent in shape " + Arrays.toString(shape));
      }
      size = Math.multiplyExact(size, extent);
    }
    return size;
  }

  /** The same elements under another shape. */
  public Tensor view(long... newShape) {
    return slice(0, newShape);
  }

  /**
   * Elements from {@code start} on, under a shape of their own; valid as long as this tensor is.
   *
   * @throws IllegalArgumentException if they do not lie within this tensor
   */
  public Tensor slice(long start, long... newShape) {
    Tensor slice = new Tensor(type, newShape.clone(), this, start, onDevice, null);
    if (start < 0 || start + slice.size > size) {
      throw new IllegalArgumentException(
          "elements " + start + " to " + (start + slice.size) + " of a tensor " + this);
    }
    return slice;
  }

  /** The tensor whose memory this is a view of, this one itself if it is none. */
  public Tensor root() {
    return base == null ? this : base.root();
  }

  /** Whether the memory belongs to another tensor. */
  public boolean isView() {
    return base != null;
  }

  /** What the elements are. */
  public ElementType type() {
    return type;
  }

  /** Bytes of all elements. */
  public long bytes() {
    return type.bytes() * size;
  }

  /** Whether it lies in the memory of a device. */
  public boolean onDevice() {
    return onDevice;
  }

  /** Number of dimensions. */
  public int rank() {
    return shape.length;
  }

  /** Extent of a dimension; negative ones count from the last. */
  public long extent(int dimension) {
    return shape[dimension < 0 ? shape.length + dimension : dimension];
  }

  /** A copy of the shape. */
  public long[] shape() {
    return shape.clone();
  }

  /** Number of elements. */
  public long size() {
    return size;
  }

  /** Whether the shape is exactly this. */
  public boolean hasShape(long... expected) {
    return Arrays.equals(shape, expected);
  }

  /**
   * The memory, {@link #bytes} or more of it.
   *
   * @throws IllegalStateException after the tensor, or the one it is a view of, was released; or if
   *     it lies in the memory of a device
   */
  public MemorySegment data() {
    if (onDevice) {
      throw new IllegalStateException("tensor " + this + " lies in the memory of a device");
    }
    if (base != null) {
      MemorySegment whole = base.data();
      return offset == 0 ? whole : whole.asSlice(type.bytes() * offset);
    }
    return memory();
  }

  /**
   * Where it begins, for its device.
   *
   * @throws IllegalStateException after the tensor, or the one it is a view of, was released
   */
  public long address() {
    return base != null ? base.address() + type.bytes() * offset : memory().address();
  }

  private MemorySegment memory() {
    MemorySegment current = data;
    if (current == null) {
      throw new IllegalStateException("tensor " + this + " used after its release");
    }
    return current;
  }

  /** Copies all elements into a new array; of a host's float32 tensor. */
  public float[] toArray() {
    requireFloats();
    float[] array = new float[Math.toIntExact(size)];
    MemorySegment.copy(data(), ValueLayout.JAVA_FLOAT, 0, array, 0, array.length);
    return array;
  }

  private void requireFloats() {
    if (type != ElementType.FLOAT32) {
      throw new IllegalStateException("tensor " + this + " is of " + type);
    }
  }

  /** Copies an array of exactly this size into a host's float32 tensor. */
  public Tensor set(float[] values) {
    requireFloats();
    if (values.length != size) {
      throw new IllegalArgumentException(values.length + " values for a tensor " + this);
    }
    MemorySegment.copy(values, 0, data(), ValueLayout.JAVA_FLOAT, 0, values.length);
    return this;
  }

  /** Ends the tensor's life; for the memory that allocated it. */
  public void invalidate() {
    data = null;
  }

  /** The shape, as {@code [1,36,128]}. */
  @Override
  public String toString() {
    return Arrays.toString(shape).replace(" ", "");
  }
}
