/*
 * What both products of the patch embedding share: where the numbers of a patch are in a picture,
 * and a warp's part of a tile.
 *
 * Both products, forward and for d_weight, have tiles of 64x64 in four warps of 32x32, and two
 * stages: the numbers of the next step are on their way, in registers (what is converted) and by
 * asynchronous copies, while the tensor cores work at this one. The embedding is half a percent of
 * the network; 64x64 gives one picture of 518x518 enough blocks for a large GPU.
 *
 * 80 registers a thread: six blocks, 24 warps, on a multiprocessor.
 */
#ifndef FATHOM_CUDA_PATCH_EMBED_H
#define FATHOM_CUDA_PATCH_EMBED_H

#include "args_patch_embed.h"
#include "dev.h"

namespace {

constexpr int kThreads = FATHOM_PATCH_THREADS, kTile = FATHOM_PATCH_TILE;
constexpr int kDepth = FATHOM_PATCH_DEPTH;
static_assert(kThreads == 128 && kTile == 64 && kDepth == 32, "four warps of 32x32");

/* Where things are in a batch of pictures; T is float or uint8_t. */
template <class T>
struct Pictures {
  const T* image;
  int height, width, patch;

  /* The first number of a patch, counted over the batch. */
  DEV_MEMBER int64_t corner(int64_t patch_index) const {
    const int across = width / patch;
    const int64_t line = patch_index / across; /* of patches, counted over the batch */
    const int column = (int)(patch_index - line * across);
    return (line * patch * width + (int64_t)column * patch) * 3;
  }
  /* Number k of a patch, counted from its corner. */
  DEV_MEMBER int64_t offset(int k) const {
    const int row = k / (3 * patch);
    return (int64_t)row * width * 3 + (k - row * 3 * patch);
  }
};

/* A warp's 32x32 of a 64x64 product. */
struct WarpTile {
  FragC c[2][4];

  DEV_MEMBER void clear() {
#pragma unroll
    for (int m = 0; m < 2; m++)
#pragma unroll
      for (int n = 0; n < 4; n++) c[m][n] = FragC{};
  }
  DEV_MEMBER void multiply(const FragA (&a)[2], const FragB (&b)[2], int pair) {
#pragma unroll
    for (int m = 0; m < 2; m++)
#pragma unroll
      for (int n = 0; n < 2; n++) mma(c[m][2 * pair + n], a[m], b[n]);
  }
};
DEV int warp_row() { return warp_id() / 2 * 32; }
DEV int warp_column() { return warp_id() % 2 * 32; }

}  // namespace

#endif
