package dev.fathom.bindings.cuda;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What every implementation of the driver must do, call by call, on the emulator. */
abstract class CudaDriverContract {

  private static final int BYTES = 1000;

  private final Arena arena = Arena.ofConfined();
  private CudaDriver driver;
  private int device;
  private long context;

  /** The implementation. */
  abstract CudaDriver open() throws Exception;

  @BeforeEach
  void begin() throws Throwable {
    Emulator.library();
    driver = open();
    driver.init();
    Emulator.delayWork();
    device = driver.deviceGet(0);
    context = driver.devicePrimaryCtxRetain(device);
    driver.ctxSetCurrent(context);
  }

  @AfterEach
  void end() {
    if (driver != null) {
      driver.ctxSetCurrent(0);
      driver.devicePrimaryCtxRelease(device);
    }
    arena.close();
  }

  private static void assertFails(int code, String function, Runnable call) {
    CudaException e = assertThrows(CudaException.class, call::run);
    assertEquals(code, e.code(), e.getMessage());
    assertEquals(function, e.operation());
    assertTrue(e.getMessage().startsWith(function + ": " + e.errorName() + " ("), e.getMessage());
  }

  private MemorySegment bytes(int seed) {
    MemorySegment segment = arena.allocate(BYTES);
    for (int i = 0; i < BYTES; i++) {
      segment.set(JAVA_BYTE, i, (byte) (seed + 7 * i));
    }
    return segment;
  }

  @Test
  void theDeviceIsDescribed() {
    assertTrue(driver.driverGetVersion() >= 12_000);
    assertEquals(1, driver.deviceGetCount());
    assertTrue(driver.deviceGetName(device).contains("emulator"));
    CudaDevice found = CudaDevice.of(driver, 0);
    assertTrue(found.capability() >= CudaDevice.MINIMUM_CAPABILITY);
    assertTrue(found.multiprocessors() > 0);
    assertTrue(found.sharedBytesPerBlock() > 48 * 1024);
    assertEquals(driver.memGetInfo().total(), found.memoryBytes());
    assertTrue(found.hasMemoryPools());
    assertTrue(found.toString().startsWith(found.name() + " (compute capability "));
    assertFails(101, "cuDeviceGet", () -> driver.deviceGet(7));
  }

  @Test
  void contextsAreOfTheThread() throws Exception {
    assertEquals(context, driver.ctxGetCurrent());
    long[] other = new long[1];
    Thread thread = new Thread(() -> other[0] = driver.ctxGetCurrent());
    thread.start();
    thread.join();
    assertEquals(0, other[0]);
    driver.ctxSetCurrent(0);
    assertEquals(0, driver.ctxGetCurrent());
    assertFails(201, "cuMemAlloc", () -> driver.memAlloc(16));
    driver.ctxSetCurrent(context);
    driver.ctxSynchronize();
  }

  @Test
  void bytesGoThereAndBack() {
    long stream = driver.streamCreate(CudaConstants.STREAM_NON_BLOCKING);
    long a = driver.memAlloc(BYTES);
    long b = driver.memAllocAsync(BYTES, stream);
    assertEquals(0, a % 256);
    MemorySegment sent = bytes(3);
    MemorySegment received = arena.allocate(BYTES);
    driver.memcpyHtoDAsync(a, sent, BYTES, stream);
    driver.memcpyDtoDAsync(b, a, BYTES, stream);
    driver.memcpyDtoHAsync(received, b, BYTES, stream);
    driver.streamSynchronize(stream);
    assertEquals(-1, sent.mismatch(received));
    driver.memsetD8Async(a + 1, (byte) 0x5a, 3, stream);
    driver.memsetD32Async(a + 8, 0x01020304, 2, stream);
    driver.memcpyDtoHAsync(received, a, BYTES, stream);
    driver.streamSynchronize(stream);
    assertEquals(sent.get(JAVA_BYTE, 0), received.get(JAVA_BYTE, 0));
    assertEquals(0x5a, received.get(JAVA_BYTE, 3));
    assertEquals(sent.get(JAVA_BYTE, 4), received.get(JAVA_BYTE, 4));
    assertEquals(0x01020304, received.get(JAVA_INT, 12));
    assertEquals(-1, sent.asSlice(16).mismatch(received.asSlice(16)));
    driver.memFreeAsync(b, stream);
    driver.memFree(a);
    driver.streamDestroy(stream);
  }

