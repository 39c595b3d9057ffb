/*
 * The scale-shift-invariant loss, whole and trimmed, and its CutMix pair, on regions that
 * loss_normalise.cu has normalised. Trimming finds the size of the largest residual kept, by the same
 * radix select: three more passes over the maps. One pass adds what loss and pullback need; one writes
 * the gradient.
 */
#include "loss.h"

/* What a residual of this size counts: 1, the tie's share, or 0. */
DEV float weight_of(const loss_region& r, float size) {
  return size < r.threshold ? 1.0f : size == r.threshold ? r.tie : 0.0f;
}

/* ---- trimming ---- */

/* Reads 8 bytes a pixel, 12 with a mask. */
template <int ROUND>
DEV void trim_round(const map_loss& a) {
  constexpr int BINS = ROUND == 2 ? RADIX_LOW_BINS : RADIX_BINS;
  __shared__ uint32_t counts[BINS];
  const int64_t region = blockIdx.y;
  loss_region* record = region_of(a, region);
  loss_table* table = table_of(a, region);
  const loss_region r = *record;
  if (r.state != REGION_ACTIVE) return;
  for (int i = (int)threadIdx.x; i < BINS; i += LOSS_THREADS) counts[i] = 0;
  const uint32_t prefix = ROUND > 0 ? r.prefix[MAP_RESIDUAL] : 0;
  __syncthreads();

  const region_pixels pixels(a, region);
  each_group(pixels, [&](const pixel_group&, uint32_t valid, const float(&p)[4], const float(&q)[4]) {
#pragma unroll
    for (int k = 0; k < 4; k++) {
      uint32_t bin;
      const uint32_t key = ordered(fabsf(residual(r, p[k], q[k])));
      if ((valid >> k & 1) && radix_bin<ROUND>(key, prefix, &bin)) atomicAdd(&counts[bin], 1u);
    }
  });
  __syncthreads();
  radix_flush<LOSS_THREADS>(counts, table->counts[0], BINS);
  if (!last_block(&table->done, gridDim.x)) return;

  const uint32_t kept = (uint32_t)floor((1 - a.trim) * (double)r.count);
  const uint32_t rank = ROUND > 0 ? r.rank[MAP_RESIDUAL] : kept > 0 ? kept - 1 : 0;
  uint32_t unused[BINS / LOSS_THREADS];
  const radix_choice c = radix_choose<BINS, LOSS_THREADS>(
      table->counts[0], [&](uint32_t) { return rank; }, unused);
  if (threadIdx.x > 0) return;
  record->prefix[MAP_RESIDUAL] = radix_prefix<ROUND>(prefix, c.bin);
  record->rank[MAP_RESIDUAL] = c.rank;
  if (ROUND == 0) {
    record->kept = kept;
    if (kept == 0) record->state = REGION_EMPTY;
  }
  if (ROUND == 2) {
    record->threshold = unordered(radix_prefix<2>(prefix, c.bin));
    /* Ranks from kept - 1 - c.rank on are equal to the threshold. */
    record->tie = (float)((double)(c.rank + 1) / (double)c.count);
  }
}

extern "C" __global__ void __launch_bounds__(LOSS_THREADS, 4)
    fathom_ssi_loss_trim_high(const GRID_CONSTANT fathom_cuda_map_loss_args args) {
  trim_round<0>(args);
}
REGISTER_KERNEL(fathom_ssi_loss_trim_high)

extern "C" __global__ void __launch_bounds__(LOSS_THREADS, 4)
    fathom_ssi_loss_trim_middle(const GRID_CONSTANT fathom_cuda_map_loss_args args) {
  trim_round<1>(args);
}
REGISTER_KERNEL(fathom_ssi_loss_trim_middle)

extern "C" __global__ void __launch_bounds__(LOSS_THREADS, 4)
    fathom_ssi_loss_trim_low(const GRID_CONSTANT fathom_cuda_map_loss_args args) {
  trim_round<2>(args);
}
REGISTER_KERNEL(fathom_ssi_loss_trim_low)

