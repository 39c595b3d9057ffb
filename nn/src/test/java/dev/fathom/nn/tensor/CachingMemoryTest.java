package dev.fathom.nn.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;

/** Who owns a tensor of a {@link CachingMemory}, and what happens to its block. */
class CachingMemoryTest {

  @Test
  void aReleasedBlockIsUsedAgain() {
    try (CachingMemory memory = new CachingMemory()) {
      memory.release(memory.allocate(64, 64));
      long reserved = memory.reservedBytes();
      for (int i = 0; i < 10; i++) {
        memory.release(memory.allocate(64, 64));
      }
      assertEquals(reserved, memory.reservedBytes());
      assertEquals(0, memory.liveTensors());
      assertEquals(0, memory.bytes());
      assertEquals(4 * 64 * 64, memory.peakBytes());
      memory.trim();
      assertEquals(0, memory.reservedBytes());
    }
  }

  @Test
  void aTensorLivesUntilItsLastOwnerReleasesIt() {
    try (CachingMemory memory = new CachingMemory()) {
      Tensor x = memory.allocate(2, 3);
      Tensor view = x.view(6);
      memory.retain(view);
      memory.release(x);
      assertEquals(1, memory.liveTensors());
      view.set(new float[] {1, 2, 3, 4, 5, 6});
      memory.release(view);
      assertEquals(0, memory.liveTensors());
      assertThrows(IllegalStateException.class, view::data);
      assertThrows(IllegalStateException.class, x::data);
      assertThrows(IllegalArgumentException.class, () -> memory.release(x), "released twice");
    }
  }

  @Test
  void tensorsOfOthersAndAfterTheEndAreRefused() {
    CachingMemory memory = new CachingMemory();
    Tensor x = memory.allocate(5);
    try (CachingMemory other = new CachingMemory()) {
      assertThrows(IllegalArgumentException.class, () -> other.release(x));
      assertThrows(IllegalArgumentException.class, () -> other.retain(x));
    }
    memory.close();
    assertThrows(IllegalStateException.class, x::data);
  }
}
