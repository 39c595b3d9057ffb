package dev.fathom.bindings.cuda;

import static dev.fathom.bindings.cuda.CudaSymbols.BYTE;
import static dev.fathom.bindings.cuda.CudaSymbols.INT;
import static dev.fathom.bindings.cuda.CudaSymbols.LONG;
import static dev.fathom.bindings.cuda.CudaSymbols.POINTER;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/** Downcalls of the driver API: memory, copies, pools. Each returns a CUresult. */
final class MemoryCalls {

  private static final MethodHandle MEM_GET_INFO =
      CudaSymbols.handle("cuMemGetInfo_v2", POINTER, POINTER);
  private static final MethodHandle MEM_ALLOC = CudaSymbols.handle("cuMemAlloc_v2", POINTER, LONG);
  private static final MethodHandle MEM_FREE = CudaSymbols.handle("cuMemFree_v2", LONG);
  private static final MethodHandle MEM_ALLOC_ASYNC =
      CudaSymbols.handle("cuMemAllocAsync", POINTER, LONG, LONG);
  private static final MethodHandle MEM_FREE_ASYNC =
      CudaSymbols.handle("cuMemFreeAsync", LONG, LONG);
  private static final MethodHandle DEVICE_GET_DEFAULT_MEM_POOL =
      CudaSymbols.handle("cuDeviceGetDefaultMemPool", POINTER, INT);
  private static final MethodHandle MEM_POOL_GET_ATTRIBUTE =
      CudaSymbols.handle("cuMemPoolGetAttribute", LONG, INT, POINTER);
  private static final MethodHandle MEM_POOL_SET_ATTRIBUTE =
      CudaSymbols.handle("cuMemPoolSetAttribute", LONG, INT, POINTER);
  private static final MethodHandle MEM_POOL_TRIM_TO =
      CudaSymbols.handle("cuMemPoolTrimTo", LONG, LONG);
  private static final MethodHandle MEM_HOST_ALLOC =
      CudaSymbols.handle("cuMemHostAlloc", POINTER, LONG, INT);
  private static final MethodHandle MEM_FREE_HOST = CudaSymbols.handle("cuMemFreeHost", LONG);
  private static final MethodHandle MEMCPY_HTOD_ASYNC =
      CudaSymbols.handle("cuMemcpyHtoDAsync_v2", LONG, POINTER, LONG, LONG);
  private static final MethodHandle MEMCPY_DTOH_ASYNC =
      CudaSymbols.handle("cuMemcpyDtoHAsync_v2", POINTER, LONG, LONG, LONG);
  private static final MethodHandle MEMCPY_DTOD_ASYNC =
      CudaSymbols.handle("cuMemcpyDtoDAsync_v2", LONG, LONG, LONG, LONG);
  private static final MethodHandle MEMSET_D8_ASYNC =
      CudaSymbols.handle("cuMemsetD8Async", LONG, BYTE, LONG, LONG);
  private static final MethodHandle MEMSET_D32_ASYNC =
      CudaSymbols.handle("cuMemsetD32Async", LONG, INT, LONG, LONG);

  private MemoryCalls() {}

  static int memGetInfo(MemorySegment free, MemorySegment total) {
    try {
      return (int) MEM_GET_INFO.invokeExact(free, total);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int memAlloc(MemorySegment address, long bytes) {
    try {
      return (int) MEM_ALLOC.invokeExact(address, bytes);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int memFree(long address) {
    try {
      return (int) MEM_FREE.invokeExact(address);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int memAllocAsync(MemorySegment address, long bytes, long stream) {
    try {
      return (int) MEM_ALLOC_ASYNC.invokeExact(address, bytes, stream);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int memFreeAsync(long address, long stream) {
    try {
      return (int) MEM_FREE_ASYNC.invokeExact(address, stream);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int deviceGetDefaultMemPool(MemorySegment pool, int device) {
    try {
      return (int) DEVICE_GET_DEFAULT_MEM_POOL.invokeExact(pool, device);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int memPoolGetAttribute(long pool, int attribute, MemorySegment value) {
    try {
      return (int) MEM_POOL_GET_ATTRIBUTE.invokeExact(pool, attribute, value);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int memPoolSetAttribute(long pool, int attribute, MemorySegment value) {
    try {
      return (int) MEM_POOL_SET_ATTRIBUTE.invokeExact(pool, attribute, value);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int memPoolTrimTo(long pool, long keepBytes) {
    try {
      return (int) MEM_POOL_TRIM_TO.invokeExact(pool, keepBytes);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int memHostAlloc(MemorySegment address, long bytes, int flags) {
    try {
      return (int) MEM_HOST_ALLOC.invokeExact(address, bytes, flags);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int memFreeHost(long address) {
    try {
      return (int) MEM_FREE_HOST.invokeExact(address);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int memcpyHtoDAsync(long destination, MemorySegment source, long bytes, long stream) {
    try {
      return (int) MEMCPY_HTOD_ASYNC.invokeExact(destination, source, bytes, stream);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int memcpyDtoHAsync(MemorySegment destination, long source, long bytes, long stream) {
    try {
      return (int) MEMCPY_DTOH_ASYNC.invokeExact(destination, source, bytes, stream);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int memcpyDtoDAsync(long destination, long source, long bytes, long stream) {
    try {
      return (int) MEMCPY_DTOD_ASYNC.invokeExact(destination, source, bytes, stream);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int memsetD8Async(long destination, byte value, long count, long stream) {
    try {
      return (int) MEMSET_D8_ASYNC.invokeExact(destination, value, count, stream);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int memsetD32Async(long destination, int value, long count, long stream) {
    try {
      return (int) MEMSET_D32_ASYNC.invokeExact(destination, value, count, stream);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }
}
