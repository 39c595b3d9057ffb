package dev.fathom.nn.layer;

import dev.fathom.nn.tensor.Tensor;

/** Pictures to tokens: patches projected, the class token in front, positions added. */
public final class PatchEmbed {

  private final int patch;
  private final long channels;
  private final Tensor weight;
  private final Tensor bias;
  private final Tensor cls;

  private PatchEmbed(int patch, long channels, Tensor weight, Tensor bias, Tensor cls) {
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
    pass.backend().patchEmbed().patchEmbed(image, patch, weight, bias, cls, position, y);
    return y;
  }
}
