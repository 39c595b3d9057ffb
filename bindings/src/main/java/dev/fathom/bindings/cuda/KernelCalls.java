package dev.fathom.bindings.cuda;

import static dev.fathom.bindings.cuda.CudaSymbols.INT;
import static dev.fathom.bindings.cuda.CudaSymbols.LONG;
import static dev.fathom.bindings.cuda.CudaSymbols.POINTER;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/** Downcalls of the driver API: modules, kernels, tensor maps. Each returns a CUresult. */
final class KernelCalls {

  private static final MethodHandle MODULE_LOAD_DATA =
      CudaSymbols.handle("cuModuleLoadData", POINTER, POINTER);
  private static final MethodHandle MODULE_UNLOAD = CudaSymbols.handle("cuModuleUnload", LONG);
  private static final MethodHandle MODULE_GET_FUNCTION =
      CudaSymbols.handle("cuModuleGetFunction", POINTER, LONG, POINTER);
  private static final MethodHandle FUNC_GET_ATTRIBUTE =
      CudaSymbols.handle("cuFuncGetAttribute", POINTER, INT, LONG);
  private static final MethodHandle FUNC_SET_ATTRIBUTE =
      CudaSymbols.handle("cuFuncSetAttribute", LONG, INT, INT);
  private static final MethodHandle OCCUPANCY_MAX_ACTIVE_BLOCKS_PER_MULTIPROCESSOR =
      CudaSymbols.handle("cuOccupancyMaxActiveBlocksPerMultiprocessor", POINTER, LONG, INT, LONG);
  private static final MethodHandle LAUNCH_KERNEL =
      CudaSymbols.handle(
          "cuLaunchKernel", LONG, INT, INT, INT, INT, INT, INT, INT, LONG, POINTER, LONG);
  private static final MethodHandle LAUNCH_KERNEL_EX =
      CudaSymbols.handle("cuLaunchKernelEx", POINTER, LONG, POINTER, LONG);
  private static final MethodHandle TENSOR_MAP_ENCODE_TILED =
      CudaSymbols.handle(
          "cuTensorMapEncodeTiled",
          POINTER,
          INT,
          INT,
          LONG,
          POINTER,
          POINTER,
          POINTER,
          POINTER,
          INT,
          INT,
          INT,
          INT);

  private KernelCalls() {}

  static int moduleLoadData(MemorySegment module, MemorySegment image) {
    try {
      return (int) MODULE_LOAD_DATA.invokeExact(module, image);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int moduleUnload(long module) {
    try {
      return (int) MODULE_UNLOAD.invokeExact(module);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int moduleGetFunction(MemorySegment function, long module, MemorySegment name) {
    try {
      return (int) MODULE_GET_FUNCTION.invokeExact(function, module, name);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int funcGetAttribute(MemorySegment value, int attribute, long function) {
    try {
      return (int) FUNC_GET_ATTRIBUTE.invokeExact(value, attribute, function);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int funcSetAttribute(long function, int attribute, int value) {
    try {
      return (int) FUNC_SET_ATTRIBUTE.invokeExact(function, attribute, value);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int occupancyMaxActiveBlocksPerMultiprocessor(
      MemorySegment blocks, long function, int blockSize, long sharedBytes) {
    try {
      return (int)
          OCCUPANCY_MAX_ACTIVE_BLOCKS_PER_MULTIPROCESSOR.invokeExact(
              blocks, function, blockSize, sharedBytes);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int launchKernel(
      long function,
      int gridX,
      int gridY,
      int gridZ,
      int blockX,
      int blockY,
      int blockZ,
      int sharedBytes,
      long stream,
      MemorySegment parameters,
      long extra) {
    try {
      return (int)
          LAUNCH_KERNEL.invokeExact(
              function,
              gridX,
              gridY,
              gridZ,
              blockX,
              blockY,
              blockZ,
              sharedBytes,
              stream,
              parameters,
              extra);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int launchKernelEx(
      MemorySegment config, long function, MemorySegment parameters, long extra) {
    try {
      return (int) LAUNCH_KERNEL_EX.invokeExact(config, function, parameters, extra);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int tensorMapEncodeTiled(
      MemorySegment map,
      int type,
      int rank,
      long address,
      MemorySegment extents,
      MemorySegment strides,
      MemorySegment box,
      MemorySegment elementStrides,
      int interleave,
      int swizzle,
      int promotion,
      int fill) {
    try {
      return (int)
          TENSOR_MAP_ENCODE_TILED.invokeExact(
              map,
              type,
              rank,
              address,
              extents,
              strides,
              box,
              elementStrides,
              interleave,
              swizzle,
              promotion,
              fill);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }
}
