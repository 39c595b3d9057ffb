package dev.fathom.nn.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.fathom.bindings.generated.cuda.FathomCuda;
import org.junit.jupiter.api.Test;

/** The choice of tiles, by the examples that kernels/cuda/args_gemm.h works out. */
class GemmPlanTest {

  /** Multiprocessors of an H200. */
  private static final int H200 = 132;

  private static final int MOST = GemmPlan.MOST_SPLITS;

  @Test
  void oneWaveOfLargeTilesWhereTheyFit() {
    // ViT-S, a picture of 518 x 518, fc1: 11 * 12 tiles are 132.
    assertEquals(
        new GemmPlan(GemmPlan.Tile.T128X128, 1),
        GemmPlan.choose(GemmPlan.LINEAR, true, 1370, 1536, 384, H200, MOST));
  }

  @Test
  void splitsWhereOneWaveIsNotFull() {
    // ViT-L, a picture of 518 x 518, the projection after attention.
    assertEquals(
        new GemmPlan(GemmPlan.Tile.T128X64, 2),
        GemmPlan.choose(GemmPlan.LINEAR, true, 1370, 1024, 1024, H200, MOST));
  }

  @Test
  void rowsThatAreNotAlignedHaveAKernelOfTheirOwn() {
    GemmPlan plan = GemmPlan.choose(GemmPlan.LINEAR, false, 1370, 1536, 384, H200, MOST);
    assertEquals(GemmPlan.Tile.ANY, plan.tile());
  }

  @Test
  void operatorsThatCannotSplitDoNot() {
    assertEquals(1, GemmPlan.choose(GemmPlan.LINEAR, true, 64, 64, 65536, H200, 1).splits());
  }

  @Test
  void hopperFillsOneWaveWithItsLargestTile() {
    // ViT-L, a picture of 518 x 518, qkv: 11 * 12 tiles are 132.
    assertEquals(new GemmPlan(GemmPlan.Tile.W128X256, 1), hopper(1370, 3072, 1024));
  }

  @Test
  void hopperTakesSmallerTilesWhereTheLastWaveWouldBeEmpty() {
    // fc1: 176 large tiles are two waves, 352 smaller ones three of half the size.
    assertEquals(new GemmPlan(GemmPlan.Tile.W128X128, 1), hopper(1370, 4096, 1024));
  }

  @Test
  void hopperSplitsLongSumsAlone() {
    // proj and fc2, 44 large tiles each: the parts cost more than a short sum.
    assertEquals(new GemmPlan(GemmPlan.Tile.W128X128, 1), hopper(1370, 1024, 1024));
    assertEquals(new GemmPlan(GemmPlan.Tile.W128X256, 3), hopper(1370, 1024, 4096));
    // The gradient of proj's weight from 32 pictures: 32 tiles.
    assertEquals(new GemmPlan(GemmPlan.Tile.W128X256, 4), hopper(1024, 1024, 43840));
  }

  @Test
  void costsAreThoseThatAreWorkedOut() {
    assertEquals(10485760, GemmPlan.Tile.W128X256.cost(1370, 3072, 1024, 1, H200));
    assertEquals(11517952, GemmPlan.Tile.W128X128.cost(1370, 3072, 1024, 1, H200));
    assertEquals(17203200, GemmPlan.Tile.W128X64.cost(1370, 3072, 1024, 1, H200));
    assertEquals(19398656, GemmPlan.Tile.W128X256.cost(1370, 4096, 1024, 1, H200));
    assertEquals(16498688, GemmPlan.Tile.W128X128.cost(1370, 4096, 1024, 1, H200));
    assertEquals(9603709, GemmPlan.Tile.W128X256.cost(1370, 1024, 1024, 3, H200));
    assertEquals(6537216, GemmPlan.Tile.W128X128.cost(1370, 1024, 1024, 1, H200));
    assertEquals(9404416, GemmPlan.Tile.W128X64.cost(1370, 1024, 1024, 1, H200));
    assertEquals(21479424, GemmPlan.Tile.W128X128.cost(1370, 1024, 4096, 1, H200));
    assertEquals(17992317, GemmPlan.Tile.W128X256.cost(1370, 1024, 4096, 3, H200));
    assertEquals(96625090, GemmPlan.Tile.W128X256.cost(1024, 1024, 43840, 4, H200));
    // And on the others.
    assertEquals(4718592, GemmPlan.Tile.T128X128.cost(1370, 1536, 384, 1, H200));
    assertEquals(9902142, GemmPlan.Tile.T128X64.cost(1370, 1024, 1024, 2, H200));
  }

  @Test
  void aSmallProductTakesTheSmallestTile() {
    assertEquals(new GemmPlan(GemmPlan.Tile.W128X64, 1), hopper(1370, 384, 384));
  }

  @Test
  void blocksThatStayAreNoMoreThanMultiprocessors() {
    assertEquals(132, hopper(1370, 1024, 4096).stayingBlocks(1370, 1024, H200));
    assertEquals(128, hopper(1024, 1024, 43840).stayingBlocks(1024, 1024, H200));
    assertEquals(132, hopper(43840, 4096, 1024).stayingBlocks(43840, 4096, H200));
  }

  @Test
  void aWeightLargerThanTheCacheIsWalkedInGroups() {
    GemmPlan plan = new GemmPlan(GemmPlan.Tile.W128X256, 1);
    assertEquals(0, plan.group(4096, 1024));
    // ViT-g's gated layer, 24 MiB: 21 of 32 columns of tiles are 16 MiB.
    assertEquals(21, plan.group(8192, 1536));
    assertEquals(1, plan.group(4096, 1 << 20));
  }

  private static GemmPlan hopper(long m, long n, long k) {
    return GemmPlan.choose(GemmPlan.HOPPER, true, m, n, k, H200, MOST);
  }

  @Test
  void tilesAreThoseOfTheKernels() {
    assertEquals(FathomCuda.FATHOM_GEMM_128X128_THREADS(), GemmPlan.Tile.T128X128.threads());
    assertEquals(FathomCuda.FATHOM_GEMM_128X64_THREADS(), GemmPlan.Tile.T128X64.threads());
    assertEquals(FathomCuda.FATHOM_GEMM_64X64_THREADS(), GemmPlan.Tile.T64X64.threads());
    assertEquals(FathomCuda.FATHOM_GEMM_128X32_THREADS(), GemmPlan.Tile.T128X32.threads());
    assertEquals(FathomCuda.FATHOM_GEMM_128X128_SHARED(), GemmPlan.Tile.T128X128.sharedBytes(2));
    assertEquals(FathomCuda.FATHOM_GEMM_128X64_SHARED(), GemmPlan.Tile.T128X64.sharedBytes(2));
    assertEquals(FathomCuda.FATHOM_GEMM_64X64_SHARED(), GemmPlan.Tile.T64X64.sharedBytes(2));
    assertEquals(FathomCuda.FATHOM_GEMM_128X32_SHARED(), GemmPlan.Tile.T128X32.sharedBytes(2));
  }
}
