package dev.fathom.nn.cpu;

import dev.fathom.bindings.CpuContext;
import dev.fathom.nn.op.VectorOps;
import dev.fathom.nn.tensor.Tensor;

/** kernels/cpu/vector.c. */
final class CpuVector extends CpuFamily implements VectorOps {

  CpuVector(CpuContext context) {
    super(context);
  }

  @Override
  public void fill(Tensor x, float value) {
    throw new UnsupportedOperationException("not built yet");
  }

  @Override
  public void axpby(float a, Tensor x, float b, Tensor y) {
    throw new UnsupportedOperationException("not built yet");
  }

  @Override
  public double sumOfSquares(Tensor x) {
    throw new UnsupportedOperationException("not built yet");
  }
}
