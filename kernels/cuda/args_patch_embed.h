/*
 * Parameters of the patch embedding's kernels (patch_embed.cu). B batch, H height, W width, P
 * patch, C channels, N = H/P * W/P patches of a picture. `elem` is the kernels' element type: bf16,
 * or float in the variant for tests.
 *
 * A patch is a vector of K = 3 P P numbers in the order (row, column, colour), which are P runs of
 * 3 P neighbouring numbers of the picture.
 */
#ifndef FATHOM_CUDA_ARGS_PATCH_EMBED_H
#define FATHOM_CUDA_ARGS_PATCH_EMBED_H

#include <stdint.h>

enum {
  FATHOM_PATCH_THREADS = 128, /* a block of the products */
  FATHOM_PATCH_TILE = 64,     /* patches and channels in a tile; channels and K, going back */
  FATHOM_PATCH_DEPTH = 32,    /* of K in a step; patches, going back */
  FATHOM_PATCH_PAD = 8,       /* elements after a row in shared memory */
  FATHOM_PATCH_SLICE =
      1024, /* patches that a block of the weight gradient sums, a multiple of 32 */
  FATHOM_PATCH_SUM_THREADS = 256, /* a block of the sums */
  FATHOM_PATCH_SUM_COLUMNS = 32,  /* channels that it takes */
  FATHOM_PATCH_SUM_TOKENS = 64    /* and tokens of every picture */
};

/*
 * fathom_patch_embed_pack: weight [C,3,P,P] -> packed [C,K'] with K' = K rounded up to DEPTH, zeros
 * behind K.
 *
 * grid: ceil(C * K' / 256); block: 256; shared: 0.
 */
typedef struct {
  const float* weight; /* [C,3,P,P] as in the checkpoints */
  void* packed;        /* elem [C,K'] */
  int32_t patch, channels;
} fathom_cuda_patch_embed_pack_args;

/*
 * fathom_patch_embed: tokens[:,0] = cls + position[0]; tokens[:,1+i] = patch_i weight^T + bias +
 * position[1+i]. Without cls, tokens and position have no row for it.
 * fathom_patch_embed_pixels: the same from bytes, (byte / 255 - mean) / std as they are read.
 *
 * grid: (ceil(B * N / TILE), ceil(C / TILE)); block: 128;
 * shared: max(4 * TILE * (DEPTH + PAD) * sizeof(elem), TILE * (TILE + 4) * 4) + TILE * 8 bytes
 * (20992 in bf16, 41472 in float).
 */
typedef struct {
  const void* image;     /* [B,H,W,3]: float, normalised; or uint8_t, red first */
  const void* packed;    /* elem [C,K'] */
  const float* bias;     /* [C] or NULL */
  const float* cls;      /* [C] or NULL */
  const float* position; /* [cls + N,C] or NULL */
  void* tokens;          /* elem [B,cls + N,C] */
  int64_t rows;          /* B * N */
  int32_t height, width; /* multiples of P */
  int32_t patch, channels;
  float mean[3]; /* for bytes */
  float std[3];
} fathom_cuda_patch_embed_args;

/*
 * fathom_patch_embed_backward_weight: for each slice of patches, d_tokens^T patches.
 *   grid: (ceil(K / TILE), ceil(C / TILE), slices), slices = ceil(B * N / SLICE); block: 128;
 *   shared: 4 * DEPTH * (TILE + PAD) * sizeof(elem) + 2 * DEPTH * 8 bytes
 *   (18944 in bf16, 37376 in float).
 *   workspace: partial, slices * C * K floats.
 * fathom_patch_embed_backward_weight_sum: adds the slices to d_weight, in their order.
 *   grid: ceil(C * K / 256); block: 256; shared: 0.
 */
typedef struct {
  const float* image;    /* [B,H,W,3], as in the forward pass */
  const void* d_tokens;  /* elem [B,class_token + N,C] */
  float* partial;        /* [slices,C,K], workspace */
  float* d_weight;       /* [C,3,P,P], added to */
  int64_t rows;          /* B * N */
  int32_t height, width; /* multiples of P */
  int32_t patch, channels;
  int32_t class_token; /* 1: tokens begin with a row for it; 0: they do not */
  int32_t slices;
} fathom_cuda_patch_embed_backward_args;

/*
 * fathom_patch_embed_backward_tokens: sums of d_tokens over the batch: d_position and d_cls, and
 * for d_bias the sums over each block's patches.
 *   grid: (ceil(C / SUM_COLUMNS), blocks), blocks = ceil((class_token + N) / SUM_TOKENS);
 *   block: 256; shared: 0. workspace: partial, blocks * C floats, where d_bias is wanted.
 * fathom_patch_embed_backward_bias: adds those to d_bias; where it is wanted.
 *   grid: ceil(C / SUM_COLUMNS); block: 256; shared: 0.
 */
typedef struct {
  const void* d_tokens; /* elem [B,class_token + N,C] */
  float* d_bias;        /* [C], added to, or NULL */
  float* d_cls;         /* [C], added to, or NULL; NULL without class_token */
  float* d_position;    /* [class_token + N,C], added to, or NULL */
  float* partial;       /* [blocks,C], workspace; NULL without d_bias */
  int32_t batch;
  int32_t tokens; /* class_token + N */
  int32_t channels;
  int32_t class_token; /* 0 or 1 */
  int32_t blocks;
  int32_t reserved; /* 0 */
} fathom_cuda_patch_embed_sums_args;

#endif
