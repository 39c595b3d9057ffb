package dev.fathom.bindings.cuda;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * A thread's own native memory for the parameters of calls, allocated once: results of functions,
 * the one-element array of pointers of a launch, the launch configuration and its attributes.
 */
public final class CallMemory {

  private static final ThreadLocal<CallMemory> OF_THREAD = ThreadLocal.withInitial(CallMemory::new);

  private static final int CONFIG_BYTES = 56;
  private static final int ATTRIBUTE_BYTES = 72;
  private static final int NAME_BYTES = 256;

  /** Where a function puts its result. */
  final MemorySegment out;

  /** A second result. */
  final MemorySegment out2;

  /** A text. */
  final MemorySegment name;

  /** The array of pointers to a kernel's parameters, of which there is one. */
  private final MemorySegment parameters;

  /** CUlaunchConfig. */
  final MemorySegment config;

  /** Two CUlaunchAttribute. */
  final MemorySegment attributes;

  private CallMemory() {
    Arena arena = Arena.ofAuto();
    this.out = arena.allocate(Long.BYTES, Long.BYTES);
    this.out2 = arena.allocate(Long.BYTES, Long.BYTES);
    this.name = arena.allocate(NAME_BYTES);
    this.parameters = arena.allocate(Long.BYTES, Long.BYTES);
    this.config = arena.allocate(CONFIG_BYTES, Long.BYTES);
    this.attributes = arena.allocate(2L * ATTRIBUTE_BYTES, Long.BYTES);
  }

  /** The calling thread's. */
  public static CallMemory ofThread() {
    return OF_THREAD.get();
  }

  /** The address of {@link #parameters(MemorySegment)}, which is always the same. */
  public long parametersAddress() {
    return parameters.address();
  }

  /** The array of pointers for a kernel whose one struct is at the segment's address. */
  public MemorySegment parameters(MemorySegment struct) {
    parameters.set(ValueLayout.JAVA_LONG, 0, struct.address());
    return parameters;
  }

  /** The first result, cleared. */
  MemorySegment cleared() {
    out.set(ValueLayout.JAVA_LONG, 0, 0);
    return out;
  }

  int intResult() {
    return out.get(ValueLayout.JAVA_INT, 0);
  }

  long longResult() {
    return out.get(ValueLayout.JAVA_LONG, 0);
  }

  /**
   * Fills CUlaunchConfig.
   *
   * @return the struct
   */
  MemorySegment configure(LaunchConfig launch, long stream) {
    config.set(ValueLayout.JAVA_INT, 0, launch.gridX());
    config.set(ValueLayout.JAVA_INT, 4, launch.gridY());
    config.set(ValueLayout.JAVA_INT, 8, launch.gridZ());
    config.set(ValueLayout.JAVA_INT, 12, launch.blockX());
    config.set(ValueLayout.JAVA_INT, 16, launch.blockY());
    config.set(ValueLayout.JAVA_INT, 20, launch.blockZ());
    config.set(ValueLayout.JAVA_INT, 24, launch.sharedBytes());
    config.set(ValueLayout.JAVA_LONG, 32, stream);
    config.set(ValueLayout.JAVA_LONG, 40, attributes.address());
    int count = 0;
    if (launch.isClustered()) {
      long at = 0;
      attributes.set(ValueLayout.JAVA_INT, at, CudaConstants.LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION);
      attributes.set(ValueLayout.JAVA_INT, at + 8, launch.clusterX());
      attributes.set(ValueLayout.JAVA_INT, at + 12, launch.clusterY());
      attributes.set(ValueLayout.JAVA_INT, at + 16, launch.clusterZ());
      count++;
    }
    if (launch.programmaticStart()) {
      long at = (long) count * ATTRIBUTE_BYTES;
      attributes.set(
          ValueLayout.JAVA_INT,
          at,
          CudaConstants.LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION);
      attributes.set(ValueLayout.JAVA_INT, at + 8, 1);
      count++;
    }
    config.set(ValueLayout.JAVA_INT, 48, count);
    return config;
  }
}
