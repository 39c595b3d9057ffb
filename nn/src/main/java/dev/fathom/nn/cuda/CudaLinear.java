package dev.fathom.nn.cuda;

import dev.fathom.bindings.Native;
import dev.fathom.bindings.generated.cuda.FathomCuda;
import dev.fathom.bindings.generated.cuda.fathom_cuda_linear90_args;
import dev.fathom.bindings.generated.cuda.fathom_cuda_linear_args;
import dev.fathom.bindings.generated.cuda.fathom_cuda_linear_d_weight90_args;
import dev.fathom.bindings.generated.cuda.fathom_cuda_linear_d_weight_args;
import dev.fathom.bindings.generated.cuda.fathom_cuda_linear_dx90_args;
import dev.fathom.bindings.generated.cuda.fathom_cuda_linear_dx_args;
import dev.fathom.bindings.generated.cuda.fathom_cuda_swiglu_args;
import dev.fathom.bindings.generated.cuda.fathom_cuda_swiglu_backward_args;
import dev.fathom.nn.op.Activation;
import dev.fathom.nn.op.LinearOps;
import dev.fathom.nn.tensor.Memory;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** kernels/cuda/linear.cu, linear_backward.cu, linear90.cu and linear_backward90.cu. */
class CudaLinear extends CudaFamily implements LinearOps {

  /** Rows of a copy of an operand that is not contiguous along K. */
  private static final int DEPTH = FathomCuda.FATHOM_GEMM90_K();

  private final TiledKernel forward = new TiledKernel("fathom_linear");
  private final Kernel forwardReduce = new Kernel("fathom_linear_reduce");
  private final TiledKernel inputGradient = new TiledKernel("fathom_linear_dx");
  private final Kernel inputGradientReduce = new Kernel("fathom_linear_dx_reduce");
  private final TiledKernel weightGradient = new TiledKernel("fathom_linear_d_weight");
  private final Kernel weightGradientReduce = new Kernel("fathom_linear_d_weight_reduce");
  private final Kernel gate = new Kernel("fathom_swiglu");
  private final Kernel gateBackward = new Kernel("fathom_swiglu_backward");
  private final Products products;

  CudaLinear(Engine engine, Products products) {
    super(engine);
    this.products = products;
  }

  @Override
  public Tensor packLinear(Tensor weight, Memory memory) {
    long out = weight.extent(0);
    long in = weight.extent(1);
    Tensor packed = memory.allocate(engine.elements(), out, eights(in));
    products.pack(weight, null, packed.address(), out, 1, in, in, 0, 1);
    return packed;
  }

  @Override
  public boolean packsByRounding(long in) {
    return eights(in) == in;
  }

  @Override
  public void linear(
      Tensor x,
      Tensor packed,
      @Nullable Tensor bias,
      Activation activation,
      @Nullable Tensor scale,
      @Nullable Tensor residual,
      Tensor y,
      @Nullable Tensor preActivation) {
    requireElements("linear", x, packed, residual, y, preActivation);
    requireFloats("linear", bias, scale);
    long in = x.extent(-1);
    long out = y.extent(-1);
    long rows = x.size() / in;
    GemmPlan plan = products.plan(in % 8 == 0 && aligned(x), rows, out, eights(in));
    boolean hopper = plan.tile().stays();
    synchronized (engine) {
      long partial = products.partial(plan, rows, out);
      MemorySegment whole =
          Native.arguments(
              hopper ? fathom_cuda_linear90_args.layout() : fathom_cuda_linear_args.layout());
      MemorySegment args = hopper ? fathom_cuda_linear90_args.linear(whole) : whole;
      fathom_cuda_linear_args.x(args, address(x));
      fathom_cuda_linear_args.packed(args, address(packed));
      fathom_cuda_linear_args.bias(args, address(bias));
      fathom_cuda_linear_args.scale(args, address(scale));
      fathom_cuda_linear_args.residual(args, address(residual));
      fathom_cuda_linear_args.y(args, address(y));
      fathom_cuda_linear_args.pre_activation(args, address(preActivation));
      fathom_cuda_linear_args.partial(args, address(partial));
      fathom_cuda_linear_args.x_stride(args, in);
      fathom_cuda_linear_args.rows(args, Math.toIntExact(rows));
      fathom_cuda_linear_args.in(args, Math.toIntExact(in));
      fathom_cuda_linear_args.out(args, Math.toIntExact(out));
      fathom_cuda_linear_args.activation(args, Products.code(activation));
      fathom_cuda_linear_args.splits(args, plan.splits());
      if (hopper) {
        GemmPlan.Tile tile = plan.tile();
        products.map(
            fathom_cuda_linear90_args.x_map(whole), x.address(), rows, in, in, tile.rows());
        products.map(
            fathom_cuda_linear90_args.packed_map(whole),
            packed.address(),
            out,
            in,
            in,
            tile.columns());
        fathom_cuda_linear90_args.group(whole, plan.group(out, in));
      }
      products.product(forward, plan, rows, out, 1, whole);
      if (plan.splits() > 1) {
        products.reduce(forwardReduce, rows * ceil(out, 8), args);
      }
    }
  }

