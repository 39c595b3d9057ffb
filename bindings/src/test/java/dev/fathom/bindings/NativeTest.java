package dev.fathom.bindings;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.fathom.bindings.generated.fathom_linear_args;
import dev.fathom.bindings.generated.fathom_swiglu_args;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.Test;

/** The reused memory for structs of arguments. */
class NativeTest {

  @Test
  void argumentsAreZeroEachTime() {
    MemorySegment first = Native.arguments(fathom_linear_args.layout());
    first.fill((byte) -1);
    MemorySegment second = Native.arguments(fathom_linear_args.layout());
    assertEquals(first.address(), second.address());
    MemorySegment struct = second.asSlice(0, fathom_linear_args.sizeof());
    assertEquals(-1, struct.mismatch(MemorySegment.ofArray(new byte[(int) struct.byteSize()])));
  }

  @Test
  void fieldsComeBackAsTheyWereSet() {
    MemorySegment args = Native.arguments(fathom_swiglu_args.layout());
    fathom_swiglu_args.rows(args, 13);
    fathom_swiglu_args.channels(args, 1L << 40);
    fathom_swiglu_args.y(args, MemorySegment.ofAddress(4096));
    assertEquals(13, fathom_swiglu_args.rows(args));
    assertEquals(1L << 40, fathom_swiglu_args.channels(args));
    assertEquals(4096, fathom_swiglu_args.y(args).address());
    assertEquals(0, fathom_swiglu_args.x(args).address());
  }

  @Test
  void threadsHaveTheirOwn() throws Exception {
    long here = Native.arguments(fathom_swiglu_args.layout()).address();
    try (ExecutorService other = Executors.newSingleThreadExecutor()) {
      long there =
          other.submit(() -> Native.arguments(fathom_swiglu_args.layout()).address()).get();
      assertNotEquals(here, there);
    }
  }

  @Test
  void aStructThatIsTooLargeIsRefused() {
    assertThrows(
        IllegalArgumentException.class,
        () ->
            Native.arguments(
                MemoryLayout.structLayout(
                    MemoryLayout.sequenceLayout(1025, ValueLayout.JAVA_BYTE))));
  }
}
