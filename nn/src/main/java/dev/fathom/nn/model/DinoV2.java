package dev.fathom.nn.model;

import dev.fathom.nn.layer.LayerNorm;
import dev.fathom.nn.layer.Loader;
import dev.fathom.nn.layer.Pass;
import dev.fathom.nn.layer.PatchEmbed;
import dev.fathom.nn.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;

/**
 * The encoder, a vision transformer without registers (Oquab et al., "DINOv2", 2023). Four of its
 * blocks are tapped; the one final norm is applied to each tap, and the class token is dropped.
 */
public final class DinoV2 {

  static final float EPS = 1e-6f;

  private final ModelConfig config;
  private final PatchEmbed patchEmbed;
  private final PositionTable positions;
  private final List<Block> blocks = new ArrayList<>();
  private final LayerNorm norm;

  /** The encoder of the weights whose names begin with {@code prefix}. */
  public DinoV2(Loader loader, String prefix, ModelConfig config) {
    this.config = config;
    patchEmbed = PatchEmbed.load(loader, prefix, config.patch(), config.embedDim());
    positions = PositionTable.load(loader, prefix + ".pos_embed", config);
    for (int i = 0; i < config.depth(); i++) {
      blocks.add(new Block(loader, prefix + ".blocks." + i, config));
    }
    norm = LayerNorm.load(loader, prefix + ".norm", config.embedDim(), EPS);
  }

  /**
   * The four features.
   *
   * @param image [B,H,W,3], normalised
   * @return four tensors [B,H/P*W/P,C]
   */
  List<Tensor> forward(Pass pass, Tensor image) {
    return taps(pass, image, config.taps());
  }

  /**
   * The encoder's output: its last block after the final norm, without the class token.
   *
   * @param image [B,H,W,3], normalised
   * @return [B,H/P*W/P,C]
   */
  public Tensor features(Pass pass, Tensor image) {
    return taps(pass, image, List.of(config.depth() - 1)).getFirst();
  }

  private List<Tensor> taps(Pass pass, Tensor image, List<Integer> wanted) {
    long rows = image.extent(1) / config.patch();
    long columns = image.extent(2) / config.patch();
    Tensor position = positions.forward(pass, rows, columns);
    Tensor x = patchEmbed.forward(pass, image, position);
    positions.release(pass, position);
    pass.observe("patch_embed", x);
    List<Tensor> features = new ArrayList<>();
    for (int i = 0; i < blocks.size(); i++) {
      x = pass.checkpointed(x, blocks.get(i)::forward);
      pass.observe("blocks." + i, x);
      // A tap may be named twice, and taps need not be sorted by the configuration.
      for (int tap : wanted) {
        if (tap == i) {
          Tensor feature = norm.forward(pass, x, 1);
          pass.observe("feature" + features.size(), feature);
          features.add(feature);
        }
      }
    }
    pass.release(x);
    return features;
  }
}
