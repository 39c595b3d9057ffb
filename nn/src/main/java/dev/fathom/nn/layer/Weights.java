package dev.fathom.nn.layer;

import dev.fathom.nn.tensor.Tensor;
import java.util.function.Function;

/** Named weights, read one at a time while a network is built. */
public interface Weights {

  /**
   * Lends a weight to {@code use}; the tensor is valid during the call only.
   *
   * @param name the published name, such as {@code pretrained.blocks.0.attn.qkv.weight}
   * @param shape the shape it must have
   * @return what {@code use} returns
   * @throws IllegalArgumentException if there is no such weight or it has another shape
   * @throws java.io.UncheckedIOException if it cannot be read
   */
  <R> R read(String name, long[] shape, Function<Tensor, R> use);
}
