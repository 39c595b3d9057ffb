package dev.fathom.nn.cpu;

import dev.fathom.nn.op.TransferOps;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.MemorySegment;

/** Plain copies: the CPU's tensors are the host's. */
final class CpuTransfer implements TransferOps {

  @Override
  public void write(float[] values, Tensor y) {
    y.set(values);
  }

  @Override
  public void write(Tensor x, Tensor y) {
    copy(x, y);
  }

  @Override
  public float[] read(Tensor x) {
    return x.toArray();
  }

  @Override
  public void read(Tensor x, Tensor y) {
    copy(x, y);
  }

  private static void copy(Tensor x, Tensor y) {
    if (x.size() != y.size()) {
      throw new IllegalArgumentException("a tensor " + x + " copied into one of " + y);
    }
    MemorySegment.copy(x.data(), 0, y.data(), 0, x.bytes());
  }
}
