package dev.fathom.bench;

import dev.fathom.bench.Trial.Operand;
import dev.fathom.nn.op.Activation;
import dev.fathom.nn.op.LinearOps;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import org.openjdk.jmh.annotations.Param;

/**
 * Linear layers with what is fused into them, beside the bare matrix product of vendors' libraries:
 * bias, GELU, LayerScale and residual would each be another pass over memory there.
 */
public class LinearBenchmark extends OperatorBenchmark {

  /** A layer of the encoder's blocks, or a 1x1 convolution of the head. */
  @Param({"qkv", "proj", "fc1", "fc2", "project1", "out_conv1"})
  public String layer;

  /** fathom, or one of {@link MatrixProduct#NAMES}. */
  @Param("fathom")
  public String library;

  /** Rows, in and out of a layer. */
  private record Sizes(long rows, long in, long out) {
    double flop() {
      return 2.0 * rows * in * out;
    }
  }

  @Override
  Operator prepare(Trial trial) {
    int channels = config().embedDim();
    int features = config().features();
    Sizes sizes =
        switch (layer) {
          case "qkv" -> new Sizes(TOKENS, channels, 3L * channels);
          case "proj" -> new Sizes(TOKENS, channels, channels);
          case "fc1" -> new Sizes(TOKENS, channels, 4L * channels);
          case "fc2" -> new Sizes(TOKENS, 4L * channels, channels);
          case "project1" ->
              new Sizes(PATCHES * PATCHES, channels, config().outChannels().getFirst());
          case "out_conv1" -> new Sizes(16L * PATCHES * PATCHES, features, features);
          default -> throw unknown(layer);
        };
    return library.equals("fathom") ? fathom(trial, sizes) : peer(trial, sizes);
  }

  private Operator fathom(Trial trial, Sizes s) {
    Operand x = trial.uniform(1, s.rows, s.in);
    Operand weight = trial.weight(s.in, s.out, s.in);
    Operand bias = trial.uniform(0.05, s.out);
    LinearOps ops = trial.backend().linear();
    Tensor packed = ops.packLinear(weight.tensor(), trial.memory());
    boolean gelu = layer.equals("fc1");
    boolean residual = layer.equals("proj") || layer.equals("fc2");
    // In place as in the network: y is also the residual. It grows with each run, by what is small.
    Operand y = trial.uniform(1, s.rows, s.out);
    Operand gamma = trial.uniform(1, s.out);
    return new Operator(
        "[%d,%d] x [%d,%d]%s"
            .formatted(
                s.rows,
                s.in,
                s.in,
                s.out,
                gelu ? " + bias, GELU" : residual ? " + bias, scale, residual" : " + bias"),
        Operator.Unit.FLOP,
        s.flop(),
        1e-4,
        () ->
            ops.linear(
                x.tensor(),
                packed,
                bias.tensor(),
                gelu ? Activation.GELU : Activation.NONE,
                residual ? gamma.tensor() : null,
                residual ? y.tensor() : null,
                y.tensor(),
                null),
        y.tensor(),
        element -> {
          long row = element / s.out;
          long out = element % s.out;
          double sum = bias.at(out) + Reference.dot(x, row * s.in, weight, out * s.in, 1, s.in);
          if (gelu) {
            return Reference.gelu(sum);
          }
          return residual ? y.at(element) + gamma.at(out) * sum : sum;
        });
  }

  private Operator peer(Trial trial, Sizes s) {
    MatrixProduct product = MatrixProduct.open(library, threads, trial.backend().context().isa());
    Operand x = trial.uniform(1, s.rows, s.in);
    Operand weight = trial.weight(s.in, s.in, s.out);
    Tensor y = trial.allocate(s.rows, s.out);
    MemorySegment xData = x.tensor().data();
    MemorySegment weightData = weight.tensor().data();
    MemorySegment yData = y.data();
    return new Operator(
        product.description(),
        Operator.Unit.FLOP,
        s.flop(),
        1e-4,
        () -> product.multiply(s.rows, s.in, s.out, xData, weightData, yData),
        y,
        element -> Reference.dot(x, element / s.out * s.in, weight, element % s.out, s.out, s.in));
  }
}
