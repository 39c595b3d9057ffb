/*
 * What the attention kernels share: the shape of a block, rows of a head to shared memory and back.
 *
 * A block has four warps. A warp owns 32 rows (16 for wide heads) of the side that the block keeps:
 * two 16-row fragments that use each fragment of the other side twice, which halves the traffic of
 * shared memory. The other side passes through shared memory in tiles of 64 rows, by asynchronous
 * copies in STAGES buffers. A row in shared memory is padded by 16 bytes: with D a multiple of 16
 * the eight rows that one step of ldmatrix reads then fall into different banks.
 */
#ifndef FATHOM_CUDA_ATTENTION_H
#define FATHOM_CUDA_ATTENTION_H

#include "args_attention.h"
#include "dev.h"

static constexpr float kLog2E = 1.44269504088896341f;
static constexpr float kLn2 = 0.69314718055994531f;

/* Rows that a block keeps. */
constexpr int attention_rows(int head_dim) {
  return head_dim <= FATHOM_ATTENTION_WIDE ? FATHOM_ATTENTION_ROWS : FATHOM_ATTENTION_WIDE_ROWS;
}

template <int HEAD_DIM, int ROWS = attention_rows(HEAD_DIM)>
struct AttentionShape {
  static constexpr int D = HEAD_DIM;
  static constexpr int kWarps = FATHOM_ATTENTION_THREADS / 32;
  static constexpr int kRows = ROWS;
  static constexpr int kWarpRows = kRows / kWarps;
  static constexpr int kFragments = kWarpRows / 16;
  static constexpr int kTile = FATHOM_ATTENTION_TILE;
  static constexpr int kStages = FATHOM_ATTENTION_STAGES;
  static constexpr int kStride = D + FATHOM_ATTENTION_PAD; /* of a row in shared memory */
  static constexpr int kPair = 2 * kTile * kStride; /* elements of a stage: tiles of two tensors */
  static_assert(D % 16 == 0 && D <= 128, "head dimensions are multiples of 16 up to 128");
};

/* The head and rows of a block; blocks of a head follow each other and share its tiles in L2. */
template <class S>
struct AttentionBlock {
  int batch, head, heads, tokens;
  int first;  /* of the block's rows */
  int64_t at; /* batch * heads + head */

  DEV_MEMBER AttentionBlock(int tokens_, int heads_) : heads(heads_), tokens(tokens_) {
    const int blocks = (tokens + S::kRows - 1) / S::kRows;
    at = blockIdx.x / blocks;
    first = (int)(blockIdx.x % blocks) * S::kRows;
    batch = (int)(at / heads);
    head = (int)(at % heads);
  }
  /* Elements between tokens of [B,T,parts,heads,D], and where this head's part begins. */
  DEV_MEMBER int64_t stride(int parts) const { return (int64_t)parts * heads * S::D; }
  DEV_MEMBER int64_t offset(int parts, int part) const {
    return ((int64_t)batch * tokens * parts + part) * heads * S::D + (int64_t)head * S::D;
  }
};

/*
 * Rows [first, first + ROWS) of a head to shared memory; zeros for those from `end` on. A rolled
 * loop: unrolled, its addresses would live in registers that the accumulators need.
 */
template <class S, int ROWS>
DEV void stage_rows(elem* shared, const elem* global, int64_t stride, int first, int end) {
  constexpr int step = 16 / sizeof(elem), vectors = S::D / step;
  constexpr int threads = FATHOM_ATTENTION_THREADS;
#pragma unroll 1
  for (int i = 0; i < (ROWS * vectors + threads - 1) / threads; i++) {
    const int at = i * threads + (int)threadIdx.x;
    const int row = at / vectors, column = at % vectors * step;
    if (ROWS * vectors % threads != 0 && at >= ROWS * vectors) break;
    const bool valid = first + row < end;
    copy_async_16(shared + row * S::kStride + column,
                  global + (valid ? (first + row) * stride + column : 0), valid);
  }
}

/* A warp's rows as the left operand of products over the head's dimension. */
template <class S>
DEV void load_rows(FragA (&to)[S::kFragments][S::D / 16], const elem* shared) {
  const int warp = warp_id();
#pragma unroll
  for (int m = 0; m < S::kFragments; m++)
#pragma unroll
    for (int d = 0; d < S::D / 16; d++)
      load_a(to[m][d], shared + (warp * S::kWarpRows + 16 * m) * S::kStride + 16 * d, S::kStride);
}

/*
 * A warp's accumulators, row i of fragment m times factor[m][i / 8], to rows of `global` from
 * `first` on, by way of the warp's own rows of shared memory, so that a row leaves in 16-byte
 * stores. Nobody may still read `shared`.
 */
template <class S>
DEV void store_rows(FragC (&from)[S::kFragments][S::D / 8], const float (&factor)[S::kFragments][2],
                    elem* shared, elem* global, int64_t stride, int first, int end) {
  const int warp = warp_id(), lane = lane_id();
  elem* rows = shared + warp * S::kWarpRows * S::kStride;
#pragma unroll
  for (int m = 0; m < S::kFragments; m++)
#pragma unroll
    for (int n = 0; n < S::D / 8; n++)
#pragma unroll
      for (int half = 0; half < 2; half++)
        store_2(rows + (16 * m + 8 * half + lane / 4) * S::kStride + 8 * n + lane % 4 * 2,
                from[m][n].x[2 * half] * factor[m][half],
                from[m][n].x[2 * half + 1] * factor[m][half]);
  __syncwarp();
  constexpr int step = 16 / sizeof(elem), vectors = S::D / step;
#pragma unroll
  for (int i = 0; i < S::kWarpRows * vectors / 32; i++) {
    const int at = i * 32 + lane, row = at / vectors, column = at % vectors * step;
    const int to = first + warp * S::kWarpRows + row;
    if (to < end)
      store_16_bytes(global + to * stride + column,
                     load_16_bytes(rows + row * S::kStride + column));
  }
  __syncwarp();
}

/* One kernel for each head dimension. */
#define FATHOM_FOR_HEAD_DIMS(KERNEL) \
  KERNEL(16) KERNEL(32) KERNEL(48) KERNEL(64) KERNEL(80) KERNEL(96) KERNEL(112) KERNEL(128)

#endif
