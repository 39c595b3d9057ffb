package dev.fathom.nn.model;

import dev.fathom.nn.layer.Loader;
import dev.fathom.nn.layer.Weights;
import dev.fathom.nn.op.ShapesOnly;
import dev.fathom.nn.tensor.MemoryPlan;
import dev.fathom.nn.tensor.Tensor;
import java.util.LinkedHashMap;
import java.util.SequencedMap;
import java.util.function.Function;

/** Which parameters a network reads. */
public final class ParameterShapes {

  private ParameterShapes() {}

  /**
   * The shapes by published name, in the order of the network. Found by building it on a backend that
   * computes nothing, so that they cannot disagree with what it loads.
   */
  public static SequencedMap<String, long[]> of(ModelConfig config) {
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
    var _ = new DepthAnything(new Loader(new ShapesOnly(), memory, noting), config);
    return shapes;
  }
}