/* ---- sums ---- */

/* The region's part of the loss, and its pullback. */
DEV void finish_sums(const map_loss& a, loss_region* r, const double (&sum)[3]) {
  const double among = a.boxes ? (double)(a.height * a.width) : (double)r->kept;
  const double weight = 1 / ((double)a.batch * among);
  r->loss = r->state == REGION_ACTIVE ? weight * sum[0] : r->state == REGION_EMPTY ? 0.0 : (double)quiet_nan();
  pullback_of(r, sum[1], sum[2], weight * a.factor);
}

/* Reads 8 bytes a pixel, 12 with a mask. */
extern "C" __global__ void __launch_bounds__(LOSS_THREADS, 4)
    fathom_ssi_loss_sums(const GRID_CONSTANT fathom_cuda_map_loss_args args) {
  const int64_t region = blockIdx.y;
  loss_region* record = region_of(args, region);
  const loss_region r = *record;
  float loss = 0, sum_g = 0, sum_q = 0;
  if (r.state == REGION_ACTIVE) {
    const region_pixels pixels(args, region);
    each_group(pixels, [&](const pixel_group&, uint32_t valid, const float(&p)[4], const float(&q)[4]) {
#pragma unroll
      for (int k = 0; k < 4; k++) {
        const float u = residual(r, p[k], q[k]), size = fabsf(u);
        const float weight = valid >> k & 1 ? weight_of(r, size) : 0.0f;
        const float g = sign(u) * weight;
        /* Not multiplied by 0: a pixel that does not count may be NaN. */
        if (weight > 0) loss += size * weight, sum_q += g * normalised(r, p[k]);
        sum_g += g;
      }
    });
  }
  double sum[3] = {loss, sum_g, sum_q};
  block_sums<LOSS_THREADS>(sum);
  if (threadIdx.x == 0) {
    loss_part* part = part_of(args, region, gridDim.x, blockIdx.x);
#pragma unroll
    for (int i = 0; i < 3; i++) part->sum[i] = sum[i];
  }
  if (!last_block(&table_of(args, region)->done, gridDim.x)) return;
  add_parts(part_of(args, region, gridDim.x, 0), gridDim.x, sum);
  if (threadIdx.x == 0) finish_sums(args, record, sum);

  const int64_t regions = regions_of(args);
  if (!last_block(&header_of(args.workspace)->done, (uint32_t)regions)) return;
  double total[1] = {0};
  for (int64_t i = threadIdx.x; i < regions; i += LOSS_THREADS) total[0] += region_of(args, i)->loss;
  block_sums<LOSS_THREADS>(total);
  if (threadIdx.x == 0) *args.loss = total[0];
}
REGISTER_KERNEL(fathom_ssi_loss_sums)

/* ---- gradient ---- */

/* Reads 8 bytes a pixel, 12 with a mask, and writes 4. */
extern "C" __global__ void __launch_bounds__(LOSS_THREADS, 4)
    fathom_ssi_loss_gradient(const GRID_CONSTANT fathom_cuda_map_loss_args args) {
  const int64_t region = blockIdx.y;
  const loss_region r = *region_of(args, region);
  const region_pixels pixels(args, region);
  each_group(pixels, [&](const pixel_group& g, uint32_t valid, const float(&p)[4], const float(&q)[4]) {
    float d[4];
#pragma unroll
    for (int k = 0; k < 4; k++) {
      const float u = residual(r, p[k], q[k]);
      const float derivative = r.state == REGION_ACTIVE ? sign(u) * weight_of(r, fabsf(u)) : 0.0f;
      d[k] = valid >> k & 1 && r.state != REGION_EMPTY ? pull_back(r, derivative, p[k]) : 0.0f;
    }
    store_group(pixels, g, d, args.gradient);
  });
}
REGISTER_KERNEL(fathom_ssi_loss_gradient)
