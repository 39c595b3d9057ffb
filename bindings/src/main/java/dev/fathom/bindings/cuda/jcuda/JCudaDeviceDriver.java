package dev.fathom.bindings.cuda.jcuda;

import dev.fathom.bindings.cuda.CheckedDriver;
import dev.fathom.bindings.cuda.CudaDriver;
import dev.fathom.bindings.cuda.MemoryInfo;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;
import java.nio.charset.StandardCharsets;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdevice;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.JCudaDriver;

/** The first half of {@link JCudaCudaDriver}: devices, contexts, memory and errors. */
abstract sealed class JCudaDeviceDriver extends CheckedDriver permits JCudaCudaDriver {

  private static final int NAME_BYTES = 256;

  /** What does the rest. */
  final CudaDriver other;

  JCudaDeviceDriver(CudaDriver other) {
    this.other = other;
  }

  // Driver and devices.

  @Override
  public void init() {
    check(JCudaDriver.cuInit(0), "cuInit");
  }

  @Override
  public int driverGetVersion() {
    int[] version = new int[1];
    check(JCudaDriver.cuDriverGetVersion(version), "cuDriverGetVersion");
    return version[0];
  }

  @Override
  public int deviceGetCount() {
    int[] count = new int[1];
    check(JCudaDriver.cuDeviceGetCount(count), "cuDeviceGetCount");
    return count[0];
  }

  @Override
  public int deviceGet(int ordinal) {
    CUdevice device = new CUdevice();
    check(JCudaDriver.cuDeviceGet(device, ordinal), "cuDeviceGet");
    return (int) Handles.number(device);
  }

  @Override
  public String deviceGetName(int device) {
    byte[] name = new byte[NAME_BYTES];
    check(
        JCudaDriver.cuDeviceGetName(name, name.length, Handles.device(device)), "cuDeviceGetName");
    int length = 0;
    while (length < name.length && name[length] != 0) {
      length++;
    }
    return new String(name, 0, length, StandardCharsets.UTF_8);
  }

  @Override
  public int deviceGetAttribute(int attribute, int device) {
    int[] value = new int[1];
    check(
        JCudaDriver.cuDeviceGetAttribute(value, attribute, Handles.device(device)),
        "cuDeviceGetAttribute");
    return value[0];
  }

  @Override
  public long deviceTotalMem(int device) {
    long[] bytes = new long[1];
    check(JCudaDriver.cuDeviceTotalMem(bytes, Handles.device(device)), "cuDeviceTotalMem");
    return bytes[0];
  }

  // Contexts.

  @Override
  public long devicePrimaryCtxRetain(int device) {
    CUcontext context = new CUcontext();
    check(
        JCudaDriver.cuDevicePrimaryCtxRetain(context, Handles.device(device)),
        "cuDevicePrimaryCtxRetain");
    return Handles.number(context);
  }

  @Override
  public void devicePrimaryCtxRelease(int device) {
    check(
        JCudaDriver.cuDevicePrimaryCtxRelease(Handles.device(device)), "cuDevicePrimaryCtxRelease");
  }

  @Override
  public void ctxSetCurrent(long context) {
    check(JCudaDriver.cuCtxSetCurrent(Handles.set(new CUcontext(), context)), "cuCtxSetCurrent");
  }

  @Override
  public long ctxGetCurrent() {
    CUcontext context = new CUcontext();
    check(JCudaDriver.cuCtxGetCurrent(context), "cuCtxGetCurrent");
    return Handles.number(context);
  }

  @Override
  public void ctxSynchronize() {
    check(JCudaDriver.cuCtxSynchronize(), "cuCtxSynchronize");
  }

  // Memory.

  @Override
  public MemoryInfo memGetInfo() {
    long[] free = new long[1];
    long[] total = new long[1];
    check(JCudaDriver.cuMemGetInfo(free, total), "cuMemGetInfo");
    return new MemoryInfo(free[0], total[0]);
  }

  @Override
  public long memAlloc(long bytes) {
    CUdeviceptr address = new CUdeviceptr();
    check(JCudaDriver.cuMemAlloc(address, bytes), "cuMemAlloc");
    return Handles.number(address);
  }

  @Override
  public void memFree(long address) {
    check(JCudaDriver.cuMemFree(Handles.deviceMemory(address)), "cuMemFree");
  }

  @Override
  public long memAllocAsync(long bytes, long stream) {
    CUdeviceptr address = new CUdeviceptr();
    check(JCudaDriver.cuMemAllocAsync(address, bytes, Handles.stream(stream)), "cuMemAllocAsync");
    return Handles.number(address);
  }

  @Override
  public void memFreeAsync(long address, long stream) {
    check(
        JCudaDriver.cuMemFreeAsync(Handles.deviceMemory(address), Handles.stream(stream)),
        "cuMemFreeAsync");
  }

  @Override
  public long deviceGetDefaultMemPool(int device) {
    return other.deviceGetDefaultMemPool(device);
  }

  @Override
  public long memPoolGetAttribute(long pool, int attribute) {
    return other.memPoolGetAttribute(pool, attribute);
  }

  @Override
  public void memPoolSetAttribute(long pool, int attribute, long value) {
    other.memPoolSetAttribute(pool, attribute, value);
  }

  @Override
  public void memPoolTrimTo(long pool, long keepBytes) {
    check(JCudaDriver.cuMemPoolTrimTo(Handles.pool(pool), keepBytes), "cuMemPoolTrimTo");
  }

  @Override
  public long memHostAlloc(long bytes, int flags) {
    return other.memHostAlloc(bytes, flags);
  }

  @Override
  public void memFreeHost(long address) {
    other.memFreeHost(address);
  }

  @Override
  public void memcpyHtoDAsync(long destination, MemorySegment source, long bytes, long stream) {
    requireNative(source, bytes);
    try {
      check(
          JCudaDriver.cuMemcpyHtoDAsync(
              Handles.deviceMemory(destination),
              Handles.host(source),
              bytes,
              Handles.stream(stream)),
          "cuMemcpyHtoDAsync");
    } finally {
      Reference.reachabilityFence(source);
    }
  }

  @Override
  public void memcpyDtoHAsync(MemorySegment destination, long source, long bytes, long stream) {
    requireNativeWritable(destination, bytes);
    try {
      check(
          JCudaDriver.cuMemcpyDtoHAsync(
              Handles.host(destination),
              Handles.deviceMemory(source),
              bytes,
              Handles.stream(stream)),
          "cuMemcpyDtoHAsync");
    } finally {
      Reference.reachabilityFence(destination);
    }
  }

  @Override
  public void memcpyDtoDAsync(long destination, long source, long bytes, long stream) {
    check(
        JCudaDriver.cuMemcpyDtoDAsync(
            Handles.deviceMemory(destination),
            Handles.deviceMemory(source),
            bytes,
            Handles.stream(stream)),
        "cuMemcpyDtoDAsync");
  }

  @Override
  public void memsetD8Async(long destination, byte value, long count, long stream) {
    check(
        JCudaDriver.cuMemsetD8Async(
            Handles.deviceMemory(destination), value, count, Handles.stream(stream)),
        "cuMemsetD8Async");
  }

  @Override
  public void memsetD32Async(long destination, int value, long count, long stream) {
    check(
        JCudaDriver.cuMemsetD32Async(
            Handles.deviceMemory(destination), value, count, Handles.stream(stream)),
        "cuMemsetD32Async");
  }

  // Errors: the same texts whichever way the driver is called.

  @Override
  public String getErrorName(int code) {
    return other.getErrorName(code);
  }

  @Override
  public String getErrorString(int code) {
    return other.getErrorString(code);
  }
}
