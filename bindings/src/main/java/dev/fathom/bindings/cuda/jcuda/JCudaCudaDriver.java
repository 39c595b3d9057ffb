package dev.fathom.bindings.cuda.jcuda;

import dev.fathom.bindings.cuda.CallMemory;
import dev.fathom.bindings.cuda.CudaDriver;
import dev.fathom.bindings.cuda.LaunchConfig;
import dev.fathom.bindings.cuda.TensorMapShape;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.ref.Reference;
import jcuda.JCudaVersion;
import jcuda.Pointer;
import jcuda.driver.CUevent;
import jcuda.driver.CUfunction;
import jcuda.driver.CUgraph;
import jcuda.driver.CUgraphExec;
import jcuda.driver.CUmodule;
import jcuda.driver.CUstream;
import jcuda.driver.JCudaDriver;

/**
 * The driver through JCuda. What JCuda 12.6.0 does not bind goes to another driver: the default
 * memory pool and the attributes of pools, cuLaunchKernelEx, cuTensorMapEncodeTiled; page-locked
 * memory too, since JCuda makes a ByteBuffer of it, which fails from 2 GiB on.
 *
 * <p>JCuda's own checks stay off: its functions return the code, and the check here says more.
 */
public final class JCudaCudaDriver extends JCudaDeviceDriver {

  /** What a launch passes, one for each thread, so that a launch makes no object. */
  private static final ThreadLocal<Launch> LAUNCH = ThreadLocal.withInitial(Launch::new);

  private static final class Launch {
    final CUfunction function = new CUfunction();
    final CUstream stream = new CUstream();
    final CallMemory memory = CallMemory.ofThread();
    final Pointer parameters = Handles.host(memory.parametersAddress());
  }

  /**
   * The driver; JCuda's native library must be loaded.
   *
   * @param other what does the rest
   */
  public JCudaCudaDriver(CudaDriver other) {
    super(other);
    JCudaDriver.setExceptionsEnabled(false);
  }

  @Override
  public String implementation() {
    return "JCuda " + JCudaVersion.get();
  }

  // Streams and events.

  @Override
  public long streamCreate(int flags) {
    CUstream stream = new CUstream();
    check(JCudaDriver.cuStreamCreate(stream, flags), "cuStreamCreate");
    return Handles.number(stream);
  }

  @Override
  public void streamDestroy(long stream) {
    check(JCudaDriver.cuStreamDestroy(Handles.stream(stream)), "cuStreamDestroy");
  }

  @Override
  public void streamSynchronize(long stream) {
    check(JCudaDriver.cuStreamSynchronize(Handles.stream(stream)), "cuStreamSynchronize");
  }

  @Override
  public boolean streamQuery(long stream) {
    return ended(JCudaDriver.cuStreamQuery(Handles.stream(stream)), "cuStreamQuery");
  }

  @Override
  public void streamWaitEvent(long stream, long event) {
    check(
        JCudaDriver.cuStreamWaitEvent(Handles.stream(stream), Handles.event(event), 0),
        "cuStreamWaitEvent");
  }

  @Override
  public long eventCreate(int flags) {
    CUevent event = new CUevent();
    check(JCudaDriver.cuEventCreate(event, flags), "cuEventCreate");
    return Handles.number(event);
  }

  @Override
  public void eventDestroy(long event) {
    check(JCudaDriver.cuEventDestroy(Handles.event(event)), "cuEventDestroy");
  }

  @Override
  public void eventRecord(long event, long stream) {
    check(JCudaDriver.cuEventRecord(Handles.event(event), Handles.stream(stream)), "cuEventRecord");
  }

  @Override
  public void eventSynchronize(long event) {
    check(JCudaDriver.cuEventSynchronize(Handles.event(event)), "cuEventSynchronize");
  }

  @Override
  public boolean eventQuery(long event) {
    return ended(JCudaDriver.cuEventQuery(Handles.event(event)), "cuEventQuery");
  }

  @Override
  public float eventElapsedTime(long start, long end) {
    float[] milliseconds = new float[1];
    check(
        JCudaDriver.cuEventElapsedTime(milliseconds, Handles.event(start), Handles.event(end)),
        "cuEventElapsedTime");
    return milliseconds[0];
  }

  // Modules and kernels.

