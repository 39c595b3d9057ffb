/*
 * Gradient matching: the differences between neighbours of r, the difference of the normalised maps, on
 * the grids of every 1st, 2nd, 4th and 8th pixel, on maps that loss_normalise.cu has normalised.
 *
 * A block holds a tile of r in shared memory with the neighbours that differences reach: one grid step
 * to the right and below (the tile begins on every grid), 1, 2, 4 and 8 pixels to the left and above. r is
 * NaN where a pixel does not count and beyond the picture, so that a difference is NaN exactly when it
 * does not count, and no edge is a special case.
 *
 * What a grid's differences weigh is known only when the batch's valid pixels are counted. So the first
 * kernel leaves a pixel's sum of signs on each grid, -4 .. 4, as four bytes in the gradient, and Q of the
 * pullback for each grid; G is 0, as each difference adds as much to one pixel as it takes from another.
 */
#include "loss.h"

constexpr int GRIDS = 4, REACH = 8; /* the largest stride */
constexpr int TILE_HEIGHT = FATHOM_CUDA_LOSS_TILE_HEIGHT, TILE_WIDTH = FATHOM_CUDA_LOSS_TILE_WIDTH;
constexpr int ROWS = REACH + TILE_HEIGHT + 1, COLUMNS = REACH + TILE_WIDTH + 1;
constexpr uint32_t NOT_COUNTED = 0x80;

/* The sums of a tile. */
struct match_part {
  double of_grid[2 * GRIDS]; /* differences, then Q */
  uint32_t valid[GRIDS];
  uint32_t reserved[4];
};
static_assert(sizeof(match_part) == FATHOM_CUDA_LOSS_TILE_BYTES, "args_loss.h");

DEV float size_or_0(float difference) { return difference == difference ? fabsf(difference) : 0.0f; }
DEV int sign_of(float x) { return (x > 0) - (x < 0); }
/* Whether a grid's differences reach this far out of the tile. */
DEV bool reached(int at) { return at >= 0 || at == -1 || at == -2 || at == -4 || at == -8; }

/* The tile's part of the loss: 8 sums, then 4 counts. Writes the signs. */
DEV void match_tile(const map_loss& a, const loss_region& r, int64_t picture, int top, int left,
                    double (&sum)[3 * GRIDS]) {
  __shared__ float tile[ROWS][COLUMNS];
  const int height = (int)a.height, width = (int)a.width;
  const int64_t base = picture * a.height * a.width;
  for (int row = warp_id(); row < ROWS; row += LOSS_THREADS / 32) {
    const int y = top + row - REACH;
    if (!reached(row - REACH)) continue;
    for (int column = lane_id(); column < COLUMNS; column += 32) {
      const int x = left + column - REACH;
      float v = quiet_nan();
      if (y >= 0 && y < height && x >= 0 && x < width) {
        const int64_t at = base + (int64_t)y * width + x;
        if (!a.mask || a.mask[at] != 0) v = residual(r, a.prediction[at], a.target[at]);
      }
      tile[row][column] = v;
    }
  }
  __syncthreads();

  float difference[GRIDS] = {0, 0, 0, 0}, q[GRIDS] = {0, 0, 0, 0};
  uint32_t valid[GRIDS] = {0, 0, 0, 0};
  const int x = (int)threadIdx.x % TILE_WIDTH;
  for (int y = (int)threadIdx.x / TILE_WIDTH; y < TILE_HEIGHT; y += LOSS_THREADS / TILE_WIDTH) {
    if (top + y >= height || left + x >= width) continue;
    const int64_t at = base + (int64_t)(top + y) * width + left + x;
    const float here = tile[y + REACH][x + REACH];
    const bool counts = here == here;
    const float p = counts ? normalised(r, a.prediction[at]) : 0.0f;
    uint32_t signs = counts ? 0 : NOT_COUNTED;
#pragma unroll
    for (int k = 0; k < GRIDS; k++) {
      const int stride = 1 << k;
      if (!counts || ((x | y) & (stride - 1)) != 0) continue;
      const float right = tile[y + REACH][x + REACH + stride] - here;
      const float below = tile[y + REACH + stride][x + REACH] - here;
      const float before = here - tile[y + REACH][x + REACH - stride];
      const float above = here - tile[y + REACH - stride][x + REACH];
      const int s = sign_of(before) + sign_of(above) - sign_of(right) - sign_of(below);
      difference[k] += size_or_0(right) + size_or_0(below);
      q[k] += (float)s * p;
      valid[k]++;
      signs |= ((uint32_t)s & 0xff) << 8 * k;
    }
    if (a.gradient) a.gradient[at] = __uint_as_float(signs);
  }
#pragma unroll
  for (int k = 0; k < GRIDS; k++) {
    sum[k] = difference[k];
    sum[GRIDS + k] = q[k];
    sum[2 * GRIDS + k] = valid[k];
  }
}

