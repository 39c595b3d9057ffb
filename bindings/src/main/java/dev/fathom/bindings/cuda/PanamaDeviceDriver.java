package dev.fathom.bindings.cuda;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.function.ToIntFunction;

/** The first half of {@link PanamaCudaDriver}: devices, contexts, memory and errors. */
abstract sealed class PanamaDeviceDriver extends CheckedDriver permits PanamaCudaDriver {

  // Driver and devices.

  @Override
  public void init() {
    check(DeviceCalls.init(0), "cuInit");
  }

  @Override
  public int driverGetVersion() {
    return intResult("cuDriverGetVersion", out -> DeviceCalls.driverGetVersion(out));
  }

  @Override
  public int deviceGetCount() {
    return intResult("cuDeviceGetCount", out -> DeviceCalls.deviceGetCount(out));
  }

  @Override
  public int deviceGet(int ordinal) {
    return intResult("cuDeviceGet", out -> DeviceCalls.deviceGet(out, ordinal));
  }

  @Override
  public String deviceGetName(int device) {
    MemorySegment name = CallMemory.ofThread().name;
    check(DeviceCalls.deviceGetName(name, (int) name.byteSize(), device), "cuDeviceGetName");
    return name.getString(0);
  }

  @Override
  public int deviceGetAttribute(int attribute, int device) {
    return intResult(
        "cuDeviceGetAttribute", out -> DeviceCalls.deviceGetAttribute(out, attribute, device));
  }

  @Override
  public long deviceTotalMem(int device) {
    return longResult("cuDeviceTotalMem", out -> DeviceCalls.deviceTotalMem(out, device));
  }

  // Contexts.

  @Override
  public long devicePrimaryCtxRetain(int device) {
    return longResult(
        "cuDevicePrimaryCtxRetain", out -> DeviceCalls.devicePrimaryCtxRetain(out, device));
  }

  @Override
  public void devicePrimaryCtxRelease(int device) {
    check(DeviceCalls.devicePrimaryCtxRelease(device), "cuDevicePrimaryCtxRelease");
  }

  @Override
  public void ctxSetCurrent(long context) {
    check(DeviceCalls.ctxSetCurrent(context), "cuCtxSetCurrent");
  }

  @Override
  public long ctxGetCurrent() {
    return longResult("cuCtxGetCurrent", out -> DeviceCalls.ctxGetCurrent(out));
  }

  @Override
  public void ctxSynchronize() {
    check(DeviceCalls.ctxSynchronize(), "cuCtxSynchronize");
  }

  // Memory.

  @Override
  public MemoryInfo memGetInfo() {
    CallMemory memory = CallMemory.ofThread();
    check(MemoryCalls.memGetInfo(memory.cleared(), memory.out2), "cuMemGetInfo");
    return new MemoryInfo(memory.longResult(), memory.out2.get(ValueLayout.JAVA_LONG, 0));
  }

  @Override
  public long memAlloc(long bytes) {
    return longResult("cuMemAlloc", out -> MemoryCalls.memAlloc(out, bytes));
  }

  @Override
  public void memFree(long address) {
    check(MemoryCalls.memFree(address), "cuMemFree");
  }

  @Override
  public long memAllocAsync(long bytes, long stream) {
    return longResult("cuMemAllocAsync", out -> MemoryCalls.memAllocAsync(out, bytes, stream));
  }

  @Override
  public void memFreeAsync(long address, long stream) {
    check(MemoryCalls.memFreeAsync(address, stream), "cuMemFreeAsync");
  }

  @Override
  public long deviceGetDefaultMemPool(int device) {
    return longResult(
        "cuDeviceGetDefaultMemPool", out -> MemoryCalls.deviceGetDefaultMemPool(out, device));
  }

  @Override
  public long memPoolGetAttribute(long pool, int attribute) {
    return longResult(
        "cuMemPoolGetAttribute", out -> MemoryCalls.memPoolGetAttribute(pool, attribute, out));
  }

  @Override
  public void memPoolSetAttribute(long pool, int attribute, long value) {
    CallMemory memory = CallMemory.ofThread();
    memory.out.set(ValueLayout.JAVA_LONG, 0, value);
    check(MemoryCalls.memPoolSetAttribute(pool, attribute, memory.out), "cuMemPoolSetAttribute");
  }

  @Override
  public void memPoolTrimTo(long pool, long keepBytes) {
    check(MemoryCalls.memPoolTrimTo(pool, keepBytes), "cuMemPoolTrimTo");
  }

  @Override
  public long memHostAlloc(long bytes, int flags) {
    return longResult("cuMemHostAlloc", out -> MemoryCalls.memHostAlloc(out, bytes, flags));
  }

  @Override
  public void memFreeHost(long address) {
    check(MemoryCalls.memFreeHost(address), "cuMemFreeHost");
  }

  @Override
  public void memcpyHtoDAsync(long destination, MemorySegment source, long bytes, long stream) {
    requireNative(source, bytes);
    check(MemoryCalls.memcpyHtoDAsync(destination, source, bytes, stream), "cuMemcpyHtoDAsync");
  }

  @Override
  public void memcpyDtoHAsync(MemorySegment destination, long source, long bytes, long stream) {
    requireNativeWritable(destination, bytes);
    check(MemoryCalls.memcpyDtoHAsync(destination, source, bytes, stream), "cuMemcpyDtoHAsync");
  }

  @Override
  public void memcpyDtoDAsync(long destination, long source, long bytes, long stream) {
    check(MemoryCalls.memcpyDtoDAsync(destination, source, bytes, stream), "cuMemcpyDtoDAsync");
  }

  @Override
  public void memsetD8Async(long destination, byte value, long count, long stream) {
    check(MemoryCalls.memsetD8Async(destination, value, count, stream), "cuMemsetD8Async");
  }

  @Override
  public void memsetD32Async(long destination, int value, long count, long stream) {
    check(MemoryCalls.memsetD32Async(destination, value, count, stream), "cuMemsetD32Async");
  }

  // Errors.

  @Override
  public String getErrorName(int code) {
    CallMemory memory = CallMemory.ofThread();
    return DeviceCalls.getErrorName(code, memory.cleared()) == 0
        ? text(memory)
        : "CUDA error " + code;
  }

  @Override
  public String getErrorString(int code) {
    CallMemory memory = CallMemory.ofThread();
    return DeviceCalls.getErrorString(code, memory.cleared()) == 0
        ? text(memory)
        : "the driver has no description";
  }

  /** The number that a function leaves where its first argument points. */
  final long longResult(String function, ToIntFunction<MemorySegment> call) {
    CallMemory memory = CallMemory.ofThread();
    check(call.applyAsInt(memory.cleared()), function);
    return memory.longResult();
  }

  final int intResult(String function, ToIntFunction<MemorySegment> call) {
    return (int) longResult(function, call);
  }

  private static String text(CallMemory memory) {
    return memory.out.get(CudaSymbols.POINTER, 0).getString(0);
  }
}
