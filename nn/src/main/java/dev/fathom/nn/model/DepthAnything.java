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
    List<Tensor> features = encoder.forward(pass, image);
    long rows = image.extent(1) / config.patch();
    long columns = image.extent(2) / config.patch();
    return head.forward(pass, features, rows, columns);
  }
}
