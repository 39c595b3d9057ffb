package dev.fathom.bench;

import dev.fathom.bench.Trial.Operand;
import dev.fathom.nn.op.NormOps;
import dev.fathom.nn.tensor.Tensor;
import org.openjdk.jmh.annotations.Param;

/** The way back of layer normalisation: the gradients of the input, the weight and the bias. */
public class NormBackwardBenchmark extends OperatorBenchmark {

  private static final float EPS = 1e-6f;

  /** As in {@link NormBenchmark}. */
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
    Operand dy = trial.uniform(1, 1, rows, channels);
    NormOps ops = trial.backend().norm();
    Tensor mean = trial.allocate(1, rows);
    Tensor rstd = trial.allocate(1, rows);
    Tensor y = trial.allocate(1, rows, channels);
    ops.layerNorm(
        x.tensor(), skip, weight.tensor(), trial.uniform(1, channels).tensor(), EPS, y, mean, rstd);
    float[] means = mean.toArray();
    float[] rstds = rstd.toArray();
    Gradients gradients = new Gradients(trial, TOKENS * channels, channels, channels);
    Tensor dx = gradients.part(0, 1, TOKENS, channels);
    Tensor dWeight = gradients.part(1, channels);
    Tensor dBias = gradients.part(2, channels);
    Normalised normalised =
        (row, channel) ->
            (x.at((row + skip) * channels + channel) - means[Math.toIntExact(row)])
                * rstds[Math.toIntExact(row)];
    return gradients.operator(
        "[%d,%d], back".formatted(rows, channels),
        Operator.Unit.BYTE,
        4.0 * 3 * rows * channels,
        1e-4,
        () ->
            ops.layerNormBackward(
                x.tensor(),
                skip,
                weight.tensor(),
                mean,
                rstd,
                dy.tensor(),
                dx,
                false,
                dWeight,
                dBias),
        (part, element) -> {
          if (part > 0) {
            return Reference.sum(
                rows,
                r -> dy.at(r * channels + element) * (part == 1 ? normalised.at(r, element) : 1));
          }
          long row = element / channels - skip;
          if (row < 0) {
            return 0;
          }
          long start = row * channels;
          double meanSlope =
              Reference.sum(channels, c -> dy.at(start + c) * weight.at(c)) / channels;
          double meanProduct =
              Reference.sum(channels, c -> dy.at(start + c) * weight.at(c) * normalised.at(row, c))
                  / channels;
          long channel = element % channels;
          return rstds[Math.toIntExact(row)]
              * (dy.at(start + channel) * weight.at(channel)
                  - meanSlope
                  - normalised.at(row, channel) * meanProduct);
        });
  }

  /** What the weight is multiplied with. */
  @FunctionalInterface
  private interface Normalised {
    double at(long row, long channel);
  }
}
