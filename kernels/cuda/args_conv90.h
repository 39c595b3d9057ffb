/* Parameters of the convolution kernels for sm_90a (conv90.cu, conv_backward90.cu). */
#ifndef FATHOM_CUDA_ARGS_CONV90_H
#define FATHOM_CUDA_ARGS_CONV90_H

#include "args_conv.h"
#include "tensor_map.h"

/*
 * fathom_conv2d90_<tile>; fathom_conv2d_relu90_<tile> with relu_input: fathom_conv2d for sm_90a
 * (bf16 alone), kernel 1 or 3, stride 1, x not resized, no projection, in a multiple of 8; with
 * splits, fathom_conv2d_reduce finishes too.
 *
 * A tile has box_height x box_width pixels of a map, at most 128, for which M counts 128: M = 128 *
 * B * ceil(H / box_height) * ceil(W / box_width), N = out, K = k * k * in rounded up to a multiple
 * of 64. Tiles, splits, grid, block, shared memory: args_gemm.h, "On sm_90a". Steps of K have one
 * tap and 64 channels, taps running fastest.
 *
 * The host takes the box of fewest tiles, box_width in 1..min(W, 128), box_height = min(128 /
 * box_width, H), of these the widest; with kernel 1 all pixels are one row of a map: batch and
 * height 1, width B * H * W. Example: 148 x 148 has 180 boxes of 25 x 5 (171 would be full), where
 * 16 x 8 would make 190.
 *
 * Maps, of bf16, swizzle 128 bytes, zeros outside:
 *   x_map       [B,H,W,in], boxes of 1, box_height, box_width, 64
 *   packed_map  [out][k * k][in], rows in8 apart, boxes of n, 1, 64
 */
typedef struct {
  fathom_cuda_tensor_map x_map, packed_map;
  fathom_cuda_conv2d_args conv; /* x, packed are not read */
  int32_t box_height, box_width;
  int32_t group;                /* columns of tiles that are walked together; 0: all */
  int32_t reserved;             /* 0 */
} fathom_cuda_conv2d90_args;

/*
 * fathom_conv2d_dx90_<tile>: fathom_conv2d_dx for sm_90a, stride 1, out a multiple of 8; with
 * splits, fathom_conv2d_dx_reduce finishes too. M and the box as above, N = in, K = k * k * out
 * rounded up to a multiple of 64. With kernel 1 all pixels are one row, too.
 *
 * Maps: dz_map [B,H,W,out], boxes of 1, box_height, box_width, 64; packed_map [out][k * k][in],
 * rows in8 apart, boxes of 64, 1, 64.
 */
typedef struct {
  fathom_cuda_tensor_map dz_map, packed_map;
  fathom_cuda_conv2d_dx_args dx; /* dz, packed are not read */
  int32_t box_height, box_width;
  int32_t group;
  int32_t reserved;              /* 0 */
} fathom_cuda_conv2d_dx90_args;

/*
 * fathom_conv_d_weight90_<tile>, then always fathom_conv_d_weight_reduce: fathom_conv_d_weight for
 * sm_90a, stride 1, margin (k-1)/2, rows and channels multiples of 8, relu_map 0 (the host makes
 * the map's ReLU before: fathom_differentiate of the map by itself). M = rows, N = k * k * channels
 * rounded up to a multiple of 64, K = 64 times the boxes of the batch.
 *
 * A step of K is a box of 64 pixels: the host takes box_width of 1, 2, 4, ..., 64 and box_height =
 * 64 / box_width with the fewest boxes, of these the widest. With kernel 1 all pixels are one row.
 *
 * Maps: gradient_map [B,H,W,rows], map_map [B,H,W,channels]; boxes of 1, box_height, box_width, 64.
 */
typedef struct {
  fathom_cuda_tensor_map gradient_map, map_map;
  fathom_cuda_conv_d_weight_args d_weight; /* gradient, map are not read */
  int32_t box_height, box_width;
} fathom_cuda_conv_d_weight90_args;

#endif
