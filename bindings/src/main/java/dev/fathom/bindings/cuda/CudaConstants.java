package dev.fathom.bindings.cuda;

/** The numbers of cuda.h that are used, under its names without their CU prefix. */
public final class CudaConstants {

  /** Bytes of shared memory that a block has without asking for more. */
  public static final int DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK = 8;

  /** Multiprocessors. */
  public static final int DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT = 16;

  /** Bytes of second-level cache. */
  public static final int DEVICE_ATTRIBUTE_L2_CACHE_SIZE = 38;

  /** The compute capability's first number. */
  public static final int DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR = 75;

  /** The compute capability's second number. */
  public static final int DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR = 76;

  /** Bytes of shared memory of a multiprocessor. */
  public static final int DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR = 81;

  /** Bytes of shared memory that a kernel can ask for. */
  public static final int DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN = 97;

  /** Whether stream-ordered allocation works. */
  public static final int DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED = 115;

  /** Most threads of a block that the kernel's registers allow. */
  public static final int FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK = 0;

  /** Bytes of static shared memory. */
  public static final int FUNC_ATTRIBUTE_SHARED_SIZE_BYTES = 1;

  /** Bytes of local memory of a thread: stack and spilled registers. */
  public static final int FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES = 3;

  /** Registers of a thread. */
  public static final int FUNC_ATTRIBUTE_NUM_REGS = 4;

  /** Bytes of dynamic shared memory that a launch may ask for. */
  public static final int FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES = 8;

  /** Bytes that a pool keeps when a stream is synchronised. */
  public static final int MEMPOOL_ATTR_RELEASE_THRESHOLD = 4;

  /** Bytes that a pool holds of the device. */
  public static final int MEMPOOL_ATTR_RESERVED_MEM_CURRENT = 5;

  /** Bytes that a pool has given out. */
  public static final int MEMPOOL_ATTR_USED_MEM_CURRENT = 7;

  /** The most bytes that a pool has given out; can be set to 0. */
  public static final int MEMPOOL_ATTR_USED_MEM_HIGH = 8;

  /** Page-locked for every context. */
  public static final int MEMHOSTALLOC_PORTABLE = 1;

  /** A stream that does not wait for the default stream. */
  public static final int STREAM_NON_BLOCKING = 1;

  /** An event that only orders. */
  public static final int EVENT_DISABLE_TIMING = 2;

  /** Calls of other threads do not disturb a capture. */
  public static final int STREAM_CAPTURE_MODE_THREAD_LOCAL = 1;

  /** Blocks of a cluster. */
  public static final int LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION = 4;

  /** A kernel may start before the one ahead has ended. */
  public static final int LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION = 6;

  private CudaConstants() {}
}
