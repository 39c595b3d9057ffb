package dev.fathom.bindings.cuda;

import java.util.Arrays;

/**
 * A tensor in device memory, and the box of it that one copy of the tensor memory accelerator
 * moves. Dimensions are listed innermost first, as the driver wants them. What lies outside the
 * tensor reads as zero.
 */
public final class TensorMapShape {

  /** Types of elements; the codes are CU_TENSOR_MAP_DATA_TYPE_*. */
  public enum ElementType {
    /** 32-bit floating point. */
    FLOAT32(7, 4),
    /** bfloat16. */
    BFLOAT16(9, 2);

    private final int code;
    private final int bytes;

    ElementType(int code, int bytes) {
      this.code = code;
      this.bytes = bytes;
    }
  }

  /** How shared memory is permuted against bank conflicts: CU_TENSOR_MAP_SWIZZLE_*. */
  public enum Swizzle {
    /** Not at all. */
    NONE(0),
    /** 16-byte pieces within 32 bytes. */
    BYTES_32(1),
    /** 16-byte pieces within 64 bytes. */
    BYTES_64(2),
    /** 16-byte pieces within 128 bytes. */
    BYTES_128(3);

    private final int code;

    Swizzle(int code) {
      this.code = code;
    }

    private int span() {
      return 16 << code;
    }
  }

  private static final int MAX_RANK = 5;
  private static final int MAX_BOX = 256;
  private static final int ALIGNMENT = 16;

  private final ElementType type;
  private final long address;
  private final long[] extents;
  private final long[] strides;
  private final int[] box;
  private final Swizzle swizzle;

  /**
   * A description.
   *
   * @param type the elements
   * @param address the tensor's device address, a multiple of 16
   * @param extents elements of each dimension, innermost first; 1 to 5 dimensions
   * @param strides bytes from one element to the next in every dimension but the innermost,
   *     multiples of 16; one fewer than {@code extents}
   * @param box elements of the box, 1 to 256 in each dimension; the innermost a multiple of 16
   *     bytes
   * @param swizzle the permutation; the box's innermost dimension must fit into it
   * @throws IllegalArgumentException if one of these does not hold
   */
  public TensorMapShape(
      ElementType type, long address, long[] extents, long[] strides, int[] box, Swizzle swizzle) {
    this.type = type;
    this.address = address;
    this.extents = extents.clone();
    this.strides = strides.clone();
    this.box = box.clone();
    this.swizzle = swizzle;
    int rank = extents.length;
    require(
        rank >= 1 && rank <= MAX_RANK && strides.length == rank - 1 && box.length == rank,
        "1 to 5 dimensions, as many in the box, one stride fewer");
    require(address % ALIGNMENT == 0, "the address must be a multiple of 16");
    for (int i = 0; i < rank; i++) {
      require(extents[i] >= 1 && extents[i] <= 1L << 32, "extents must be 1 to 2^32");
      require(box[i] >= 1 && box[i] <= MAX_BOX, "the box must have 1 to 256 in each dimension");
      require(
          i == 0 || (strides[i - 1] > 0 && strides[i - 1] % ALIGNMENT == 0),
          "strides must be multiples of 16 bytes");
    }
    int rowBytes = box[0] * type.bytes;
    require(rowBytes % ALIGNMENT == 0, "the box's rows must be multiples of 16 bytes");
    require(
        swizzle == Swizzle.NONE || rowBytes <= swizzle.span(),
        "the box's rows must fit into the swizzle");
  }

  private void require(boolean holds, String what) {
    if (!holds) {
      throw new IllegalArgumentException("tensor map: " + what + ": " + this);
    }
  }

  int rank() {
    return extents.length;
  }

  int typeCode() {
    return type.code;
  }

  int swizzleCode() {
    return swizzle.code;
  }

  long address() {
    return address;
  }

  long[] extents() {
    return extents.clone();
  }

  long[] strides() {
    return strides.clone();
  }

  int[] box() {
    return box.clone();
  }

  @Override
  public String toString() {
    return type
        + Arrays.toString(extents)
        + " at 0x"
        + Long.toHexString(address)
        + ", strides "
        + Arrays.toString(strides)
        + ", box "
        + Arrays.toString(box)
        + ", swizzle "
        + swizzle;
  }
}
