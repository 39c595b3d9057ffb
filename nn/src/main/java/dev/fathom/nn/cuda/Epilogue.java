package dev.fathom.nn.cuda;

import dev.fathom.bindings.Native;
import dev.fathom.bindings.generated.cuda.FathomCuda;
import dev.fathom.bindings.generated.cuda.fathom_cuda_epilogue_args;
import dev.fathom.nn.op.Activation;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** kernels/cuda/epilogue.cu. */
final class Epilogue extends CudaFamily {

  private final Kernel kernel = new Kernel("fathom_epilogue");

  Epilogue(Engine engine) {
    super(engine);
  }

  /**
   * y = residual + residual2 + scale * activation(z + bias); null parts are left out.
   *
   * @param z address of elements [...,C]
   * @param y [...,C]
   * @param preActivation [...,C], gets z + bias
   */
  void run(
      long z,
      @Nullable Tensor bias,
      Activation activation,
      @Nullable Tensor scale,
      @Nullable Tensor residual,
      @Nullable Tensor residual2,
      Tensor y,
      @Nullable Tensor preActivation) {
    run(
        z,
        bias,
        activation,
        scale,
        residual,
        residual2,
        y.address(),
        preActivation,
        y.size() / y.extent(-1),
        y.extent(-1));
  }

  /** y = the activation of x, x and y addresses of so many elements. */
  void activate(long x, Activation activation, long y, long rows, long columns) {
    run(x, null, activation, null, null, null, y, null, rows, columns);
  }

  private void run(
      long z,
      @Nullable Tensor bias,
      Activation activation,
      @Nullable Tensor scale,
      @Nullable Tensor residual,
      @Nullable Tensor residual2,
      long y,
      @Nullable Tensor preActivation,
      long rows,
      long columns) {
    MemorySegment args = Native.arguments(fathom_cuda_epilogue_args.layout());
    fathom_cuda_epilogue_args.z(args, address(z));
    fathom_cuda_epilogue_args.bias(args, address(bias));
    fathom_cuda_epilogue_args.scale(args, address(scale));
    fathom_cuda_epilogue_args.residual(args, address(residual));
    fathom_cuda_epilogue_args.residual2(args, address(residual2));
    fathom_cuda_epilogue_args.y(args, address(y));
    fathom_cuda_epilogue_args.pre_activation(args, address(preActivation));
    fathom_cuda_epilogue_args.rows(args, rows);
    fathom_cuda_epilogue_args.columns(args, Math.toIntExact(columns));
    fathom_cuda_epilogue_args.activation(args, Products.code(activation));
    int threads = FathomCuda.FATHOM_EPILOGUE_THREADS();
    launch(kernel, ceil(rows * ceil(columns, 8), threads), threads, args);
  }
}
