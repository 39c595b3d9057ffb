package dev.fathom.nn.layer;

import dev.fathom.nn.autograd.Parameter;
import dev.fathom.nn.autograd.Tape;
import dev.fathom.nn.op.PatchEmbedOps;
import dev.fathom.nn.tensor.Tensor;

/** Pictures to tokens: patches projected, the class token in front, positions added. */
public final class PatchEmbed {

  private final int patch;
  private final long channels;
  private final Parameter weight;
  private final Parameter bias;
  private final Parameter cls;

  private PatchEmbed(int patch, long channels, Parameter weight, Parameter bias, Parameter cls) {
    this.patch = patch;
    this.channels = channels;
    this.weight = weight;
    this.bias = bias;
    this.cls = cls;
  }

  /** The layer of {@code prefix.patch_embed.proj} and {@code prefix.cls_token}. */
  public static PatchEmbed load(Loader loader, String prefix, int patch, int channels) {
    String projection = prefix + ".patch_embed.proj";
    return new PatchEmbed(
        patch,
        channels,
        loader.patchEmbed(projection + ".weight", channels, patch),
        loader.plain(projection + ".bias", channels),
        loader.plain(prefix + ".cls_token", 1, 1, channels));
  }

  /**
   * The tokens of a batch of pictures.
   *
   * @param image [B,H,W,3], normalised; H and W multiples of the patch
   * @param position [1 + H/P*W/P,C]
   * @return [B,1 + H/P*W/P,C]
   */
  public Tensor forward(Pass pass, Tensor image, Tensor position) {
    Shapes.requireRank("patchEmbed", image, 4, "[B,H,W,3]");
    Shapes.requireChannels("patchEmbed", image, 3);
    long height = image.extent(1);
    long width = image.extent(2);
    if (height < patch || width < patch || height % patch != 0 || width % patch != 0) {
      throw new IllegalArgumentException(
          "patchEmbed: the input is " + image + "; height and width must be multiples of " + patch);
    }
    long tokens = 1 + height / patch * (width / patch);
    Shapes.requireShape("patchEmbed", "the position table", position, tokens, channels);
    Tensor y = pass.allocate(image.extent(0), tokens, channels);
    PatchEmbedOps ops = pass.backend().patchEmbed();
    ops.patchEmbed(image, patch, weight.packed(), bias.packed(), cls.packed(), position, y);
    Tape tape = pass.tape();
    if (tape != null && (tape.tracks(position) || weight.trainable())) {
      tape.record(
          y,
          dy ->
              ops.patchEmbedBackward(
                  image,
                  patch,
                  dy.view(image.extent(0), tokens, channels),
                  weight.gradient(),
                  bias.gradient(),
                  cls.gradient(),
                  tape.zeroedSlot(position)),
          image);
    }
    return y;
  }
}
