package dev.fathom.nn.cuda;

import dev.fathom.bindings.cuda.GemmProvider;
import dev.fathom.nn.op.Activation;
import dev.fathom.nn.tensor.ElementType;
import dev.fathom.nn.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Linear layers on a library's matrix product, and {@link Epilogue} for the rest; what the library
 * does not take, and every way back, on ours.
 */
final class VendorLinear extends CudaLinear {

  private final GemmProvider library;
  private final Epilogue epilogue;

  VendorLinear(Engine engine, Products products, GemmProvider library) {
    super(engine, products);
    this.library = library;
    epilogue = new Epilogue(engine);
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
    long in = x.extent(-1);
    if (engine.elements() != ElementType.BFLOAT16 || in % 8 != 0 || x.size() == 0) {
      super.linear(x, packed, bias, activation, scale, residual, y, preActivation);
      return;
    }
    requireElements("linear", x, packed, residual, y, preActivation);
    requireFloats("linear", bias, scale);
    long out = y.extent(-1);
    long rows = x.size() / in;
    boolean whole =
        bias != null
            || activation != Activation.NONE
            || scale != null
            || residual != null
            || preActivation != null;
    synchronized (engine) {
      // y itself would do for the product unless it is the residual.
      long z = whole ? engine.scratch(y.bytes()).part(0) : y.address();
      library.multiply(
          engine.stream(),
          Math.toIntExact(rows),
          Math.toIntExact(in),
          Math.toIntExact(out),
          engine.borrowed(x.address(), x.bytes()),
          engine.borrowed(packed.address(), packed.bytes()),
          null,
          engine.borrowed(z, y.bytes()));
      if (whole) {
        epilogue.run(z, bias, activation, scale, residual, null, y, preActivation);
      }
    }
  }
}
