package dev.fathom.nn.model;

/**
 * The size at which the network sees a picture: the aspect ratio kept, the shorter side at least
 * the input size, both sides multiples of the patch (the published transform's "lower bound").
 *
 * @param width pixels
 * @param height pixels
 */
public record NetworkSize(int width, int height) {

  /** Largest longer side taken; attention grows with its square. */
  private static final int MAX_SIDE = 14 * 1024;

  /**
   * The size for a picture.
   *
   * @param inputSize what the shorter side becomes, 518 in the published scripts
   * @throws IllegalArgumentException if a side is not positive, or the picture so narrow that the
   *     other side would pass 14336 pixels
   */
  public static NetworkSize of(int width, int height, int inputSize, int patch) {
    if (width < 1 || height < 1 || inputSize < 1) {
      throw new IllegalArgumentException(
          "input size " + inputSize + " for a picture of " + width + " x " + height);
    }
    double scale = Math.max((double) inputSize / width, (double) inputSize / height);
    long networkWidth = multiple(scale * width, inputSize, patch);
    long networkHeight = multiple(scale * height, inputSize, patch);
    if (Math.max(networkWidth, networkHeight) > MAX_SIDE) {
      throw new IllegalArgumentException(
          "a picture of "
              + width
              + " x "
              + height
              + " would become "
              + networkWidth
              + " x "
              + networkHeight
              + " at input size "
              + inputSize
              + "; "
              + MAX_SIDE
              + " is the most that a side may have");
    }
    return new NetworkSize((int) networkWidth, (int) networkHeight);
  }

  /** Rounded half to even as numpy does, or up where that would fall below the input size. */
  private static long multiple(double side, int inputSize, int patch) {
    long rounded = (long) (Math.rint(side / patch) * patch);
    return rounded < inputSize ? (long) (Math.ceil(side / patch) * patch) : rounded;
  }
}
