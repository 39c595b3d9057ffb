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
 * cuBLASLt's matrix product, with the bias in its epilogue. The algorithm is the first that the
 * library's heuristic proposes; it is asked once for each shape.
 *
 * <p>cuBLASLt is column-major, so that y [M,N] is to it y^T, N by M: the product is of w (K by N in
 * its view, transposed) and x (K by M), and the bias runs along the N rows of the result.
 */
final class CublasLtGemm implements GemmProvider {

  static final List<String> LIBRARIES = List.of("libcublasLt.so.13", "libcublasLt.so.12");

  // cublasComputeType_t, cudaDataType_t, cublasLtMatmulDescAttributes_t, cublasLtEpilogue_t,
  // cublasLtMatmulPreferenceAttributes_t.
  private static final int COMPUTE_32F = 68;
  private static final int R_32F = 0;
  private static final int R_16BF = 14;
  private static final int DESC_TRANSA = 3;
  private static final int DESC_EPILOGUE = 7;
  private static final int DESC_BIAS_POINTER = 8;
  private static final int OP_T = 1;
  private static final int EPILOGUE_BIAS = 4;
  private static final int PREF_MAX_WORKSPACE_BYTES = 1;

  /** cublasLtMatmulHeuristicResult_t begins with the algorithm, 64 bytes. */
  private static final int HEURISTIC_BYTES = 96;

  private static final int HEURISTIC_STATE = 72;

  /** What NVIDIA recommends for Hopper. */
  private static final long WORKSPACE_BYTES = 32L << 20;

  private record Shape(int rows, int inputs, int outputs, boolean bias) {}

  /** What is made once for a shape; the library's objects live in the arena's segments. */
  private record Plan(
      MemorySegment desc,
      MemorySegment w,
      MemorySegment x,
      MemorySegment y,
      MemorySegment heuristic) {}

  private final VendorSymbols library;
  private final CudaContext context;
  private final Arena arena = Arena.ofShared();
  private final Map<Shape, Plan> plans = new HashMap<>();
  private final MemorySegment one;
  private final MemorySegment zero;
  private final MemorySegment biasPointer;
  private final DeviceMemory workspace;
  private final MemorySegment handle;
  private final MethodHandle setAttribute;
  private final MethodHandle matmul;

  private CublasLtGemm(VendorSymbols library, CudaContext context) throws IOException {
    this.library = library;
    this.context = context;
    this.one = arena.allocateFrom(ValueLayout.JAVA_FLOAT, 1f);
    this.zero = arena.allocateFrom(ValueLayout.JAVA_FLOAT, 0f);
    this.biasPointer = arena.allocate(POINTER);
    this.setAttribute =
        library.handle("cublasLtMatmulDescSetAttribute", POINTER, INT, POINTER, LONG);
    this.matmul =
        library.handle(
            "cublasLtMatmul",
            POINTER,
            POINTER,
            POINTER,
            LONG,
            POINTER,
            LONG,
            POINTER,
            POINTER,
            LONG,
            POINTER,
            LONG,
            POINTER,
            POINTER,
            LONG,
            LONG,
            LONG);
    context.makeCurrent();
    this.workspace = context.allocate(WORKSPACE_BYTES);
    this.handle =
        library.create(
            "cublasLtCreate", "cublasLtDestroy", library.handle("cublasLtCreate", POINTER));
  }

  static CublasLtGemm open(CudaContext context, List<String> libraries) throws IOException {
    VendorSymbols library = VendorSymbols.open(libraries, "cublasLtGetStatusString");
    return new CublasLtGemm(library, context);
  }

  @Override
  public String name() {
    return "cuBLASLt (" + library.file() + ")";
  }

  @Override
  public boolean hasBias() {
    return true;
  }

