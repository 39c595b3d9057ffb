package dev.fathom.nn.cuda;

import dev.fathom.bindings.Native;
import dev.fathom.bindings.generated.cuda.FathomCuda;
import dev.fathom.bindings.generated.cuda.fathom_cuda_axpby_args;
import dev.fathom.bindings.generated.cuda.fathom_cuda_axpby_elem_args;
import dev.fathom.bindings.generated.cuda.fathom_cuda_convert_args;
import dev.fathom.bindings.generated.cuda.fathom_cuda_fill_args;
import dev.fathom.bindings.generated.cuda.fathom_cuda_partial_squares_args;
import dev.fathom.bindings.generated.cuda.fathom_cuda_split_nan_args;
import dev.fathom.bindings.generated.cuda.fathom_cuda_sum_partials_args;
import dev.fathom.nn.op.Scalar;
import dev.fathom.nn.op.VectorOps;
import dev.fathom.nn.tensor.ElementType;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.MemorySegment;

/** kernels/cuda/vector.cu. */
final class CudaVector extends CudaFamily implements VectorOps {

  private final Kernel fill = new Kernel("fathom_fill");
  private final Kernel fillElements = new Kernel("fathom_fill_elem");
  private final Kernel axpby = new Kernel("fathom_axpby");
  private final Kernel axpbyElements = new Kernel("fathom_axpby_elem");
  private final Kernel fromFloat = new Kernel("fathom_elem_from_float");
  private final Kernel splitNan = new Kernel("fathom_split_nan");
  private final Kernel partialSquares = new Kernel("fathom_partial_squares");
  private final Kernel sumPartials = new Kernel("fathom_sum_partials");

  CudaVector(Engine engine) {
    super(engine);
  }

  @Override
  public void fill(Tensor x, float value) {
    if (x.size() == 0) {
      return;
    }
    MemorySegment args = Native.arguments(fathom_cuda_fill_args.layout());
    fathom_cuda_fill_args.x(args, address(x));
    fathom_cuda_fill_args.n(args, x.size());
    fathom_cuda_fill_args.value(args, value);
    elementwise(x.type() == ElementType.FLOAT32 ? fill : fillElements, x.size(), args);
  }

  @Override
  public void axpby(float a, Tensor x, float b, Tensor y) {
    if (x.size() != y.size() || x.type() != y.type()) {
      throw new IllegalArgumentException(
          "axpby: x " + x + " of " + x.type() + ", y " + y + " of " + y.type());
    }
    if (x.size() == 0) {
      return;
    }
    if (x.type() == ElementType.FLOAT32) {
      MemorySegment args = Native.arguments(fathom_cuda_axpby_args.layout());
      fathom_cuda_axpby_args.x(args, address(x));
      fathom_cuda_axpby_args.y(args, address(y));
      fathom_cuda_axpby_args.n(args, x.size());
      fathom_cuda_axpby_args.a(args, a);
      fathom_cuda_axpby_args.b(args, b);
      elementwise(axpby, x.size(), args);
    } else {
      MemorySegment args = Native.arguments(fathom_cuda_axpby_elem_args.layout());
      fathom_cuda_axpby_elem_args.x(args, address(x));
      fathom_cuda_axpby_elem_args.y(args, address(y));
      fathom_cuda_axpby_elem_args.n(args, x.size());
      fathom_cuda_axpby_elem_args.a(args, a);
      fathom_cuda_axpby_elem_args.b(args, b);
      elementwise(axpbyElements, x.size(), args);
    }
  }

  @Override
  public void round(Tensor x, Tensor y) {
    if (x.size() != y.size()) {
      throw new IllegalArgumentException("round: x " + x + ", y " + y);
    }
    requireFloats("round", x);
    requireElements("round", y);
    if (x.size() == 0) {
      return;
    }
    MemorySegment args = Native.arguments(fathom_cuda_convert_args.layout());
    fathom_cuda_convert_args.x(args, address(x));
    fathom_cuda_convert_args.y(args, address(y));
    fathom_cuda_convert_args.n(args, x.size());
    elementwise(fromFloat, x.size(), args);
  }

  @Override
  public void splitNan(Tensor x, Tensor mask) {
    if (x.size() != mask.size()) {
      throw new IllegalArgumentException("splitNan: x " + x + ", mask " + mask);
    }
    requireFloats("splitNan", x, mask);
    MemorySegment args = Native.arguments(fathom_cuda_split_nan_args.layout());
    fathom_cuda_split_nan_args.x(args, address(x));
    fathom_cuda_split_nan_args.mask(args, address(mask));
    fathom_cuda_split_nan_args.n(args, x.size());
    elementwise(splitNan, x.size(), args);
  }

  private void elementwise(Kernel kernel, long n, MemorySegment args) {
    launch(
        kernel,
        ceil(n, FathomCuda.FATHOM_VECTOR_PER_BLOCK()),
        FathomCuda.FATHOM_VECTOR_THREADS(),
        args);
  }

  @Override
  public Scalar sumOfSquares(Tensor x) {
    requireFloats("sumOfSquares", x);
    long blocks =
        Math.clamp(
            ceil(x.size(), FathomCuda.FATHOM_VECTOR_PER_BLOCK()),
            1,
            FathomCuda.FATHOM_VECTOR_PARTIALS());
    synchronized (engine) {
      Results.Result sum = engine.newResult();
      long partials = engine.scratch(8 * blocks).part(0);
      MemorySegment args = Native.arguments(fathom_cuda_partial_squares_args.layout());
      fathom_cuda_partial_squares_args.x(args, address(x));
      fathom_cuda_partial_squares_args.partials(args, address(partials));
      fathom_cuda_partial_squares_args.n(args, x.size());
      launch(partialSquares, blocks, FathomCuda.FATHOM_VECTOR_THREADS(), args);
      args = Native.arguments(fathom_cuda_sum_partials_args.layout());
      fathom_cuda_sum_partials_args.partials(args, address(partials));
      fathom_cuda_sum_partials_args.sum(args, address(sum.address()));
      fathom_cuda_sum_partials_args.count(args, Math.toIntExact(blocks));
      launch(sumPartials, 1, FathomCuda.FATHOM_VECTOR_THREADS(), args);
      return new CudaScalar(sum.copy());
    }
  }
}
