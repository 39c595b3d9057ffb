/*
 * Parameters of the linear kernels (linear.cu, linear_backward.cu; linear90.cu,
 * linear_backward90.cu). `elem` is the kernels' element type: bf16, or float in the variant for
 * exact tests. Tiles, splits and grids: args_gemm.h.
 *
 * A weight [out,in] is packed as elem [out][in8], in8 being `in` rounded up to a multiple of 8,
 * zeros in the rest.
 */
#ifndef FATHOM_CUDA_ARGS_LINEAR_H
#define FATHOM_CUDA_ARGS_LINEAR_H

#include "args_gemm.h"
#include "tensor_map.h"

enum {
  FATHOM_LINEAR_THREADS = 256,   /* of the kernels that are not products */
  FATHOM_LINEAR_MOST_SUMS = 256, /* blocks of rows at most, see fathom_cuda_differentiate_args */
  FATHOM_LINEAR_SUM_COLUMNS = 32 /* that a block of ..._vectors takes */
};

/*
 * fathom_pack_weight: packed[a][b][c] = factor[a] * weight[a * stride_a + b * stride_b + c *
 * stride_c] for c < in, 0 for in <= c < in8. a < size_a, b < size_b.
 *
 *   linear          [out,in]      a = out, b = 1;    strides in, 0, 1
 *   conv2d          [out,in,k,k]  a = out, b = k k;  strides in k k, 1, k k:  elem [out][k][k][in8]
 *   conv_transpose  [in,out,k,k]  a = k k, b = out;  strides 1, k k, out k k: elem [k][k][out][in8]
 *
 * grid: ceil(size_a * size_b * in8 / 256); block: 256; shared: 0.
 */
typedef struct {
  const float* weight;
  const float* factor; /* [a] or NULL: 1 */
  void* packed;        /* elem [size_a][size_b][in8] */
  int64_t stride_a, stride_b, stride_c;
  int32_t size_a, size_b, in;
  int32_t reserved; /* 0 */
} fathom_cuda_pack_weight_args;

/*
 * fathom_linear_<tile>, fathom_linear_reduce: y = residual + scale * activation(x weight^T + bias);
 * M = rows, N = out, K = in8 (in rounded up to a multiple of 8).
 * Aligned, for the kernels other than ..._any: x to 16 bytes, in and x_stride multiples of 8. out
 * may be anything, but is faster as a multiple of 8.
 *
 * grid: (ceil(rows/m) * ceil(out/n), splits); block, shared: by the tile.
 * fathom_linear_reduce, with splits > 1:
 *   grid: ceil(rows * ceil(out/8) / 256); block: 256; shared: 0.
 * workspace: partial, splits * rows * out floats, with splits > 1.
 */
typedef struct {
  const void* x;         /* elem [rows,in], row r at x + r * x_stride */
  const void* packed;    /* elem [out][in8] */
  const float* bias;     /* [out] or NULL */
  const float* scale;    /* [out] or NULL */
  const void* residual;  /* elem [rows,out] or NULL; may be y */
  void* y;               /* elem [rows,out] */
  void* pre_activation;  /* elem [rows,out], x weight^T + bias, or NULL */
  float* partial;        /* NULL with splits 1 */
  int64_t x_stride;
  int32_t rows, in, out;
  int32_t activation;    /* FATHOM_ACTIVATION_NONE, RELU or GELU */
  int32_t splits;
  int32_t reserved;      /* 0 */
} fathom_cuda_linear_args;

/*
 * fathom_linear90_<tile>: the same for sm_90a (bf16 alone); with splits, fathom_linear_reduce
 * finishes too. Aligned as the tiles above. Tiles, grid, block, shared memory: args_gemm.h, "On
 * sm_90a". Maps, of 2 dimensions: x_map [rows,in], rows x_stride apart, boxes of 64 columns and m
 * rows; packed_map [out,in], rows in8 apart, boxes of 64 columns and n rows.
 */
typedef struct {
  fathom_cuda_tensor_map x_map, packed_map;
  fathom_cuda_linear_args linear; /* x and packed are not read */
  int32_t group;                  /* columns of tiles that are walked together; 0: all */
  int32_t reserved;               /* 0 */
} fathom_cuda_linear90_args;

/*
 * The backward pass of linear, by the CPU's method (kernels/cpu/linear_backward.c). An activation
 * and a scale never come together. The host launches what is needed:
 *
 * 1. fathom_differentiate, with an activation or where d_bias, or d_scale with a bias, is wanted.
 *    dz is its output with an activation, dy itself without one.
 * 2. For dx: fathom_pack_weight with the scale as factor, where there is one, into scratch memory
 *    (in a step where the weight has no scale the forward pass's packed weight serves);
 *    fathom_linear_dx_<tile> or fathom_linear_dx90_<tile>, and fathom_linear_dx_reduce with splits.
 * 3. For d_weight and d_scale: fathom_linear_d_weight_<tile> or fathom_linear_d_weight90_<tile>,
 *    and fathom_linear_d_weight_reduce with splits or where d_scale is wanted.
 * 4. For d_bias and d_scale: fathom_linear_vectors.
 */

/*
 * fathom_differentiate: dz = dy * activation'(z) and block_sums, the sums over blocks of rows of dz
 * (of dy without an activation; then dz is NULL). Also the mask of a convolution's ReLU (z: what it
 * returned) and the sums for its d_bias.
 *
 * chunks = min(32, the least power of two >= ceil(columns / 8)): a block takes 8 * chunks columns,
 * and blocks = ceil(rows / block_rows) with block_rows = max(64, ceil(rows / MOST_SUMS)).
 * grid: (ceil(columns / (8 * chunks)), blocks); block: 256; shared: 0.
 * workspace: block_sums, blocks * columns floats.
 */
