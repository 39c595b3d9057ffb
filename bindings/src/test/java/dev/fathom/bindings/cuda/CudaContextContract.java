package dev.fathom.bindings.cuda;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Contexts and what they own, over every implementation of the driver, on the emulator. */
abstract class CudaContextContract {

  private final Arena arena = Arena.ofShared();
  private CudaDriver driver;
  private CudaContext context;

  /** The implementation. */
  abstract CudaDriver open() throws Exception;

  @BeforeEach
  void begin() throws Throwable {
    Emulator.library();
    driver = open();
    driver.init();
    Emulator.delayWork();
    context = CudaContext.open(driver, CudaDevice.of(driver, 0));
  }

  @AfterEach
  void end() {
    if (context != null) {
      context.close();
    }
    arena.close();
  }

  private static void assertClosed(String what, Runnable use) {
    IllegalStateException e = assertThrows(IllegalStateException.class, use::run);
    assertEquals("the " + what + " is closed", e.getMessage());
  }

  private MemorySegment floats(float... values) {
    return arena.allocateFrom(JAVA_FLOAT, values);
  }

  private MemorySegment axpy(DeviceMemory x, DeviceMemory y, int n, float a) {
    MemorySegment args = arena.allocate(24, 8);
    args.set(JAVA_LONG, 0, x.address());
    args.set(JAVA_LONG, 8, y.address());
    args.set(JAVA_INT, 16, n);
    args.set(JAVA_FLOAT, 20, a);
    return args;
  }

