package dev.fathom.nn.layer;

import dev.fathom.nn.autograd.Parameter;
import dev.fathom.nn.autograd.Parameters;
import dev.fathom.nn.op.Backend;
import dev.fathom.nn.op.ConvOps.Conv2dShape;
import dev.fathom.nn.tensor.Memory;
import dev.fathom.nn.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Turns named weights into the parameters of layers. For inference each is packed once for the
 * backend, in the model's memory, and its value is not kept. For training, values are kept in the
 * arenas of {@link Parameters}.
 */
public final class Loader {

  private final Backend backend;
  private final Memory memory;
  private final Weights weights;
  private final @Nullable Parameters parameters;

  /** A loader for inference. */
  public Loader(Backend backend, Memory memory, Weights weights) {
    this(backend, memory, weights, null);
  }

  /**
   * A loader for training.
   *
   * @param parameters has room for each parameter
   */
  public Loader(Backend backend, Memory memory, Weights weights, @Nullable Parameters parameters) {
    this.backend = backend;
    this.memory = memory;
    this.weights = weights;
    this.parameters = parameters;
  }

  /** A parameter that operators read as it is. */
  public Parameter plain(String name, long... shape) {
    return load(name, null, shape);
  }

  Parameter linear(String name, long out, long in) {
    return load(name, backend.linear()::packLinear, backend.linear().packsByRounding(in), out, in);
  }

  /** A 1x1 convolution's weight, which is a linear layer's. */
  Parameter pointwise(String name, long out, long in) {
    return load(
        name,
        (weight, target) -> backend.linear().packLinear(weight.view(out, in), target),
        backend.linear().packsByRounding(in),
        out,
        in,
        1,
        1);
  }

  Parameter patchEmbed(String name, long channels, long patch) {
    return load(name, backend.patchEmbed()::packPatchEmbed, channels, 3, patch, patch);
  }

  Parameter conv2d(String name, Conv2dShape shape) {
    return load(
        name,
        (weight, target) -> backend.conv().packConv2d(shape, weight, target),
        shape.out(),
        shape.in(),
        shape.kernel(),
        shape.kernel());
  }

  Parameter convTranspose2d(String name, int in, int out, int kernel) {
    return load(
        name,
        (weight, target) -> backend.conv().packConvTranspose2d(in, out, kernel, weight, target),
        in,
        out,
        kernel,
        kernel);
  }

  private Parameter load(String name, Parameter.@Nullable Packing packing, long... shape) {
    return load(name, packing, false, shape);
  }

  /**
   * Loads a parameter.
   *
   * @param rounds whether the packing only rounds
   */
  private Parameter load(
      String name, Parameter.@Nullable Packing packing, boolean rounds, long... shape) {
    if (parameters != null) {
      Parameter parameter = rounds ? parameters.addRounded(name) : parameters.add(name, packing);
      return weights.read(
          name,
          shape,
          weight -> {
            backend.transfer().write(weight, parameter.value());
            return parameter;
          });
    }
    if (packing == null) {
      Tensor target = memory.allocate(shape);
      return weights.read(
          name,
          shape,
          weight -> {
            backend.transfer().write(weight, target);
            return Parameter.forInference(name, shape, target);
          });
    }
    return weights.read(
        name, shape, weight -> Parameter.forInference(name, shape, packing.pack(weight, memory)));
  }
}
