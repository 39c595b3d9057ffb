/*
 * Parameters of the convolution kernels (conv.cu, conv_patch.cu, conv_backward.cu,
 * conv_transpose.cu, conv_project.cu). `elem` is the kernels' element type: bf16, or float in the
 * variant for exact tests. Tiles, splits and grids: args_gemm.h; fathom_pack_weight and
 * fathom_differentiate: args_linear.h; the kernels for sm_90a: args_conv90.h.
 *
 * Weights are packed by fathom_pack_weight, with in8 = in rounded up to a multiple of 8:
 *   conv2d            [out,in,k,k] -> elem [out][k][k][in8]
 *   conv_transpose2d  [in,out,k,k] -> elem [k][k][out][in8]
 */
#ifndef FATHOM_CUDA_ARGS_CONV_H
#define FATHOM_CUDA_ARGS_CONV_H

#include "args_gemm.h"

enum {
  /* Output pixels of a tile of the patch kernels: 8 rows of 16. */
  FATHOM_PATCH_HEIGHT = 8,
  FATHOM_PATCH_WIDTH = 16,
  FATHOM_PROJECT_THREADS = 256,
  FATHOM_PROJECT_MOST_SUMS = 256
};

/*
 * y = activation(conv(relu?(resize?(x))) + bias) + residual + residual2, zero padding (k-1)/2,
 * output OH = ceil(H/stride), OW = ceil(W/stride). M = B * OH * OW, N = out, K = k * k * in8.
 *
 * fathom_conv2d_<tile>, fathom_conv2d_reduce: kernel 1 or 3, stride 1 or 2, x not resized.
 *   Tiles: 128x128, 128x64, 64x64, 128x32, any. Aligned: in a multiple of 8.
 *   grid: (ceil(M/m) * ceil(out/n), splits); block, shared: by the tile.
 *   reduce: grid: ceil(M * ceil(out/8) / 256); block: 256; shared: 0.
 *   workspace: partial, splits * M * out floats, with splits > 1.
 *   A convolution with kernel 1 and stride 1 is also a linear layer over the pixels.
 *
 * fathom_conv2d_patch_<tile>: kernel 3, stride 1, x not resized, in a multiple of 8, splits 1.
 *   The same results; a block has 8 x 16 output pixels and reads each pixel under them once
 *   instead of nine times.
 *   Tiles: 128x128, 128x64, 128x32.
 *   grid: B * ceil(OH/8) * ceil(OW/16) * ceil(out/n); block: by the tile.
 *   shared: 2 * (2 * 7200 + 4 * n * 40) + 256 bytes (the float variant: 4 * (...) + 256).
 *   To be taken where fathom_conv2d would have splits 1 and ceil(OH/8) * 8 * ceil(OW/16) * 16 <=
 *   5/4 OH OW.
 *
 * fathom_conv2d_resized_<tile>: kernel 3, stride 1, splits 1, any in; x is
 *   [B,source_height,source_width,in] and is resized (bilinear, align_corners) to H x W as it is
 *   read. Tiles: 128x64, 128x32. Grid, block and shared memory as for the patch kernels. Other
 *   kernels and strides: resize first.
 *
 * With project_weight (splits 1, out <= n, so that a block has all channels; a larger out: conv2d,
 * then project): y [B,OH,OW], float32, is
 * project_scale * project_activation(sum_c project_weight[c] * above[c] + project_bias[0]).
 */
typedef struct {
  const void* x;               /* elem [B,H,W,in] or the source */
  const void* packed;          /* elem [out][k][k][in8] */
  const float* bias;           /* [out] or NULL */
  const void* residual;        /* elem [B,OH,OW,out] or NULL; may be y */
  const void* residual2;       /* elem [B,OH,OW,out] or NULL; may be y */
  const float* project_weight; /* [out] or NULL */
  const float* project_bias;   /* [1]; with project_weight */
  void* y;                     /* elem [B,OH,OW,out], or float [B,OH,OW] with project_weight */
  float* partial;              /* NULL with splits 1 */
  int32_t batch, height, width, in, out;
  int32_t kernel, stride;
  int32_t source_height, source_width; /* 0, 0: x is not resized */
  int32_t relu_input;                  /* 1: ReLU as x is read */
  int32_t activation;                  /* FATHOM_ACTIVATION_NONE or RELU */
  int32_t project_activation;          /* FATHOM_ACTIVATION_NONE, RELU or SIGMOID */
  float project_scale;
  int32_t splits;
} fathom_cuda_conv2d_args;

