/*
 * Parameters of the attention kernels (attention.cu, attention_backward.cu). B batch, T tokens, D
 * head dimension. `elem` is the kernels' element type: bf16, or float in the variant for tests.
 *
 * Kernels carry the head dimension in their names, which is a multiple of 16 from 16 to 128:
 * fathom_attention_64, fathom_attention_backward_keys_64, fathom_attention_backward_queries_64.
 * qkv, out and their gradients are aligned to 16 bytes.
 */
#ifndef FATHOM_CUDA_ARGS_ATTENTION_H
#define FATHOM_CUDA_ARGS_ATTENTION_H

#include <stdint.h>

enum {
  FATHOM_ATTENTION_THREADS = 128,   /* a block */
  FATHOM_ATTENTION_WIDE = 64,       /* up to this head dimension a warp has 32 rows, above it 16 */
  FATHOM_ATTENTION_ROWS = 128,      /* of a block where the head is not wider than that ... */
  FATHOM_ATTENTION_WIDE_ROWS = 64,  /* ... and where it is */
  FATHOM_ATTENTION_SHORT_ROWS = 64, /* of a block of fathom_attention_short_64 */
  FATHOM_ATTENTION_TILE = 64,       /* rows in a tile that passes through shared memory */
  FATHOM_ATTENTION_STAGES = 2,      /* such tiles in shared memory, of each of two tensors */
  FATHOM_ATTENTION_PAD = 8,         /* elements after a row in shared memory */
  FATHOM_ATTENTION_DELTA_THREADS = 256
};

/*
 * fathom_attention_<D>: out = softmax(scale * q k^T) v per head.
 * fathom_attention_short_64: the same at D = 64, for where fathom_attention_64 would have fewer
 * blocks than the GPU has multiprocessors: a picture of 518x518 through ViT-S is 66 blocks of the
 * one, 132 of the other.
 *
 * grid: B * heads * ceil(T / ROWS), ROWS = D <= 64 ? 128 : 64, or SHORT_ROWS; block: 128;
 * shared: 2 * STAGES * TILE * (D + PAD) * sizeof(elem) bytes (36864 at D = 64 in bf16).
 */
typedef struct {
  const void* qkv;    /* elem [B,T,3,heads,D] */
  void* out;          /* elem [B,T,heads*D] */
  float* log_sum_exp; /* [B,heads,T], natural logarithm, or NULL */
  int32_t tokens, heads;
  float scale;      /* any finite number */
  int32_t reserved; /* 0 */
} fathom_cuda_attention_args;

/*
 * The backward pass is three launches with these parameters, in this order:
 *
 * fathom_attention_backward_delta: delta = the row sums of d_out * out.
 *   grid: ceil(B * T * heads / 32); block: 256; shared: 0. D may be any multiple of 8.
 * fathom_attention_backward_keys_<D>: dk and dv.
 * fathom_attention_backward_queries_<D>: dq.
 *   both: grid: B * heads * ceil(T / ROWS), ROWS as above; block: 128;
 *   shared: 2 * STAGES * TILE * ((D + PAD) * sizeof(elem) + 4) bytes (37888 at D = 64 in bf16).
 *
 * workspace: delta, B * heads * T floats.
 */
typedef struct {
  const void* qkv;          /* elem [B,T,3,heads,D], as given to the forward pass */
  const void* out;          /* elem [B,T,heads*D], from the forward pass; for delta */
  const float* log_sum_exp; /* [B,heads,T], from the forward pass */
  const void* d_out;        /* elem [B,T,heads*D] */
  float* delta;             /* [B,heads,T], workspace */
  void* dqkv;               /* elem [B,T,3,heads,D], overwritten */
  int64_t rows;             /* B * T * heads; for delta */
  int32_t tokens, heads, head_dim;
  float scale; /* as given to the forward pass */
} fathom_cuda_attention_backward_args;

#endif
