/*
 * Parameters of the attention kernel for sm_90a (attention90.cu). B batch, T tokens. Elements are
 * bf16, the head dimension is 64.
 */
#ifndef FATHOM_CUDA_ARGS_ATTENTION90_H
#define FATHOM_CUDA_ARGS_ATTENTION90_H

#include <stdint.h>

#include "tensor_map.h"

enum {
  FATHOM_ATTENTION90_THREADS = 384, /* a warpgroup that fetches, two that compute */
  FATHOM_ATTENTION90_ROWS = 128,    /* queries of a block */
  FATHOM_ATTENTION90_BOX = 64,      /* tokens in a box of both maps */
  FATHOM_ATTENTION90_SHARED = 82048
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

#endif
