package dev.fathom.bindings.cuda;

import static dev.fathom.bindings.cuda.CudaSymbols.INT;
import static dev.fathom.bindings.cuda.CudaSymbols.LONG;
import static dev.fathom.bindings.cuda.CudaSymbols.POINTER;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * cuDNN's 3x3 convolution, by the algorithm that its heuristic puts first for the shape; it is
 * asked once for each shape.
 */
final class CudnnConv implements ConvProvider {

  static final List<String> LIBRARIES = List.of("libcudnn.so.9");

  // cudnnTensorFormat_t, cudnnDataType_t, cudnnConvolutionMode_t, cudnnMathType_t.
  private static final int TENSOR_NHWC = 1;
  private static final int DATA_FLOAT = 0;
  private static final int DATA_BFLOAT16 = 9;
  private static final int CROSS_CORRELATION = 1;
  private static final int TENSOR_OP_MATH = 1;

  /** cudnnConvolutionFwdAlgoPerf_t: algorithm, status, time, memory, determinism, math type. */
  private static final int PERF_BYTES = 48;

  private static final int PERF_STATUS = 4;
  private static final int PERF_MATH_TYPE = 28;

  private record Shape(int batch, int height, int width, int inputs, int outputs) {}

  private record Plan(
      MemorySegment x,
      MemorySegment w,
      MemorySegment y,
      MemorySegment convolution,
      int algorithm,
      @Nullable DeviceMemory workspace) {}

  private final VendorSymbols library;
  private final CudaContext context;
  private final Arena arena = Arena.ofShared();
  private final Map<Shape, Plan> plans = new HashMap<>();
  private final MemorySegment one;
  private final MemorySegment zero;
  private final MemorySegment handle;
  private final MethodHandle setStream;
  private final MethodHandle forward;

  private CudnnConv(VendorSymbols library, CudaContext context) throws IOException {
    this.library = library;
    this.context = context;
    this.one = arena.allocateFrom(ValueLayout.JAVA_FLOAT, 1f);
    this.zero = arena.allocateFrom(ValueLayout.JAVA_FLOAT, 0f);
    this.setStream = library.handle("cudnnSetStream", POINTER, LONG);
    this.forward =
        library.handle(
            "cudnnConvolutionForward",
            POINTER,
            POINTER,
            POINTER,
            LONG,
            POINTER,
            LONG,
            POINTER,
            INT,
            LONG,
            LONG,
            POINTER,
            POINTER,
            LONG);
    context.makeCurrent();
    this.handle = create("");
  }

  static CudnnConv open(CudaContext context, List<String> libraries) throws IOException {
    return new CudnnConv(VendorSymbols.open(libraries, "cudnnGetErrorString"), context);
  }

  @Override
  public String name() {
    return "cuDNN (" + library.file() + ")";
  }

