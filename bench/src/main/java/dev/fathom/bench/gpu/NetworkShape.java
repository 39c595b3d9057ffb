package dev.fathom.bench.gpu;

import dev.fathom.nn.model.ModelConfig;

/**
 * A network at work: what the shapes of its operators hang on.
 *
 * @param batch pictures at a time
 * @param side of a picture in pixels
 */
record NetworkShape(ModelConfig model, int batch, int side) {

  /** Patches along a side. */
  int grid() {
    return side / model.patch();
  }

  /** Tokens of a picture, the class token among them. */
  long tokens() {
    return (long) grid() * grid() + 1;
  }

  /** Tokens of all pictures. */
  long rows() {
    return batch * tokens();
  }

  /** Whether a layer finds its operands outside of the caches: with one picture they would fit. */
  boolean cold() {
    return batch == 1;
  }

  /** The same with other pictures. */
  NetworkShape of(int pictures) {
    return new NetworkShape(model, pictures, side);
  }

  @Override
  public String toString() {
    return model.name() + ", batch " + batch;
  }
}