/*
 * The backward pass of conv2d without projection. The host launches what is needed:
 *
 * 1. With `activated`: fathom_differentiate, activation RELU, z = activated, makes dz and its block
 *    sums; without, dz is dy, and fathom_differentiate makes the block sums of dy where d_bias is
 *    wanted. fathom_linear_vectors adds them to d_bias.
 * 2. Where x was resized: fathom_resize_bilinear (align_corners 1) makes the map [B,H,W,in] from
 *    it, which stands for x below, and fathom_conv2d_dx writes the map's gradient to scratch
 *    memory, from which fathom_resize_bilinear_backward makes dx. The ReLU's gate is on the map, as
 *    in the forward pass.
 * 3. fathom_conv2d_dx_<tile> or fathom_conv2d_dx_patch_<tile>; fathom_conv2d_dx_reduce with splits.
 * 4. fathom_conv_d_weight_<tile>, fathom_conv_d_weight_reduce.
 */

/*
 * fathom_conv2d_dx_<tile>, fathom_conv2d_dx_reduce: dx = or += the adjoint of the convolution of
 * dz, 0 where gate is given and not > 0. Tiles: 128x128, 128x64, 64x64, any. Aligned: out a
 * multiple of 8. Stride 1: M = B * H * W, N = in, K = k * k * out8. Stride 2: the pixels are taken
 * in four classes by the parity of row and column, each of which has its own taps: M = B *
 * ceil(H/2) * ceil(W/2), grid z is 4, K is at most 4 * out8 (kernel 3) or out8 (kernel 1).
 *
 * grid: (ceil(M/m) * ceil(in/n), splits, stride * stride); block, shared: by the tile.
 * reduce: grid: ceil(B * H * W * ceil(in/8) / 256); block: 256; shared: 0.
 * workspace: partial, splits * B * H * W * in floats, with splits > 1.
 *
 * fathom_conv2d_dx_patch_<tile>: kernel 3, stride 1, out a multiple of 8, splits 1; see
 * conv2d_patch.
 * Tiles: 128x128, 128x64.
 * grid: B * ceil(H/8) * ceil(W/16) * ceil(in/n); block: by the tile; shared: as for conv2d_patch.
 */
typedef struct {
  const void* dz;     /* elem [B,OH,OW,out] */
  const void* packed; /* elem [out][k][k][in8] */
  const void* gate;   /* elem [B,H,W,in]: x with relu_input, or NULL */
  void* dx;           /* elem [B,H,W,in] */
  float* partial;     /* NULL with splits 1 */
  int32_t batch, height, width, in, out;
  int32_t kernel, stride;
  int32_t accumulate; /* 1: add to dx; 0: overwrite it */
  int32_t splits;
  int32_t reserved;   /* 0 */
} fathom_cuda_conv2d_dx_args;

/*
 * fathom_conv_d_weight_<tile>, then always fathom_conv_d_weight_reduce: over the P = B * OH * OW
 * pixels of `gradient`, d_weight[r][c][ky][kx] += sum of gradient[b,oy,ox,r] * relu?(map)[b, oy *
 * stride + ky - margin, ox * stride + kx - margin, c]. M = rows, N = k * k * channels8, K = P.
 * Tiles: 128x128, 128x64, 64x64, any. Aligned: rows and channels multiples of 8.
 *
 *   conv2d            gradient = dz [B,OH,OW,out], map = x [B,H,W,in], margin (k-1)/2
 *   conv_transpose2d  gradient = x [B,H,W,in], map = dy [B,kH,kW,out], stride k, margin 0
 *
 * grid: (ceil(M/m) * ceil(N/n), splits); block, shared: by the tile.
 * reduce: grid: ceil(rows * k * k * channels / 256); block: 256; shared: 0.
 * workspace: partial, splits * M * N floats, always.
 */
