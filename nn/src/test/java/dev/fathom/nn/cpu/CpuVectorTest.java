package dev.fathom.nn.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.fathom.nn.op.VectorOps;
import dev.fathom.nn.tensor.NativeMemory;
import dev.fathom.nn.tensor.Tensor;
import org.junit.jupiter.api.Test;

class CpuVectorTest {

  @Test
  void computesWhatItSays() {
    try (CpuBackend backend = new CpuBackend(2);
        NativeMemory memory = new NativeMemory()) {
      VectorOps ops = backend.vector();
      Tensor x = memory.allocate(2, 3);
      Tensor y = memory.allocate(6).set(new float[] {1, 2, 3, 4, 5, Float.NaN});
      ops.fill(x, 1.5f);
      assertEquals(6 * 2.25, ops.sumOfSquares(x).get(), 0);
      assertEquals(Double.NaN, ops.sumOfSquares(y).get());
      ops.axpby(2, x, -1, y);
      assertArrayEquals(new float[] {2, 1, 0, -1, -2, Float.NaN}, y.toArray());
      ops.axpby(2, x, 0, y);
      assertArrayEquals(new float[] {3, 3, 3, 3, 3, 3}, y.toArray());
    }
  }

  /** Eight elements past which there is a ninth that is not the slice's. */
  @Test
  void staysWithinASlice() {
    try (CpuBackend backend = new CpuBackend(1);
        NativeMemory memory = new NativeMemory()) {
      Tensor whole = memory.allocate(10);
      backend.vector().fill(whole, 7);
      backend.vector().fill(whole.slice(1, 8), 1);
      assertEquals(8 + 2 * 49, backend.vector().sumOfSquares(whole).get());
    }
  }

  @Test
  void rejectsDifferentSizes() {
    try (CpuBackend backend = new CpuBackend(1);
        NativeMemory memory = new NativeMemory()) {
      Tensor x = memory.allocate(3);
      Tensor y = memory.allocate(4);
      assertThrows(IllegalArgumentException.class, () -> backend.vector().axpby(1, x, 1, y));
    }
  }
}
