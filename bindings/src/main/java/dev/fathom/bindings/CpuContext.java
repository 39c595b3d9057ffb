package dev.fathom.bindings;

import dev.fathom.bindings.generated.FathomNative;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.locks.LockSupport;

/**
 * A native context: a thread pool, an instruction set and scratch memory. Any thread may use it;
 * one operator runs in it at a time, others wait.
 *
 * <p>Every operator takes {@link #handle()}. A call that has begun keeps the context alive: {@link
 * #close()} waits for it.
 */
public final class CpuContext implements AutoCloseable {

  /** The most threads that a context can have. */
  public static final int MAX_THREADS = 1024;

  private static final long RETRY_NANOS = 20_000;

  // The native object, and a view of it that is valid while the arena is open. A downcall holds
  // the arena of each address it is given, so that the arena cannot be closed under it.
  private final MemorySegment context;
  private final Arena arena = Arena.ofShared();
  private final MemorySegment handle;

  private final int threads;
  private final CpuIsa isa;
  private final LeakDetector.Tracker tracker;
  private volatile boolean closed;

  private CpuContext(MemorySegment context) {
    this.context = context;
    this.handle = MemorySegment.ofAddress(context.address()).reinterpret(arena, null);
    this.threads = FathomNative.fathom_context_threads(context);
    this.isa = CpuIsa.of(FathomNative.fathom_context_isa(context));
    this.tracker = LeakDetector.track(this);
  }

  /**
   * A context with a thread for each processor and the best instruction set.
   *
   * @throws FathomLoadException if the native library cannot be loaded
   * @throws FathomException if the threads cannot be started
   */
  public static CpuContext open() {
    int processors = Runtime.getRuntime().availableProcessors();
    return open(Math.min(processors, MAX_THREADS), CpuIsa.AUTO);
  }

  /**
   * A context.
   *
   * @param threads 1 to 1024, the caller's included
   * @param isa the instruction set
   * @throws FathomLoadException if the native library cannot be loaded
   * @throws FathomException if the number of threads is out of range, they cannot be started, or
   *     the machine lacks the instruction set
   */
  public static CpuContext open(int threads, CpuIsa isa) {
    NativeLibrary.load();
    try (Arena call = Arena.ofConfined()) {
      MemorySegment result = call.allocate(FathomNative.C_POINTER);
      Native.check(FathomNative.fathom_context_create(threads, isa.code(), result));
      return new CpuContext(result.get(FathomNative.C_POINTER, 0));
    }
  }

  /**
   * The {@code fathom_context*} to pass to a native function, at once: not to be kept.
   *
   * @throws IllegalStateException if the context is closed
   */
  public MemorySegment handle() {
    if (closed) {
      throw new IllegalStateException("the CPU context is closed");
    }
    return handle;
  }

  /** Threads that an operator runs on, the caller's included. */
  public int threads() {
    return threads;
  }

  /** The instruction set; never AUTO. */
  public CpuIsa isa() {
    return isa;
  }

  /**
   * Bytes of scratch memory held now.
   *
   * @throws IllegalStateException if the context is closed
   */
  public long scratchBytes() {
    return FathomNative.fathom_context_scratch_bytes(handle());
  }

  /**
   * Gives the scratch memory back to the system; the next operator takes what it needs again.
   *
   * @throws IllegalStateException if the context is closed
   */
  public void trim() {
    FathomNative.fathom_context_trim(handle());
  }

  /** Whether it has not been closed. */
  public boolean isOpen() {
    return !closed;
  }

  /**
   * Waits for the calls that have begun, stops the threads and frees the memory. Later calls, also
   * from other threads, do nothing but wait for the first.
   */
  @Override
  public synchronized void close() {
    if (closed) {
      return;
    }
    closed = true;
    while (!tryCloseArena()) {
      // Blocks while an operator runs; a caller just before or after one is waited for here.
      FathomNative.fathom_context_trim(context);
      LockSupport.parkNanos(RETRY_NANOS);
    }
    tracker.closed();
    FathomNative.fathom_context_destroy(context);
  }

  /** Closes the arena unless a call holds it. */
  private boolean tryCloseArena() {
    try {
      arena.close();
      return true;
    } catch (IllegalStateException e) {
      return false;
    }
  }
}
