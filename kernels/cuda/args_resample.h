/*
 * Parameters of the resampling kernels (resample.cu). B batch, C channels. `elem` is the kernels'
 * element type: bf16, or float in the variant for tests.
 *
 * Maps are elem in kernels without a suffix and float in kernels named ..._float. A kernel named
 * ..._vector takes VECTOR channels in a thread: C is a multiple of VECTOR and every map is aligned
 * to 16 bytes. The others take any C, one channel in a thread.
 */
#ifndef FATHOM_CUDA_ARGS_RESAMPLE_H
#define FATHOM_CUDA_ARGS_RESAMPLE_H

#include <stdint.h>

enum {
  FATHOM_RESAMPLE_THREADS = 256, /* a block */
  FATHOM_RESAMPLE_VECTOR = 8     /* channels in a thread of a ..._vector kernel */
};

/*
 * fathom_resize_bilinear, ..._vector, ..._float, ..._float_vector.
 * align_corners 1: source = o * scale; 0: source = (o + 1/2) * scale - 1/2, clamped at 0. The host
 * computes, in float, scale_y = align_corners ? (OH > 1 ? (H-1) / (OH-1) : 0) : H / OH, likewise
 * scale_x: a division in every thread would cost as much as the blending.
 *
 * grid: (B * OH, ceil(OW * C / n / THREADS)), n = 1 or VECTOR; block: 256; shared: 0.
 */
typedef struct {
  const void* x;   /* [B,H,W,C] */
  const void* add; /* [B,OH,OW,C], added to the result, or NULL */
  void* y;         /* [B,OH,OW,C]; may be add */
  int32_t height, width, channels;
  int32_t out_height, out_width;
  int32_t align_corners; /* 0 or 1 */
  float scale_y, scale_x;
} fathom_cuda_resize_bilinear_args;

/*
 * fathom_resize_bilinear_backward, ..._vector, ..._float, ..._float_vector: dx = or += the
 * transposed resize of dy. A thread gathers from the outputs that read its pixel.
 *
 * grid: (B * H, ceil(W * C / n / THREADS)), n = 1 or VECTOR; block: 256; shared: 0.
 */
typedef struct {
  const void* dy; /* [B,OH,OW,C] */
  void* dx;       /* [B,H,W,C]; not dy */
  int32_t height, width, channels;
  int32_t out_height, out_width;
  int32_t align_corners; /* 0 or 1 */
  int32_t accumulate;    /* 1: dx is added to; 0: overwritten */
  float scale_y, scale_x;
  int32_t reserved; /* 0 */
} fathom_cuda_resize_bilinear_backward_args;

/*
 * fathom_resize_bicubic_float, ..._float_vector: A = -0.75, no antialiasing, edges clamped;
 * source = (o + 1/2) * step - 1/2.
 *
 * grid: (B * OH, ceil(OW * C / n / THREADS)), n = 1 or VECTOR; block: 256; shared: 0.
 */
typedef struct {
  const float* x; /* [B,H,W,C] */
  float* y;       /* [B,OH,OW,C] */
  double step_y, step_x;
  int32_t height, width, channels;
  int32_t out_height, out_width;
  int32_t reserved; /* 0 */
} fathom_cuda_resize_bicubic_args;

/*
 * fathom_resize_bicubic_backward_float, ..._float_vector: dx += the transposed resize of dy.
 *
 * grid: (B * H, ceil(W * C / n / THREADS)), n = 1 or VECTOR; block: 256; shared: 0.
 */
typedef struct {
  const float* dy; /* [B,OH,OW,C] */
  float* dx;       /* [B,H,W,C], added to; not dy */
  double step_y, step_x;
  int32_t height, width, channels;
  int32_t out_height, out_width;
  int32_t reserved; /* 0 */
} fathom_cuda_resize_bicubic_backward_args;

/*
 * fathom_preprocess: a picture to the network's input, (bicubic(pixels) / 255 - mean) / std, with
 * steps height/out_height and width/out_width. Channel c of a pixel p is at
 * pixels[p * pixel_stride + c].
 *
 * grid: (OH, ceil(OW / THREADS)); block: 256; shared: 0.
 */
typedef struct {
  const uint8_t* pixels; /* [height,width,>=3], red first; row r at pixels + r * row_stride */
  float* y;              /* [OH,OW,3] */
  int64_t row_stride;    /* bytes */
  int32_t pixel_stride;  /* bytes, 3 or 4 */
  int32_t height, width;
  int32_t out_height, out_width;
  float mean[3];
  float std[3];
  int32_t reserved; /* 0 */
} fathom_cuda_preprocess_args;

#endif
