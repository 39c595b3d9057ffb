package dev.fathom.bindings.cuda.jcuda;

import dev.fathom.bindings.cuda.CudaContext;
import dev.fathom.bindings.cuda.CudaException;
import dev.fathom.bindings.cuda.CudaStream;
import dev.fathom.bindings.cuda.DeviceMemory;
import dev.fathom.bindings.cuda.GemmProvider;
import dev.fathom.bindings.cuda.VendorLibraries;
import jcuda.JCudaVersion;
import jcuda.Pointer;
import jcuda.jcublas.JCublas2;
import jcuda.jcublas.cublasHandle;
import jcuda.jcublas.cublasStatus;
import jcuda.runtime.cudaStream_t;
import org.jspecify.annotations.Nullable;

/**
 * cuBLAS's matrix product through JCublas2, without a bias, which cublasGemmEx does not have.
 *
 * <p>cuBLAS is column-major, so that y [M,N] is to it y^T, N by M: the product is of w (K by N in
 * its view, transposed) and x (K by M).
 */
public final class JCublasGemm implements GemmProvider {

  // cublasOperation_t, cudaDataType_t, cublasComputeType_t, cublasGemmAlgo_t.
  private static final int OP_N = 0;
  private static final int OP_T = 1;
  private static final int R_16BF = 14;
  private static final int COMPUTE_32F = 68;
  private static final int GEMM_DEFAULT = -1;

  private final CudaContext context;
  private final cublasHandle handle = new cublasHandle();
  private final Pointer one = Pointer.to(new float[] {1});
  private final Pointer zero = Pointer.to(new float[] {0});
  private boolean closed;

  /**
   * The product; JCublas2's native library must be loaded.
   *
   * @throws CudaException if cuBLAS does not start
   */
  public JCublasGemm(CudaContext context) {
    this.context = context;
    JCublas2.setExceptionsEnabled(false);
    context.makeCurrent();
    check(JCublas2.cublasCreate(handle), "cublasCreate");
  }

  private static void check(int status, String function) {
    if (status != 0) {
      throw new CudaException(
          function, status, "status " + status, String.valueOf(cublasStatus.stringFor(status)));
    }
  }

  @Override
  public String name() {
    return "cuBLAS (JCublas2 " + JCudaVersion.get() + ")";
  }

  @Override
  public boolean hasBias() {
    return false;
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
    if (bias != null) {
      throw new IllegalArgumentException("cublasGemmEx has no bias");
    }
    VendorLibraries.require(x, "x", rows, inputs);
    VendorLibraries.require(w, "w", outputs, inputs);
    VendorLibraries.require(y, "y", rows, outputs);
    context.makeCurrent();
    check(
        JCublas2.cublasSetStream(handle, Handles.set(new cudaStream_t(), stream.handle())),
        "cublasSetStream");
    check(
        JCublas2.cublasGemmEx_new(
            handle,
            OP_T,
            OP_N,
            outputs,
            rows,
            inputs,
            one,
            Handles.deviceMemory(w.address()),
            R_16BF,
            inputs,
            Handles.deviceMemory(x.address()),
            R_16BF,
            inputs,
            zero,
            Handles.deviceMemory(y.address()),
            R_16BF,
            outputs,
            COMPUTE_32F,
            GEMM_DEFAULT),
        "cublasGemmEx");
  }

  @Override
  public synchronized void close() {
    if (!closed) {
      closed = true;
      context.makeCurrent();
      check(JCublas2.cublasDestroy(handle), "cublasDestroy");
    }
  }
}
