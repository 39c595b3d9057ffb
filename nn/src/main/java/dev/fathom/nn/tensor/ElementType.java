package dev.fathom.nn.tensor;

/** What a tensor's elements are. */
public enum ElementType {
  /** IEEE 754 single precision. */
  FLOAT32(4),

  /** The upper half of a {@link #FLOAT32}: 8 bits of exponent, 7 of mantissa. */
  BFLOAT16(2);

  private final int bytes;

  ElementType(int bytes) {
    this.bytes = bytes;
  }

  /** Bytes of one element. */
  public int bytes() {
    return bytes;
  }
}
