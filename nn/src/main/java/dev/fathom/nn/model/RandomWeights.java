package dev.fathom.nn.model;

import dev.fathom.nn.layer.Weights;
import dev.fathom.nn.tensor.NativeMemory;
import dev.fathom.nn.tensor.Tensor;
import java.util.SplittableRandom;
import java.util.function.Function;

/**
 * Weights of an untrained network: a pure function of the seed and each parameter's name. Matrices
 * keep the variance of what passes through them, so that activations stay in range.
 */
public final class RandomWeights implements Weights {

  private final long seed;

  public RandomWeights(long seed) {
    this.seed = seed;
  }

  @Override
  public <R> R read(String name, long[] shape, Function<Tensor, R> use) {
    try (NativeMemory memory = new NativeMemory()) {
      return use.apply(memory.allocate(shape).set(values(name, shape)));
    }
  }

  /** The values of one parameter, row-major. */
  public float[] values(String name, long... shape) {
    float[] values = new float[Math.toIntExact(Tensor.sizeOf(shape))];
    SplittableRandom random = new SplittableRandom(seed ^ 0x9E3779B97F4A7C15L * name.hashCode());
    boolean norm = name.matches(".*norm[12]?\\.weight");
    boolean gamma = name.endsWith(".gamma");
    // The last ReLU would cut a negative sum to a black picture.
    boolean last = name.endsWith("output_conv2.2.weight");
    double scale = Math.sqrt(3.0 * shape[0] / values.length);
    for (int i = 0; i < values.length; i++) {
      double v = 2 * random.nextDouble() - 1;
      if (norm || gamma) {
        values[i] = 1;
      } else if (name.endsWith(".bias")) {
        values[i] = 0;
      } else if (name.endsWith("_token") || name.endsWith("pos_embed")) {
        values[i] = (float) (0.2 * v);
      } else {
        values[i] = (float) (last ? Math.abs(v) / 4 : scale * v);
      }
    }
    return values;
  }
}
