package dev.fathom.nn.cuda;

import dev.fathom.bindings.cuda.ConvProvider;
import dev.fathom.nn.op.Activation;
import dev.fathom.nn.tensor.ElementType;
import dev.fathom.nn.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * 3x3 convolutions with stride 1 on a library, its input's ReLU and its epilogue as passes of ours;
 * other convolutions, and every way back, on ours.
 */
final class VendorConv extends CudaConv {

  private final ConvProvider library;
  private final Epilogue epilogue;

  VendorConv(Engine engine, Products products, CudaResample resample, ConvProvider library) {
    super(engine, products, resample);
    this.library = library;
    epilogue = new Epilogue(engine);
  }

  @Override
  public void conv2d(
      Conv2dShape shape,
      Tensor x,
      long height,
      long width,
      Tensor packed,
      @Nullable Tensor bias,
      Fusion fusion,
      Tensor y) {
    boolean takes =
        engine.elements() == ElementType.BFLOAT16
            && shape.kernel() == 3
            && shape.stride() == 1
            && shape.in() % 8 == 0
            && shape.out() % 8 == 0
            && !fusion.sourceResized()
            && fusion.projection() == null;
    if (!takes) {
      super.conv2d(shape, x, height, width, packed, bias, fusion, y);
      return;
    }
    requireElements("conv2d", x, packed, fusion.residual(), fusion.residual2(), y);
    requireFloats("conv2d", bias);
    boolean whole =
        bias != null
            || fusion.activation() != Activation.NONE
            || fusion.residual() != null
            || fusion.residual2() != null;
    synchronized (engine) {
      Engine.Scratch scratch =
          engine.scratch(fusion.reluInput() ? x.bytes() : 0, whole ? y.bytes() : 0);
      long input = x.address();
      if (fusion.reluInput()) {
        input = scratch.part(0);
        epilogue.activate(
            x.address(), Activation.RELU, input, x.size() / x.extent(-1), x.extent(-1));
      }
      long z = whole ? scratch.part(1) : y.address();
      library.convolve(
          engine.stream(),
          new ConvProvider.Shape(
              Math.toIntExact(x.extent(0)),
              Math.toIntExact(height),
              Math.toIntExact(width),
              shape.in(),
              shape.out(),
              shape.kernel(),
              shape.stride()),
          engine.borrowed(input, x.bytes()),
          engine.borrowed(packed.address(), packed.bytes()),
          engine.borrowed(z, y.bytes()));
      if (whole) {
        epilogue.run(
            z, bias, fusion.activation(), null, fusion.residual(), fusion.residual2(), y, null);
      }
    }
  }
}