typedef struct {
  const void* gradient; /* elem [B,OH,OW,rows] */
  const void* map;      /* elem [B,H,W,channels] */
  float* d_weight;      /* [rows][channels][k][k], added to */
  float* partial;
  int32_t batch, height, width, channels; /* of the map */
  int32_t out_height, out_width, rows;    /* of the gradient */
  int32_t kernel, stride, margin;
  int32_t relu_map; /* 1: ReLU as the map is read */
  int32_t splits;
} fathom_cuda_conv_d_weight_args;

/*
 * fathom_conv_transpose2d_<tile>: y[b, k*h + i, k*w + j, :] = x[b,h,w,:] weight[:,:,i,j] + bias;
 * M = B * H * W, N = k * k * out, K = in8. Tiles: 128x128, 128x64, 64x64, any. Aligned: in a
 * multiple of 8. splits 1.
 *
 * grid: ceil(M/m) * ceil(N/n); block, shared: by the tile.
 */
typedef struct {
  const void* x;      /* elem [B,H,W,in] */
  const void* packed; /* elem [k][k][out][in8] */
  const float* bias;  /* [out] or NULL */
  void* y;            /* elem [B,kH,kW,out] */
  int32_t batch, height, width, in, out;
  int32_t kernel;     /* k, also the stride */
} fathom_cuda_conv_transpose2d_args;

/*
 * fathom_conv_transpose2d_dx_<tile>: dx[b,h,w,:] = the sum over i, j, o of dy[b, k*h + i, k*w + j,
 * o] * weight[:,o,i,j]; M = B * H * W, N = in, K = k * k * out8. Tiles: 128x64, 64x64, any.
 * Aligned: out a multiple of 8. splits 1. d_weight: fathom_conv_d_weight. d_bias:
 * fathom_differentiate (sums of dy) and fathom_linear_vectors.
 *
 * grid: ceil(M/m) * ceil(in/n); block, shared: by the tile.
 */
typedef struct {
  const void* dy;     /* elem [B,kH,kW,out] */
  const void* packed; /* elem [k][k][out][in8] */
  void* dx;           /* elem [B,H,W,in], overwritten */
  int32_t batch, height, width, in, out;
  int32_t kernel;     /* k, also the stride */
} fathom_cuda_conv_transpose2d_dx_args;

/*
 * fathom_project: y = scale * activation(sum_c weight[c] * x[c] + bias[0]).
 * lanes = min(32, the least power of two >= ceil(channels / 8)) share a pixel.
 *
 * grid: min(ceil(pixels * lanes / 256), 4096); block: 256; shared: 0.
 */
typedef struct {
  const void* x;       /* elem [pixels,channels] */
  const float* weight; /* [channels] */
  const float* bias;   /* [1] */
  float* y;            /* [pixels] */
  int64_t pixels;
  int32_t channels, lanes;
  int32_t activation;  /* FATHOM_ACTIVATION_NONE, RELU or SIGMOID */
  float scale;
} fathom_cuda_project_args;

/*
 * fathom_project_backward: dx, and the sums over blocks of pixels for d_weight and d_bias, which
 * fathom_linear_vectors adds to them: once with block_sums = weight_sums, columns = channels,
 * d_bias = d_weight, and once with block_sums = bias_sums, columns = 1.
 * lanes as above; blocks = ceil(pixels / block_pixels), block_pixels = max(256, ceil(pixels /
 * MOST_SUMS)).
 *
 * grid: blocks; block: 256; shared: 0.
 * workspace: weight_sums, blocks * channels floats; bias_sums, blocks floats.
 */
typedef struct {
  const void* x;       /* elem [pixels,channels]; NULL without weight_sums */
  const float* weight; /* [channels]; NULL without dx */
  const float* y;      /* [pixels], the forward result; NULL without an activation */
  const float* dy;     /* [pixels] */
  void* dx;            /* elem [pixels,channels], overwritten, or NULL */
  float* weight_sums;  /* [blocks][channels] or NULL */
  float* bias_sums;    /* [blocks] or NULL */
  int64_t pixels;
  int32_t channels, lanes, block_pixels;
  int32_t activation;
  float scale;
  int32_t reserved;    /* 0 */
} fathom_cuda_project_backward_args;

#endif
