package dev.fathom.bindings.cuda;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.ref.Reference;
import java.util.Arrays;

/** The driver through the JDK's foreign functions alone: needs libcuda.so.1 and nothing else. */
public final class PanamaCudaDriver extends PanamaDeviceDriver {

  private static final int TENSOR_MAP_BYTES = 128;
  private static final int TENSOR_MAP_ALIGNMENT = 64;
  private static final int L2_PROMOTION_128_BYTES = 2;

  /**
   * The driver.
   *
   * @throws IllegalStateException if libcuda.so.1 cannot be loaded, with the reason
   */
  public PanamaCudaDriver() {
    CudaLibrary.symbols();
  }

  @Override
  public String implementation() {
    return "the JDK's foreign functions";
  }

  // Streams and events.

  @Override
  public long streamCreate(int flags) {
    return longResult("cuStreamCreate", out -> StreamCalls.streamCreate(out, flags));
  }

  @Override
  public void streamDestroy(long stream) {
    check(StreamCalls.streamDestroy(stream), "cuStreamDestroy");
  }

  @Override
  public void streamSynchronize(long stream) {
    check(StreamCalls.streamSynchronize(stream), "cuStreamSynchronize");
  }

  @Override
  public boolean streamQuery(long stream) {
    return ended(StreamCalls.streamQuery(stream), "cuStreamQuery");
  }

  @Override
  public void streamWaitEvent(long stream, long event) {
    check(StreamCalls.streamWaitEvent(stream, event, 0), "cuStreamWaitEvent");
  }

  @Override
  public long eventCreate(int flags) {
    return longResult("cuEventCreate", out -> StreamCalls.eventCreate(out, flags));
  }

  @Override
  public void eventDestroy(long event) {
    check(StreamCalls.eventDestroy(event), "cuEventDestroy");
  }

  @Override
  public void eventRecord(long event, long stream) {
    check(StreamCalls.eventRecord(event, stream), "cuEventRecord");
  }

  @Override
  public void eventSynchronize(long event) {
    check(StreamCalls.eventSynchronize(event), "cuEventSynchronize");
  }

  @Override
  public boolean eventQuery(long event) {
    return ended(StreamCalls.eventQuery(event), "cuEventQuery");
  }

  @Override
  public float eventElapsedTime(long start, long end) {
    CallMemory memory = CallMemory.ofThread();
    check(StreamCalls.eventElapsedTime(memory.cleared(), start, end), "cuEventElapsedTime");
    return memory.out.get(ValueLayout.JAVA_FLOAT, 0);
  }

  // Modules and kernels.

  @Override
  public long moduleLoadData(MemorySegment image) {
    requireNative(image, 1);
    return longResult("cuModuleLoadData", out -> KernelCalls.moduleLoadData(out, image));
  }

  @Override
  public void moduleUnload(long module) {
    check(KernelCalls.moduleUnload(module), "cuModuleUnload");
  }

  @Override
  public long moduleGetFunction(long module, String name) {
    CallMemory memory = CallMemory.ofThread();
    try (Arena call = Arena.ofConfined()) {
      check(
          KernelCalls.moduleGetFunction(memory.cleared(), module, call.allocateFrom(name)),
          "cuModuleGetFunction");
    }
    return memory.longResult();
  }

  @Override
  public int funcGetAttribute(int attribute, long function) {
    return intResult(
        "cuFuncGetAttribute", out -> KernelCalls.funcGetAttribute(out, attribute, function));
  }

  @Override
  public void funcSetAttribute(long function, int attribute, int value) {
    check(KernelCalls.funcSetAttribute(function, attribute, value), "cuFuncSetAttribute");
  }

  @Override
  public int occupancyMaxActiveBlocksPerMultiprocessor(
      long function, int blockSize, long sharedBytes) {
    return intResult(
        "cuOccupancyMaxActiveBlocksPerMultiprocessor",
        out ->
            KernelCalls.occupancyMaxActiveBlocksPerMultiprocessor(
                out, function, blockSize, sharedBytes));
  }

  @Override
  public void launchKernel(
      long function,
      int gridX,
      int gridY,
      int gridZ,
      int blockX,
      int blockY,
      int blockZ,
      int sharedBytes,
      long stream,
      MemorySegment arguments) {
    requireNative(arguments, 0);
    MemorySegment parameters = CallMemory.ofThread().parameters(arguments);
    try {
      check(
          KernelCalls.launchKernel(
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
              0),
          "cuLaunchKernel");
    } finally {
      Reference.reachabilityFence(arguments);
    }
  }

  @Override
  public void launchKernelEx(
      long function, LaunchConfig config, long stream, MemorySegment arguments) {
    requireNative(arguments, 0);
    CallMemory memory = CallMemory.ofThread();
    MemorySegment parameters = memory.parameters(arguments);
    try {
      check(
          KernelCalls.launchKernelEx(memory.configure(config, stream), function, parameters, 0),
          "cuLaunchKernelEx");
    } finally {
      Reference.reachabilityFence(arguments);
    }
  }

  // Graphs.

  @Override
  public void streamBeginCapture(long stream, int mode) {
    check(StreamCalls.streamBeginCapture(stream, mode), "cuStreamBeginCapture");
  }

  @Override
  public long streamEndCapture(long stream) {
    return longResult("cuStreamEndCapture", out -> StreamCalls.streamEndCapture(stream, out));
  }

  @Override
  public boolean streamIsCapturing(long stream) {
    return intResult("cuStreamIsCapturing", out -> StreamCalls.streamIsCapturing(stream, out)) != 0;
  }

  @Override
  public long graphInstantiate(long graph, long flags) {
    return longResult(
        "cuGraphInstantiateWithFlags",
        out -> StreamCalls.graphInstantiateWithFlags(out, graph, flags));
  }

  @Override
  public void graphLaunch(long graphExec, long stream) {
    check(StreamCalls.graphLaunch(graphExec, stream), "cuGraphLaunch");
  }

  @Override
  public void graphExecDestroy(long graphExec) {
    check(StreamCalls.graphExecDestroy(graphExec), "cuGraphExecDestroy");
  }

  @Override
  public void graphDestroy(long graph) {
    check(StreamCalls.graphDestroy(graph), "cuGraphDestroy");
  }

  // Tensor maps.

  @Override
  public void tensorMapEncodeTiled(MemorySegment map, TensorMapShape shape) {
    requireNativeWritable(map, TENSOR_MAP_BYTES);
    if (map.address() % TENSOR_MAP_ALIGNMENT != 0) {
      throw new IllegalArgumentException("a tensor map must be aligned to 64 bytes");
    }
    int rank = shape.rank();
    int[] elementStrides = new int[rank];
    Arrays.fill(elementStrides, 1);
    try (Arena call = Arena.ofConfined()) {
      check(
          KernelCalls.tensorMapEncodeTiled(
              map,
              shape.typeCode(),
              rank,
              shape.address(),
              call.allocateFrom(ValueLayout.JAVA_LONG, shape.extents()),
              call.allocateFrom(ValueLayout.JAVA_LONG, shape.strides()),
              call.allocateFrom(ValueLayout.JAVA_INT, shape.box()),
              call.allocateFrom(ValueLayout.JAVA_INT, elementStrides),
              0,
              shape.swizzleCode(),
              L2_PROMOTION_128_BYTES,
              0),
          "cuTensorMapEncodeTiled");
    }
  }
}
