package dev.fathom.bindings.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.bindings.cuda.TensorMapShape.ElementType;
import dev.fathom.bindings.cuda.TensorMapShape.Swizzle;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What is passed by value: geometry, tensor maps, errors. No driver is needed. */
class LaunchConfigTest {

  @Test
  void nothingToLaunchIsRefused() {
    assertThrows(IllegalArgumentException.class, () -> LaunchConfig.of(0, 32, 0));
    assertThrows(IllegalArgumentException.class, () -> LaunchConfig.of(1, 0, 0));
    assertThrows(IllegalArgumentException.class, () -> LaunchConfig.of(1, -1, 1, 32, 0));
    assertThrows(IllegalArgumentException.class, () -> LaunchConfig.of(1, 32, -1));
    LaunchConfig config = LaunchConfig.of(8, 32, 0);
    assertThrows(IllegalArgumentException.class, () -> config.withCluster(0, 1, 1));
  }

  @Test
  void clustersAndEarlyStartsAreNotPlain() {
    LaunchConfig plain = LaunchConfig.of(8, 2, 1, 128, 1024);
    assertTrue(plain.isPlain());
    assertFalse(plain.withCluster(2, 1, 1).isPlain());
    assertFalse(plain.withProgrammaticStart().isPlain());
    assertEquals(
        "grid 8x2x1, block 128x1x1, 1024 bytes of dynamic shared memory, cluster 2x1x1,"
            + " programmatic start",
        plain.withCluster(2, 1, 1).withProgrammaticStart().toString());
  }

  @Test
  void theStructIsTheDrivers() {
    CallMemory memory = CallMemory.ofThread();
    LaunchConfig config =
        LaunchConfig.of(1, 2, 3, 4, 5, 6, 7).withCluster(8, 9, 10).withProgrammaticStart();
    MemorySegment struct = memory.configure(config, 0x1234L);
    for (int i = 0; i < 7; i++) {
      assertEquals(i + 1, struct.getAtIndex(ValueLayout.JAVA_INT, i));
    }
    assertEquals(0x1234L, struct.get(ValueLayout.JAVA_LONG, 32));
    assertEquals(2, struct.get(ValueLayout.JAVA_INT, 48));
    MemorySegment attributes =
        MemorySegment.ofAddress(struct.get(ValueLayout.JAVA_LONG, 40)).reinterpret(144);
    int[] ints = attributes.toArray(ValueLayout.JAVA_INT);
    assertArrayEquals(
        new int[] {4, 8, 9, 10, 6, 1},
        new int[] {ints[0], ints[2], ints[3], ints[4], ints[18], ints[20]});
    memory.configure(LaunchConfig.of(1, 1, 0), 0);
    assertEquals(0, struct.get(ValueLayout.JAVA_INT, 48));
  }

  private static TensorMapShape map(long address, long stride, int boxRow, Swizzle swizzle) {
    return new TensorMapShape(
        ElementType.BFLOAT16,
        address,
        new long[] {384, 100},
        new long[] {stride},
        new int[] {boxRow, 64},
        swizzle);
  }

  @ParameterizedTest
  @CsvSource({
    "8, 768, 64, BYTES_128, address",
    "256, 760, 64, BYTES_128, strides",
    "256, 768, 12, NONE, multiples of 16",
    "256, 768, 72, BYTES_128, swizzle",
    "256, 768, 40, BYTES_64, swizzle",
    "256, 768, 264, NONE, 1 to 256",
    "256, 768, 0, NONE, 1 to 256",
  })
  void aTensorMapThatCannotBeIsRefused(
      long address, long stride, int boxRow, Swizzle swizzle, String why) {
    IllegalArgumentException e =
        assertThrows(IllegalArgumentException.class, () -> map(address, stride, boxRow, swizzle));
    assertTrue(String.valueOf(e.getMessage()).contains(why), e.getMessage());
    assertEquals(2, map(256, 768, 64, Swizzle.BYTES_128).rank());
  }

  @Test
  void ranksAgree() {
    assertThrows(
        IllegalArgumentException.class,
        () ->
            new TensorMapShape(
                ElementType.FLOAT32,
                0,
                new long[] {4},
                new long[] {16},
                new int[] {4},
                Swizzle.NONE));
  }

  @ParameterizedTest
  @CsvSource({"1, false", "2, false", "201, false", "700, true", "719, true", "999, false"})
  void someErrorsLoseTheContext(int code, boolean lost) {
    CudaException e = new CudaException("cuCtxSynchronize", code, "NAME", "what it means");
    assertEquals(lost, e.isContextLost());
    assertEquals("cuCtxSynchronize: NAME (what it means)", e.getMessage());
    CudaException larger = e.of("more");
    assertEquals("more: NAME (what it means)", larger.getMessage());
    assertEquals(e, larger.getCause());
    assertEquals(code, larger.code());
  }
}