  @Override
  public long moduleLoadData(MemorySegment image) {
    requireNative(image, 1);
    CUmodule module = new CUmodule();
    byte[] bytes = image.toArray(ValueLayout.JAVA_BYTE);
    check(JCudaDriver.cuModuleLoadData(module, bytes), "cuModuleLoadData");
    return Handles.number(module);
  }

  @Override
  public void moduleUnload(long module) {
    check(JCudaDriver.cuModuleUnload(Handles.module(module)), "cuModuleUnload");
  }

  @Override
  public long moduleGetFunction(long module, String name) {
    CUfunction function = new CUfunction();
    check(
        JCudaDriver.cuModuleGetFunction(function, Handles.module(module), name),
        "cuModuleGetFunction");
    return Handles.number(function);
  }

  @Override
  public int funcGetAttribute(int attribute, long function) {
    int[] value = new int[1];
    check(
        JCudaDriver.cuFuncGetAttribute(value, attribute, Handles.function(function)),
        "cuFuncGetAttribute");
    return value[0];
  }

  @Override
  public void funcSetAttribute(long function, int attribute, int value) {
    check(
        JCudaDriver.cuFuncSetAttribute(Handles.function(function), attribute, value),
        "cuFuncSetAttribute");
  }

  @Override
  public int occupancyMaxActiveBlocksPerMultiprocessor(
      long function, int blockSize, long sharedBytes) {
    int[] blocks = new int[1];
    check(
        JCudaDriver.cuOccupancyMaxActiveBlocksPerMultiprocessor(
            blocks, Handles.function(function), blockSize, sharedBytes),
        "cuOccupancyMaxActiveBlocksPerMultiprocessor");
    return blocks[0];
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
    Launch launch = LAUNCH.get();
    launch.memory.parameters(arguments);
    try {
      check(
          JCudaDriver.cuLaunchKernel(
              Handles.set(launch.function, function),
              gridX,
              gridY,
              gridZ,
              blockX,
              blockY,
              blockZ,
              sharedBytes,
              Handles.set(launch.stream, stream),
              launch.parameters,
              null),
          "cuLaunchKernel");
    } finally {
      Reference.reachabilityFence(arguments);
    }
  }

  @Override
  public void launchKernelEx(
      long function, LaunchConfig config, long stream, MemorySegment arguments) {
    other.launchKernelEx(function, config, stream, arguments);
  }

  // Graphs.

  @Override
  public void streamBeginCapture(long stream, int mode) {
    check(JCudaDriver.cuStreamBeginCapture(Handles.stream(stream), mode), "cuStreamBeginCapture");
  }

  @Override
  public long streamEndCapture(long stream) {
    CUgraph graph = new CUgraph();
    check(JCudaDriver.cuStreamEndCapture(Handles.stream(stream), graph), "cuStreamEndCapture");
    return Handles.number(graph);
  }

  @Override
  public boolean streamIsCapturing(long stream) {
    int[] status = new int[1];
    check(JCudaDriver.cuStreamIsCapturing(Handles.stream(stream), status), "cuStreamIsCapturing");
    return status[0] != 0;
  }

  @Override
  public long graphInstantiate(long graph, long flags) {
    CUgraphExec graphExec = new CUgraphExec();
    check(
        JCudaDriver.cuGraphInstantiate(graphExec, Handles.graph(graph), flags),
        "cuGraphInstantiateWithFlags");
    return Handles.number(graphExec);
  }

  @Override
  public void graphLaunch(long graphExec, long stream) {
    check(
        JCudaDriver.cuGraphLaunch(Handles.graphExec(graphExec), Handles.stream(stream)),
        "cuGraphLaunch");
  }

  @Override
  public void graphExecDestroy(long graphExec) {
    check(JCudaDriver.cuGraphExecDestroy(Handles.graphExec(graphExec)), "cuGraphExecDestroy");
  }

  @Override
  public void graphDestroy(long graph) {
    check(JCudaDriver.cuGraphDestroy(Handles.graph(graph)), "cuGraphDestroy");
  }

  // Tensor maps.

  @Override
  public void tensorMapEncodeTiled(MemorySegment map, TensorMapShape shape) {
    other.tensorMapEncodeTiled(map, shape);
  }
}
