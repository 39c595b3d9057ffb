/*
 * What the attention kernels for sm_90a share: tiles of 64 tokens of one head, a line of 128 bytes
 * for a token, with the 128-byte swizzle, between TMA, wgmma and registers.
 */
#ifndef FATHOM_CUDA_ATTENTION90_H
#define FATHOM_CUDA_ATTENTION90_H

#include "args_attention90.h"
#include "dev90.h"

static constexpr float kLog2E = 1.44269504088896341f;
static constexpr float kLn2 = 0.69314718055994531f;

constexpr int kDim = 64;                      /* of a head */
constexpr int kRows = FATHOM_ATTENTION90_BOX; /* tokens of a box, and rows of a wgmma */
constexpr int kLine = kDim * 2;               /* bytes of a token, and of the swizzle */
constexpr int kBox = kRows * kLine;           /* bytes */
static_assert(kRows == 64, "a warpgroup's rows are a box");

constexpr int kStages = 4; /* of the ring of tiles */

/* Where a tile is in the ring: the tiles of all pieces of work follow each other. */
struct Slot {
  int stage, turn;
  DEV_MEMBER explicit Slot(int tile) : stage(tile % kStages), turn(tile / kStages % 2) {}
};

DEV int ceil_div(int a, int b) { return (a + b - 1) / b; }

/* Rows of lines in shared memory, whichever of the two dimensions the product sums over. */
DEV uint64_t descriptor(const void* rows) {
  return wgmma_descriptor(rows, 0, 8 * kLine, Swizzle::BYTES_128);
}
DEV uint64_t advance(uint64_t descriptor, int bytes) { return descriptor + (uint64_t)(bytes >> 4); }

/* 16 bytes of a row. */
DEV unsigned char* swizzled_chunk(unsigned char* rows, int row, int chunk) {
  return rows + row * kLine + (chunk ^ row % 8) * 16;
}

/* Once by each warp, when all of it has read what TMA may then overwrite. */
DEV void release(uint64_t* empty) {
  __syncwarp();
  if (elect_one()) mbarrier_arrive(empty);
}

/* A warpgroup's sums times factor, rows i / 2 % 2 each with its own, for a store of the box. */
DEV void write_rows(unsigned char* to, const float (&sums)[32], const float (&factor)[2]) {
#pragma unroll
  for (int i = 0; i < 32; i += 2)
    store_2((elem*)swizzled_chunk(to, wgmma_row(i), i / 4) + lane_id() % 4 * 2,
            sums[i] * factor[i / 2 % 2], sums[i + 1] * factor[i / 2 % 2]);
}

#endif
