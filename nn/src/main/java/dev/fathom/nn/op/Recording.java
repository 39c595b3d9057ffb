package dev.fathom.nn.op;

/** Operators that a device noted once and does again as one, on the same memory. */
public interface Recording extends AutoCloseable {

  /**
   * Does them again.
   *
   * @return false if the device's own memory has moved since, or it has no room to begin, and
   *     nothing was done: record anew, or call the operators themselves
   */
  boolean replay();

  @Override
  void close();
}
