package dev.fathom.bindings.cuda;

import java.lang.foreign.MemorySegment;

/**
 * A kernel that takes one struct by value, as all of Fathom's do. It lives as long as its module.
 *
 * {@snippet :
 * MemorySegment args = Native.arguments(fathom_cuda_swiglu_args.layout());
 * fathom_cuda_swiglu_args.x(args, x.address());
 * // ... the other fields ...
 * kernel.launch(stream, config, args);
 * }
 */
public final class CudaKernel {

  /** Shared memory of a block, static and dynamic, that needs no permission. */
  private static final int SHARED_WITHOUT_ASKING = 48 * 1024;

  private final CudaModule module;
  private final String name;
  private final long function;
  private final int staticSharedBytes;
  private final int registers;
  private final int localBytes;
  private final int maxThreads;

  /** Dynamic shared memory that launches may ask for so far. */
  private volatile int allowedSharedBytes;

  CudaKernel(CudaModule module, String name, long function) {
    this.module = module;
    this.name = name;
    this.function = function;
    this.staticSharedBytes = attribute(CudaConstants.FUNC_ATTRIBUTE_SHARED_SIZE_BYTES);
    this.registers = attribute(CudaConstants.FUNC_ATTRIBUTE_NUM_REGS);
    this.localBytes = attribute(CudaConstants.FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES);
    this.maxThreads = attribute(CudaConstants.FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK);
    this.allowedSharedBytes = SHARED_WITHOUT_ASKING - staticSharedBytes;
  }

  private int attribute(int attribute) {
    return module.driver().funcGetAttribute(attribute, function);
  }

  /** Its name in the module. */
  public String name() {
    return name;
  }

  /** Registers of a thread. */
  public int registers() {
    return registers;
  }

  /** Bytes of local memory of a thread: more than 0 means a stack frame or spilled registers. */
  public int localBytes() {
    return localBytes;
  }

  /** Bytes of static shared memory of a block. */
  public int staticSharedBytes() {
    return staticSharedBytes;
  }

  /** The most threads that a block may have. */
  public int maxThreadsPerBlock() {
    return maxThreads;
  }

  /**
   * How many blocks run on a multiprocessor at a time.
   *
   * @param blockThreads threads of a block
   * @param sharedBytes dynamic shared memory of a block
   */
  public int maxActiveBlocks(int blockThreads, int sharedBytes) {
    CudaDriver driver = module.driver();
    allow(driver, sharedBytes);
    return driver.occupancyMaxActiveBlocksPerMultiprocessor(function, blockThreads, sharedBytes);
  }

  /**
   * Gives the kernel to a stream. The arguments have been read on return. Allocates nothing after a
   * thread's first launch.
   *
   * @param arguments native memory that begins with the kernel's struct
   * @throws CudaException if the driver refuses; the message says the kernel and the geometry. What
   *     goes wrong while it runs is told by a later call
   */
  public void launch(CudaStream stream, LaunchConfig config, MemorySegment arguments) {
    if (config.isPlain()) {
      launch(
          stream,
          config.gridX(),
          config.gridY(),
          config.gridZ(),
          config.blockX(),
          config.blockY(),
          config.blockZ(),
          config.sharedBytes(),
          arguments);
      return;
    }
    CudaDriver driver = module.driver();
    try {
      allow(driver, config.sharedBytes());
      driver.launchKernelEx(function, config, stream.handle(), arguments);
    } catch (CudaException e) {
      throw e.of("launch of " + name + ", " + config);
    }
  }

  /**
   * The same without a {@link LaunchConfig}, for geometry that differs from launch to launch.
   *
   * @throws CudaException as the other
   */
  public void launch(
      CudaStream stream,
      int gridX,
      int gridY,
      int gridZ,
      int blockX,
      int blockY,
      int blockZ,
      int sharedBytes,
      MemorySegment arguments) {
    CudaDriver driver = module.driver();
    try {
      allow(driver, sharedBytes);
      driver.launchKernel(
          function,
          gridX,
          gridY,
          gridZ,
          blockX,
          blockY,
          blockZ,
          sharedBytes,
          stream.handle(),
          arguments);
    } catch (CudaException e) {
      throw e.of(
          "launch of "
              + name
              + ", "
              + LaunchConfig.describe(gridX, gridY, gridZ, blockX, blockY, blockZ, sharedBytes));
    }
  }

  /** Raises the kernel's limit of dynamic shared memory to this, once. */
  private void allow(CudaDriver driver, int sharedBytes) {
    if (sharedBytes > allowedSharedBytes) {
      raise(driver, sharedBytes);
    }
  }

  private synchronized void raise(CudaDriver driver, int sharedBytes) {
    if (sharedBytes > allowedSharedBytes) {
      driver.funcSetAttribute(
          function, CudaConstants.FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, sharedBytes);
      allowedSharedBytes = sharedBytes;
    }
  }

  @Override
  public String toString() {
    return name
        + ": "
        + registers
        + " registers, "
        + localBytes
        + " bytes of local memory, "
        + staticSharedBytes
        + " bytes of static shared memory, at most "
        + maxThreads
        + " threads";
  }
}
