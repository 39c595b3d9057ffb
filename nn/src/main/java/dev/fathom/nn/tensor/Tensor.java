package dev.fathom.nn.tensor;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Float32 numbers in native memory, row-major and contiguous. Tokens are [B,T,C], maps [B,H,W,C].
 *
 * <p>A tensor does not own its memory: the {@link Memory} that allocated it does, and takes it back
 * with {@link Memory#release}. Every access after that throws.
 */
public final class Tensor {

  private final long[] shape;
  private final long size;
  private final @Nullable Tensor base;
  private final long offset;
  private @Nullable MemorySegment data;

  private Tensor(long[] shape, @Nullable Tensor base, long offset, @Nullable MemorySegment data) {
    this.shape = shape;
    this.size = sizeOf(shape);
    this.base = base;
    this.offset = offset;
    this.data = data;
  }

  /**
   * A tensor over a segment, which stays the caller's.
   *
   * @throws IllegalArgumentException if the segment is smaller than the shape
   */
  public static Tensor of(MemorySegment data, long... shape) {
    Tensor tensor = new Tensor(shape.clone(), null, 0, data);
    if (data.byteSize() < 4 * tensor.size) {
      throw new IllegalArgumentException(
          "a segment of " + data.byteSize() + " bytes for a tensor " + tensor);
    }
    return tensor;
  }

  /** A tensor without memory, for a computation of which only the shapes matter. */
  static Tensor unbacked(long... shape) {
    return new Tensor(shape.clone(), null, 0, null);
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
    Tensor slice = new Tensor(newShape.clone(), this, start, null);
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
   * The memory, {@code 4 * size} bytes or more.
   *
   * @throws IllegalStateException after the tensor, or the one it is a view of, was released
   */
  public MemorySegment data() {
    if (base != null) {
      MemorySegment whole = base.data();
      return offset == 0 ? whole : whole.asSlice(4 * offset);
    }
    MemorySegment current = data;
    if (current == null) {
      throw new IllegalStateException("tensor " + this + " used after its release");
    }
    return current;
  }

  /** Copies all elements into a new array. */
  public float[] toArray() {
    float[] array = new float[Math.toIntExact(size)];
    MemorySegment.copy(data(), ValueLayout.JAVA_FLOAT, 0, array, 0, array.length);
    return array;
  }

  /** Copies an array of exactly this size in. */
  public Tensor set(float[] values) {
    if (values.length != size) {
      throw new IllegalArgumentException(values.length + " values for a tensor " + this);
    }
    MemorySegment.copy(values, 0, data(), ValueLayout.JAVA_FLOAT, 0, values.length);
    return this;
  }

  /** Ends the tensor's life; for the memory that allocated it. */
  void invalidate() {
    data = null;
  }

  /** The shape, as {@code [1,36,128]}. */
  @Override
  public String toString() {
    return Arrays.toString(shape).replace(" ", "");
  }
}