typedef struct {
  const void* dy;    /* elem [rows,columns] */
  const void* z;     /* elem [rows,columns], before the activation; NULL without one */
  void* dz;          /* elem [rows,columns]; NULL without an activation; may be dy */
  float* block_sums; /* [blocks][columns] or NULL */
  int64_t rows;
  int32_t columns, chunks, block_rows;
  int32_t activation; /* FATHOM_ACTIVATION_NONE, RELU or GELU */
} fathom_cuda_differentiate_args;

/*
 * fathom_linear_dx_<tile>, fathom_linear_dx_reduce: dx = or += dz weight; M = rows, N = in, K =
 * out.
 * Tiles: 128x128, 128x64, 64x64, any. Aligned: out a multiple of 8 (so that rows of dz are
 * aligned).
 *
 * grid: (ceil(rows/m) * ceil(in/n), splits); block, shared: by the tile.
 * reduce: grid: ceil(rows * ceil(in/8) / 256); block: 256; shared: 0.
 * workspace: partial, splits * rows * in floats, with splits > 1.
 */
typedef struct {
  const void* dz;     /* elem [rows,out] */
  const void* packed; /* elem [out][in8], the scale multiplied in */
  void* dx;           /* elem [rows,in] */
  float* partial;     /* NULL with splits 1 */
  int32_t rows, in, out;
  int32_t accumulate; /* 1: add to dx; 0: overwrite it */
  int32_t splits;
  int32_t reserved;   /* 0 */
} fathom_cuda_linear_dx_args;

/*
 * fathom_linear_dx90_<tile>: the same for sm_90a, aligned as above. Maps: dz_map [rows,out], boxes
 * of 64 columns and m rows; packed_map [out,in], rows in8 apart, boxes of 64 columns and 64 rows.
 */
typedef struct {
  fathom_cuda_tensor_map dz_map, packed_map;
  fathom_cuda_linear_dx_args dx; /* dz and packed are not read */
  int32_t group;
  int32_t reserved;              /* 0 */
} fathom_cuda_linear_dx90_args;

/*
 * fathom_linear_d_weight_<tile>: G = dz^T x, d_weight += scale * G; M = out, N = in, K = rows.
 * Tiles: 128x128, 128x64, 64x64, any. Aligned: x to 16 bytes, in, x_stride and out multiples of 8.
 * Where partial is given, even with splits 1, only the parts of G are written, and
 * fathom_linear_d_weight_reduce makes d_weight and scale_products [out], the sum over k of weight *
 * G.
 *
 * grid: (ceil(out/m) * ceil(in/n), splits); block, shared: by the tile.
 * reduce: grid: out; block: 256; shared: 0.
 * workspace: partial, splits * out * in floats, with splits > 1 or for d_scale; scale_products, out
 * floats.
 */
typedef struct {
  const void* dz;        /* elem [rows,out]; dy where there is a scale */
  const void* x;         /* elem [rows,in], row r at x + r * x_stride */
  const void* packed;    /* elem [out][in8], without the scale; for scale_products */
  const float* scale;    /* [out] or NULL */
  float* d_weight;       /* [out,in], added to; NULL with partial: only scale_products */
  float* scale_products; /* [out] or NULL */
  float* partial;
  int64_t x_stride;
  int32_t rows, in, out;
  int32_t splits;
} fathom_cuda_linear_d_weight_args;

/*
 * fathom_linear_d_weight90_<tile>: the same for sm_90a, aligned as above. Maps: dz_map [rows,out];
 * x_map [rows,in], rows x_stride apart; boxes of 64 columns and 64 rows.
 */
typedef struct {
  fathom_cuda_tensor_map dz_map, x_map;
  fathom_cuda_linear_d_weight_args d_weight; /* dz and x are not read */
  int32_t group;
  int32_t reserved;                          /* 0 */
} fathom_cuda_linear_d_weight90_args;

/*
 * fathom_linear_vectors: with S the sum of block_sums in the order of the blocks,
 * d_bias += scale * S, d_scale += scale_products + bias * S.
 *
 * grid: ceil(columns / 32); block: 256; shared: 0.
 */
typedef struct {
  const float* block_sums;     /* [blocks][columns]; NULL: neither d_bias nor bias */
  const float* scale;          /* [columns] or NULL: 1 */
  const float* bias;           /* [columns] or NULL: 0; for d_scale */
  const float* scale_products; /* [columns]; with d_scale */
  float* d_bias;               /* [columns], added to, or NULL */
  float* d_scale;              /* [columns], added to, or NULL */
  int32_t columns, blocks;
} fathom_cuda_linear_vectors_args;

/*
 * fathom_swiglu: y = silu(x[:, :C]) * x[:, C:].
 * grid: ceil(rows * ceil(C / 8) / 256); block: 256; shared: 0.
 */
typedef struct {
  const void* x; /* elem [rows,2C] */
  void* y;       /* elem [rows,C] */
  int64_t rows;
  int32_t channels;
  int32_t reserved; /* 0 */
} fathom_cuda_swiglu_args;

/* fathom_swiglu_backward: the same grid. dx may be x. */
typedef struct {
  const void* x;  /* elem [rows,2C] */
  const void* dy; /* elem [rows,C] */
  void* dx;       /* elem [rows,2C], overwritten */
  int64_t rows;
  int32_t channels;
  int32_t reserved; /* 0 */
} fathom_cuda_swiglu_backward_args;

#endif