  @Override
  public void linearBackward(
      @Nullable Tensor x,
      Tensor weight,
      Tensor packed,
      @Nullable Tensor bias,
      Activation activation,
      @Nullable Tensor preActivation,
      @Nullable Tensor scale,
      Tensor dy,
      @Nullable Tensor dx,
      boolean accumulate,
      @Nullable Tensor dWeight,
      @Nullable Tensor dBias,
      @Nullable Tensor dScale) {
    requireElements("linearBackward", x, packed, preActivation, dy, dx);
    requireFloats("linearBackward", weight, bias, scale, dWeight, dBias, dScale);
    long in = weight.extent(1);
    long out = weight.extent(0);
    long rows = dy.size() / out;
    boolean active = activation != Activation.NONE;
    boolean sums = dBias != null || (dScale != null && bias != null);
    boolean weights = dWeight != null || dScale != null;
    if (weights && x == null) {
      throw new IllegalArgumentException("linearBackward: x is wanted for the weight's gradient");
    }
    boolean wholeRows = out % 8 == 0 && aligned(dy);
    GemmPlan dxPlan = products.plan(wholeRows, rows, in, out);
    GemmPlan weightPlan = products.plan(wholeRows && in % 8 == 0 && aligned(x), out, in, rows);
    boolean parts = weights && (weightPlan.splits() > 1 || dScale != null);
    // dx = dy (scale * weight): the rows of the weight are scaled before they are rounded.
    long scaledBytes = dx != null && scale != null ? elementBytes() * out * eights(in) : 0;
    synchronized (engine) {
      Engine.Scratch scratch =
          engine.scratch(
              active ? elementBytes() * rows * out : 0,
              sums ? 4 * Products.sumBlocks(rows) * out : 0,
              scaledBytes,
              dx != null && dxPlan.splits() > 1 ? 4L * dxPlan.splits() * rows * in : 0,
              parts ? 4L * weightPlan.splits() * out * in : 0,
              dScale != null ? 4 * out : 0);
      long dz = active ? scratch.part(0) : dy.address();
      if (active || sums) {
        products.differentiate(
            dy.address(),
            active ? preActivation : null,
            active ? dz : 0,
            sums ? scratch.part(1) : 0,
            rows,
            out,
            activation);
      }
      if (dx != null) {
        long operand = packed.address();
        if (scale != null) {
          operand = scratch.part(2);
          products.pack(weight, scale, operand, out, 1, in, in, 0, 1);
        }
        long partial = dxPlan.splits() > 1 ? scratch.part(3) : 0;
        dx(dz, operand, dx, partial, rows, in, out, accumulate, dxPlan);
      }
      if (weights && x != null) {
        dWeight(
            dz,
            x,
            dScale != null ? packed.address() : 0,
            scale,
            dWeight,
            dScale != null ? scratch.part(5) : 0,
            parts ? scratch.part(4) : 0,
            rows,
            in,
            out,
            weightPlan);
      }
      if (dBias != null || dScale != null) {
        products.vectors(
            sums ? scratch.part(1) : 0,
            scale,
            bias,
            dScale != null ? scratch.part(5) : 0,
            dBias,
            dScale,
            out,
            Products.sumBlocks(rows));
      }
    }
  }

