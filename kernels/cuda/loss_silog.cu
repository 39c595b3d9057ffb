/*
 * ZoeDepth's scale-invariant log loss. With g = log((p + eps) / (t + eps)), its mean m and unbiased
 * variance v over n pixels: L = 10 sqrt(v + beta m^2), and
 *
 *   d L / d p_i = 100 / L * ((g_i - m) / (n - 1) + beta m / n) / (p_i + eps)
 */
#include "loss.h"

/* The batch's pixels, 4 at a time from `first` on. */
struct batch_group {
  float p[4], t[4];
  uint32_t valid, n;
};

DEV batch_group load_group(const map_loss& a, int64_t first, int64_t pixels) {
  batch_group g;
  const int64_t rest = pixels - first;
  g.n = rest >= 4 ? 4 : rest > 0 ? (uint32_t)rest : 0;
  load_up_to_4(a.prediction + first, g.n, true, g.p);
  load_up_to_4(a.target + first, g.n, true, g.t);
  g.valid = (1u << g.n) - 1;
  if (a.mask) {
    float mask[4];
    load_up_to_4(a.mask + first, g.n, true, mask);
#pragma unroll
    for (uint32_t k = 0; k < 4; k++)
      if (mask[k] == 0) g.valid &= ~(1u << k);
  }
  return g;
}

/* NaN where a number is below 0 by more than eps. */
DEV float log_ratio(float p, float t) {
  const float x = p + 1e-7f, y = t + 1e-7f;
  return x < 0 || y < 0 ? quiet_nan() : logf(x / y);
}

/* n, sum and squares of g: the loss, and the slope and offset of its derivative by g. */
DEV void finish(const map_loss& a, double n, double sum, double squares) {
  const double mean = n > 0 ? sum / n : 0.0, apart = squares - n * mean * mean;
  const double variance = n > 1 ? (apart < 0 ? 0.0 : apart) / (n - 1) : 0.0;
  const double loss = 10 * sqrt(variance + a.beta * mean * mean);
  const double outer = loss == 0 ? 0.0 : 100 * a.factor / loss;
  const double slope = n > 1 ? outer / (n - 1) : 0.0;
  *a.loss = loss;
  header_of(a.workspace)->slope = (float)slope;
  header_of(a.workspace)->offset = (float)(n > 0 ? outer * a.beta * mean / n - slope * mean : 0.0);
}

/* Reads 8 bytes a pixel, 12 with a mask. */
extern "C" __global__ void __launch_bounds__(LOSS_THREADS, 4)
    fathom_silog_loss_sums(const GRID_CONSTANT fathom_cuda_map_loss_args args) {
  const int64_t pixels = args.batch * args.height * args.width, chunk = (int64_t)blockIdx.x * LOSS_CHUNK;
  loss_part* parts = (loss_part*)((char*)args.workspace + FATHOM_CUDA_LOSS_HEADER_BYTES);
  float count = 0, total = 0, squares = 0;
  for (int i = 4 * (int)threadIdx.x; i < LOSS_CHUNK; i += 4 * LOSS_THREADS) {
    const batch_group x = load_group(args, chunk + i, pixels);
#pragma unroll
    for (int k = 0; k < 4; k++) {
      if (!(x.valid >> k & 1)) continue;
      const float g = log_ratio(x.p[k], x.t[k]);
      count += 1;
      total += g;
      squares += g * g;
    }
  }
  double sum[3] = {count, total, squares};
  block_sums<LOSS_THREADS>(sum);
  if (threadIdx.x == 0) {
#pragma unroll
    for (int i = 0; i < 3; i++) parts[blockIdx.x].sum[i] = sum[i];
  }
  if (!last_block(&header_of(args.workspace)->done, gridDim.x)) return;
  add_parts(parts, gridDim.x, sum);
  if (threadIdx.x == 0) finish(args, sum[0], sum[1], sum[2]);
}
REGISTER_KERNEL(fathom_silog_loss_sums)

/* Reads 8 bytes a pixel, 12 with a mask, and writes 4. */
extern "C" __global__ void __launch_bounds__(LOSS_THREADS, 4)
    fathom_silog_loss_gradient(const GRID_CONSTANT fathom_cuda_map_loss_args args) {
  const int64_t pixels = args.batch * args.height * args.width, chunk = (int64_t)blockIdx.x * LOSS_CHUNK;
  const float slope = header_of(args.workspace)->slope, offset = header_of(args.workspace)->offset;
  for (int i = 4 * (int)threadIdx.x; i < LOSS_CHUNK; i += 4 * LOSS_THREADS) {
    const batch_group x = load_group(args, chunk + i, pixels);
    float d[4];
#pragma unroll
    for (int k = 0; k < 4; k++) {
      const float g = log_ratio(x.p[k], x.t[k]);
      d[k] = x.valid >> k & 1 ? (slope * g + offset) / (x.p[k] + 1e-7f) : 0.0f;
    }
    if (x.n == 4) {
      store_4(args.gradient + chunk + i, d);
    } else {
#pragma unroll
      for (uint32_t k = 0; k < 4; k++)
        if (k < x.n) args.gradient[chunk + i + k] = d[k];
    }
  }
}
REGISTER_KERNEL(fathom_silog_loss_gradient)
