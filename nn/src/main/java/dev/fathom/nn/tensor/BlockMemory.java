package dev.fathom.nn.tensor;

/**
 * Memory of a device whose tensors each own a block. What was not released is freed by {@link
 * #close}; use after that throws. Not thread-safe.
 */
public interface BlockMemory extends Memory, AutoCloseable {

  /** Bytes in use now. */
  long bytes();

  /** The most bytes that were in use at one time. */
  long peakBytes();

  @Override
  void close();
}
