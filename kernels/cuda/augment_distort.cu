/*
 * Strong distortion of a batch: colour jitter, greyscale, Gaussian blur, CutMix, normalisation.
 *
 * Contrast blends with the mean of the grey picture at that point, so first the steps before it are done
 * for that sum alone. Then every output pixel is made in one pass from the picture that it comes from: by
 * `point` where that is not blurred, by `blur` from a tile with its surroundings in shared memory where
 * the radius is small. Larger radii take three passes through the workspace.
 */
#include "distort.h"

constexpr int TILE = FATHOM_CUDA_DISTORT_TILE, WIDE = TILE + 2 * TILE_RADIUS;

/* ---- the mean of the grey picture ---- */

/* The contrast step number `round` of a picture; -1 if there are fewer. */
DEV int contrast_step(const distortion_batch& a, const distortion& d) {
  int round = a.round;
  for (int k = d.first_step; k < d.end_step; k++)
    if (a.steps[k].operation == CONTRAST && round-- == 0) return k;
  return -1;
}

/* Reads 12 bytes a pixel, of pictures that have the step. */
extern "C" __global__ void __launch_bounds__(DISTORT_THREADS, 4)
    fathom_distort_grey(const GRID_CONSTANT fathom_cuda_distort_args args) {
  const int64_t picture = blockIdx.y, pixels = args.height * args.width;
  const distortion d = args.distortions[picture];
  const int step = contrast_step(args, d);
  if (step < 0) return;
  const float* x = args.x + picture * pixels * 3;
  float total = 0;
  for (int i = 4 * (int)threadIdx.x; i < DISTORT_CHUNK; i += 4 * DISTORT_THREADS) {
    const int64_t first = (int64_t)blockIdx.x * DISTORT_CHUNK + i;
    if (first >= pixels) break;
    const int n = pixels - first < 4 ? (int)(pixels - first) : 4;
    float v[4][3];
    load_pixels(x + 3 * first, n, pixels % 4 == 0, v);
    apply_steps(args, d.first_step, step, v);
#pragma unroll
    for (int k = 0; k < 4; k++)
      if (k < n) total += grey_of(v[k][0], v[k][1], v[k][2]);
  }
  double sum[1] = {total};
  block_sums<DISTORT_THREADS>(sum);
  double* parts = grey_parts_of(args) + picture * gridDim.x;
  if (threadIdx.x == 0) parts[blockIdx.x] = sum[0];
  if (!last_block(counters_of(args) + picture, gridDim.x)) return;
  sum[0] = 0;
  for (uint32_t i = threadIdx.x; i < gridDim.x; i += DISTORT_THREADS) sum[0] += parts[i];
  block_sums<DISTORT_THREADS>(sum);
  if (threadIdx.x == 0) grey_means_of(args)[step] = (float)(sum[0] / (double)pixels);
}
REGISTER_KERNEL(fathom_distort_grey)

/* ---- pixels from pictures that are not blurred ---- */

/* Reads and writes 12 bytes a pixel. */
extern "C" __global__ void __launch_bounds__(DISTORT_THREADS, 4)
    fathom_distort_point(const GRID_CONSTANT fathom_cuda_distort_args args) {
  const int64_t picture = blockIdx.y, pixels = args.height * args.width;
  const distortion own = args.distortions[picture];
  if (own.blur_radius > 0 && args.distortions[own.partner].blur_radius > 0) return;
  const bool aligned = pixels % 4 == 0;
  for (int i = 4 * (int)threadIdx.x; i < DISTORT_CHUNK; i += 4 * DISTORT_THREADS) {
    const int64_t first = (int64_t)blockIdx.x * DISTORT_CHUNK + i;
    if (first >= pixels) break;
    const int n = pixels - first < 4 ? (int)(pixels - first) : 4;
    int64_t row = first / args.width, column = first % args.width;
    uint32_t inside = 0;
#pragma unroll
    for (int k = 0; k < 4; k++) {
      if (in_box(own, row, column)) inside |= 1u << k;
      if (++column == args.width) column = 0, row++;
    }
#pragma unroll 1
    for (int source = 0; source < 2; source++) {
      const uint32_t which = (source == 0 ? ~inside : inside) & ((1u << n) - 1);
      const int64_t from = source == 0 ? picture : own.partner;
      const distortion d = args.distortions[from];
      if (which == 0 || d.blur_radius > 0) continue;
      float v[4][3];
      load_pixels(args.x + (from * pixels + first) * 3, n, aligned, v);
      apply_colors(args, d, v);
#pragma unroll
      for (int k = 0; k < 4; k++)
#pragma unroll
        for (int c = 0; c < 3; c++) v[k][c] = v[k][c] * args.scale[c] + args.shift[c];
      store_pixels(args.y + (picture * pixels + first) * 3, which, aligned, v);
    }
  }
}
REGISTER_KERNEL(fathom_distort_point)

