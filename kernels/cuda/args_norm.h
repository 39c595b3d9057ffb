/*
 * Parameters of the layer norm kernels (norm.cu). B batch, C channels. `elem` is the kernels'
 * element type: bf16, or float in the variant for tests.
 *
 * Kernels named fathom_..._<N> with N = 512, 1024 or 1536 take rows of up to N channels: C a
 * multiple of 8, and x, y, dy, dx and x_batch_stride such that every row is aligned to 16 bytes.
 * The host takes the smallest N that holds C. Kernels named fathom_..._any take every C.
 */
#ifndef FATHOM_CUDA_ARGS_NORM_H
#define FATHOM_CUDA_ARGS_NORM_H

#include <stdint.h>

enum {
  FATHOM_NORM_THREADS = 128, /* a block */
  FATHOM_NORM_WARPS = 4,     /* of a block; a row each */
  FATHOM_NORM_BLOCKS = 1056, /* the most blocks: 8 for each of an H200's multiprocessors */
  /* Backward: the blocks fix the order of the sums over rows, so that their number must not depend
   * on the device; their partial sums bound the workspace. */
  FATHOM_NORM_BACKWARD_BLOCKS = 528,
  FATHOM_NORM_COLUMNS = 32, /* that a block of ..._columns_any or ..._sums takes */
  FATHOM_NORM_SUM_ROWS = 8  /* threads that share a column there */
};

/*
 * fathom_layer_norm_<N>: y = (x - mean) / sqrt(variance + eps) * weight + bias over the channels.
 *   grid: min(ceil(rows / WARPS), BLOCKS); block: 128; shared: 0.
 * fathom_layer_norm_any:
 *   grid: min(rows, BLOCKS); block: 128; shared: 0.
 */
typedef struct {
  const void* x;       /* elem [B,batch_rows,C], batch b at x + b * x_batch_stride */
  const float* weight; /* [C] */
  const float* bias;   /* [C] */
  void* y;             /* elem [rows,C]; may be x where x has no gaps */
  float* mean;         /* [rows] or NULL */
  float* rstd;         /* [rows], 1 / sqrt(variance + eps), or NULL */
  int64_t x_batch_stride;
  int64_t rows; /* B * batch_rows */
  int32_t batch_rows, channels;
  float eps;
  int32_t reserved; /* 0 */
} fathom_cuda_layer_norm_args;

/*
 * The backward pass, with blocks = min(ceil(tokens / WARPS), BACKWARD_BLOCKS):
 *
 * fathom_layer_norm_backward_<N>: dx, and where partial is given the sums over each block's rows.
 *   grid: blocks; block: 128; shared: 0.
 * fathom_layer_norm_backward_any: dx alone; not launched where dx is NULL.
 *   grid: min(tokens, BLOCKS); block: 128; shared: 0.
 * fathom_layer_norm_backward_columns_any: the partial sums alone; follows backward_any.
 *   grid: (ceil(C / COLUMNS), blocks); block: 256; shared: 0.
 * fathom_layer_norm_backward_sums: adds the partial sums to d_weight and d_bias; last, where one of
 *   them is wanted, with fathom_cuda_layer_norm_sums_args.
 *   grid: ceil(C / COLUMNS); block: 256; shared: 0.
 *
 * workspace: partial, blocks * 2 * C floats, where d_weight or d_bias is wanted.
 */
typedef struct {
  const void* x;       /* elem [B,skip+batch_rows,C], as in the forward pass */
  const float* weight; /* [C] */
  const float* mean;   /* [B,batch_rows], from the forward pass */
  const float* rstd;   /* [B,batch_rows], from the forward pass */
  const void* dy;      /* elem [B,batch_rows,C] */
  void* dx;            /* elem [B,skip+batch_rows,C] or NULL */
  float* partial;      /* [blocks,2,C]: sums of dy * normalised x and of dy; or NULL */
  int64_t tokens;      /* B * (skip + batch_rows) */
  int32_t batch_rows, skip, channels;
  int32_t accumulate; /* 1: dx is added to; 0: overwritten */
} fathom_cuda_layer_norm_backward_args;

typedef struct {
  const float* partial; /* [blocks,2,C] */
  float* d_weight;      /* [C], added to, or NULL */
  float* d_bias;        /* [C], added to, or NULL */
  int32_t blocks, channels;
} fathom_cuda_layer_norm_sums_args;

#endif