  private void dx(
      long dz,
      long packed,
      Tensor dx,
      long partial,
      long rows,
      long in,
      long out,
      boolean accumulate,
      GemmPlan plan) {
    boolean hopper = plan.tile().stays();
    MemorySegment whole =
        Native.arguments(
            hopper ? fathom_cuda_linear_dx90_args.layout() : fathom_cuda_linear_dx_args.layout());
    MemorySegment args = hopper ? fathom_cuda_linear_dx90_args.dx(whole) : whole;
    fathom_cuda_linear_dx_args.dz(args, address(dz));
    fathom_cuda_linear_dx_args.packed(args, address(packed));
    fathom_cuda_linear_dx_args.dx(args, address(dx));
    fathom_cuda_linear_dx_args.partial(args, address(partial));
    fathom_cuda_linear_dx_args.rows(args, Math.toIntExact(rows));
    fathom_cuda_linear_dx_args.in(args, Math.toIntExact(in));
    fathom_cuda_linear_dx_args.out(args, Math.toIntExact(out));
    fathom_cuda_linear_dx_args.accumulate(args, accumulate ? 1 : 0);
    fathom_cuda_linear_dx_args.splits(args, plan.splits());
    if (hopper) {
      products.map(
          fathom_cuda_linear_dx90_args.dz_map(whole), dz, rows, out, out, plan.tile().rows());
      products.map(
          fathom_cuda_linear_dx90_args.packed_map(whole), packed, out, in, eights(in), DEPTH);
      fathom_cuda_linear_dx90_args.group(whole, plan.group(in, out));
    }
    products.product(inputGradient, plan, rows, in, 1, whole);
    if (plan.splits() > 1) {
      products.reduce(inputGradientReduce, rows * ceil(in, 8), args);
    }
  }

  private void dWeight(
      long dz,
      Tensor x,
      long packed,
      @Nullable Tensor scale,
      @Nullable Tensor dWeight,
      long scaleProducts,
      long partial,
      long rows,
      long in,
      long out,
      GemmPlan plan) {
    boolean hopper = plan.tile().stays();
    MemorySegment whole =
        Native.arguments(
            hopper
                ? fathom_cuda_linear_d_weight90_args.layout()
                : fathom_cuda_linear_d_weight_args.layout());
    MemorySegment args = hopper ? fathom_cuda_linear_d_weight90_args.d_weight(whole) : whole;
    fathom_cuda_linear_d_weight_args.dz(args, address(dz));
    fathom_cuda_linear_d_weight_args.x(args, address(x));
    fathom_cuda_linear_d_weight_args.packed(args, address(packed));
    fathom_cuda_linear_d_weight_args.scale(args, address(scale));
    fathom_cuda_linear_d_weight_args.d_weight(args, address(dWeight));
    fathom_cuda_linear_d_weight_args.scale_products(args, address(scaleProducts));
    fathom_cuda_linear_d_weight_args.partial(args, address(partial));
    fathom_cuda_linear_d_weight_args.x_stride(args, in);
    fathom_cuda_linear_d_weight_args.rows(args, Math.toIntExact(rows));
    fathom_cuda_linear_d_weight_args.in(args, Math.toIntExact(in));
    fathom_cuda_linear_d_weight_args.out(args, Math.toIntExact(out));
    fathom_cuda_linear_d_weight_args.splits(args, plan.splits());
    if (hopper) {
      products.map(fathom_cuda_linear_d_weight90_args.dz_map(whole), dz, rows, out, out, DEPTH);
      products.map(
          fathom_cuda_linear_d_weight90_args.x_map(whole), x.address(), rows, in, in, DEPTH);
    }
    products.product(weightGradient, plan, out, in, 1, whole);
    if (partial != 0) {
      launch(weightGradientReduce, out, FathomCuda.FATHOM_LINEAR_THREADS(), args);
    }
  }

  @Override
  public void swiglu(Tensor x, Tensor y) {
    requireElements("swiglu", x, y);
    long channels = y.extent(-1);
    MemorySegment args = Native.arguments(fathom_cuda_swiglu_args.layout());
    fathom_cuda_swiglu_args.x(args, address(x));
    fathom_cuda_swiglu_args.y(args, address(y));
    fathom_cuda_swiglu_args.rows(args, y.size() / channels);
    fathom_cuda_swiglu_args.channels(args, Math.toIntExact(channels));
    products.reduce(gate, y.size() / channels * ceil(channels, 8), args);
  }

  @Override
  public void swigluBackward(Tensor x, Tensor dy, Tensor dx) {
    requireElements("swigluBackward", x, dy, dx);
    long channels = dy.extent(-1);
    MemorySegment args = Native.arguments(fathom_cuda_swiglu_backward_args.layout());
    fathom_cuda_swiglu_backward_args.x(args, address(x));
    fathom_cuda_swiglu_backward_args.dy(args, address(dy));
    fathom_cuda_swiglu_backward_args.dx(args, address(dx));
    fathom_cuda_swiglu_backward_args.rows(args, dy.size() / channels);
    fathom_cuda_swiglu_backward_args.channels(args, Math.toIntExact(channels));
    products.reduce(gateBackward, dy.size() / channels * ceil(channels, 8), args);
  }
}
