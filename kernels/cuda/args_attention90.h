/*
 * Parameters of the attention kernels for sm_90a (attention90.cu, attention_backward90.cu).
 * B batch, T tokens. Elements are bf16, the head dimension is 64.
 */
#ifndef FATHOM_CUDA_ARGS_ATTENTION90_H
#define FATHOM_CUDA_ARGS_ATTENTION90_H

#include <stdint.h>

#include "tensor_map.h"

enum {
  FATHOM_ATTENTION90_BOX = 64,      /* tokens in a box of every map */
  FATHOM_ATTENTION90_THREADS = 384, /* a warpgroup that fetches, two that compute */
  FATHOM_ATTENTION90_ROWS = 128,    /* queries of a block at a time */
  FATHOM_ATTENTION90_SHARED = 164608,
  FATHOM_ATTENTION90_TALL_THREADS = 512,
  FATHOM_ATTENTION90_TALL_ROWS = 192,
  FATHOM_ATTENTION90_TALL_SHARED = 180992,
  FATHOM_ATTENTION90_SHORT_ROWS = 64, /* as many threads as usual */
  FATHOM_ATTENTION90_SHORT_COST = 80, /* more than 64: L2 gives it the keys twice as often */
  FATHOM_ATTENTION90_SHORT_SHARED = 166144,
  FATHOM_ATTENTION_BACKWARD90_ROWS = 128, /* keys, or queries, of a block */
  FATHOM_ATTENTION_BACKWARD90_KEYS_COST = 4,
  FATHOM_ATTENTION_BACKWARD90_QUERIES_COST = 3,
  FATHOM_ATTENTION_BACKWARD90_SHARED = 133248
};

/*
 * fathom_attention90, fathom_attention90_tall, fathom_attention90_short: per head
 * out = softmax(scale * q k^T) v, in blocks of different shapes. Which one: where
 * ceil(pieces / multiprocessors) * cost is least, pieces = B * heads * ceil(T / ROWS), cost = ROWS
 * or SHORT_COST.
 *
 * Both maps: bf16, 128-byte swizzle, no interleave, zeros out of bounds, boxes of 64 channels x BOX
 * tokens x 1 picture.
 *
 * grid: any, at best the lesser of pieces and multiprocessors; block: THREADS or TALL_THREADS;
 * shared: FATHOM_ATTENTION90_SHARED, _TALL_SHARED or _SHORT_SHARED bytes.
 */
typedef struct {
  fathom_cuda_tensor_map qkv; /* [B,T,3*heads*64] */
  fathom_cuda_tensor_map out; /* [B,T,heads*64] */
  float* log_sum_exp;         /* [B,heads,T], natural logarithm, or NULL */
  int32_t tokens, heads, batch;
  float scale; /* any finite number */
} fathom_cuda_attention90_args;

/*
 * The backward pass is two launches: fathom_attention_backward_delta (args_attention.h), then
 *
 * fathom_attention_backward90: dqkv. Of its pieces of work, B * heads * ceil(T / BACKWARD90_ROWS)
 * have keys (dk, dv), as many have queries (dq). Block b of n has the pieces b, b + n, ... of keys;
 * where that is one more than others have, it is busy, and has `busy_queries` pieces of queries.
 * The other blocks share the rest. A piece of keys takes KEYS_COST, one of queries QUERIES_COST:
 * busy_queries, at most pieces / (pieces mod n), is best where the block that takes longest takes
 * least.
 *
 * Maps as above.
 *
 * grid: any, at best the lesser of 2 * pieces and multiprocessors; block: THREADS;
 * shared: BACKWARD90_SHARED bytes.
 */
typedef struct {
  fathom_cuda_tensor_map qkv;   /* [B,T,3*heads*64], as given to the forward pass */
  fathom_cuda_tensor_map d_out; /* [B,T,heads*64] */
  fathom_cuda_tensor_map dqkv;  /* [B,T,3*heads*64], overwritten */
  const float* log_sum_exp;     /* [B,heads,T], from the forward pass */
  const float* delta;           /* [B,heads,T], the row sums of d_out * out */
  int32_t tokens, heads, batch;
  int32_t busy_queries;
  float scale;      /* as given to the forward pass */
  int32_t reserved; /* 0 */
} fathom_cuda_attention_backward90_args;

#endif
