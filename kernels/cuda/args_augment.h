/*
 * Arguments of the augmentation kernels: what fathom.h says of read_picture, read_map and distort holds
 * here. Random numbers are drawn on the host: parameters come in.
 */
#ifndef FATHOM_CUDA_ARGS_AUGMENT_H
#define FATHOM_CUDA_ARGS_AUGMENT_H

#include <stdint.h>

enum {
  FATHOM_CUDA_READ_THREADS = 128,
  FATHOM_CUDA_READ_FILTERS = 4,       /* outputs in a block of read_picture_filters */
  FATHOM_CUDA_READ_ROWS = 4,          /* source rows of a thread */
  FATHOM_CUDA_DISTORT_THREADS = 256,
  FATHOM_CUDA_DISTORT_CHUNK = 4096,   /* pixels of a picture in a block */
  FATHOM_CUDA_DISTORT_TILE = 32,      /* rows and columns of a tile */
  FATHOM_CUDA_DISTORT_TILE_RADIUS = 8,
  FATHOM_CUDA_DISTORT_LARGE_RADIUS = 512,
  FATHOM_CUDA_DISTORT_LARGE_ROWS = 8  /* of a block of the kernels for large radii */
};

/*
 * One picture, three kernels, block READ_THREADS, shared 0 bytes:
 *     fathom_read_picture_filters  grid ceil((out_height + out_width) / READ_FILTERS)
 *     fathom_read_picture_rows     grid (ceil(source_rows / READ_ROWS), ceil(out_width / READ_THREADS))
 *     fathom_read_picture_columns  grid (out_height, ceil(pitch / (4 READ_THREADS)))
 *
 * workspace, 256-byte aligned, in floats, each part rounded up to a multiple of 64:
 *     out_height + out_width first taps, out_height row_taps weights, out_width column_taps weights,
 *     source_rows pitch sums, pitch = 3 out_width rounded up to a multiple of 4.
 */
typedef struct {
  const uint8_t* pixels; /* [height,width,3] */
  float* y;              /* [out_height,out_width,3] */
  void* workspace;
  int64_t height, width;
  int64_t out_height, out_width;
  double crop_top, crop_left, crop_height, crop_width; /* source pixels */
  int32_t row_taps;    /* 2 ceil(2 max(crop_height / out_height, 1)) + 1 */
  int32_t column_taps; /* 2 ceil(2 max(crop_width / out_width, 1)) + 1 */
  int32_t source_rows; /* min(height, floor(crop_height) + row_taps + 2) */
  int32_t flip;        /* 1: mirrored left to right */
} fathom_cuda_read_picture_args;

/* fathom_read_map: grid (out_height, ceil(out_width / READ_THREADS)), block READ_THREADS. */
typedef struct {
  const float* x; /* [height,width] */
  float* y;       /* [out_height,out_width] */
  int64_t height, width;
  int64_t out_height, out_width;
  double crop_top, crop_left, crop_height, crop_width;
  int64_t flip;
} fathom_cuda_read_map_args;

/* One step of a colour jitter: FATHOM_COLOR_* of fathom.h. */
typedef struct {
  int32_t operation;
  float factor;
} fathom_cuda_color_step;

/* What is done to one picture of a batch, and what is pasted into it. */
typedef struct {
  int32_t first_step, end_step; /* its colour steps: [first_step,end_step) of the batch's */
  int32_t grey;                 /* 1: grey after them */
  float blur_sigma;             /* 0: no blur */
  int32_t blur_radius;          /* ceil(3 blur_sigma), at most LARGE_RADIUS */
  int32_t partner;              /* the picture pasted; its own number without CutMix */
  int32_t top, left, bottom, right; /* of the box; empty: nothing is pasted */
} fathom_cuda_distortion;

/*
 * A batch. Block DISTORT_THREADS, shared 0 bytes, chunks = ceil(H W / DISTORT_CHUNK); in this order:
 *     fathom_distort_grey   grid (chunks, B); once for each round = 0, 1, ... while a picture has more
 *                           than `round` contrast steps
 *     fathom_distort_point  grid (chunks, B); always
 *     fathom_distort_blur   grid (ceil(H / TILE) ceil(W / TILE), B); if a radius is 1 to TILE_RADIUS
 *     if a radius is above TILE_RADIUS:
 *     fathom_distort_large_color   grid (chunks, B)
 *     fathom_distort_large_down    grid (ceil(3 W / DISTORT_THREADS), ceil(H / LARGE_ROWS), B)
 *     fathom_distort_large_across  the same grid
 *
 * workspace, 256-byte aligned, each part rounded up to a multiple of 256 bytes: 4 B bytes, 0 before the
 * first grey and again after the last; 8 B chunks; 4 step_count; if a radius is above TILE_RADIUS, twice
 * 12 B H W. Only the first three are needed with contrast, none without.
 */
typedef struct {
  const float* x; /* [B,H,W,3] in 0..1 */
  float* y;       /* [B,H,W,3], must not overlap x */
  const fathom_cuda_distortion* distortions; /* [B] */
  const fathom_cuda_color_step* steps;       /* [step_count]; may be NULL without any */
  void* workspace;
  int64_t batch, height, width;
  int32_t step_count;
  int32_t round;
  float scale[3]; /* 1 / std */
  float shift[3]; /* -mean / std */
} fathom_cuda_distort_args;

#endif
