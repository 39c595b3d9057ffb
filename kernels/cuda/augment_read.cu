/*
 * How a training picture and its depth map are read: a crop resized to the batch's size.
 *
 * A picture is resized separably by Keys' cubic, A = -0.75. Where it shrinks the kernel is stretched by
 * the same factor, so that it averages over as many pixels as fall into one; taps beyond the picture
 * repeat its edge. Each source row is resized horizontally once, into the workspace, then the columns.
 */
#include "args_augment.h"
#include "dev.h"

typedef fathom_cuda_read_picture_args reading;
constexpr int THREADS = FATHOM_CUDA_READ_THREADS, SOURCE_ROWS = FATHOM_CUDA_READ_ROWS;

/* ---- the workspace ---- */

DEV int64_t rounded(int64_t n) { return (n + 63) / 64 * 64; }
DEV int64_t pitch_of(const reading& a) { return (3 * a.out_width + 3) / 4 * 4; }
/* The first tap of each output row, then of each output column. */
DEV int32_t* first_of(const reading& a) { return (int32_t*)a.workspace; }
/* Tap k of output o is at k * size + o: neighbours in memory for neighbours in the picture. */
DEV float* row_weights_of(const reading& a) { return (float*)a.workspace + rounded(a.out_height + a.out_width); }
DEV float* column_weights_of(const reading& a) { return row_weights_of(a) + rounded(a.out_height * a.row_taps); }
DEV float* resized_of(const reading& a) { return column_weights_of(a) + rounded(a.out_width * a.column_taps); }

DEV int64_t clamped(int64_t i, int64_t size) { return i < 0 ? 0 : i < size ? i : size - 1; }
/* The first row of the source that is resized. */
DEV int64_t low_of(const reading& a) { return clamped(first_of(a)[0], a.height); }

/* ---- pictures ---- */

DEV double cubic(double x) {
  const double A = -0.75;
  x = fabs(x);
  if (x <= 1) return ((A + 2) * x - (A + 3)) * x * x + 1;
  return x < 2 ? ((A * x - 5 * A) * x + 8 * A) * x - 4 * A : 0.0;
}

/* A warp for each output row or column. Writes 4 bytes for each tap. */
extern "C" __global__ void __launch_bounds__(THREADS, 4)
    fathom_read_picture_filters(const GRID_CONSTANT fathom_cuda_read_picture_args args) {
  const int64_t i = (int64_t)blockIdx.x * FATHOM_CUDA_READ_FILTERS + warp_id();
  if (i >= args.out_height + args.out_width) return;
  const bool row = i < args.out_height;
  const int64_t size = row ? args.out_height : args.out_width, o = row ? i : i - args.out_height;
  const double start = row ? args.crop_top : args.crop_left;
  const double scale = (row ? args.crop_height : args.crop_width) / (double)size;
  const double stretch = scale > 1 ? scale : 1.0;
  const int64_t from = !row && args.flip ? size - 1 - o : o;
  const double centre = start + ((double)from + 0.5) * scale - 0.5;
  const int64_t first = (int64_t)ceil(centre - 2 * stretch);
  const int taps = row ? args.row_taps : args.column_taps;
  float* weights = row ? row_weights_of(args) : column_weights_of(args);
  double sum = 0;
  for (int k = lane_id(); k < taps; k += 32) sum += cubic(((double)(first + k) - centre) / stretch);
  sum = warp_sum(sum);
  for (int k = lane_id(); k < taps; k += 32)
    weights[k * size + o] = (float)(cubic(((double)(first + k) - centre) / stretch) / sum);
  if (lane_id() == 0) first_of(args)[i] = (int32_t)first;
}
REGISTER_KERNEL(fathom_read_picture_filters)

