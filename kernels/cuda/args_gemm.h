/*
 * What the kernels that multiply matrices on tensor cores (linear, conv, conv_transpose) share:
 * their tiles and how the host chooses one. C [M,N] = A [M,K] B [K,N].
 *
 * A block computes one tile of C, or of a part of the sum over K: grid x counts the tiles, with N
 * running fastest (tile t has rows from t / ceil(N/n) * m and columns from t % ceil(N/n) * n), grid
 * y the `splits` of K. Shared memory is dynamic, in bytes, for bf16; twice that in the float
 * variant.
 *
 *   kernel      tile m x n  threads  shared bytes  blocks per SM, sm_80 / sm_90
 *   ..._128x128  128 x 128      256         81920   2 / 2
 *   ..._128x64   128 x 64       128         61440   2 / 3
 *   ..._64x64     64 x 64       128         40960   4 / 5
 *   ..._128x32   128 x 32       128         51200   3 / 4   convolutions alone
 *   ..._any       64 x 64       128         40960   as 64x64: any sizes and strides, slower
 *
 * All but ..._any take rows of elem whose length (and stride) is a multiple of 8 and whose start is
 * aligned to 16 bytes; which rows, each operator says. Packed weights always are.
 *
 * Splits: with splits > 1 every block writes its part of the sum, float32, to partial
 * [splits][M][N], and a second kernel, ..._reduce, adds the parts in their order and finishes.
 * Without, partial is NULL.
 */
#ifndef FATHOM_CUDA_ARGS_GEMM_H
#define FATHOM_CUDA_ARGS_GEMM_H

#include <stdint.h>

enum {
  FATHOM_GEMM_K = 32,     /* depth of a step through K */
  FATHOM_GEMM_STAGES = 4, /* steps whose operands are on their way or in use */
  FATHOM_GEMM_PAD = 8,    /* elements after each row in shared memory, against bank conflicts */
  FATHOM_GEMM_REDUCE_THREADS = 256
};

/* Tiles, in the order in which the host tries them, and what a launch needs. */
enum {
  FATHOM_GEMM_128X128 = 0,
  FATHOM_GEMM_128X64 = 1,
  FATHOM_GEMM_64X64 = 2,
  FATHOM_GEMM_128X32 = 3,
  FATHOM_GEMM_TILES = 4,
  FATHOM_GEMM_128X128_THREADS = 256,
  FATHOM_GEMM_128X64_THREADS = 128,
  FATHOM_GEMM_64X64_THREADS = 128,
  FATHOM_GEMM_128X32_THREADS = 128,
  FATHOM_GEMM_128X128_SHARED = 81920,
  FATHOM_GEMM_128X64_SHARED = 61440,
  FATHOM_GEMM_64X64_SHARED = 40960,
  FATHOM_GEMM_128X32_SHARED = 51200
};

/*
 * The host's choice of a tile and of splits, a pure function of the sizes and of the number of
 * multiprocessors S. For each tile m x n that the operator has, in the order above, and each number
 * of splits s in 1, 2, 4, ..., 128 with ceil(K/32) >= 8 s, or s = 1:
 *
 *   tiles = ceil(M/m) * ceil(N/n)          steps = ceil(ceil(K/32) / s)
 *   waves = ceil(tiles * s / S)
 *   cost  = waves * m * n * (steps + 6) * w  w: 16 (128x128), 18 (128x64), 22 (64x64), 20 (128x32)
 *         + (s > 1 ? 8 * s * M * N / S : 0)
 *
 * in 64-bit integers (the divisions round down unless written as ceil), and the first with the
 * least cost is taken. waves stands for time as a multiprocessor shares its tensor cores among its
 * blocks; 6 steps stand for filling the pipeline and for the epilogue; w for the operands that a
 * tile reads per product, in 16ths; the last term for the traffic of the parts. An operator whose
 * rows are not aligned takes ..._any, with the splits of 64X64.
 *
 * Example: ViT-S, one picture, fc1: M = 1370, N = 1536, K = 384, S = 132.
 *   128x128, s = 1: tiles 11 * 12 = 132, waves 1, cost 1 * 16384 * (12 + 6) * 16 = 4718592
 *   128x64,  s = 1: tiles 264, waves 2, cost 2 * 8192 * 18 * 18 = 5308416
 *   64x64,   s = 1: tiles 22 * 24 = 528, waves 4, cost 4 * 4096 * 18 * 22 = 6488064
 *   (12 steps are too few for splits) -> 128x128, 1 split.
 * Example: ViT-L, one picture, proj: M = 1370, N = 1024, K = 1024, S = 132.
 *   128x128, s = 1: tiles 88, waves 1, cost 16384 * 38 * 16 = 9961472
 *   128x128, s = 2: waves ceil(176/132) = 2, cost 2 * 16384 * 22 * 16 + 8 * 2 * 1402880 / 132 =
 *   11704382
 *   128x64,  s = 1: tiles 176, waves 2, cost 2 * 8192 * 38 * 18 = 11206656
 *   128x64,  s = 2: waves 3, cost 3 * 8192 * 22 * 18 + 8 * 2 * 1402880 / 132 = 9902142
 *   64x64,   s = 1: tiles 352, waves 3, cost 3 * 4096 * 38 * 22 = 10272768
 *   (all others cost more) -> 128x64, 2 splits.
 */