  @Override
  public synchronized void multiply(
      CudaStream stream,
      int rows,
      int inputs,
      int outputs,
      DeviceMemory x,
      DeviceMemory w,
      @Nullable DeviceMemory bias,
      DeviceMemory y) {
    VendorLibraries.require(x, "x", rows, inputs);
    VendorLibraries.require(w, "w", outputs, inputs);
    VendorLibraries.require(y, "y", rows, outputs);
    context.makeCurrent();
    Shape shape = new Shape(rows, inputs, outputs, bias != null);
    Plan plan = plans.get(shape);
    if (plan == null) {
      plan = plan(shape);
      plans.put(shape, plan);
    }
    if (bias != null) {
      VendorLibraries.require(bias, "bias", outputs);
      setPointer(plan.desc, bias.address());
    }
    int status;
    try {
      status =
          (int)
              matmul.invokeExact(
                  handle,
                  plan.desc,
                  one,
                  w.address(),
                  plan.w,
                  x.address(),
                  plan.x,
                  zero,
                  y.address(),
                  plan.y,
                  y.address(),
                  plan.y,
                  plan.heuristic,
                  workspace.address(),
                  WORKSPACE_BYTES,
                  stream.handle());
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
    library.check(status, "cublasLtMatmul");
  }

  private void setPointer(MemorySegment desc, long address) {
    biasPointer.set(ValueLayout.JAVA_LONG, 0, address);
    library.call(
        "cublasLtMatmulDescSetAttribute",
        setAttribute,
        desc,
        DESC_BIAS_POINTER,
        biasPointer,
        (long) Long.BYTES);
  }

  private Plan plan(Shape shape) {
    try (Arena call = Arena.ofConfined()) {
      MemorySegment desc =
          library.create(
              "cublasLtMatmulDescCreate",
              "cublasLtMatmulDescDestroy",
              library.handle("cublasLtMatmulDescCreate", POINTER, INT, INT),
              COMPUTE_32F,
              R_32F);
      set(call, desc, DESC_TRANSA, OP_T);
      if (shape.bias) {
        set(call, desc, DESC_EPILOGUE, EPILOGUE_BIAS);
      }
      MemorySegment w = layout(shape.inputs, shape.outputs);
      MemorySegment x = layout(shape.inputs, shape.rows);
      MemorySegment y = layout(shape.outputs, shape.rows);
      return new Plan(desc, w, x, y, heuristic(call, shape, desc, w, x, y));
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }

  private MemorySegment heuristic(
      Arena call,
      Shape shape,
      MemorySegment desc,
      MemorySegment w,
      MemorySegment x,
      MemorySegment y)
      throws IOException {
    MemorySegment preference =
        library.create(
            "cublasLtMatmulPreferenceCreate",
            "cublasLtMatmulPreferenceDestroy",
            library.handle("cublasLtMatmulPreferenceCreate", POINTER));
    library.call(
        "cublasLtMatmulPreferenceSetAttribute",
        library.handle("cublasLtMatmulPreferenceSetAttribute", POINTER, INT, POINTER, LONG),
        preference,
        PREF_MAX_WORKSPACE_BYTES,
        call.allocateFrom(ValueLayout.JAVA_LONG, WORKSPACE_BYTES),
        (long) Long.BYTES);
    MemorySegment result = arena.allocate(HEURISTIC_BYTES, Long.BYTES);
    MemorySegment found = call.allocate(ValueLayout.JAVA_INT);
    library.call(
        "cublasLtMatmulAlgoGetHeuristic",
        library.handle(
            "cublasLtMatmulAlgoGetHeuristic",
            POINTER,
            POINTER,
            POINTER,
            POINTER,
            POINTER,
            POINTER,
            POINTER,
            INT,
            POINTER,
            POINTER),
        handle,
        desc,
        w,
        x,
        y,
        y,
        preference,
        1,
        result,
        found);
    if (found.get(ValueLayout.JAVA_INT, 0) < 1) {
      throw new CudaException(
          "cublasLtMatmulAlgoGetHeuristic", 15, "status 15", "no algorithm for " + shape);
    }
    library.check(
        result.get(ValueLayout.JAVA_INT, HEURISTIC_STATE), "cublasLtMatmulAlgoGetHeuristic");
    return result;
  }

  /** A column-major bfloat16 matrix without gaps. */
  private MemorySegment layout(long rows, long columns) throws IOException {
    return library.create(
        "cublasLtMatrixLayoutCreate",
        "cublasLtMatrixLayoutDestroy",
        library.handle("cublasLtMatrixLayoutCreate", POINTER, INT, LONG, LONG, LONG),
        R_16BF,
        rows,
        columns,
        rows);
  }

  private void set(Arena call, MemorySegment desc, int attribute, int value) {
    library.call(
        "cublasLtMatmulDescSetAttribute",
        setAttribute,
        desc,
        attribute,
        call.allocateFrom(ValueLayout.JAVA_INT, value),
        (long) Integer.BYTES);
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
      workspace.close();
      arena.close();
    }
  }
}