/* ---- pixels from pictures with a small blur ---- */

/* Whether output pixels of a tile come from the picture itself (source 0) or the one pasted (1). */
DEV bool tile_has(const distortion_batch& a, const distortion& own, int source, int64_t top, int64_t left) {
  const int64_t bottom = top + TILE < a.height ? top + TILE : a.height;
  const int64_t right = left + TILE < a.width ? left + TILE : a.width;
  if (source == 1) return own.top < bottom && own.bottom > top && own.left < right && own.right > left &&
                          own.top < own.bottom && own.left < own.right;
  return !(own.top <= top && own.bottom >= bottom && own.left <= left && own.right >= right);
}

/* Reads 12 bytes a pixel of tile and surroundings (up to 2.25 times, from cache), writes 12. */
extern "C" __global__ void __launch_bounds__(DISTORT_THREADS, 4)
    fathom_distort_blur(const GRID_CONSTANT fathom_cuda_distort_args args) {
  __shared__ float wide[3][WIDE][WIDE + 1], down[3][TILE][WIDE + 1], taps[TILE_RADIUS + 1];
  const int64_t picture = blockIdx.y, pixels = args.height * args.width;
  const int64_t across = (args.width + TILE - 1) / TILE;
  const int64_t top = blockIdx.x / across * TILE, left = blockIdx.x % across * TILE;
  const distortion own = args.distortions[picture];
#pragma unroll 1
  for (int source = 0; source < 2; source++) {
    const int64_t from = source == 0 ? picture : own.partner;
    const distortion d = args.distortions[from];
    const int radius = d.blur_radius;
    if (radius == 0 || radius > TILE_RADIUS || !tile_has(args, own, source, top, left)) continue;
    const int side = TILE + 2 * radius;
    blur_taps<DISTORT_THREADS>(d.blur_sigma, radius, taps);
    for (int i = (int)threadIdx.x; i < side * side; i += DISTORT_THREADS) {
      const int row = i / side, column = i % side;
      const int64_t y = top + row - radius, x = left + column - radius;
      if (y >= args.height + radius || x >= args.width + radius) continue;
      const float* p = args.x + (from * pixels + reflect(y, args.height) * args.width + reflect(x, args.width)) * 3;
      float v[1][3] = {{p[0], p[1], p[2]}};
      apply_colors(args, d, v);
#pragma unroll
      for (int c = 0; c < 3; c++) wide[c][row][column] = v[0][c];
    }
    __syncthreads();
    for (int i = (int)threadIdx.x; i < 3 * TILE * side; i += DISTORT_THREADS) {
      const int column = i % side, row = i / side % TILE, c = i / side / TILE;
      if (top + row >= args.height || left + column >= args.width + 2 * radius) continue;
      const float* x = &wide[c][row + radius][column];
      float sum = taps[0] * x[0];
      for (int k = 1; k <= radius; k++) sum += taps[k] * (x[-k * (WIDE + 1)] + x[k * (WIDE + 1)]);
      down[c][row][column] = sum;
    }
    __syncthreads();
    for (int i = (int)threadIdx.x; i < 3 * TILE * TILE; i += DISTORT_THREADS) {
      const int c = i % 3, column = i / 3 % TILE, row = i / 3 / TILE;
      const int64_t y = top + row, x = left + column;
      if (y >= args.height || x >= args.width || in_box(own, y, x) != (source == 1)) continue;
      const float* v = &down[c][row][column + radius];
      float sum = taps[0] * v[0];
      for (int k = 1; k <= radius; k++) sum += taps[k] * (v[-k] + v[k]);
      const float scale = c == 0 ? args.scale[0] : c == 1 ? args.scale[1] : args.scale[2];
      const float shift = c == 0 ? args.shift[0] : c == 1 ? args.shift[1] : args.shift[2];
      args.y[(picture * pixels + y * args.width + x) * 3 + c] = sum * scale + shift;
    }
  }
}
REGISTER_KERNEL(fathom_distort_blur)
