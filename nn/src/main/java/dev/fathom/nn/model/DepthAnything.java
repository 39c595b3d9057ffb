package dev.fathom.nn.model;

import dev.fathom.nn.layer.Loader;
import dev.fathom.nn.layer.Pass;
import dev.fathom.nn.tensor.Tensor;
import java.util.List;

/**
 * The network (Yang et al., "Depth Anything", CVPR 2024; V2: NeurIPS 2024): a DINOv2 encoder and a
 * DPT head.
 */
public final class DepthAnything {

  private final ModelConfig config;
  private final DinoV2 encoder;
  private final DptHead head;

  /** The network of weights under their published names. */
  public DepthAnything(Loader loader, ModelConfig config) {
    this.config = config;
    encoder = new DinoV2(loader, "pretrained", config);
    head = new DptHead(loader, "depth_head", config);
  }

  /** The network's shape. */
  public ModelConfig config() {
    return config;
  }

  /**
   * Disparity (larger is nearer), or metres for a metric network.
   *
   * @param image [B,H,W,3], normalised; H and W multiples of the patch
   * @return [B,H,W]
   */
  public Tensor forward(Pass pass, Tensor image) {
    return decode(pass, encode(pass, image), image.extent(1), image.extent(2));
  }

  /**
   * The encoder's features: each tap after the final norm, without the class token. The last is the
   * encoder's output, where the last tap is the last block (it is, in every published network).
   *
   * @param image [B,H,W,3], normalised; H and W multiples of the patch
   * @return four tensors [B,H/P*W/P,C]
   */
  public List<Tensor> encode(Pass pass, Tensor image) {
    return encoder.forward(pass, image);
  }

  /**
   * What the head makes of features.
   *
   * @param features from {@link #encode}, released
   * @param height of the picture
   * @param width of the picture
   * @return [B,height,width]
   */
  public Tensor decode(Pass pass, List<Tensor> features, long height, long width) {
    return head.forward(pass, features, height / config.patch(), width / config.patch());
  }
}
