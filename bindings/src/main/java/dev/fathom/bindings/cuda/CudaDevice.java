package dev.fathom.bindings.cuda;

import static dev.fathom.bindings.cuda.CudaConstants.DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR;
import static dev.fathom.bindings.cuda.CudaConstants.DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR;
import static dev.fathom.bindings.cuda.CudaConstants.DEVICE_ATTRIBUTE_L2_CACHE_SIZE;
import static dev.fathom.bindings.cuda.CudaConstants.DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN;
import static dev.fathom.bindings.cuda.CudaConstants.DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR;
import static dev.fathom.bindings.cuda.CudaConstants.DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED;
import static dev.fathom.bindings.cuda.CudaConstants.DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT;

import java.util.Locale;

/**
 * A GPU.
 *
 * @param ordinal its number among the visible ones, from 0 on
 * @param handle the driver's handle
 * @param name its name
 * @param major the compute capability's first number
 * @param minor the compute capability's second number
 * @param multiprocessors multiprocessors
 * @param sharedBytesPerBlock most shared memory of a block
 * @param sharedBytesPerMultiprocessor shared memory of a multiprocessor
 * @param cacheBytes second-level cache
 * @param memoryBytes memory
 * @param hasMemoryPools whether memory can be allocated in a stream's order
 */
public record CudaDevice(
    int ordinal,
    int handle,
    String name,
    int major,
    int minor,
    int multiprocessors,
    int sharedBytesPerBlock,
    int sharedBytesPerMultiprocessor,
    int cacheBytes,
    long memoryBytes,
    boolean hasMemoryPools) {

  /** The least compute capability that the kernels run on, as {@link #capability()}. */
  public static final int MINIMUM_CAPABILITY = 80;

  /**
   * Asks the driver.
   *
   * @throws CudaException if there is no such device
   */
  static CudaDevice of(CudaDriver driver, int ordinal) {
    int handle = driver.deviceGet(ordinal);
    return new CudaDevice(
        ordinal,
        handle,
        driver.deviceGetName(handle),
        driver.deviceGetAttribute(DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, handle),
        driver.deviceGetAttribute(DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, handle),
        driver.deviceGetAttribute(DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, handle),
        driver.deviceGetAttribute(DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, handle),
        driver.deviceGetAttribute(DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR, handle),
        driver.deviceGetAttribute(DEVICE_ATTRIBUTE_L2_CACHE_SIZE, handle),
        driver.deviceTotalMem(handle),
        driver.deviceGetAttribute(DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED, handle) != 0);
  }

  /** The compute capability as one number: 80 for 8.0, 90 for 9.0. */
  public int capability() {
    return 10 * major + minor;
  }

  /** For people: name, compute capability, multiprocessors, memory. */
  @Override
  public String toString() {
    return String.format(
        Locale.ROOT,
        "%s (compute capability %d.%d, %d multiprocessors, %.1f GiB)",
        name,
        major,
        minor,
        multiprocessors,
        memoryBytes / (double) (1L << 30));
  }
}
