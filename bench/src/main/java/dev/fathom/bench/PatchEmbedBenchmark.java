package dev.fathom.bench;

import dev.fathom.bench.Trial.Operand;
import dev.fathom.nn.op.PatchEmbedOps;
import dev.fathom.nn.tensor.Tensor;
import org.openjdk.jmh.annotations.Param;

/** The encoder's first layer. */
public class PatchEmbedBenchmark extends OperatorBenchmark {

  /** Patches, class token and positions to tokens. */
  @Param("patch_embed")
  public String layer;

  @Override
  Operator prepare(Trial trial) {
    if (!layer.equals("patch_embed")) {
      throw unknown(layer);
    }
    long channels = config().embedDim();
    int patch = config().patch();
    Operand image = trial.uniform(2, 1, SIDE, SIDE, 3);
    Operand weight = trial.weight(3L * patch * patch, channels, 3, patch, patch);
    Operand bias = trial.uniform(0.05, channels);
    Operand cls = trial.uniform(0.2, channels);
    Operand position = trial.uniform(0.2, TOKENS, channels);
    PatchEmbedOps ops = trial.backend().patchEmbed();
    Tensor packed = ops.packPatchEmbed(weight.tensor(), trial.memory());
    Tensor tokens = trial.allocate(1, TOKENS, channels);
    return new Operator(
        "%d x %d pixels to [%d,%d]".formatted(SIDE, SIDE, TOKENS, channels),
        Operator.Unit.FLOP,
        2.0 * (TOKENS - 1) * channels * 3 * patch * patch,
        1e-4,
        () ->
            ops.patchEmbed(
                image.tensor(),
                patch,
                packed,
                bias.tensor(),
                cls.tensor(),
                position.tensor(),
                tokens),
        tokens,
        element -> {
          long token = element / channels;
          long channel = element % channels;
          if (token == 0) {
            return cls.at(channel) + position.at(channel);
          }
          double sum = bias.at(channel) + position.at(element);
          long top = (token - 1) / PATCHES * patch;
          long left = (token - 1) % PATCHES * patch;
          for (long c = 0; c < 3; c++) {
            for (long i = 0; i < patch; i++) {
              for (long j = 0; j < patch; j++) {
                sum +=
                    image.at(((top + i) * SIDE + left + j) * 3 + c)
                        * weight.at(((channel * 3 + c) * patch + i) * patch + j);
              }
            }
          }
          return sum;
        });
  }
}
