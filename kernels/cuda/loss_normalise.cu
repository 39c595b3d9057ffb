/*
 * Median t and mean absolute deviation s of prediction and target over every region, by radix select in
 * three passes over the maps. The last of them also adds |x - t'|, t' the lowest number that shares the
 * 22 bits of t known by then, over all values that do not share them; with the numbers above and below
 * that bin, and the counts of what is in it, that gives the sum of |x - t| without a pass of its own.
 *
 * Each pass reads 8 bytes a pixel, 12 with a mask, and keeps its tables in shared memory (16 KB).
 */
#include "loss.h"

/* What the third pass knows of a map over a region. */
struct spread {
  float median;
  double deviation;
  uint32_t ties, below;
};

DEV spread spread_of(loss_table* table, const loss_region& r, int map, double outside) {
  uint32_t counts[RADIX_LOW_BINS / LOSS_THREADS];
  const uint32_t rank = r.rank[map], prefix = r.prefix[map];
  const radix_choice choice = radix_choose<RADIX_LOW_BINS, LOSS_THREADS>(
      table->counts[map], [&](uint32_t) { return rank; }, counts);
  const float median = unordered(radix_prefix<2>(prefix, choice.bin)), base = unordered(prefix << 10);
  double sum[1] = {0};
#pragma unroll
  for (uint32_t i = 0; i < RADIX_LOW_BINS / LOSS_THREADS; i++) {
    const uint32_t bin = threadIdx.x * (RADIX_LOW_BINS / LOSS_THREADS) + i;
    const float value = unordered(radix_prefix<2>(prefix, bin));
    if (counts[i] > 0) sum[0] += (double)counts[i] * fabs((double)value - (double)median);
  }
  block_sums<LOSS_THREADS>(sum);
  const uint32_t before = (r.count - 1) / 2 - rank, after = r.count - before - choice.total;
  const double shift = ((double)median - (double)base) * ((double)before - (double)after);
  return spread{median, (outside + shift + sum[0]) / (double)r.count, choice.count,
                (r.count - 1) / 2 - choice.rank};
}

/* What the spreads mean for the region, of which all residuals are kept. */
DEV void finish_region(loss_region* r, const spread& p, const spread& q) {
  const double tiny = 1.1754943508222875e-38; /* the smallest normal float */
  if (r->count == 0)
    r->state = REGION_EMPTY;
  else if (!is_finite(p.deviation) || !is_finite(q.deviation))
    r->state = REGION_UNDEFINED;
  else
    r->state = p.deviation < tiny || q.deviation < tiny ? REGION_EMPTY : REGION_ACTIVE;
  r->median[0] = p.median;
  r->median[1] = q.median;
  r->inverse[0] = (float)(1 / p.deviation);
  r->inverse[1] = (float)(1 / q.deviation);
  r->deviation = p.deviation;
  r->ties = p.ties;
  r->balance = (int32_t)(r->count - p.ties - 2 * p.below);
  r->kept = r->count;
  r->threshold = infinity();
  r->tie = 1;
}

template <int ROUND>
DEV void median_round(const map_loss& a) {
  constexpr int BINS = ROUND == 2 ? RADIX_LOW_BINS : RADIX_BINS;
  __shared__ uint32_t counts[2][BINS];
  const int64_t region = blockIdx.y;
  loss_region* r = region_of(a, region);
  loss_table* table = table_of(a, region);
  for (int i = (int)threadIdx.x; i < 2 * BINS; i += LOSS_THREADS) counts[i / BINS][i % BINS] = 0;
  uint32_t prefix[2] = {0, 0};
  float base[2] = {0, 0};
  if (ROUND > 0) {
#pragma unroll
    for (int m = 0; m < 2; m++) prefix[m] = r->prefix[m], base[m] = unordered(prefix[m] << 10);
  }
  __syncthreads();

  float apart[2] = {0, 0};
  const region_pixels pixels(a, region);
  each_group(pixels, [&](const pixel_group&, uint32_t valid, const float(&p)[4], const float(&q)[4]) {
#pragma unroll
    for (int k = 0; k < 4; k++) {
      if (!(valid >> k & 1)) continue;
#pragma unroll
      for (int m = 0; m < 2; m++) {
        const float x = m == 0 ? p[k] : q[k];
        uint32_t bin;
        if (radix_bin<ROUND>(ordered(x), prefix[m], &bin))
          atomicAdd(&counts[m][bin], 1u);
        else if (ROUND == 2)
          apart[m] += fabsf(x - base[m]);
      }
    }
  });
  __syncthreads();
#pragma unroll
  for (int m = 0; m < 2; m++) radix_flush<LOSS_THREADS>(counts[m], table->counts[m], BINS);
  if (ROUND == 2) {
    double sum[2] = {apart[0], apart[1]};
    block_sums<LOSS_THREADS>(sum);
    loss_part* part = part_of(a, region, gridDim.x, blockIdx.x);
    if (threadIdx.x == 0) part->sum[0] = sum[0], part->sum[1] = sum[1];
  }
  if (!last_block(&table->done, gridDim.x)) return;

  if constexpr (ROUND == 2) {
    double outside[2];
    add_parts(part_of(a, region, gridDim.x, 0), gridDim.x, outside);
    const spread p = spread_of(table, *r, 0, outside[0]), q = spread_of(table, *r, 1, outside[1]);
    __syncthreads();
    if (threadIdx.x == 0) finish_region(r, p, q);
  } else {
#pragma unroll
    for (int m = 0; m < 2; m++) {
      uint32_t unused[BINS / LOSS_THREADS];
      const uint32_t known = ROUND > 0 ? r->rank[m] : 0;
      const radix_choice c = radix_choose<BINS, LOSS_THREADS>(
          table->counts[m], [&](uint32_t n) { return ROUND > 0 ? known : n > 0 ? (n - 1) / 2 : 0; },
          unused);
      if (threadIdx.x > 0) continue;
      r->prefix[m] = radix_prefix<ROUND>(prefix[m], c.bin);
      r->rank[m] = c.rank;
      if (ROUND == 0) r->count = c.total;
    }
  }
}

extern "C" __global__ void __launch_bounds__(LOSS_THREADS, 4)
    fathom_loss_median_high(const GRID_CONSTANT fathom_cuda_map_loss_args args) {
  median_round<0>(args);
}
REGISTER_KERNEL(fathom_loss_median_high)

extern "C" __global__ void __launch_bounds__(LOSS_THREADS, 4)
    fathom_loss_median_middle(const GRID_CONSTANT fathom_cuda_map_loss_args args) {
  median_round<1>(args);
}
REGISTER_KERNEL(fathom_loss_median_middle)

extern "C" __global__ void __launch_bounds__(LOSS_THREADS, 4)
    fathom_loss_median_low(const GRID_CONSTANT fathom_cuda_map_loss_args args) {
  median_round<2>(args);
}
REGISTER_KERNEL(fathom_loss_median_low)
