/*
 * Distortion with a large blur, up to 1025 taps: colours into the workspace, a pass down the columns, a
 * pass across the rows that also pastes and normalises. A tap is a read from cache.
 */
#include "distort.h"

constexpr int ROWS = FATHOM_CUDA_DISTORT_LARGE_ROWS, TAPS = FATHOM_CUDA_DISTORT_LARGE_RADIUS + 1;

/* Reads and writes 12 bytes a pixel, of pictures with a large radius. */
extern "C" __global__ void __launch_bounds__(DISTORT_THREADS, 4)
    fathom_distort_large_color(const GRID_CONSTANT fathom_cuda_distort_args args) {
  const int64_t picture = blockIdx.y, pixels = args.height * args.width;
  const distortion d = args.distortions[picture];
  if (d.blur_radius <= TILE_RADIUS) return;
  const bool aligned = pixels % 4 == 0;
  for (int i = 4 * (int)threadIdx.x; i < DISTORT_CHUNK; i += 4 * DISTORT_THREADS) {
    const int64_t first = (int64_t)blockIdx.x * DISTORT_CHUNK + i, at = (picture * pixels + first) * 3;
    if (first >= pixels) break;
    const int n = pixels - first < 4 ? (int)(pixels - first) : 4;
    float v[4][3];
    load_pixels(args.x + at, n, aligned, v);
    apply_colors(args, d, v);
    store_pixels(coloured_of(args) + at, (1u << n) - 1, aligned, v);
  }
}
REGISTER_KERNEL(fathom_distort_large_color)

/* Writes 4 bytes a number and reads 4 for each of its taps. */
extern "C" __global__ void __launch_bounds__(DISTORT_THREADS, 4)
    fathom_distort_large_down(const GRID_CONSTANT fathom_cuda_distort_args args) {
  __shared__ float taps[TAPS];
  const int64_t picture = blockIdx.z, n = args.width * 3;
  const distortion d = args.distortions[picture];
  if (d.blur_radius <= TILE_RADIUS) return;
  blur_taps<DISTORT_THREADS>(d.blur_sigma, d.blur_radius, taps);
  const int64_t i = (int64_t)blockIdx.x * DISTORT_THREADS + threadIdx.x;
  if (i >= n) return;
  const float* x = coloured_of(args) + picture * args.height * n + i;
  float* y = blurred_of(args) + picture * args.height * n + i;
  for (int64_t row = (int64_t)blockIdx.y * ROWS; row < args.height && row < ((int64_t)blockIdx.y + 1) * ROWS; row++) {
    float sum = taps[0] * x[row * n];
    for (int k = 1; k <= d.blur_radius; k++)
      sum += taps[k] * (x[reflect(row - k, args.height) * n] + x[reflect(row + k, args.height) * n]);
    y[row * n] = sum;
  }
}
REGISTER_KERNEL(fathom_distort_large_down)

/* Writes 4 bytes a number and reads 4 for each of its taps. */
extern "C" __global__ void __launch_bounds__(DISTORT_THREADS, 4)
    fathom_distort_large_across(const GRID_CONSTANT fathom_cuda_distort_args args) {
  __shared__ float taps[TAPS];
  const int64_t picture = blockIdx.z, n = args.width * 3;
  const distortion own = args.distortions[picture];
  const int64_t i = (int64_t)blockIdx.x * DISTORT_THREADS + threadIdx.x, column = i / 3, c = i % 3;
  const float scale = c == 0 ? args.scale[0] : c == 1 ? args.scale[1] : args.scale[2];
  const float shift = c == 0 ? args.shift[0] : c == 1 ? args.shift[1] : args.shift[2];
#pragma unroll 1
  for (int source = 0; source < 2; source++) {
    const int64_t from = source == 0 ? picture : own.partner;
    const distortion d = args.distortions[from];
    if (d.blur_radius <= TILE_RADIUS) continue;
    blur_taps<DISTORT_THREADS>(d.blur_sigma, d.blur_radius, taps);
    for (int64_t row = (int64_t)blockIdx.y * ROWS;
         i < n && row < args.height && row < ((int64_t)blockIdx.y + 1) * ROWS; row++) {
      if (in_box(own, row, column) != (source == 1)) continue;
      const float* x = blurred_of(args) + (from * args.height + row) * n + c;
      float sum = taps[0] * x[3 * column];
      for (int k = 1; k <= d.blur_radius; k++)
        sum += taps[k] * (x[3 * reflect(column - k, args.width)] + x[3 * reflect(column + k, args.width)]);
      args.y[(picture * args.height + row) * n + i] = sum * scale + shift;
    }
  }
}
REGISTER_KERNEL(fathom_distort_large_across)