  @Test
  void hostMemoryIsChecked() {
    long a = driver.memAlloc(64);
    MemorySegment small = arena.allocate(63);
    MemorySegment heap = MemorySegment.ofArray(new byte[64]);
    MemorySegment readOnly = arena.allocate(64).asReadOnly();
    for (MemorySegment wrong : new MemorySegment[] {small, heap}) {
      assertThrows(IllegalArgumentException.class, () -> driver.memcpyHtoDAsync(a, wrong, 64, 0));
      assertThrows(IllegalArgumentException.class, () -> driver.memcpyDtoHAsync(wrong, a, 64, 0));
    }
    assertThrows(IllegalArgumentException.class, () -> driver.memcpyDtoHAsync(readOnly, a, 64, 0));
    assertThrows(IllegalArgumentException.class, () -> driver.moduleLoadData(heap));
    driver.memFree(a);
  }

  @Test
  void memoryIsAccountedFor() {
    MemoryInfo before = driver.memGetInfo();
    long a = driver.memAlloc(1 << 20);
    assertTrue(before.free() - driver.memGetInfo().free() >= 1 << 20);
    driver.memFree(a);
    assertEquals(before, driver.memGetInfo());
    assertFails(
        CudaException.OUT_OF_MEMORY, "cuMemAlloc", () -> driver.memAlloc(before.total() + 1));
    assertFails(CudaException.INVALID_VALUE, "cuMemFree", () -> driver.memFree(a));
    driver.memFree(driver.memAlloc(16));
  }

  @Test
  void poolsHaveAttributes() {
    long pool = driver.deviceGetDefaultMemPool(device);
    assertNotEquals(0, pool);
    int threshold = CudaConstants.MEMPOOL_ATTR_RELEASE_THRESHOLD;
    driver.memPoolSetAttribute(pool, threshold, 5L << 32);
    assertEquals(5L << 32, driver.memPoolGetAttribute(pool, threshold));
    driver.memPoolSetAttribute(pool, threshold, 0);
    int used = CudaConstants.MEMPOOL_ATTR_USED_MEM_CURRENT;
    long before = driver.memPoolGetAttribute(pool, used);
    long stream = driver.streamCreate(0);
    long a = driver.memAllocAsync(4096, stream);
    assertTrue(driver.memPoolGetAttribute(pool, used) >= before + 4096);
    driver.memFreeAsync(a, stream);
    driver.streamSynchronize(stream);
    driver.memPoolTrimTo(pool, 0);
    assertEquals(before, driver.memPoolGetAttribute(pool, used));
    driver.streamDestroy(stream);
  }

  @Test
  void pinnedMemoryIsTheHosts() {
    long address = driver.memHostAlloc(BYTES, CudaConstants.MEMHOSTALLOC_PORTABLE);
    MemorySegment pinned = MemorySegment.ofAddress(address).reinterpret(BYTES);
    pinned.copyFrom(bytes(5));
    long a = driver.memAlloc(BYTES);
    driver.memcpyHtoDAsync(a, pinned, BYTES, 0);
    MemorySegment received = arena.allocate(BYTES);
    driver.memcpyDtoHAsync(received, a, BYTES, 0);
    driver.ctxSynchronize();
    assertEquals(-1, pinned.mismatch(received));
    driver.memFreeHost(address);
    driver.memFree(a);
  }

  @Test
  void eventsOrderAndTime() {
    long first = driver.streamCreate(CudaConstants.STREAM_NON_BLOCKING);
    long second = driver.streamCreate(CudaConstants.STREAM_NON_BLOCKING);
    long start = driver.eventCreate(0);
    long end = driver.eventCreate(0);
    long a = driver.memAlloc(BYTES);
    MemorySegment received = arena.allocate(BYTES);
    driver.eventRecord(start, first);
    driver.memsetD8Async(a, (byte) 9, BYTES, first);
    driver.eventRecord(end, first);
    driver.streamWaitEvent(second, end);
    driver.memcpyDtoHAsync(received, a, BYTES, second);
    driver.streamSynchronize(second);
    assertEquals(9, received.get(JAVA_BYTE, BYTES - 1));
    driver.eventSynchronize(end);
    assertTrue(driver.eventQuery(end));
    assertTrue(driver.streamQuery(first));
    assertTrue(driver.eventElapsedTime(start, end) >= 0);
    long untimed = driver.eventCreate(CudaConstants.EVENT_DISABLE_TIMING);
    driver.eventRecord(untimed, first);
    driver.streamSynchronize(first);
    assertThrows(CudaException.class, () -> driver.eventElapsedTime(start, untimed));
    for (long event : new long[] {start, end, untimed}) {
      driver.eventDestroy(event);
    }
    driver.streamDestroy(first);
    driver.streamDestroy(second);
    driver.memFree(a);
  }

