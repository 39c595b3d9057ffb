package dev.fathom.bindings.cuda;

import java.lang.foreign.MemorySegment;

/**
 * The functions of the CUDA driver that are used, one method for each, under the driver's names
 * without their prefix. What they do is NVIDIA's to say: "CUDA Driver API". Handles and device
 * addresses are {@code long}, 0 where the driver's is null; a stream of 0 is the default stream.
 * Flags and attributes are the driver's numbers, those that are used in {@link CudaConstants}.
 *
 * <p>Every method throws {@link CudaException} where the driver returns an error, and {@link
 * IllegalArgumentException} for a segment that is not native or too small. Nothing is checked
 * beyond that: a wrong handle is as dangerous as in C. {@link CudaContext} and what it gives out
 * are the safe layer above.
 *
 * <p>A call acts on the context that is current on the calling thread, except where it takes a
 * device. All methods may be called from any thread.
 */
public interface CudaDriver {

  /** Which implementation this is, for people. */
  String implementation();

  // Driver and devices.

  /** cuInit; before every other function except {@link #driverGetVersion}. */
  void init();

  /** The CUDA version that the driver supports: 1000 major + 10 minor. */
  int driverGetVersion();

  /** The number of devices. */
  int deviceGetCount();

  /** The device with this ordinal. */
  int deviceGet(int ordinal);

  /** The device's name. */
  String deviceGetName(int device);

  /** One CU_DEVICE_ATTRIBUTE_*. */
  int deviceGetAttribute(int attribute, int device);

  /** The device's memory in bytes. */
  long deviceTotalMem(int device);

  // Contexts.

  /** Takes part in the device's primary context, which is made if need be. */
  long devicePrimaryCtxRetain(int device);

  /** The reverse of {@link #devicePrimaryCtxRetain}; the last one destroys the context. */
  void devicePrimaryCtxRelease(int device);

  /** Makes a context the calling thread's; 0 for none. */
  void ctxSetCurrent(long context);

  /** The calling thread's context, 0 if it has none. */
  long ctxGetCurrent();

  /** Waits for all work of the current context. */
  void ctxSynchronize();

  // Memory.

  /** Free and total memory of the current context's device. */
  MemoryInfo memGetInfo();

  /** Device memory, aligned to at least 256 bytes. */
  long memAlloc(long bytes);

  /** Frees device memory, also that of {@link #memAllocAsync}. */
  void memFree(long address);

  /** Device memory from the device's pool, in the stream's order. */
  long memAllocAsync(long bytes, long stream);

  /** Gives memory back to its pool, in the stream's order. */
  void memFreeAsync(long address, long stream);

  /** The pool that {@link #memAllocAsync} uses. */
  long deviceGetDefaultMemPool(int device);

  /** One CU_MEMPOOL_ATTR_*. */
  long memPoolGetAttribute(long pool, int attribute);

  /** Sets one CU_MEMPOOL_ATTR_*. */
  void memPoolSetAttribute(long pool, int attribute, long value);

  /** Gives unused memory of a pool back to the system, down to so many bytes. */
  void memPoolTrimTo(long pool, long keepBytes);

  /** Page-locked memory of the host: its address. */
  long memHostAlloc(long bytes, int flags);

  /** Frees page-locked memory. */
  void memFreeHost(long address);

  /**
   * Copies from the host in the stream's order. The source must stay open and unchanged until the
   * copy has ended; the copy is asynchronous to the host only if it is page-locked.
   *
   * @param source at least so many bytes of native memory
   */
  void memcpyHtoDAsync(long destination, MemorySegment source, long bytes, long stream);

  /**
   * Copies to the host in the stream's order. The destination must stay open until the copy has
   * ended.
   *
   * @param destination at least so many bytes of native memory
   */
  void memcpyDtoHAsync(MemorySegment destination, long source, long bytes, long stream);

