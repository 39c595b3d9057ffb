/*
 * What the kernels that distort a batch share: the workspace, the colour steps, which picture a pixel
 * comes from, and the taps of a Gaussian.
 */
#ifndef FATHOM_CUDA_DISTORT_H
#define FATHOM_CUDA_DISTORT_H

#include "args_augment.h"
#include "reduce.h"

typedef fathom_cuda_distort_args distortion_batch;
typedef fathom_cuda_distortion distortion;

constexpr int DISTORT_THREADS = FATHOM_CUDA_DISTORT_THREADS;
constexpr int DISTORT_CHUNK = FATHOM_CUDA_DISTORT_CHUNK;
constexpr int TILE_RADIUS = FATHOM_CUDA_DISTORT_TILE_RADIUS;

/* FATHOM_COLOR_* of fathom.h. */
enum { BRIGHTNESS, CONTRAST, SATURATION, HUE };

/* ---- the workspace ---- */

DEV int64_t round_up_256(int64_t bytes) { return (bytes + 255) / 256 * 256; }
DEV int64_t chunks_of(const distortion_batch& a) {
  return (a.height * a.width + DISTORT_CHUNK - 1) / DISTORT_CHUNK;
}
DEV uint32_t* counters_of(const distortion_batch& a) { return (uint32_t*)a.workspace; }
DEV double* grey_parts_of(const distortion_batch& a) {
  return (double*)((char*)a.workspace + round_up_256(4 * a.batch));
}
/* The mean of the grey picture before each contrast step. */
DEV float* grey_means_of(const distortion_batch& a) {
  return (float*)((char*)grey_parts_of(a) + round_up_256(8 * a.batch * chunks_of(a)));
}
/* [B,H,W,3], of pictures with a large radius: coloured, then also blurred down the columns. */
DEV float* coloured_of(const distortion_batch& a) {
  return (float*)((char*)grey_means_of(a) + round_up_256(4 * (int64_t)a.step_count));
}
DEV float* blurred_of(const distortion_batch& a) {
  return coloured_of(a) + round_up_256(12 * a.batch * a.height * a.width) / 4;
}

/* ---- colour ---- */

DEV float clamp_unit(float x) { return fminf(fmaxf(x, 0.0f), 1.0f); }
DEV float grey_of(float r, float g, float b) { return 0.2989f * r + 0.587f * g + 0.114f * b; }

/* Hue turned by a part of the circle: to hue, saturation, value and back, as torchvision does. */
DEV void turn_hue(float& r, float& g, float& b, float turn) {
  const float high = fmaxf(fmaxf(r, g), b), low = fminf(fminf(r, g), b), range = high - low;
  const bool flat = high == low;
  const float saturation = range / (flat ? 1.0f : high), inverse = 1.0f / (flat ? 1.0f : range);
  const float rc = (high - r) * inverse, gc = (high - g) * inverse, bc = (high - b) * inverse;
  float hue = high == r ? bc - gc : high == g ? 2.0f + rc - bc : 4.0f + gc - rc;
  hue = hue * (1.0f / 6) + turn;
  if (hue < 0) hue += 1.0f;
  if (hue >= 1) hue -= 1.0f;
  hue *= 6.0f;
  int sector = (int)hue;
  const float f = hue - (float)sector;
  if (sector == 6) sector = 0; /* rounded up to the whole circle */
  const float p = clamp_unit(high * (1.0f - saturation));
  const float q = clamp_unit(high * (1.0f - saturation * f));
  const float t = clamp_unit(high * (1.0f - saturation * (1.0f - f)));
  r = sector == 0 || sector == 5 ? high : sector == 1 ? q : sector == 4 ? t : p;
  g = sector == 1 || sector == 2 ? high : sector == 0 ? t : sector == 3 ? q : p;
  b = sector == 3 || sector == 4 ? high : sector == 2 ? t : sector == 5 ? q : p;
}

