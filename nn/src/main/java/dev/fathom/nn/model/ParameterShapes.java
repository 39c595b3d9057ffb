package dev.fathom.nn.model;

import dev.fathom.nn.layer.Loader;
import dev.fathom.nn.layer.Weights;
import dev.fathom.nn.op.ShapesOnly;
import dev.fathom.nn.tensor.MemoryPlan;
import dev.fathom.nn.tensor.Tensor;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.function.Function;

/** Which parameters a network reads. */
public final class ParameterShapes {

  private ParameterShapes() {}

  /**
   * The shapes by published name, in the order of the network. Found by building it on a backend
   * that computes nothing, so that they cannot disagree with what it loads.
   */
  public static SequencedMap<String, long[]> of(ModelConfig config) {
    return readBy(loader -> new DepthAnything(loader, config));
  }

  /** As {@link #of} for the encoder alone. */
  public static SequencedMap<String, long[]> ofEncoder(ModelConfig config) {
    return readBy(loader -> new DinoV2(loader, PatchClassifier.ENCODER, config));
  }

  /** As {@link #of} for any network: the shapes that it asks the loader for. */
  public static SequencedMap<String, long[]> readBy(Function<Loader, ?> network) {
    SequencedMap<String, long[]> shapes = new LinkedHashMap<>();
    MemoryPlan.Recorder memory = new MemoryPlan.Recorder();
    Weights noting =
        new Weights() {
          @Override
          public <R> R read(String name, long[] shape, Function<Tensor, R> use) {
            shapes.put(name, shape.clone());
            return use.apply(memory.allocate(shape));
          }
        };
    var _ = network.apply(new Loader(new ShapesOnly(), memory, noting));
    return shapes;
  }

  /**
   * As {@link #of}, with what the published checkpoints contain and no network reads: the mask
   * token of DINOv2's training, and a residual unit for the skip that the coarsest fusion block
   * does not have.
   */
  public static SequencedMap<String, long[]> published(ModelConfig config) {
    SequencedMap<String, long[]> shapes = of(config);
    long features = config.features();
    shapes.put("pretrained.mask_token", new long[] {1, config.embedDim()});
    for (String conv : List.of("conv1", "conv2")) {
      String name = "depth_head.scratch.refinenet4.resConfUnit1." + conv;
      shapes.put(name + ".weight", new long[] {features, features, 3, 3});
      shapes.put(name + ".bias", new long[] {features});
    }
    return shapes;
  }
}