  /** Copies on the device in the stream's order. */
  void memcpyDtoDAsync(long destination, long source, long bytes, long stream);

  /** Sets bytes in the stream's order. */
  void memsetD8Async(long destination, byte value, long count, long stream);

  /** Sets 32-bit words in the stream's order; the address is a multiple of 4. */
  void memsetD32Async(long destination, int value, long count, long stream);

  // Streams and events.

  /** A stream. */
  long streamCreate(int flags);

  /** Destroys a stream once its work has ended; returns at once. */
  void streamDestroy(long stream);

  /** Waits for a stream's work. */
  void streamSynchronize(long stream);

  /** Whether a stream's work has ended. */
  boolean streamQuery(long stream);

  /** Makes later work of a stream wait for an event. */
  void streamWaitEvent(long stream, long event);

  /** An event. */
  long eventCreate(int flags);

  /** Destroys an event. */
  void eventDestroy(long event);

  /** Marks the point that a stream has reached. */
  void eventRecord(long event, long stream);

  /** Waits for an event. */
  void eventSynchronize(long event);

  /** Whether an event has happened; true if it was never recorded. */
  boolean eventQuery(long event);

  /** Milliseconds between two events. */
  float eventElapsedTime(long start, long end);

  // Modules and kernels.

  /** A module from a cubin, fat binary or zero-terminated PTX in native memory. */
  long moduleLoadData(MemorySegment image);

  /** Unloads a module. */
  void moduleUnload(long module);

  /** A kernel of a module. */
  long moduleGetFunction(long module, String name);

  /** One CU_FUNC_ATTRIBUTE_*. */
  int funcGetAttribute(int attribute, long function);

  /** Sets one CU_FUNC_ATTRIBUTE_*. */
  void funcSetAttribute(long function, int attribute, int value);

  /** How many blocks of a kernel run on a multiprocessor at a time. */
  int occupancyMaxActiveBlocksPerMultiprocessor(long function, int blockSize, long sharedBytes);

  /**
   * Launches a kernel that takes one struct by value. Allocates nothing after a thread's first
   * launch.
   *
   * @param arguments native memory that begins with the struct; it has been read on return
   */
  void launchKernel(
      long function,
      int gridX,
      int gridY,
      int gridZ,
      int blockX,
      int blockY,
      int blockZ,
      int sharedBytes,
      long stream,
      MemorySegment arguments);

  /**
   * {@link #launchKernel} with what only cuLaunchKernelEx can: clusters of blocks, and a start
   * before the kernel ahead has ended (programmatic dependent launch).
   *
   * @param config geometry, cluster and programmatic start
   */
  void launchKernelEx(long function, LaunchConfig config, long stream, MemorySegment arguments);

  // Graphs.

  /** Begins to note a stream's work instead of doing it; one CU_STREAM_CAPTURE_MODE_*. */
  void streamBeginCapture(long stream, int mode);

  /** Ends the capture: a graph; 0 if the capture was invalidated without an error. */
  long streamEndCapture(long stream);

  /** Whether a stream is being captured, be the capture valid or not. */
  boolean streamIsCapturing(long stream);

  /** Makes a graph launchable. */
  long graphInstantiate(long graph, long flags);

  /** Launches a graph. */
  void graphLaunch(long graphExec, long stream);

  /** Destroys a launchable graph. */
  void graphExecDestroy(long graphExec);

  /** Destroys a graph. */
  void graphDestroy(long graph);

  // Tensor maps.

  /**
   * Describes a tensor to the tensor memory accelerator of compute capability 9.0.
   *
   * @param map 128 bytes of native memory, aligned to 64: what becomes a kernel's argument
   * @param shape the tensor in device memory and the box that one copy moves
   */
  void tensorMapEncodeTiled(MemorySegment map, TensorMapShape shape);

  // Errors.

  /** The driver's name for a CUresult. */
  String getErrorName(int code);

  /** The driver's description of a CUresult. */
  String getErrorString(int code);
}