/* Steps [first,end) of the batch's on N pixels. */
template <int N>
DEV void apply_steps(const distortion_batch& a, int first, int end, float (&x)[N][3]) {
  for (int k = first; k < end; k++) {
    const int operation = a.steps[k].operation;
    const float f = a.steps[k].factor;
    const float constant = operation == CONTRAST ? (1 - f) * grey_means_of(a)[k] : 0.0f;
#pragma unroll
    for (int i = 0; i < N; i++) {
      if (operation == HUE) {
        turn_hue(x[i][0], x[i][1], x[i][2], f);
        continue;
      }
      const float rest =
          operation == SATURATION ? (1 - f) * grey_of(x[i][0], x[i][1], x[i][2]) : constant;
#pragma unroll
      for (int c = 0; c < 3; c++) x[i][c] = clamp_unit(x[i][c] * f + rest);
    }
  }
}

/* All that is done to a picture's colours. */
template <int N>
DEV void apply_colors(const distortion_batch& a, const distortion& d, float (&x)[N][3]) {
  apply_steps(a, d.first_step, d.end_step, x);
  if (!d.grey) return;
#pragma unroll
  for (int i = 0; i < N; i++) x[i][0] = x[i][1] = x[i][2] = grey_of(x[i][0], x[i][1], x[i][2]);
}

/* ---- pixels ---- */

DEV bool in_box(const distortion& d, int64_t row, int64_t column) {
  return row >= d.top && row < d.bottom && column >= d.left && column < d.right;
}

/* 4 pixels, 12 floats at p; n of them exist. aligned: p is a multiple of 16 bytes. */
DEV void load_pixels(const float* p, int n, bool aligned, float (&x)[4][3]) {
  if (aligned && n >= 4) {
    float v[3][4];
#pragma unroll
    for (int i = 0; i < 3; i++) load_4(p + 4 * i, v[i]);
#pragma unroll
    for (int i = 0; i < 12; i++) x[i / 3][i % 3] = v[i / 4][i % 4];
    return;
  }
#pragma unroll
  for (int i = 0; i < 12; i++) x[i / 3][i % 3] = i < 3 * n ? p[i] : 0.0f;
}
/* Stores those whose bit is set. */
DEV void store_pixels(float* p, uint32_t which, bool aligned, const float (&x)[4][3]) {
  if (aligned && which == 15) {
#pragma unroll
    for (int i = 0; i < 12; i += 4) {
      const float v[4] = {x[i / 3][i % 3], x[(i + 1) / 3][(i + 1) % 3], x[(i + 2) / 3][(i + 2) % 3],
                          x[(i + 3) / 3][(i + 3) % 3]};
      store_4(p + i, v);
    }
    return;
  }
#pragma unroll
  for (int i = 0; i < 12; i++)
    if (which >> (i / 3) & 1) p[i] = x[i / 3][i % 3];
}

/* ---- blur ---- */

/* Mirrored at the edges, which are not repeated. */
DEV int64_t reflect(int64_t i, int64_t n) {
  if (n == 1) return 0;
  while (i < 0 || i >= n) i = i < 0 ? -i : 2 * (n - 1) - i;
  return i;
}

/*
 * taps[k], k = 0 .. radius: the weight at distance k; in shared memory, by a whole block. Between two
 * barriers: what read taps before is through, and they are there after it.
 */
template <int THREADS>
DEV void blur_taps(float sigma, int radius, float* taps) {
  const double inverse = -0.5 / ((double)sigma * sigma);
  double sum[1] = {0};
  for (int k = (int)threadIdx.x; k <= radius; k += THREADS) sum[0] += (k > 0 ? 2 : 1) * exp(inverse * k * k);
  block_sums<THREADS>(sum);
  for (int k = (int)threadIdx.x; k <= radius; k += THREADS) taps[k] = (float)(exp(inverse * k * k) / sum[0]);
  __syncthreads();
}

#endif
