package dev.fathom.nn.cuda;

import dev.fathom.bindings.generated.cuda.FathomCuda;

/**
 * The box of pixels of a map that a tile of a convolution has for its rows on compute capability
 * 9.0; the rule is that of kernels/cuda/args_conv90.h.
 */
record PixelBox(int height, int width) {

  /** The box that covers a map with the fewest tiles, of these the widest. */
  static PixelBox of(long mapHeight, long mapWidth) {
    int rows = FathomCuda.FATHOM_GEMM90_ROWS();
    PixelBox best = new PixelBox(1, 1);
    long least = Long.MAX_VALUE;
    for (int width = 1; width <= Math.min(mapWidth, rows); width++) {
      PixelBox box = new PixelBox((int) Math.min(rows / width, mapHeight), width);
      long boxes = box.count(mapHeight, mapWidth);
      if (boxes <= least) {
        least = boxes;
        best = box;
      }
    }
    return best;
  }

  /** Boxes over a map. */
  long count(long mapHeight, long mapWidth) {
    return CudaFamily.ceil(mapHeight, height) * CudaFamily.ceil(mapWidth, width);
  }
}
