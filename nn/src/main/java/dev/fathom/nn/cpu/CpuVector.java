package dev.fathom.nn.cpu;

import dev.fathom.bindings.CpuContext;
import dev.fathom.bindings.Native;
import dev.fathom.bindings.generated.FathomNative;
import dev.fathom.nn.op.Scalar;
import dev.fathom.nn.op.VectorOps;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** kernels/cpu/vector.c. */
final class CpuVector extends CpuFamily implements VectorOps {

  CpuVector(CpuContext context) {
    super(context);
  }

  @Override
  public void fill(Tensor x, float value) {
    Native.check(FathomNative.fathom_fill(context.handle(), x.size(), value, x.data()));
  }

  @Override
  public void axpby(float a, Tensor x, float b, Tensor y) {
    if (x.size() != y.size()) {
      throw new IllegalArgumentException("axpby: x " + x + ", y " + y);
    }
    Native.check(FathomNative.fathom_axpby(context.handle(), x.size(), a, x.data(), b, y.data()));
  }

  @Override
  public void round(Tensor x, Tensor y) {
    axpby(1, x, 0, y);
  }

  @Override
  public void splitNan(Tensor x, Tensor mask) {
    if (x.size() != mask.size()) {
      throw new IllegalArgumentException("splitNan: x " + x + ", mask " + mask);
    }
    MemorySegment values = x.data();
    MemorySegment known = mask.data();
    for (long i = 0; i < x.size(); i++) {
      boolean number = !Float.isNaN(values.getAtIndex(ValueLayout.JAVA_FLOAT, i));
      known.setAtIndex(ValueLayout.JAVA_FLOAT, i, number ? 1 : 0);
      if (!number) {
        values.setAtIndex(ValueLayout.JAVA_FLOAT, i, 0);
      }
    }
  }

  @Override
  public Scalar sumOfSquares(Tensor x) {
    try (Arena call = Arena.ofConfined()) {
      MemorySegment sum = call.allocate(ValueLayout.JAVA_DOUBLE);
      Native.check(FathomNative.fathom_sum_of_squares(context.handle(), x.size(), x.data(), sum));
      return Scalar.of(sum.get(ValueLayout.JAVA_DOUBLE, 0));
    }
  }
}
