package dev.fathom.nn.op;

/** Operators that a device noted once and does again as one, on the same memory. */
public interface Recording extends AutoCloseable {

  /**
   * Does them again.
   *
   * @return false if the device's own memory has moved since, and nothing was done: record anew
   */
  boolean replay();

  @Override
  void close();
}