/* A thread for one output column of a few source rows. Reads 3 bytes a source pixel, writes 12 an output. */
extern "C" __global__ void __launch_bounds__(THREADS, 4)
    fathom_read_picture_rows(const GRID_CONSTANT fathom_cuda_read_picture_args args) {
  const int64_t o = (int64_t)blockIdx.y * THREADS + threadIdx.x;
  const int64_t row = (int64_t)blockIdx.x * SOURCE_ROWS, low = low_of(args);
  if (o >= args.out_width) return;
  const int64_t first = first_of(args)[args.out_height + o];
  const float* weights = column_weights_of(args) + o;
  float sum[SOURCE_ROWS][3];
#pragma unroll
  for (int r = 0; r < SOURCE_ROWS; r++) sum[r][0] = sum[r][1] = sum[r][2] = 0;
  for (int k = 0; k < args.column_taps; k++) {
    const float weight = weights[k * args.out_width];
    const int64_t column = 3 * clamped(first + k, args.width);
#pragma unroll
    for (int r = 0; r < SOURCE_ROWS; r++) {
      const uint8_t* pixel = args.pixels + clamped(low + row + r, args.height) * args.width * 3 + column;
#pragma unroll
      for (int c = 0; c < 3; c++) sum[r][c] += weight * (float)pixel[c];
    }
  }
  float* out = resized_of(args) + row * pitch_of(args) + 3 * o;
#pragma unroll
  for (int r = 0; r < SOURCE_ROWS; r++) {
    if (row + r >= args.source_rows) continue;
#pragma unroll
    for (int c = 0; c < 3; c++) out[r * pitch_of(args) + c] = sum[r][c];
  }
}
REGISTER_KERNEL(fathom_read_picture_rows)

/* A thread for 4 numbers of an output row. Reads 4 bytes a tap, from cache mostly, and writes 4. */
extern "C" __global__ void __launch_bounds__(THREADS, 4)
    fathom_read_picture_columns(const GRID_CONSTANT fathom_cuda_read_picture_args args) {
  const int64_t i = ((int64_t)blockIdx.y * THREADS + threadIdx.x) * 4, o = blockIdx.x;
  const int64_t n = 3 * args.out_width, low = low_of(args), first = first_of(args)[o];
  if (i >= n) return;
  const float* x = resized_of(args) + i;
  const float* weights = row_weights_of(args) + o;
  float sum[4] = {0, 0, 0, 0};
  for (int k = 0; k < args.row_taps; k++) {
    const float weight = weights[k * args.out_height];
    const float* from = x + (clamped(first + k, args.height) - low) * pitch_of(args);
#pragma unroll
    for (int j = 0; j < 4; j++)
      if (i + j < n) sum[j] += weight * from[j];
  }
  float* y = args.y + o * n + i;
#pragma unroll
  for (int j = 0; j < 4; j++)
    if (i + j < n) y[j] = fminf(fmaxf(sum[j] * (1.0f / 255), 0.0f), 1.0f);
}
REGISTER_KERNEL(fathom_read_picture_columns)

/* ---- maps ---- */

/* The pixel that the centre of output o falls into. */
DEV int64_t nearest(double start, double length, int64_t size, int64_t source, int64_t o) {
  return clamped((int64_t)floor(start + ((double)o + 0.5) * length / (double)size), source);
}

/* Reads and writes 4 bytes an output. */
extern "C" __global__ void __launch_bounds__(THREADS, 4)
    fathom_read_map(const GRID_CONSTANT fathom_cuda_read_map_args args) {
  const int64_t o = (int64_t)blockIdx.y * THREADS + threadIdx.x, row = blockIdx.x;
  if (o >= args.out_width) return;
  const int64_t from = nearest(args.crop_top, args.crop_height, args.out_height, args.height, row);
  const int64_t column = args.flip ? args.out_width - 1 - o : o;
  args.y[row * args.out_width + o] =
      args.x[from * args.width + nearest(args.crop_left, args.crop_width, args.out_width, args.width, column)];
}
REGISTER_KERNEL(fathom_read_map)
