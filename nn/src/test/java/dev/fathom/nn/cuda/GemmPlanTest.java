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
