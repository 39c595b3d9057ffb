package dev.fathom.bench;

import dev.fathom.bench.Trial.Operand;
import dev.fathom.nn.op.NormOps;
import dev.fathom.nn.tensor.Tensor;
import org.openjdk.jmh.annotations.Param;

/** Layer normalisation in the blocks, and the last one, which drops the class token. */
public class NormBenchmark extends OperatorBenchmark {

  private static final float EPS = 1e-6f;

  /** norm1 of a block, or the norm of a tap. */
  @Param({"norm1", "norm"})
  public String layer;

  @Override
  Operator prepare(Trial trial) {
    int skip =
        switch (layer) {
          case "norm1" -> 0;
          case "norm" -> 1;
          default -> throw unknown(layer);
        };
    long channels = config().embedDim();
    long rows = (long) TOKENS - skip;
    Operand x = trial.uniform(2, 1, TOKENS, channels);
    Operand weight = trial.uniform(1, channels);
    Operand bias = trial.uniform(0.05, channels);
    Tensor y = trial.allocate(1, rows, channels);
    NormOps ops = trial.backend().norm();
    return new Operator(
        "[%d,%d]".formatted(rows, channels),
        Operator.Unit.BYTE,
        4.0 * 2 * rows * channels,
        1e-5,
        () -> ops.layerNorm(x.tensor(), skip, weight.tensor(), bias.tensor(), EPS, y, null, null),
        y,
        element -> {
          long row = element / channels + skip;
          long channel = element % channels;
          double mean = 0;
          for (long c = 0; c < channels; c++) {
            mean += x.at(row * channels + c) / channels;
          }
          double variance = 0;
          for (long c = 0; c < channels; c++) {
            variance += Math.pow(x.at(row * channels + c) - mean, 2) / channels;
          }
          return (x.at(row * channels + channel) - mean)
                  / Math.sqrt(variance + EPS)
                  * weight.at(channel)
              + bias.at(channel);
        });
  }
}
