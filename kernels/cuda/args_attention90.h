/*
 * Parameters of the attention kernels for sm_90a (attention90.cu, attention_backward90.cu). B batch,
 * T tokens. Elements are bf16, the head dimension is 64.
 */
#ifndef FATHOM_CUDA_ARGS_ATTENTION90_H
#define FATHOM_CUDA_ARGS_ATTENTION90_H

#include <stdint.h>

#include "tensor_map.h"

enum {
  FATHOM_ATTENTION90_THREADS = 384, /* a warpgroup that fetches, two that compute */
  FATHOM_ATTENTION90_ROWS = 128,    /* queries of a block */
  FATHOM_ATTENTION90_BOX = 64,      /* tokens in a box of both maps */
  FATHOM_ATTENTION90_SHARED = 82048,
  FATHOM_ATTENTION_BACKWARD90_ROWS = 128, /* keys, or queries, of a block */
  FATHOM_ATTENTION_BACKWARD90_SHARED = 100480
};

/*
 * fathom_attention90: out = softmax(scale * q k^T) v per head.
 *
 * Both maps: bf16, 128-byte swizzle, no interleave, zeros out of bounds, boxes of 64 channels x BOX
 * tokens x 1 picture.
 *
 * grid: B * heads * ceil(T / ROWS); block: THREADS; shared: FATHOM_ATTENTION90_SHARED bytes.
 */
typedef struct {
  fathom_cuda_tensor_map qkv; /* [B,T,3*heads*64] */
  fathom_cuda_tensor_map out; /* [B,T,heads*64] */
  float* log_sum_exp;         /* [B,heads,T], natural logarithm, or NULL */
  int32_t tokens, heads;
  float scale;      /* any finite number */
  int32_t reserved; /* 0 */
} fathom_cuda_attention90_args;

/*
 * The backward pass is two launches: fathom_attention_backward_delta (args_attention.h), then
 *
 * fathom_attention_backward90: dqkv. Its first half of blocks has keys (dk, dv), which takes longer,
 * the second half queries (dq).
 *
 * Maps as above.
 *
 * grid: 2 * B * heads * ceil(T / BACKWARD90_ROWS); block: THREADS; shared: BACKWARD90_SHARED bytes.
 */
typedef struct {
  fathom_cuda_tensor_map qkv;   /* [B,T,3*heads*64], as given to the forward pass */
  fathom_cuda_tensor_map d_out; /* [B,T,heads*64] */
  fathom_cuda_tensor_map dqkv;  /* [B,T,3*heads*64], overwritten */
  const float* log_sum_exp;     /* [B,heads,T], from the forward pass */
  const float* delta;           /* [B,heads,T], the row sums of d_out * out */
  int32_t tokens, heads;
  float scale;      /* as given to the forward pass */
  int32_t reserved; /* 0 */
} fathom_cuda_attention_backward90_args;

#endif
