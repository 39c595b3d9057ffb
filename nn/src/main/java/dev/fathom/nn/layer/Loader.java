package dev.fathom.nn.layer;

import dev.fathom.nn.op.Backend;
import dev.fathom.nn.op.ConvOps.Conv2dShape;
import dev.fathom.nn.tensor.Memory;
import dev.fathom.nn.tensor.Tensor;
import java.util.function.Function;

/**
 * Turns named weights into what layers hold: packed once for the backend, in the model's memory.
 */
public final class Loader {

  private final Backend backend;
  private final Memory memory;
  private final Weights weights;

  public Loader(Backend backend, Memory memory, Weights weights) {
    this.backend = backend;
    this.memory = memory;
    this.weights = weights;
  }

  /** A parameter as it is. */
  public Tensor plain(String name, long... shape) {
    Tensor target = memory.allocate(shape);
    return weights.read(
        name,
        shape,
        weight -> {
          backend.resample().copy(weight, target);
          return target;
        });
  }

  Tensor linear(String name, long out, long in) {
    return pack(name, weight -> backend.linear().packLinear(weight, memory), out, in);
  }

  /** A 1x1 convolution's weight, which is a linear layer's. */
  Tensor pointwise(String name, long out, long in) {
    return pack(
        name, weight -> backend.linear().packLinear(weight.view(out, in), memory), out, in, 1, 1);
  }

  Tensor patchEmbed(String name, long channels, long patch) {
    return pack(
        name,
        weight -> backend.patchEmbed().packPatchEmbed(weight, memory),
        channels,
        3,
        patch,
        patch);
  }

  Tensor conv2d(String name, Conv2dShape shape) {
    return pack(
        name,
        weight -> backend.conv().packConv2d(shape, weight, memory),
        shape.out(),
        shape.in(),
        shape.kernel(),
        shape.kernel());
  }

  Tensor convTranspose2d(String name, int in, int out, int kernel) {
    return pack(
        name,
        weight -> backend.conv().packConvTranspose2d(in, out, kernel, weight, memory),
        in,
        out,
        kernel,
        kernel);
  }

  private Tensor pack(String name, Function<Tensor, Tensor> packing, long... shape) {
    return weights.read(name, shape, packing);
  }
}
