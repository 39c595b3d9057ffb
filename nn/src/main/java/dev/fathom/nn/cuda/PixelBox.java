package dev.fathom.nn.cuda;

import dev.fathom.bindings.generated.cuda.FathomCuda;

/**
 * The box of neighbouring pixels of a map that a kernel of a convolution takes at a time on compute
 * capability 9.0; the rules are those of kernels/cuda/args_conv90.h.
 */
record PixelBox(int height, int width) {

  /** A box of the rows of a tile, or fewer: the one of fewest tiles, of these the widest. */
  static PixelBox ofTile(long mapHeight, long mapWidth) {
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

  /**
   * A box of the pixels of a step of a sum over pixels, exactly as many: the one of fewest steps.
   */
  static PixelBox ofStep(long mapHeight, long mapWidth) {
    int pixels = FathomCuda.FATHOM_GEMM90_K();
    PixelBox best = new PixelBox(pixels, 1);
    for (int width = 2; width <= pixels; width *= 2) {
      PixelBox box = new PixelBox(pixels / width, width);
      if (box.count(mapHeight, mapWidth) <= best.count(mapHeight, mapWidth)) {
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