  @Test
  void aQueryTellsWorkFromNone() {
    long stream = driver.streamCreate(CudaConstants.STREAM_NON_BLOCKING);
    long event = driver.eventCreate(CudaConstants.EVENT_DISABLE_TIMING);
    long a = driver.memAlloc(BYTES);
    assertTrue(driver.streamQuery(stream));
    assertTrue(driver.eventQuery(event));
    driver.memsetD8Async(a, (byte) 1, BYTES, stream);
    driver.eventRecord(event, stream);
    assertFalse(driver.streamQuery(stream));
    assertFalse(driver.eventQuery(event));
    driver.streamSynchronize(stream);
    assertTrue(driver.streamQuery(stream));
    assertTrue(driver.eventQuery(event));
    driver.memFree(a);
    driver.eventDestroy(event);
    driver.streamDestroy(stream);
  }

  @Test
  void modulesHaveFunctions() throws Exception {
    long module = driver.moduleLoadData(Emulator.kernels(arena));
    long function = driver.moduleGetFunction(module, "test_axpy");
    assertEquals(
        128, driver.funcGetAttribute(CudaConstants.FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, function));
    int shared = CudaConstants.FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
    driver.funcSetAttribute(function, shared, 64 * 1024);
    assertEquals(64 * 1024, driver.funcGetAttribute(shared, function));
    assertTrue(driver.occupancyMaxActiveBlocksPerMultiprocessor(function, 128, 0) >= 1);
    assertFails(
        CudaException.NOT_FOUND,
        "cuModuleGetFunction",
        () -> driver.moduleGetFunction(module, "test_axpx"));
    assertFails(
        CudaException.INVALID_VALUE,
        "cuFuncSetAttribute",
        () -> driver.funcSetAttribute(function, shared, 1 << 30));
    driver.moduleUnload(module);
    assertFails(200, "cuModuleLoadData", () -> driver.moduleLoadData(arena.allocate(4096)));
  }

  private MemorySegment axpy(long x, long y, int n, float a) {
    MemorySegment args = arena.allocate(24, 8);
    args.set(JAVA_LONG, 0, x);
    args.set(JAVA_LONG, 8, y);
    args.set(JAVA_INT, 16, n);
    args.set(JAVA_FLOAT, 20, a);
    return args;
  }

  @Test
  void launchesPassTheStruct() throws Exception {
    long module = driver.moduleLoadData(Emulator.kernels(arena));
    long function = driver.moduleGetFunction(module, "test_axpy");
    long stream = driver.streamCreate(CudaConstants.STREAM_NON_BLOCKING);
    int n = 257;
    MemorySegment x = arena.allocate(JAVA_FLOAT, n);
    for (int i = 0; i < n; i++) {
      x.setAtIndex(JAVA_FLOAT, i, i);
    }
    long dx = driver.memAlloc(4L * n);
    long dy = driver.memAlloc(4L * n);
    driver.memcpyHtoDAsync(dx, x, 4L * n, stream);
    driver.memsetD32Async(dy, 0, n, stream);
    MemorySegment args = axpy(dx, dy, n, 2);
    driver.launchKernel(function, 3, 1, 1, 128, 1, 1, 0, stream, args);
    // The struct has been read: what is written to it now is of the next launch.
    args.set(JAVA_FLOAT, 20, 10);
    driver.launchKernelEx(function, LaunchConfig.of(3, 128, 0), stream, args);
    LaunchConfig programmatic = LaunchConfig.of(3, 128, 0).withProgrammaticStart();
    driver.launchKernelEx(function, programmatic, stream, axpy(dx, dy, n, 100));
    MemorySegment y = arena.allocate(JAVA_FLOAT, n);
    driver.memcpyDtoHAsync(y, dy, 4L * n, stream);
    driver.streamSynchronize(stream);
    for (int i = 0; i < n; i++) {
      assertEquals(112f * i, y.getAtIndex(JAVA_FLOAT, i));
    }
    assertFails(
        CudaException.INVALID_VALUE,
        "cuLaunchKernel",
        () -> driver.launchKernel(function, 1, 1, 1, 129, 1, 1, 0, stream, args));
    assertFails(
        CudaException.NOT_SUPPORTED,
        "cuLaunchKernelEx",
        () ->
            driver.launchKernelEx(
                function, LaunchConfig.of(4, 128, 0).withCluster(2, 1, 1), stream, args));
    assertThrows(
        IllegalArgumentException.class,
        () ->
            driver.launchKernel(
                function, 1, 1, 1, 1, 1, 1, 0, stream, MemorySegment.ofArray(new byte[24])));
    driver.streamDestroy(stream);
    driver.memFree(dx);
    driver.memFree(dy);
    driver.moduleUnload(module);
  }

