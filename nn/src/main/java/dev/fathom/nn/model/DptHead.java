package dev.fathom.nn.model;

import dev.fathom.nn.layer.Conv2d;
import dev.fathom.nn.layer.ConvTranspose2d;
import dev.fathom.nn.layer.Linear;
import dev.fathom.nn.layer.Loader;
import dev.fathom.nn.layer.Pass;
import dev.fathom.nn.layer.ProjectedConv2d;
import dev.fathom.nn.layer.Resize;
import dev.fathom.nn.op.Activation;
import dev.fathom.nn.op.ConvOps.Conv2dShape;
import dev.fathom.nn.op.ConvOps.Fusion;
import dev.fathom.nn.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;

/**
 * The decoder (Ranftl et al., "Vision Transformers for Dense Prediction", 2021): features become
 * maps at four scales, fused from coarse to fine, then one number per pixel.
 */
final class DptHead {

  private static final int LAST_CHANNELS = 32;

  private final ModelConfig config;
  private final List<Linear> projects = new ArrayList<>();
  private final ConvTranspose2d enlarge4;
  private final ConvTranspose2d enlarge2;
  private final Conv2d shrink2;
  private final List<Conv2d> layerRn = new ArrayList<>();
  private final List<FusionBlock> refinenets = new ArrayList<>();
  private final Conv2d outputConv1;
  private final ProjectedConv2d outputConv2;

  /** The head of the weights whose names begin with {@code prefix}. */
  DptHead(Loader loader, String prefix, ModelConfig config) {
    this.config = config;
    List<Integer> out = config.outChannels();
    int features = config.features();
    String scratch = prefix + ".scratch";
    for (int i = 0; i < 4; i++) {
      projects.add(
          Linear.loadPointwise(loader, prefix + ".projects." + i, config.embedDim(), out.get(i)));
    }
    String resize = prefix + ".resize_layers.";
    enlarge4 = ConvTranspose2d.load(loader, resize + 0, out.get(0), out.get(0), 4);
    enlarge2 = ConvTranspose2d.load(loader, resize + 1, out.get(1), out.get(1), 2);
    shrink2 = Conv2d.load(loader, resize + 3, new Conv2dShape(out.get(3), out.get(3), 3, 2), true);
    for (int i = 0; i < 4; i++) {
      String name = scratch + ".layer" + (i + 1) + "_rn";
      layerRn.add(Conv2d.load(loader, name, new Conv2dShape(out.get(i), features, 3, 1), false));
    }
    for (int i = 0; i < 4; i++) {
      refinenets.add(FusionBlock.load(loader, scratch + ".refinenet" + (i + 1), features, i < 3));
    }
    outputConv1 =
        Conv2d.load(
            loader, scratch + ".output_conv1", new Conv2dShape(features, features / 2, 3, 1), true);
    boolean metric = config.release() == Release.V2_METRIC;
    outputConv2 =
        ProjectedConv2d.load(
            loader,
            scratch + ".output_conv2.0",
            scratch + ".output_conv2.2",
            new Conv2dShape(features / 2, LAST_CHANNELS, 3, 1),
            metric ? Activation.SIGMOID : Activation.RELU,
            metric ? config.maxDepth() : 1);
  }

  /**
   * Disparity, or metres for a metric network.
   *
   * @param features four tensors [B,rows*columns,C], released
   * @return [B,P*rows,P*columns]
   */
  Tensor forward(Pass pass, List<Tensor> features, long rows, long columns) {
    List<Tensor> maps = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      maps.add(reassemble(pass, i, features.get(i), rows, columns));
      pass.observe("layer" + (i + 1) + "_rn", maps.get(i));
    }
    Tensor path = refinenets.get(3).forward(pass, null, maps.get(3));
    for (int i = 2; i >= 0; i--) {
      Tensor skip = maps.get(i);
      Tensor enlarged = Resize.bilinear(pass, path, skip.extent(1), skip.extent(2));
      pass.release(path);
      pass.observe("refinenet" + (i + 2), enlarged);
      path = refinenets.get(i).forward(pass, enlarged, skip);
    }
    pass.observe("refinenet1.small", path);
    // The last two enlargements happen as the next convolution reads its input.
    Fusion resized = new Fusion(false, true, Activation.NONE, null, null, null);
    Tensor half = outputConv1.forward(pass, path, 2 * path.extent(1), 2 * path.extent(2), resized);
    pass.release(path);
    pass.observe("output_conv1", half);
    Tensor depth = outputConv2.forward(pass, half, config.patch() * rows, config.patch() * columns);
    pass.release(half);
    return depth;
  }

  /** One feature as a map at its scale (4x, 2x, 1x, 1/2x the patches) with the head's channels. */
  private Tensor reassemble(Pass pass, int i, Tensor feature, long rows, long columns) {
    Tensor projected = projects.get(i).forward(pass, feature, Activation.NONE);
    pass.release(feature);
    Tensor map = projected.view(projected.extent(0), rows, columns, projected.extent(-1));
    Tensor scaled =
        switch (i) {
          case 0 -> enlarge4.forward(pass, map);
          case 1 -> enlarge2.forward(pass, map);
          case 3 -> shrink2.forward(pass, map, Fusion.NONE);
          default -> map;
        };
    if (scaled != map) {
      pass.release(projected);
    }
    Tensor result = layerRn.get(i).forward(pass, scaled, Fusion.NONE);
    pass.release(scaled == map ? projected : scaled);
    return result;
  }
}
