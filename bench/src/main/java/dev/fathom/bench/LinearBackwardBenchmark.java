package dev.fathom.bench;

import dev.fathom.bench.Trial.Operand;
import dev.fathom.nn.op.Activation;
import dev.fathom.nn.op.LinearOps;
import dev.fathom.nn.tensor.Tensor;
import java.util.function.LongToDoubleFunction;
import org.openjdk.jmh.annotations.Param;

/**
 * The way back of linear layers with what is fused into them: the gradients of the input, the
 * weight, the bias and, where there is one, LayerScale's. FLOP are those of the two products.
 */
public class LinearBackwardBenchmark extends OperatorBenchmark {

  /** As in {@link LinearBenchmark}. */
  @Param({"qkv", "proj", "fc1", "fc2", "project1", "out_conv1"})
  public String layer;

  @Override
  Operator prepare(Trial trial) {
    int channels = config().embedDim();
    int features = config().features();
    return switch (layer) {
      case "qkv" -> operator(trial, TOKENS, channels, 3L * channels);
      case "proj" -> operator(trial, TOKENS, channels, channels);
      case "fc1" -> operator(trial, TOKENS, channels, 4L * channels);
      case "fc2" -> operator(trial, TOKENS, 4L * channels, channels);
      case "project1" ->
          operator(trial, (long) PATCHES * PATCHES, channels, config().outChannels().getFirst());
      case "out_conv1" -> operator(trial, 16L * PATCHES * PATCHES, features, features);
      default -> throw unknown(layer);
    };
  }

  private Operator operator(Trial trial, long rows, long in, long out) {
    boolean gelu = layer.equals("fc1");
    boolean scaled = layer.equals("proj") || layer.equals("fc2");
    Operand x = trial.uniform(1, rows, in);
    Operand weight = trial.weight(in, out, in);
    Operand bias = trial.uniform(0.05, out);
    Operand gamma = trial.uniform(1, out);
    Operand before = trial.uniform(2, rows, out);
    Operand dy = trial.uniform(1, rows, out);
    Gradients gradients = new Gradients(trial, rows * in, out * in, out, scaled ? out : 0);
    Tensor dx = gradients.part(0, rows, in);
    Tensor dWeight = gradients.part(1, out, in);
    Tensor dBias = gradients.part(2, out);
    Tensor dScale = scaled ? gradients.part(3, out) : null;
    LinearOps ops = trial.backend().linear();
    Tensor packed = ops.packLinear(weight.tensor(), trial.memory());
    LongToDoubleFunction dz =
        i ->
            dy.at(i)
                * (scaled ? gamma.at(i % out) : 1)
                * (gelu ? Reference.geluSlope(before.at(i)) : 1);
    return gradients.operator(
        "[%d,%d] x [%d,%d], back%s"
            .formatted(rows, in, in, out, gelu ? ", GELU" : scaled ? ", scale" : ""),
        Operator.Unit.FLOP,
        4.0 * rows * in * out,
        2e-3,
        () ->
            ops.linearBackward(
                x.tensor(),
                weight.tensor(),
                packed,
                bias.tensor(),
                gelu ? Activation.GELU : Activation.NONE,
                gelu ? before.tensor() : null,
                scaled ? gamma.tensor() : null,
                dy.tensor(),
                dx,
                false,
                dWeight,
                dBias,
                dScale),
        (part, element) ->
            switch (part) {
              case 0 ->
                  Reference.sum(
                      out,
                      o ->
                          dz.applyAsDouble(element / in * out + o)
                              * weight.at(o * in + element % in));
              case 1 ->
                  Reference.sum(
                      rows,
                      r -> dz.applyAsDouble(r * out + element / in) * x.at(r * in + element % in));
              case 2 -> Reference.sum(rows, r -> dz.applyAsDouble(r * out + element));
              default ->
                  Reference.sum(
                      rows,
                      r ->
                          dy.at(r * out + element)
                              * (bias.at(element)
                                  + Reference.dot(x, r * in, weight, element * in, 1, in)));
            });
  }
}