  private CudaModule kernels() {
    try {
      return context.load(Emulator.kernels(arena));
    } catch (Exception e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void aKernelRuns() {
    CudaStream stream = context.newStream();
    DeviceMemory x = context.allocate(12);
    DeviceMemory y = stream.allocate(12);
    stream.copyToDevice(x, floats(1, 2, 3));
    stream.fill(y, (byte) 0);
    CudaKernel kernel = kernels().kernel("test_axpy");
    kernel.launch(stream, LaunchConfig.of(1, 32, 0), axpy(x, y, 3, 2));
    kernel.launch(stream, LaunchConfig.of(1, 32, 0).withProgrammaticStart(), axpy(x, y, 3, 0.5f));
    DeviceMemory z = context.allocate(16);
    stream.fillWords(z, Float.floatToIntBits(9));
    stream.copy(z, y);
    assertFalse(stream.isIdle());
    MemorySegment result = arena.allocate(16, 4);
    stream.copyToHost(result, z);
    stream.synchronize();
    assertTrue(stream.isIdle());
    assertEquals(-1, result.mismatch(floats(2.5f, 5, 7.5f, 9)));
    assertEquals("test_axpy", kernel.name());
    assertEquals(128, kernel.maxThreadsPerBlock());
    assertTrue(kernel.maxActiveBlocks(128, 0) >= 1);
    assertTrue(kernel.toString().startsWith("test_axpy: "), kernel.toString());
  }

  @Test
  void sharedMemoryBeyondTheDefaultIsAskedFor() {
    int n = 14_000;
    float[] values = new float[n];
    float[] reversed = new float[n];
    for (int i = 0; i < n; i++) {
      values[i] = i;
      reversed[n - 1 - i] = i;
    }
    CudaStream stream = context.newStream();
    DeviceMemory x = context.allocate(4L * n);
    DeviceMemory y = context.allocate(4L * n);
    stream.copyToDevice(x, floats(values));
    MemorySegment args = arena.allocate(24, 8);
    args.set(JAVA_LONG, 0, x.address());
    args.set(JAVA_LONG, 8, y.address());
    args.set(JAVA_INT, 16, n);
    CudaKernel kernel = kernels().kernel("test_reverse");
    kernel.launch(stream, LaunchConfig.of(1, 64, 4 * n), args);
    kernel.launch(stream, 1, 1, 1, 64, 1, 1, 4 * n, args);
    MemorySegment result = arena.allocate(4L * n, 4);
    stream.copyToHost(result, y);
    stream.synchronize();
    assertEquals(-1, result.mismatch(floats(reversed)));
  }

  @Test
  void aRefusedLaunchNamesKernelAndGeometry() {
    CudaStream stream = context.newStream();
    CudaKernel kernel = kernels().kernel("test_axpy");
    MemorySegment args = arena.allocate(24, 8);
    CudaException e =
        assertThrows(
            CudaException.class,
            () -> kernel.launch(stream, LaunchConfig.of(2, 1, 1, 8, 16, 2, 64), args));
    assertEquals(
        "launch of test_axpy, grid 2x1x1, block 8x16x2, 64 bytes of dynamic shared memory",
        e.operation());
    assertEquals(CudaException.INVALID_VALUE, e.code());
    assertEquals("CUDA_ERROR_INVALID_VALUE", e.errorName());
    assertTrue(e.getMessage().contains(e.errorText()), e.getMessage());
    assertFalse(e.isContextLost());
    e =
        assertThrows(
            CudaException.class,
            () -> kernel.launch(stream, LaunchConfig.of(2, 64, 0).withCluster(2, 1, 1), args));
    assertTrue(e.operation().endsWith(", cluster 2x1x1"), e.operation());
    e =
        assertThrows(
            CudaException.class, () -> kernel.launch(stream, 1, 1, 1, 1, 1, 1, 1 << 30, args));
    assertTrue(e.operation().contains("1073741824 bytes"), e.operation());
    e = assertThrows(CudaException.class, () -> kernels().kernel("test_none"));
    assertEquals("kernel test_none", e.operation());
    assertEquals(CudaException.NOT_FOUND, e.code());
    CudaModule module = kernels();
    assertSame(module.kernel("test_axpy"), module.kernel("test_axpy"));
  }

  @Test
  void launchesAllocateNothing() {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    CudaStream stream = context.newStream();
    CudaKernel kernel = kernels().kernel("test_axpy");
    DeviceMemory x = context.allocate(4);
    MemorySegment args = axpy(x, x, 0, 1);
    LaunchConfig config = LaunchConfig.of(1, 1, 0);
    int launches = 2000;
    long bytes = Long.MAX_VALUE;
    // The first rounds run in the interpreter, which makes objects that compiled code does not.
    for (int round = 0; round < 30 && bytes >= launches; round++) {
      long before = threads.getCurrentThreadAllocatedBytes();
      for (int i = 0; i < launches; i++) {
        kernel.launch(stream, config, args);
      }
      bytes = threads.getCurrentThreadAllocatedBytes() - before;
      stream.synchronize();
    }
    assertTrue(bytes < launches, bytes + " bytes in " + launches + " launches");
  }

  @Test
  void outOfMemoryIsSurvived() {
    DeviceMemory held = context.allocate(1 << 20);
    long total = context.memoryInfo().total();
    CudaStream stream = context.newStream();
    for (boolean ordered : new boolean[] {false, true}) {
      CudaOutOfMemoryException e =
          assertThrows(
              CudaOutOfMemoryException.class,
              () -> {
                if (ordered) {
                  stream.allocate(total);
                } else {
                  context.allocate(total);
                }
              });
      assertEquals(total, e.requestedBytes());
      assertEquals(1 << 20, e.inUseBytes());
      assertEquals(total, e.totalBytes());
      assertTrue(e.freeBytes() > 0 && e.freeBytes() <= total - (1 << 20));
      assertEquals(CudaException.OUT_OF_MEMORY, e.code());
      assertTrue(e.getMessage().contains("1,048,576 are in use by this context"), e.getMessage());
    }
    assertEquals(1 << 20, context.bytesInUse());
    context.allocate(1 << 20).close();
    held.close();
    assertEquals(0, context.bytesInUse());
    assertThrows(IllegalArgumentException.class, () -> context.allocate(0));
    assertThrows(IllegalArgumentException.class, () -> context.allocatePinned(-1));
  }

  @Test
  void partsOfMemoryAreBounded() {
    DeviceMemory memory = context.allocate(1000);
    DeviceMemory part = memory.slice(512, 200);
    assertEquals(memory.address() + 512, part.address());
    assertEquals(memory.address() + 522, part.slice(10, 190).address());
    assertThrows(IndexOutOfBoundsException.class, () -> part.slice(10, 191));
    assertThrows(IndexOutOfBoundsException.class, () -> memory.slice(-1, 1));
    part.close();
    assertTrue(memory.isOpen());
    CudaStream stream = context.newStream();
    MemorySegment large = arena.allocate(201);
    assertThrows(IllegalArgumentException.class, () -> stream.copyToDevice(part, large));
    assertThrows(IllegalArgumentException.class, () -> stream.copy(part, memory));
    assertThrows(
        IllegalArgumentException.class, () -> stream.copyToHost(arena.allocate(199), part));
    assertThrows(IllegalArgumentException.class, () -> stream.fillWords(memory.slice(2, 4), 1));
    memory.close();
    assertClosed("device memory", part::address);
    assertClosed("device memory", () -> stream.fill(part, (byte) 0));
    memory.close();
  }

  @Test
  void aCaptureIsLaunchedAsOne() {
    CudaStream stream = context.newStream();
    CudaStream other = context.newStream();
    DeviceMemory x = context.allocate(4);
    DeviceMemory y = context.allocate(4);
    stream.copyToDevice(x, floats(1));
    stream.fillWords(y, 0);
    stream.synchronize();
    CudaKernel kernel = kernels().kernel("test_axpy");
    MemorySegment args = axpy(x, y, 1, 3);
    CudaGraph graph =
        stream.capture(() -> {
          kernel.launch(stream, LaunchConfig.of(1, 1, 0), args);
          kernel.launch(stream, LaunchConfig.of(1, 1, 0), args);
        });
    args.set(JAVA_FLOAT, 20, 1000);
    graph.launch(stream);
    stream.synchronize();
    graph.launch(other);
    MemorySegment result = arena.allocate(4, 4);
    other.copyToHost(result, y);
    other.synchronize();
    assertEquals(12f, result.get(JAVA_FLOAT, 0));
    graph.close();
    assertClosed("graph", () -> graph.launch(stream));
  }

  @Test
  void aFailedCaptureLeavesTheStreamUsable() {
    CudaStream stream = context.newStream();
    DeviceMemory x = context.allocate(4);
    RuntimeException thrown = new RuntimeException("in between");
    RuntimeException caught =
        assertThrows(
            RuntimeException.class,
            () ->
                stream.capture(() -> {
                  stream.fillWords(x, 7);
                  throw thrown;
                }));
    assertSame(thrown, caught);
    // To wait within a capture is a mistake, which the driver tells.
    assertThrows(CudaException.class, () -> stream.capture(stream::synchronize));
    stream.fillWords(x, 8);
    MemorySegment result = arena.allocate(4, 4);
    stream.copyToHost(result, x);
    stream.synchronize();
    assertEquals(8, result.get(JAVA_INT, 0));
  }

  @Test
  void twoThreadsWorkInOneContext() throws Exception {
    CudaKernel kernel = kernels().kernel("test_axpy");
    List<Future<Float>> results = new ArrayList<>();
    for (boolean virtual : new boolean[] {false, true}) {
      try (ExecutorService threads =
          virtual ? Executors.newVirtualThreadPerTaskExecutor() : Executors.newFixedThreadPool(2)) {
        for (int i = 0; i < 4; i++) {
          float a = i;
          results.add(threads.submit(() -> sumOfTen(kernel, a)));
        }
      }
    }
    for (int i = 0; i < results.size(); i++) {
      assertEquals(10f * (i % 4), results.get(i).get());
    }
    assertEquals(0, context.bytesInUse());
  }

  private float sumOfTen(CudaKernel kernel, float a) {
    try (Arena own = Arena.ofConfined();
        CudaStream stream = context.newStream();
        DeviceMemory x = context.allocate(4);
        DeviceMemory y = stream.allocate(4)) {
      stream.fillWords(x, Float.floatToIntBits(1));
      stream.fillWords(y, 0);
      for (int i = 0; i < 10; i++) {
        kernel.launch(stream, LaunchConfig.of(1, 1, 0), axpy(x, y, 1, a));
        LockSupport.parkNanos(1000);
      }
      MemorySegment result = own.allocate(4, 4);
      stream.copyToHost(result, y);
      stream.synchronize();
      return result.get(JAVA_FLOAT, 0);
    }
  }

  @Test
  void eventsOrderStreams() {
    CudaStream first = context.newStream();
    CudaStream second = context.newStream();
    CudaEvent start = context.newEvent(true);
    CudaEvent end = context.newEvent(true);
    DeviceMemory memory = context.allocate(4);
    start.record(first);
    first.fillWords(memory, 77);
    end.record(first);
    second.waitFor(end);
    MemorySegment result = arena.allocate(4, 4);
    second.copyToHost(result, memory);
    second.synchronize();
    assertEquals(77, result.get(JAVA_INT, 0));
    end.synchronize();
    assertTrue(end.hasHappened());
    assertTrue(end.millisecondsSince(start) >= 0);
    CudaEvent untimed = context.newEvent(false);
    assertTrue(untimed.hasHappened());
  }

  @Test
  void pinnedMemoryAndThePool() {
    PinnedMemory pinned = context.allocatePinned(64);
    MemorySegment segment = pinned.segment();
    segment.fill((byte) 3);
    CudaStream stream = context.newStream();
    MemoryPool pool = context.pool();
    pool.releaseThreshold(1 << 20);
    assertEquals(1 << 20, pool.releaseThreshold());
    pool.resetPeak();
    long before = pool.usedBytes();
    DeviceMemory memory = stream.allocate(64);
    stream.copyToDevice(memory, segment);
    stream.copyToHost(segment, memory.slice(0, 32));
    assertTrue(pool.usedBytes() >= before + 64);
    memory.close();
    stream.synchronize();
    assertEquals(before, pool.usedBytes());
    assertTrue(pool.peakUsedBytes() >= before + 64);
    pool.trim(0);
    assertEquals(0, pool.reservedBytes() - pool.usedBytes());
    pool.releaseThreshold(0);
    pinned.close();
    assertClosed("page-locked memory", pinned::segment);
    assertThrows(IllegalStateException.class, () -> segment.get(JAVA_INT, 0));
  }

  @Test
  void closingTheContextClosesWhatItOwns() {
    CudaStream stream = context.newStream();
    CudaEvent event = context.newEvent(false);
    CudaModule module = kernels();
    CudaKernel kernel = module.kernel("test_axpy");
    DeviceMemory memory = context.allocate(8);
    DeviceMemory ordered = stream.allocate(8);
    PinnedMemory pinned = context.allocatePinned(8);
    stream.fill(memory, (byte) 1);
    context.close();
    context.close();
    assertFalse(context.isOpen());
    assertEquals(0, context.bytesInUse());
    assertFalse(memory.isOpen() || ordered.isOpen() || pinned.isOpen() || stream.isOpen());
    assertFalse(event.isOpen() || module.isOpen());
    assertEquals(0, driver.ctxGetCurrent());
    assertClosed("stream", stream::synchronize);
    assertClosed("event", event::synchronize);
    assertClosed("module", () -> module.kernel("test_reverse"));
    assertClosed(
        "module", () -> kernel.launch(stream, LaunchConfig.of(1, 1, 0), arena.allocate(24)));
    assertClosed("CUDA context", () -> context.allocate(1));
    assertClosed("CUDA context", context::synchronize);
    stream.close();
    memory.close();
  }

  @Test
  void theDeviceOutlivesAClosedStreamsMemory() {
    CudaStream stream = context.newStream();
    DeviceMemory memory = stream.allocate(100);
    stream.close();
    assertTrue(memory.isOpen());
    memory.close();
    assertEquals(0, context.bytesInUse());
  }
}
