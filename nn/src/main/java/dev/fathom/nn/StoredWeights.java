package dev.fathom.nn;

import dev.fathom.nn.checkpoint.WeightSource;
import dev.fathom.nn.layer.Weights;
import dev.fathom.nn.tensor.NativeMemory;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Optional;
import java.util.function.Function;

/**
 * A checkpoint's weights as layers read them: in place in the mapped file where they are contiguous
 * float32, and dropped from memory again once packed; converted one at a time otherwise.
 */
public final class StoredWeights implements Weights {

  private final WeightSource source;

  /** The weights of an open checkpoint, which stays the caller's. */
  public StoredWeights(WeightSource source) {
    this.source = source;
  }

  @Override
  public <R> R read(String name, long[] shape, Function<Tensor, R> use) {
    if (!Arrays.equals(source.shape(name), shape)) {
      throw new IllegalArgumentException(
          name
              + " is "
              + Arrays.toString(source.shape(name))
              + " instead of "
              + Arrays.toString(shape));
    }
    Optional<MemorySegment> mapped = source.mapped(name);
    if (mapped.isPresent()) {
      MemorySegment segment = mapped.get();
      R result = use.apply(Tensor.of(segment, shape));
      if (segment.isMapped()) {
        segment.unload();
      }
      return result;
    }
    try (NativeMemory memory = new NativeMemory()) {
      Tensor tensor = memory.allocate(shape);
      source.readFloats(name, tensor.data());
      return use.apply(tensor);
    }
  }
}
