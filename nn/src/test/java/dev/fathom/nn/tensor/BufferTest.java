package dev.fathom.nn.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;

final class BufferTest {
  @Test
  void grows() {
    try (NativeMemory memory = new NativeMemory()) {
      Buffer buffer = new Buffer(memory);
      Tensor first = buffer.atLeast(10);
      assertSame(first, buffer.atLeast(3));
      assertEquals(40, buffer.bytes());
      assertEquals(20, buffer.atLeast(20).size());
      assertEquals(80, memory.bytes());
    }
  }

  @Test
  void isOfUseAfterMemoryRanOut() {
    try (NativeMemory memory = new NativeMemory()) {
      Buffer buffer = new Buffer(memory);
      assertEquals(10, buffer.atLeast(10).size());
      assertThrows(OutOfMemoryError.class, () -> buffer.atLeast(1L << 58));
      assertEquals(20, buffer.atLeast(5).data().byteSize());
      assertEquals(20, memory.bytes());
    }
  }
}
