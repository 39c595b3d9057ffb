package dev.fathom.bindings;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.bindings.generated.FathomNative;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;

/** The life of a native context, and native failures as exceptions. */
class CpuContextTest {

  @Test
  void itHasWhatWasAskedFor() {
    try (CpuContext context = CpuContext.open(3, CpuIsa.PORTABLE)) {
      assertEquals(3, context.threads());
      assertEquals(CpuIsa.PORTABLE, context.isa());
      assertEquals(0, context.scratchBytes());
      context.trim();
      assertEquals(3, FathomNative.fathom_context_threads(context.handle()));
      assertTrue(context.isOpen());
    }
  }

  @Test
  void theDefaultIsAllProcessorsAndTheBestInstructionSet() {
    try (CpuContext context = CpuContext.open()) {
      assertEquals(Runtime.getRuntime().availableProcessors(), context.threads());
      assertEquals(CpuIsa.best(), context.isa());
      assertNotEquals(CpuIsa.AUTO, context.isa());
    }
  }

  @Test
  void theNativeTextReachesJava() {
    FathomException e = assertThrows(FathomException.class, () -> CpuContext.open(0, CpuIsa.AUTO));
    assertEquals(FathomNative.FATHOM_INVALID_ARGUMENT(), e.status());
    assertEquals("context: 0 threads; 1 to 1024 are possible", e.getMessage());
    assertEquals(e.getMessage(), Native.lastError());
    assertThrows(
        FathomException.class, () -> CpuContext.open(CpuContext.MAX_THREADS + 1, CpuIsa.AUTO));
  }

  @Test
  void aStatusOfZeroIsNoFailure() {
    Native.check(FathomNative.FATHOM_OK());
    FathomException e =
        assertThrows(FathomException.class, () -> Native.check(FathomNative.FATHOM_UNSUPPORTED()));
    assertEquals(FathomNative.FATHOM_UNSUPPORTED(), e.status());
  }

  @Test
  void aFailureOfAThreadIsItsOwn() throws Exception {
    assertThrows(FathomException.class, () -> CpuContext.open(0, CpuIsa.AUTO));
    try (ExecutorService other = Executors.newSingleThreadExecutor()) {
      assertEquals("", other.submit(Native::lastError).get());
    }
  }

  @Test
  void useAfterCloseThrows() {
    CpuContext context = CpuContext.open(1, CpuIsa.AUTO);
    MemorySegment kept = context.handle();
    context.close();
    assertFalse(context.isOpen());
    assertThrows(IllegalStateException.class, context::handle);
    assertThrows(IllegalStateException.class, context::scratchBytes);
    assertThrows(IllegalStateException.class, context::trim);
    // A handle that was kept against the rules does not reach native code either.
    assertThrows(
        IllegalStateException.class, () -> FathomNative.fathom_context_scratch_bytes(kept));
    // What it was is still known.
    assertEquals(1, context.threads());
  }

  @Test
  void closeIsIdempotent() {
    CpuContext context = CpuContext.open(2, CpuIsa.AUTO);
    context.close();
    context.close();
  }

  @Test
  void closeIsSafeAmidCallsAndOtherCloses() throws Exception {
    int callers = 3;
    for (int round = 0; round < 30; round++) {
      CpuContext context = CpuContext.open(2, CpuIsa.AUTO);
      CountDownLatch running = new CountDownLatch(callers);
      List<Future<Integer>> calls = new ArrayList<>();
      try (ExecutorService threads = Executors.newFixedThreadPool(callers + 2)) {
        for (int i = 0; i < callers; i++) {
          calls.add(threads.submit(() -> callUntilClosed(context, running)));
        }
        running.await();
        List<Future<?>> closes =
            List.of(threads.submit(context::close), threads.submit(context::close));
        for (Future<?> close : closes) {
          close.get();
        }
        for (Future<Integer> call : calls) {
          assertTrue(call.get() > 0);
        }
      }
      assertFalse(context.isOpen());
    }
  }

  private static int callUntilClosed(CpuContext context, CountDownLatch running) {
    int calls = 0;
    try {
      while (true) {
        context.trim();
        if (calls++ == 0) {
          running.countDown();
        }
      }
    } catch (IllegalStateException e) {
      assertFalse(context.isOpen());
      return calls;
    }
  }

  @Test
  void anInterruptedThreadClosesToo() {
    CpuContext context = CpuContext.open(2, CpuIsa.AUTO);
    Thread.currentThread().interrupt();
    context.close();
    assertTrue(Thread.interrupted(), "the interrupt is kept");
  }

  @Test
  void theProcessorIsDescribed() {
    assertFalse(Native.cpuDescription().isBlank());
  }
}