  @Override
  public synchronized void convolve(
      CudaStream stream,
      int batch,
      int height,
      int width,
      int inputs,
      int outputs,
      DeviceMemory x,
      DeviceMemory w,
      DeviceMemory y) {
    VendorLibraries.require(x, "x", batch, height, width, inputs);
    VendorLibraries.require(w, "w", outputs, 3, 3, inputs);
    VendorLibraries.require(y, "y", batch, height, width, outputs);
    context.makeCurrent();
    Shape shape = new Shape(batch, height, width, inputs, outputs);
    Plan plan = plans.get(shape);
    if (plan == null) {
      plan = plan(shape);
      plans.put(shape, plan);
    }
    long workspace = plan.workspace == null ? 0 : plan.workspace.address();
    long bytes = plan.workspace == null ? 0 : plan.workspace.byteSize();
    int status;
    try {
      library.check((int) setStream.invokeExact(handle, stream.handle()), "cudnnSetStream");
      status =
          (int)
              forward.invokeExact(
                  handle,
                  one,
                  plan.x,
                  x.address(),
                  plan.w,
                  w.address(),
                  plan.convolution,
                  plan.algorithm,
                  workspace,
                  bytes,
                  zero,
                  plan.y,
                  y.address());
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
    library.check(status, "cudnnConvolutionForward");
  }

  private Plan plan(Shape shape) {
    try (Arena call = Arena.ofConfined()) {
      MemorySegment x = tensor(shape, shape.inputs);
      MemorySegment y = tensor(shape, shape.outputs);
      MemorySegment w = create("FilterDescriptor");
      call(
          "cudnnSetFilter4dDescriptor",
          library.handle("cudnnSetFilter4dDescriptor", POINTER, INT, INT, INT, INT, INT, INT),
          w,
          DATA_BFLOAT16,
          TENSOR_NHWC,
          shape.outputs,
          shape.inputs,
          3,
          3);
      MemorySegment convolution = create("ConvolutionDescriptor");
      // Padding, stride and dilation, each for height and width.
      call(
          "cudnnSetConvolution2dDescriptor",
          library.handle(
              "cudnnSetConvolution2dDescriptor", POINTER, INT, INT, INT, INT, INT, INT, INT, INT),
          convolution,
          1,
          1,
          1,
          1,
          1,
          1,
          CROSS_CORRELATION,
          DATA_FLOAT);
      setMathType(convolution, TENSOR_OP_MATH);
      MemorySegment found = call.allocate(ValueLayout.JAVA_INT);
      MemorySegment perf = call.allocate(PERF_BYTES, Long.BYTES);
      call(
          "cudnnGetConvolutionForwardAlgorithm_v7",
          library.handle(
              "cudnnGetConvolutionForwardAlgorithm_v7",
              POINTER,
              POINTER,
              POINTER,
              POINTER,
              POINTER,
              INT,
              POINTER,
              POINTER),
          handle,
          x,
          w,
          convolution,
          y,
          1,
          found,
          perf);
      if (found.get(ValueLayout.JAVA_INT, 0) < 1) {
        throw new CudaException(
            "cudnnGetConvolutionForwardAlgorithm_v7", 3000, "status 3000", "none for " + shape);
      }
      library.check(
          perf.get(ValueLayout.JAVA_INT, PERF_STATUS), "cudnnGetConvolutionForwardAlgorithm_v7");
      setMathType(convolution, perf.get(ValueLayout.JAVA_INT, PERF_MATH_TYPE));
      int algorithm = perf.get(ValueLayout.JAVA_INT, 0);
      MemorySegment size = call.allocate(ValueLayout.JAVA_LONG);
      call(
          "cudnnGetConvolutionForwardWorkspaceSize",
          library.handle(
              "cudnnGetConvolutionForwardWorkspaceSize",
              POINTER,
              POINTER,
              POINTER,
              POINTER,
              POINTER,
              INT,
              POINTER),
          handle,
          x,
          w,
          convolution,
          y,
          algorithm,
          size);
      long bytes = size.get(ValueLayout.JAVA_LONG, 0);
      return new Plan(x, w, y, convolution, algorithm, bytes == 0 ? null : context.allocate(bytes));
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }

  private void setMathType(MemorySegment convolution, int type) throws IOException {
    call(
        "cudnnSetConvolutionMathType",
        library.handle("cudnnSetConvolutionMathType", POINTER, INT),
        convolution,
        type);
  }

  private MemorySegment tensor(Shape shape, int channels) throws IOException {
    MemorySegment tensor = create("TensorDescriptor");
    call(
        "cudnnSetTensor4dDescriptor",
        library.handle("cudnnSetTensor4dDescriptor", POINTER, INT, INT, INT, INT, INT, INT),
        tensor,
        TENSOR_NHWC,
        DATA_BFLOAT16,
        shape.batch,
        channels,
        shape.height,
        shape.width);
    return tensor;
  }

  private void call(String function, MethodHandle method, Object... arguments) {
    library.call(function, method, arguments);
  }

  /** What is called cudnnCreate + something is destroyed by cudnnDestroy + the same. */
  private MemorySegment create(String what) throws IOException {
    String function = "cudnnCreate" + what;
    return library.create(function, "cudnnDestroy" + what, library.handle(function, POINTER));
  }

  @Override
  public synchronized void close() {
    if (!arena.scope().isAlive()) {
      return;
    }
    context.synchronize();
    try {
      library.destroyAll();
    } finally {
      for (Plan plan : plans.values()) {
        if (plan.workspace != null) {
          plan.workspace.close();
        }
      }
      arena.close();
    }
  }
}