/*
 * ---- On sm_90a ----
 *
 * ..._90_<tile> (linear, conv2d) multiply by wgmma what TMA brings; bf16 alone, aligned rows alone.
 * Blocks stay: an item is a tile and one of the `splits` of K, and block b takes the items b, b +
 * gridDim.x, ... Items are numbered split by split; within one the tiles are walked in groups of
 * `group` columns of tiles, in a group row by row.
 *
 *   kernel       tile m x n  warpgroups   stages  w   e  f
 *   ..._128x256  128 x 256   together          4  16  1  3
 *   ..._128x128  128 x 128   in turns          6  19  0  5
 *   ..._128x64   128 x 64    together          8  28  1  7
 *
 * grid: min(tiles * splits, S); block: GEMM90_THREADS; shared: GEMM90_SHARED bytes, one block on a
 * multiprocessor. Tensor maps are of bf16, swizzle 128 bytes, zeros outside. splits: at most the
 * steps, ceil(K/64).
 *
 * The host's choice: for each tile in this order and s = 1, 2, 3, ... as long as s = 1 or all of
 * s <= 128, ceil(K/64) >= 4 s and tiles * s <= 4 S hold,
 *
 *   steps = ceil(ceil(K/64) / s)           waves = ceil(tiles * s / S)
 *   cost  = (waves * (steps + e) + f) * m * n * w
 *         + (s > 1 ? 96 * s * M * N / S + 1300000 : 0)
 *
 * and the first with the least cost. A unit is about 1/400 of a cycle: a 128x256 step, 64 deep, is
 * 1024 cycles at the peak of 2048 products a cycle, and three quarters of that are what is reached.
 * w says what a tile's operands cost beside that: a step of 128x128 reads and writes as many bytes
 * of shared memory as it has cycles for, one of 128x64 a third more. e are steps in which finishing
 * an item keeps the tensor cores waiting, f those before the first product and after the last. The
 * parts of a split sum are written and read once, at about 32 bytes a cycle and multiprocessor;
 * the second kernel's start is 2 us.
 *
 * group: the columns of tiles whose part of B, 2 K n bytes each, is 16 MiB together, so that it
 * stays in the L2 cache (50 MB) while A goes by once per group; 0, all, where B is no larger, and
 * for d_weight, whose tiles go through K side by side. All of ViT-L's weights (8 MiB at most) are
 * one group: x is read once, the weight stays.
 *
 * Examples: ViT-L, M = 1370 (one picture of 518 x 518), S = 132.
 *   qkv: N = 3072, K = 1024:
 *     128x256: tiles 11 * 12 = 132, waves 1, cost (17 + 3) * 32768 * 16 = 10485760
 *     128x128: tiles 264, waves 2, cost (2 * 16 + 5) * 16384 * 19 = 11517952
 *     128x64:  tiles 528, waves 4, cost (4 * 17 + 7) * 8192 * 28 = 17203200 -> 128x256, 1 split.
 *   fc1: N = 4096, K = 1024:
 *     128x256: tiles 176, waves 2, cost (2 * 17 + 3) * 524288 = 19398656
 *     128x128: tiles 352, waves 3, cost (3 * 16 + 5) * 311296 = 16498688 -> 128x128, 1 split.
 *   proj: N = 1024, K = 1024:
 *     128x256: tiles 44, waves 1, cost 20 * 524288 = 10485760; s = 3: tiles * s = 132, steps 6,
 *     cost (7 + 3) * 524288 + 96 * 3 * 1402880 / 132 + 1300000 = 9603709
 *     128x128: tiles 88, waves 1, cost (16 + 5) * 311296 = 6537216
 *     128x64:  tiles 176, waves 2, cost (2 * 17 + 7) * 229376 = 9404416 -> 128x128, 1 split.
 *   fc2: N = 1024, K = 4096:
 *     128x128: waves 1, cost (64 + 5) * 311296 = 21479424
 *     128x256, s = 3: steps 22, cost (23 + 3) * 524288 + 3060829 + 1300000 = 17992317
 *     -> 128x256, 3 splits.
 * Example: the gradient of proj's weight, 32 pictures: M = N = 1024, K = 43840.
 *     128x256: tiles 32, s = 4: tiles * s = 128, waves 1, steps 172, cost (173 + 3) * 524288 +
 *     96 * 4 * 1048576 / 132 + 1300000 = 96625090 -> 128x256, 4 splits.
 */
enum {
  FATHOM_GEMM90_K = 64,
  FATHOM_GEMM90_ROWS = 128, /* of a tile */
  FATHOM_GEMM90_THREADS = 384,
  FATHOM_GEMM90_SQUARE = 64 * 64 * 2, /* bytes of 64 lines of an operand */
  FATHOM_GEMM90_RING = 196608,        /* bytes of the stages, with every tile */
  FATHOM_GEMM90_SHARED = 196608 + 8 * 16 * 64 * 4 + 256 /* sums on their way out, barriers */
};

#endif
