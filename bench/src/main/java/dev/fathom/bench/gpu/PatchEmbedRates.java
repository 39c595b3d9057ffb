package dev.fathom.bench.gpu;

import dev.fathom.nn.op.PatchEmbedOps;
import dev.fathom.nn.tensor.Tensor;

/** The encoder's first layer and its gradients. */
final class PatchEmbedRates {

  static final String SECTION = "Patch embedding";

  /** What a library wants the depth of a product to be a multiple of. */
  private static final long STEP = 8;

  private final Rig rig;

  PatchEmbedRates(Rig rig) {
    this.rig = rig;
  }

  private static long depth(NetworkShape at) {
    return 3L * at.model().patch() * at.model().patch();
  }

  private static long patches(NetworkShape at) {
    return (long) at.batch() * at.grid() * at.grid();
  }

  private static double flop(NetworkShape at) {
    return 2.0 * patches(at) * depth(at) * at.model().embedDim();
  }

  /** The library's is the product alone, of patches that somebody has gathered. */
  void forward(NetworkShape at) {
    long dim = at.model().embedDim();
    int patch = at.model().patch();
    long depth = (depth(at) + STEP - 1) / STEP * STEP;
    rig.group(
        "patch embedding of " + at,
        operands -> {
          PatchEmbedOps ops = rig.backend().patchEmbed();
          Tensor image = operands.floats(at.batch(), at.side(), at.side(), 3);
          Tensor packed =
              ops.packPatchEmbed(operands.floats(dim, 3, patch, patch), operands.memory());
          Tensor bias = operands.floats(dim);
          Tensor cls = operands.floats(dim);
          Tensor position = operands.floats(at.tokens(), dim);
          Tensor tokens = operands.elements(at.batch(), at.tokens(), dim);
          rig.flop(
              SECTION,
              "forward " + at,
              flop(at),
              at.cold(),
              () -> ops.patchEmbed(image, patch, packed, bias, cls, position, tokens),
              () ->
                  rig.peers()
                      .product(
                          operands,
                          patches(at),
                          dim,
                          depth,
                          operands.elements(patches(at), depth),
                          operands.elements(dim, depth),
                          tokens,
                          at.cold()));
        });
  }

  void backward(NetworkShape at) {
    long dim = at.model().embedDim();
    int patch = at.model().patch();
    long depth = (depth(at) + STEP - 1) / STEP * STEP;
    rig.group(
        "patch embedding of " + at + " backward",
        operands -> {
          PatchEmbedOps ops = rig.backend().patchEmbed();
          Tensor image = operands.floats(at.batch(), at.side(), at.side(), 3);
          Tensor dTokens = operands.elements(at.batch(), at.tokens(), dim);
          Tensor dWeight = operands.floats(dim, 3, patch, patch);
          rig.flop(
              SECTION,
              "dW " + at,
              flop(at),
              false,
              () -> ops.patchEmbedBackward(image, patch, dTokens, dWeight, null, null, null),
              () ->
                  rig.peers()
                      .product(
                          operands,
                          dim,
                          depth,
                          patches(at),
                          operands.elements(dim, patches(at)),
                          operands.elements(depth, patches(at)),
                          operands.elements(dim, depth),
                          false));
          Tensor dBias = operands.floats(dim);
          Tensor dCls = operands.floats(dim);
          Tensor dPosition = operands.floats(at.tokens(), dim);
          rig.bytes(
              SECTION,
              "sums for bias, class token and positions " + at,
              rig.elementBytes((double) at.rows() * dim) + 8.0 * at.tokens() * dim,
              () -> ops.patchEmbedBackward(image, patch, dTokens, null, dBias, dCls, dPosition));
          Tensor weight = operands.floats(dim, 3, patch, patch);
          rig.bytes(
              SECTION,
              "weight packed, " + at.model().name(),
              4.0 * dim * depth(at) + rig.elementBytes((double) dim * depth),
              () -> operands.memory().release(ops.packPatchEmbed(weight, operands.memory())));
        });
  }
}