/* The loss, what each grid weighs, and the pullback of every picture; by a whole block. */
DEV void finish_batch(const map_loss& a) {
  double sum[2 * GRIDS + 1] = {0};
  for (int64_t b = threadIdx.x; b < a.batch; b += LOSS_THREADS) {
    const loss_region* r = region_of(a, b);
#pragma unroll
    for (int k = 0; k < GRIDS; k++) {
      sum[k] += r->match[k];
      sum[GRIDS + k] += r->valid[k];
    }
    sum[2 * GRIDS] += r->state == REGION_UNDEFINED ? (double)quiet_nan() : 0.0;
  }
  block_sums<LOSS_THREADS>(sum);
  double share[GRIDS], loss = sum[2 * GRIDS];
#pragma unroll
  for (int k = 0; k < GRIDS; k++) {
    share[k] = sum[GRIDS + k] > 0 ? 1 / sum[GRIDS + k] : 0.0;
    loss += sum[k] * share[k];
  }
  for (int64_t b = threadIdx.x; b < a.batch; b += LOSS_THREADS) {
    loss_region* r = region_of(a, b);
    double q = 0;
#pragma unroll
    for (int k = 0; k < GRIDS; k++) q += r->match[GRIDS + k] * share[k];
    pullback_of(r, 0, q, a.factor);
  }
  if (threadIdx.x == 0) {
    *a.loss = loss;
#pragma unroll
    for (int k = 0; k < GRIDS; k++) header_of(a.workspace)->share[k] = (float)share[k];
  }
}

/*
 * Reads 12 bytes a pixel, 16 with a mask, of which 4 again from cache, and what tiles share: 1.3 times
 * as much in cache. Writes 4 where a gradient is wanted.
 */
extern "C" __global__ void __launch_bounds__(LOSS_THREADS, 4)
    fathom_gradient_matching_loss_sums(const GRID_CONSTANT fathom_cuda_map_loss_args args) {
  const int64_t picture = blockIdx.y;
  const int across = (int)((args.width + TILE_WIDTH - 1) / TILE_WIDTH);
  loss_region* record = region_of(args, picture);
  const loss_region r = *record;
  double sum[3 * GRIDS] = {0};
  if (r.state == REGION_ACTIVE)
    match_tile(args, r, picture, (int)blockIdx.x / across * TILE_HEIGHT, (int)blockIdx.x % across * TILE_WIDTH,
               sum);
  block_sums<LOSS_THREADS>(sum);
  match_part* parts = (match_part*)parts_of(args) + picture * gridDim.x;
  if (threadIdx.x == 0) {
#pragma unroll
    for (int k = 0; k < GRIDS; k++) {
      parts[blockIdx.x].of_grid[k] = sum[k];
      parts[blockIdx.x].of_grid[GRIDS + k] = sum[GRIDS + k];
      parts[blockIdx.x].valid[k] = (uint32_t)sum[2 * GRIDS + k];
    }
  }
  if (!last_block(&table_of(args, picture)->done, gridDim.x)) return;

#pragma unroll
  for (int k = 0; k < 3 * GRIDS; k++) sum[k] = 0;
  for (uint32_t i = threadIdx.x; i < gridDim.x; i += LOSS_THREADS) {
#pragma unroll
    for (int k = 0; k < 2 * GRIDS; k++) sum[k] += parts[i].of_grid[k];
#pragma unroll
    for (int k = 0; k < GRIDS; k++) sum[2 * GRIDS + k] += parts[i].valid[k];
  }
  block_sums<LOSS_THREADS>(sum);
  if (threadIdx.x == 0) {
#pragma unroll
    for (int k = 0; k < 2 * GRIDS; k++) record->match[k] = sum[k];
#pragma unroll
    for (int k = 0; k < GRIDS; k++) record->valid[k] = sum[2 * GRIDS + k];
  }
  if (last_block(&header_of(args.workspace)->done, gridDim.y)) finish_batch(args);
}
REGISTER_KERNEL(fathom_gradient_matching_loss_sums)

/* Signs to the gradient, in place. Reads 8 bytes a pixel and writes 4. */
extern "C" __global__ void __launch_bounds__(LOSS_THREADS, 4)
    fathom_gradient_matching_loss_gradient(const GRID_CONSTANT fathom_cuda_map_loss_args args) {
  const int64_t picture = blockIdx.y;
  const loss_region r = *region_of(args, picture);
  const region_pixels pixels(args, picture);
  float share[GRIDS];
#pragma unroll
  for (int k = 0; k < GRIDS; k++) share[k] = header_of(args.workspace)->share[k];
  const uint32_t first = blockIdx.x * LOSS_CHUNK;
#pragma unroll 2
  for (uint32_t i = 4 * threadIdx.x; i < LOSS_CHUNK; i += 4 * LOSS_THREADS) {
    const pixel_group g = pixels.group(first + i);
    if (g.own == 0) continue;
    float p[4], signs[4], d[4];
    if (r.state == REGION_ACTIVE) {
      pixels.load(args.prediction, g, p);
      pixels.load(args.gradient, g, signs);
#pragma unroll
      for (int j = 0; j < 4; j++) {
        const uint32_t bytes = __float_as_uint(signs[j]);
        float derivative = 0;
#pragma unroll
        for (int k = 0; k < GRIDS; k++) derivative += share[k] * (float)(int8_t)(bytes >> 8 * k);
        d[j] = (bytes & 0xff) == NOT_COUNTED ? 0.0f : pull_back(r, derivative, p[j]);
      }
    } else {
      const uint32_t valid = r.state == REGION_UNDEFINED ? pixels.valid(g) : 0;
#pragma unroll
      for (int j = 0; j < 4; j++) d[j] = valid >> j & 1 ? quiet_nan() : 0.0f;
    }
    store_group(pixels, g, d, args.gradient);
  }
}
REGISTER_KERNEL(fathom_gradient_matching_loss_gradient)
