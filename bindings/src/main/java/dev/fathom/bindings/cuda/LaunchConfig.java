package dev.fathom.bindings.cuda;

/**
 * The geometry of a launch. Where a size is always the same it is made once and kept, so that a
 * launch allocates nothing.
 *
 * @param gridX blocks in x, 1 to 2^31 - 1
 * @param gridY blocks in y, 1 to 65535
 * @param gridZ blocks in z, 1 to 65535
 * @param blockX threads of a block in x; at most 1024 in x, y and z together
 * @param blockY threads of a block in y
 * @param blockZ threads of a block in z
 * @param sharedBytes dynamic shared memory of a block
 * @param clusterX blocks of a cluster in x, a divisor of {@code gridX}; 1 without clusters
 * @param clusterY blocks of a cluster in y
 * @param clusterZ blocks of a cluster in z
 * @param programmaticStart whether the kernel may start before the one ahead in its stream has
 *     ended, and itself waits for that one (griddepcontrol.wait) before it reads what it wrote
 */
public record LaunchConfig(
    int gridX,
    int gridY,
    int gridZ,
    int blockX,
    int blockY,
    int blockZ,
    int sharedBytes,
    int clusterX,
    int clusterY,
    int clusterZ,
    boolean programmaticStart) {

  /**
   * Checks that there is something to launch; the device's limits are the driver's to check.
   *
   * @throws IllegalArgumentException if an extent is not positive or the shared memory negative
   */
  public LaunchConfig {
    if (gridX < 1 || gridY < 1 || gridZ < 1 || blockX < 1 || blockY < 1 || blockZ < 1) {
      throw new IllegalArgumentException(
          "nothing to launch: "
              + describe(gridX, gridY, gridZ, blockX, blockY, blockZ, sharedBytes));
    }
    if (clusterX < 1 || clusterY < 1 || clusterZ < 1 || sharedBytes < 0) {
      throw new IllegalArgumentException(
          "cluster "
              + clusterX
              + "x"
              + clusterY
              + "x"
              + clusterZ
              + ", "
              + sharedBytes
              + " bytes of shared memory");
    }
  }

  /** A grid in three dimensions. */
  public static LaunchConfig of(
      int gridX, int gridY, int gridZ, int blockX, int blockY, int blockZ, int sharedBytes) {
    return new LaunchConfig(
        gridX, gridY, gridZ, blockX, blockY, blockZ, sharedBytes, 1, 1, 1, false);
  }

  /** A grid in three dimensions of one-dimensional blocks. */
  public static LaunchConfig of(
      int gridX, int gridY, int gridZ, int blockThreads, int sharedBytes) {
    return of(gridX, gridY, gridZ, blockThreads, 1, 1, sharedBytes);
  }

  /** One dimension. */
  public static LaunchConfig of(int blocks, int blockThreads, int sharedBytes) {
    return of(blocks, 1, 1, blockThreads, 1, 1, sharedBytes);
  }

  /** The same in clusters of blocks (compute capability 9.0). */
  public LaunchConfig withCluster(int x, int y, int z) {
    return new LaunchConfig(
        gridX, gridY, gridZ, blockX, blockY, blockZ, sharedBytes, x, y, z, programmaticStart);
  }

  /** The same with a programmatic start (compute capability 9.0). */
  public LaunchConfig withProgrammaticStart() {
    return new LaunchConfig(
        gridX,
        gridY,
        gridZ,
        blockX,
        blockY,
        blockZ,
        sharedBytes,
        clusterX,
        clusterY,
        clusterZ,
        true);
  }

  /** Whether there are clusters of more than one block. */
  public boolean isClustered() {
    return clusterX != 1 || clusterY != 1 || clusterZ != 1;
  }

  /** Whether cuLaunchKernel can do it. */
  boolean isPlain() {
    return !isClustered() && !programmaticStart;
  }

  /** For error messages. */
  @Override
  public String toString() {
    return describe(gridX, gridY, gridZ, blockX, blockY, blockZ, sharedBytes)
        + (isClustered() ? ", cluster " + clusterX + "x" + clusterY + "x" + clusterZ : "")
        + (programmaticStart ? ", programmatic start" : "");
  }

  static String describe(
      int gridX, int gridY, int gridZ, int blockX, int blockY, int blockZ, int sharedBytes) {
    return "grid "
        + gridX
        + "x"
        + gridY
        + "x"
        + gridZ
        + ", block "
        + blockX
        + "x"
        + blockY
        + "x"
        + blockZ
        + ", "
        + sharedBytes
        + " bytes of dynamic shared memory";
  }
}
