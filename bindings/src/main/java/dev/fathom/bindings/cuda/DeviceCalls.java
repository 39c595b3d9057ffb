package dev.fathom.bindings.cuda;

import static dev.fathom.bindings.cuda.CudaSymbols.INT;
import static dev.fathom.bindings.cuda.CudaSymbols.LONG;
import static dev.fathom.bindings.cuda.CudaSymbols.POINTER;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/** Downcalls of the driver API: driver, devices, contexts, errors. Each returns a CUresult. */
final class DeviceCalls {

  private static final MethodHandle INIT = CudaSymbols.handle("cuInit", INT);
  private static final MethodHandle DRIVER_GET_VERSION =
      CudaSymbols.handle("cuDriverGetVersion", POINTER);
  private static final MethodHandle DEVICE_GET_COUNT =
      CudaSymbols.handle("cuDeviceGetCount", POINTER);
  private static final MethodHandle DEVICE_GET = CudaSymbols.handle("cuDeviceGet", POINTER, INT);
  private static final MethodHandle DEVICE_GET_NAME =
      CudaSymbols.handle("cuDeviceGetName", POINTER, INT, INT);
  private static final MethodHandle DEVICE_GET_ATTRIBUTE =
      CudaSymbols.handle("cuDeviceGetAttribute", POINTER, INT, INT);
  private static final MethodHandle DEVICE_TOTAL_MEM =
      CudaSymbols.handle("cuDeviceTotalMem_v2", POINTER, INT);
  private static final MethodHandle DEVICE_PRIMARY_CTX_RETAIN =
      CudaSymbols.handle("cuDevicePrimaryCtxRetain", POINTER, INT);
  private static final MethodHandle DEVICE_PRIMARY_CTX_RELEASE =
      CudaSymbols.handle("cuDevicePrimaryCtxRelease_v2", INT);
  private static final MethodHandle CTX_SET_CURRENT = CudaSymbols.handle("cuCtxSetCurrent", LONG);
  private static final MethodHandle CTX_GET_CURRENT =
      CudaSymbols.handle("cuCtxGetCurrent", POINTER);
  private static final MethodHandle CTX_SYNCHRONIZE = CudaSymbols.handle("cuCtxSynchronize");
  private static final MethodHandle GET_ERROR_NAME =
      CudaSymbols.handle("cuGetErrorName", INT, POINTER);
  private static final MethodHandle GET_ERROR_STRING =
      CudaSymbols.handle("cuGetErrorString", INT, POINTER);

  private DeviceCalls() {}

  static int init(int flags) {
    try {
      return (int) INIT.invokeExact(flags);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int driverGetVersion(MemorySegment version) {
    try {
      return (int) DRIVER_GET_VERSION.invokeExact(version);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int deviceGetCount(MemorySegment count) {
    try {
      return (int) DEVICE_GET_COUNT.invokeExact(count);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int deviceGet(MemorySegment device, int ordinal) {
    try {
      return (int) DEVICE_GET.invokeExact(device, ordinal);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int deviceGetName(MemorySegment name, int length, int device) {
    try {
      return (int) DEVICE_GET_NAME.invokeExact(name, length, device);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int deviceGetAttribute(MemorySegment value, int attribute, int device) {
    try {
      return (int) DEVICE_GET_ATTRIBUTE.invokeExact(value, attribute, device);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int deviceTotalMem(MemorySegment bytes, int device) {
    try {
      return (int) DEVICE_TOTAL_MEM.invokeExact(bytes, device);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int devicePrimaryCtxRetain(MemorySegment context, int device) {
    try {
      return (int) DEVICE_PRIMARY_CTX_RETAIN.invokeExact(context, device);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int devicePrimaryCtxRelease(int device) {
    try {
      return (int) DEVICE_PRIMARY_CTX_RELEASE.invokeExact(device);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int ctxSetCurrent(long context) {
    try {
      return (int) CTX_SET_CURRENT.invokeExact(context);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int ctxGetCurrent(MemorySegment context) {
    try {
      return (int) CTX_GET_CURRENT.invokeExact(context);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int ctxSynchronize() {
    try {
      return (int) CTX_SYNCHRONIZE.invokeExact();
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int getErrorName(int code, MemorySegment text) {
    try {
      return (int) GET_ERROR_NAME.invokeExact(code, text);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int getErrorString(int code, MemorySegment text) {
    try {
      return (int) GET_ERROR_STRING.invokeExact(code, text);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }
}
