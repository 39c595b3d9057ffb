package dev.fathom.bindings;

import dev.fathom.bindings.generated.FathomNative;
import java.lang.foreign.Arena;
import java.lang.foreign.GroupLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * What a call of a generated function needs around it.
 *
 * {@snippet :
 * MemorySegment args = Native.arguments(fathom_swiglu_args.layout());
 * fathom_swiglu_args.rows(args, rows);
 * // ... the other fields ...
 * Native.check(FathomNative.fathom_swiglu(context.handle(), args));
 * }
 */
public final class Native {

  /** More than the largest struct of the header takes. */
  private static final long ARGUMENTS_BYTES = 1024;

  private static final ThreadLocal<MemorySegment> ARGUMENTS =
      ThreadLocal.withInitial(() -> Arena.ofAuto().allocate(ARGUMENTS_BYTES, 64));

  private Native() {}

  /**
   * Does nothing for FATHOM_OK. Call it on the thread that made the native call, right after it:
   * the text of a failure belongs to the thread.
   *
   * @param status what a native function returned
   * @throws FathomException for every other status, with the native text
   */
  public static void check(int status) {
    if (status != 0) {
      throw failure(status);
    }
  }

  private static FathomException failure(int status) {
    String text = lastError();
    return new FathomException(
        status, text.isEmpty() ? "native function failed with status " + status : text);
  }

  /** The text of this thread's last native failure, "" before the first. */
  public static String lastError() {
    NativeLibrary.load();
    return FathomNative.fathom_last_error().getString(0);
  }

  /**
   * Processor and the features that dispatch looks at, for people.
   *
   * @throws FathomLoadException if the native library cannot be loaded
   */
  public static String cpuDescription() {
    NativeLibrary.load();
    return FathomNative.fathom_cpu_description().getString(0);
  }

  /**
   * Memory for one struct of arguments, all zeros, to be filled and passed at once. It is this
   * thread's own and the same each time: what an earlier call returned is overwritten. Nothing is
   * allocated after a thread's first call.
   *
   * <p>Pointers stored in it keep nothing alive: the memory they point to must stay open until the
   * native call returns.
   *
   * @param layout the struct's layout, at most 1024 bytes
   * @return a segment that begins with the struct, and may be longer
   * @throws IllegalArgumentException if the struct is larger
   */
  public static MemorySegment arguments(GroupLayout layout) {
    long bytes = layout.byteSize();
    if (bytes > ARGUMENTS_BYTES) {
      throw new IllegalArgumentException("a struct of " + bytes + " bytes: " + layout);
    }
    MemorySegment arguments = ARGUMENTS.get();
    // Not a slice that is filled: that is an object for each call.
    for (long offset = 0; offset < bytes; offset += Long.BYTES) {
      arguments.set(ValueLayout.JAVA_LONG, offset, 0);
    }
    return arguments;
  }
}