  @Test
  void everyDimensionArrives() throws Exception {
    long module = driver.moduleLoadData(Emulator.kernels(arena));
    long function = driver.moduleGetFunction(module, "test_geometry");
    int blocks = 2 * 3 * 4;
    long seen = driver.memAlloc(12L * blocks);
    MemorySegment args = arena.allocate(8, 8);
    args.set(JAVA_LONG, 0, seen);
    MemorySegment result = arena.allocate(12L * blocks, 4);
    for (boolean extended : new boolean[] {false, true}) {
      driver.memsetD8Async(seen, (byte) 0, 12L * blocks, 0);
      if (extended) {
        driver.launchKernelEx(function, LaunchConfig.of(2, 3, 4, 5, 2, 3, 0), 0, args);
      } else {
        driver.launchKernel(function, 2, 3, 4, 5, 2, 3, 0, 0, args);
      }
      driver.memcpyDtoHAsync(result, seen, 12L * blocks, 0);
      driver.ctxSynchronize();
      for (int i = 0; i < blocks; i++) {
        assertEquals(5, result.getAtIndex(JAVA_INT, 3L * i));
        assertEquals(2, result.getAtIndex(JAVA_INT, 3L * i + 1));
        assertEquals(3, result.getAtIndex(JAVA_INT, 3L * i + 2));
      }
    }
    driver.memFree(seen);
    driver.moduleUnload(module);
  }

  @Test
  void capturedWorkRunsWhenLaunched() throws Exception {
    long module = driver.moduleLoadData(Emulator.kernels(arena));
    long function = driver.moduleGetFunction(module, "test_axpy");
    long stream = driver.streamCreate(CudaConstants.STREAM_NON_BLOCKING);
    long x = driver.memAlloc(4);
    long y = driver.memAlloc(4);
    driver.memsetD32Async(x, Float.floatToIntBits(1.5f), 1, stream);
    driver.memsetD32Async(y, 0, 1, stream);
    assertFalse(driver.streamIsCapturing(stream));
    driver.streamBeginCapture(stream, CudaConstants.STREAM_CAPTURE_MODE_THREAD_LOCAL);
    assertTrue(driver.streamIsCapturing(stream));
    driver.launchKernel(function, 1, 1, 1, 32, 1, 1, 0, stream, axpy(x, y, 1, 2));
    long graph = driver.streamEndCapture(stream);
    long exec = driver.graphInstantiate(graph, 0);
    driver.graphDestroy(graph);
    MemorySegment result = arena.allocate(4, 4);
    for (int launch = 0; launch < 3; launch++) {
      driver.graphLaunch(exec, stream);
    }
    driver.memcpyDtoHAsync(result, y, 4, stream);
    driver.streamSynchronize(stream);
    assertEquals(9f, result.get(JAVA_FLOAT, 0));
    driver.graphExecDestroy(exec);
    assertThrows(CudaException.class, () -> driver.streamEndCapture(stream));
    driver.streamDestroy(stream);
    driver.memFree(x);
    driver.memFree(y);
    driver.moduleUnload(module);
  }

  @Test
  void tensorMapsAreEncoded() {
    long tensor = driver.memAlloc(100 * 768);
    TensorMapShape shape =
        new TensorMapShape(
            TensorMapShape.ElementType.BFLOAT16,
            tensor,
            new long[] {384, 100},
            new long[] {768},
            new int[] {64, 32},
            TensorMapShape.Swizzle.BYTES_128);
    MemorySegment map = arena.allocate(128, 64);
    driver.tensorMapEncodeTiled(map, shape);
    assertTrue(map.mismatch(arena.allocate(128, 64)) >= 0, "nothing was written");
    assertThrows(
        IllegalArgumentException.class,
        () -> driver.tensorMapEncodeTiled(arena.allocate(192, 64).asSlice(16), shape));
    assertThrows(
        IllegalArgumentException.class, () -> driver.tensorMapEncodeTiled(map.asReadOnly(), shape));
    driver.memFree(tensor);
  }

  @Test
  void errorsHaveNames() {
    assertEquals("CUDA_ERROR_INVALID_VALUE", driver.getErrorName(1));
    assertFalse(driver.getErrorString(2).isBlank());
    assertEquals("CUDA error 12345", driver.getErrorName(12345));
    assertEquals("the driver has no description", driver.getErrorString(12345));
    assertFalse(driver.implementation().isBlank());
  }
}
