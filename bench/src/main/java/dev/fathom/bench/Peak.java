package dev.fathom.bench;

import dev.fathom.bindings.CpuContext;
import dev.fathom.bindings.Native;
import dev.fathom.bindings.generated.FathomNative;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * What the machine reaches with a context's threads and instruction set.
 *
 * @param flopPerSecond float32 operations per second of a loop of multiply-adds
 * @param bytesPerSecond bytes read and written per second by a copy out of cache
 */
record Peak(double flopPerSecond, double bytesPerSecond) {

  private static final int MEASUREMENTS = 3;

  /** The best of three measurements: what disturbs one makes it slower, never faster. */
  static Peak measure(CpuContext context) {
    Peak best = new Peak(0, 0);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment flop = arena.allocate(ValueLayout.JAVA_DOUBLE);
      MemorySegment bytes = arena.allocate(ValueLayout.JAVA_DOUBLE);
      for (int i = 0; i < MEASUREMENTS; i++) {
        Native.check(FathomNative.fathom_measure(context.handle(), flop, bytes));
        best =
            best.max(
                new Peak(
                    flop.get(ValueLayout.JAVA_DOUBLE, 0), bytes.get(ValueLayout.JAVA_DOUBLE, 0)));
      }
    }
    // The copy's buffers are not part of what the operators need.
    context.trim();
    return best;
  }

  /** The larger of each rate. */
  Peak max(Peak other) {
    return new Peak(
        Math.max(flopPerSecond, other.flopPerSecond),
        Math.max(bytesPerSecond, other.bytesPerSecond));
  }
}
