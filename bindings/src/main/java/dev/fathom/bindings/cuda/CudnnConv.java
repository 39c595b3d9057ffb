package dev.fathom.bindings.cuda;

import static dev.fathom.bindings.cuda.CudaSymbols.INT;
import static dev.fathom.bindings.cuda.CudaSymbols.LONG;
import static dev.fathom.bindings.cuda.CudaSymbols.POINTER;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * cuDNN's convolution and its gradients, by the algorithm that its heuristic puts first for the
 * shape; it is asked once for each shape.
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

  /** What is computed. All three functions take two operands, the convolution and a result. */
  private enum Way {
    FORWARD("Forward"),
    INPUT_GRADIENT("BackwardData"),
    WEIGHT_GRADIENT("BackwardFilter");

    private final String function;
    private final String ask;
    private final String size;

    Way(String infix) {
      function = "cudnnConvolution" + infix;
      ask = "cudnnGetConvolution" + infix + "Algorithm_v7";
      size = "cudnnGetConvolution" + infix + "WorkspaceSize";
    }
  }

  private record Work(Way way, Shape shape) {}

  private record Plan(
      MemorySegment first,
      MemorySegment second,
      MemorySegment result,
      MemorySegment convolution,
      int algorithm,
      long workspaceBytes) {}

  private final VendorSymbols library;
  private final CudaContext context;
  private final Arena arena = Arena.ofShared();
  private final Map<Work, Plan> plans = new HashMap<>();
  private final MemorySegment one;
  private final MemorySegment zero;
  private final MemorySegment handle;
  private final MethodHandle setStream;

  /** As large as the largest plan so far wants it. */
  private @Nullable DeviceMemory workspace;

  private final Map<Way, MethodHandle> functions = new EnumMap<>(Way.class);

  private CudnnConv(VendorSymbols library, CudaContext context) throws IOException {
    this.library = library;
    this.context = context;
    this.one = arena.allocateFrom(ValueLayout.JAVA_FLOAT, 1f);
    this.zero = arena.allocateFrom(ValueLayout.JAVA_FLOAT, 0f);
    this.setStream = library.handle("cudnnSetStream", POINTER, LONG);
    for (Way way : Way.values()) {
      functions.put(
          way,
          library.handle(
              way.function,
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
              LONG));
    }
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
  public void convolve(
      CudaStream stream, Shape shape, DeviceMemory x, DeviceMemory w, DeviceMemory y) {
    shape.requireInput(x, "x");
    shape.requireWeight(w, "w");
    shape.requireOutput(y, "y");
    run(new Work(Way.FORWARD, shape), stream, x, w, y);
  }

  @Override
  public void inputGradient(
      CudaStream stream, Shape shape, DeviceMemory w, DeviceMemory dy, DeviceMemory dx) {
    shape.requireWeight(w, "w");
    shape.requireOutput(dy, "dy");
    shape.requireInput(dx, "dx");
    run(new Work(Way.INPUT_GRADIENT, shape), stream, w, dy, dx);
  }

  @Override
  public void weightGradient(
      CudaStream stream, Shape shape, DeviceMemory x, DeviceMemory dy, DeviceMemory dw) {
    shape.requireInput(x, "x");
    shape.requireOutput(dy, "dy");
    shape.requireWeight(dw, "dw");
    run(new Work(Way.WEIGHT_GRADIENT, shape), stream, x, dy, dw);
  }

  private synchronized void run(
      Work work, CudaStream stream, DeviceMemory first, DeviceMemory second, DeviceMemory result) {
    context.makeCurrent();
    Plan plan = plans.get(work);
    if (plan == null) {
      plan = plan(work);
      plans.put(work, plan);
    }
    long room = workspace(plan.workspaceBytes);
    MethodHandle function = Objects.requireNonNull(functions.get(work.way));
    int status;
    try {
      library.check((int) setStream.invokeExact(handle, stream.handle()), "cudnnSetStream");
      status =
          (int)
              function.invokeExact(
                  handle,
                  one,
                  plan.first,
                  first.address(),
                  plan.second,
                  second.address(),
                  plan.convolution,
                  plan.algorithm,
                  room,
                  plan.workspaceBytes,
                  zero,
                  plan.result,
                  result.address());
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
    library.check(status, work.way.function);
  }

  /** Where a workspace of so many bytes is; freeing the one before waits for who uses it. */
  private long workspace(long bytes) {
    if (bytes == 0) {
      return 0;
    }
    DeviceMemory current = workspace;
    if (current == null || current.byteSize() < bytes) {
      if (current != null) {
        workspace = null;
        current.close();
      }
      current = context.allocate(bytes);
      workspace = current;
    }
    return current.address();
  }

  private Plan plan(Work work) {
    Shape shape = work.shape;
    try (Arena call = Arena.ofConfined()) {
      MemorySegment x = tensor(shape.batch(), shape.inputs(), shape.height(), shape.width());
      MemorySegment y = tensor(shape.batch(), shape.outputs(), shape.outHeight(), shape.outWidth());
      MemorySegment w = filter(shape);
      MemorySegment convolution = convolution(shape);
      setMathType(convolution, TENSOR_OP_MATH);
      MemorySegment first = work.way == Way.INPUT_GRADIENT ? w : x;
      MemorySegment second = work.way == Way.FORWARD ? w : y;
      MemorySegment result =
          switch (work.way) {
            case FORWARD -> y;
            case INPUT_GRADIENT -> x;
            case WEIGHT_GRADIENT -> w;
          };
      MemorySegment found = call.allocate(ValueLayout.JAVA_INT);
      MemorySegment perf = call.allocate(PERF_BYTES, Long.BYTES);
      call(
          work.way.ask,
          library.handle(
              work.way.ask, POINTER, POINTER, POINTER, POINTER, POINTER, INT, POINTER, POINTER),
          handle,
          first,
          second,
          convolution,
          result,
          1,
          found,
          perf);
      if (found.get(ValueLayout.JAVA_INT, 0) < 1) {
        throw new CudaException(work.way.ask, 3000, "status 3000", "none for " + shape);
      }
      library.check(perf.get(ValueLayout.JAVA_INT, PERF_STATUS), work.way.ask);
      setMathType(convolution, perf.get(ValueLayout.JAVA_INT, PERF_MATH_TYPE));
      int algorithm = perf.get(ValueLayout.JAVA_INT, 0);
      MemorySegment size = call.allocate(ValueLayout.JAVA_LONG);
      call(
          work.way.size,
          library.handle(work.way.size, POINTER, POINTER, POINTER, POINTER, POINTER, INT, POINTER),
          handle,
          first,
          second,
          convolution,
          result,
          algorithm,
          size);
      return new Plan(
          first, second, result, convolution, algorithm, size.get(ValueLayout.JAVA_LONG, 0));
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }

  private MemorySegment filter(Shape shape) throws IOException {
    MemorySegment w = create("FilterDescriptor");
    call(
        "cudnnSetFilter4dDescriptor",
        library.handle("cudnnSetFilter4dDescriptor", POINTER, INT, INT, INT, INT, INT, INT),
        w,
        DATA_BFLOAT16,
        TENSOR_NHWC,
        shape.outputs(),
        shape.inputs(),
        shape.kernel(),
        shape.kernel());
    return w;
  }

  private MemorySegment convolution(Shape shape) throws IOException {
    MemorySegment convolution = create("ConvolutionDescriptor");
    int padding = (shape.kernel() - 1) / 2;
    // Padding, stride and dilation, each for height and width.
    call(
        "cudnnSetConvolution2dDescriptor",
        library.handle(
            "cudnnSetConvolution2dDescriptor", POINTER, INT, INT, INT, INT, INT, INT, INT, INT),
        convolution,
        padding,
        padding,
        shape.stride(),
        shape.stride(),
        1,
        1,
        CROSS_CORRELATION,
        DATA_FLOAT);
    return convolution;
  }

  private void setMathType(MemorySegment convolution, int type) throws IOException {
    call(
        "cudnnSetConvolutionMathType",
        library.handle("cudnnSetConvolutionMathType", POINTER, INT),
        convolution,
        type);
  }

  private MemorySegment tensor(int batch, int channels, int height, int width) throws IOException {
    MemorySegment tensor = create("TensorDescriptor");
    call(
        "cudnnSetTensor4dDescriptor",
        library.handle("cudnnSetTensor4dDescriptor", POINTER, INT, INT, INT, INT, INT, INT),
        tensor,
        TENSOR_NHWC,
        DATA_BFLOAT16,
        batch,
        channels,
        height,
        width);
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
      if (workspace != null) {
        workspace.close();
      }
      arena.close();
    }
  }
}
