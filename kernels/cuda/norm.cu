/*
 * LayerNorm over the last dimension and its gradient, bound by memory: a row is read once into
 * registers, a warp a row, eight neighbouring channels a lane. Weights, biases and, going back, the
 * sums for their gradients stay in registers too, from row to row.
 *
 * Mean and variance are the corrected two-pass algorithm (Chan, Golub, LeVeque 1983) on the row in
 * registers: the second pass also sums x - mean, which is 0 but for the rounding of the mean. With
 * n = (x - mean) * rstd and g = dy * weight the gradients are
 *
 *     dx = rstd * (g - mean(g) - n * mean(g * n)),  d_weight = sum of dy * n,  d_bias = sum of dy,
 *
 * the sums in two steps of fixed order: over the rows of a block, then over the blocks.
 *
 * Registers of a thread and blocks on a multiprocessor (sm_80, sm_90), for rows up to 512, 1024,
 * 1536: forward 72, 126, 80 and 7, 4, 6; backward 110, 195, 237 and 4, 2, 2. That is 20 KB and more
 * of rows under way at the published widths, about what the latency of memory asks for.
 */
#include "args_norm.h"
#include "dev.h"

namespace {

constexpr int kWarps = FATHOM_NORM_WARPS;
static_assert(FATHOM_NORM_THREADS == 32 * kWarps, "a warp has 32 lanes");

struct Statistics {
  float mean, rstd;
};

/* From the sum of x - shift and of its square over a row. */
DEV Statistics statistics(float shift, float sum, float squares, int channels, float eps) {
  const float inverse = 1.0f / (float)channels, correction = sum * inverse;
  const float variance = squares * inverse - correction * correction;
  return Statistics{shift + correction, 1.0f / sqrtf((variance < 0.0f ? 0.0f : variance) + eps)};
}

/* ---- rows in registers: SLOTS vectors of 8 channels a lane ---- */

/* The lane's vector in a slot, or -1 behind the end of the row. */
DEV int channel_of(int slot, int channels) {
  const int channel = (slot * 32 + lane_id()) * 8;
  return channel < channels ? channel : -1;
}

/* v = p[channel, channel + 8) for every slot, 0 behind the end. */
template <int SLOTS, class T>
DEV void load_row(const T* p, int channels, float (&v)[SLOTS][8]) {
#pragma unroll
  for (int s = 0; s < SLOTS; s++) {
    const int channel = channel_of(s, channels);
#pragma unroll
    for (int i = 0; i < 8; i++) v[s][i] = 0.0f;
    if (channel >= 0) load_8(p + channel, v[s]);
  }
}

template <int SLOTS>
DEV Statistics row_statistics(const float (&v)[SLOTS][8], int channels, float eps) {
  float sum = 0.0f;
#pragma unroll
  for (int s = 0; s < SLOTS; s++)
#pragma unroll
    for (int i = 0; i < 8; i++) sum += v[s][i];
  const float shift = warp_sum(sum) / (float)channels;
  float rest = 0.0f, squares = 0.0f;
#pragma unroll
  for (int s = 0; s < SLOTS; s++)
    if (channel_of(s, channels) >= 0) {
#pragma unroll
      for (int i = 0; i < 8; i++) {
        const float d = v[s][i] - shift;
        rest += d;
        squares = fmaf(d, d, squares);
      }
    }
  return statistics(shift, warp_sum(rest), warp_sum(squares), channels, eps);
}

/* KEEP: weight and bias stay in registers; otherwise every row reads them from the L1 cache. */
template <int SLOTS, bool KEEP>
DEV void layer_norm(const fathom_cuda_layer_norm_args& a) {
  const int channels = a.channels;
  float weight[SLOTS][8], bias[SLOTS][8];
  if (KEEP) {
    load_row(a.weight, channels, weight);
    load_row(a.bias, channels, bias);
  }
  for (int64_t row = (int64_t)blockIdx.x * kWarps + warp_id(); row < a.rows;
       row += (int64_t)gridDim.x * kWarps) {
    const elem* x =
        (const elem*)a.x + row / a.batch_rows * a.x_batch_stride + row % a.batch_rows * channels;
    float v[SLOTS][8];
    load_row(x, channels, v);
    const Statistics t = row_statistics(v, channels, a.eps);
#pragma unroll
    for (int s = 0; s < SLOTS; s++) {
      const int channel = channel_of(s, channels);
      if (channel < 0) continue;
      if (!KEEP) {
        load_8(a.weight + channel, weight[s]);
        load_8(a.bias + channel, bias[s]);
      }
#pragma unroll
      for (int i = 0; i < 8; i++)
        v[s][i] = fmaf((v[s][i] - t.mean) * t.rstd, weight[s][i], bias[s][i]);
      store_8((elem*)a.y + row * channels + channel, v[s]);
    }
    if (lane_id() == 0) {
      if (a.mean) a.mean[row] = t.mean;
      if (a.rstd) a.rstd[row] = t.rstd;
    }
  }
}

/* Where a token lies among the rows of the forward pass: -1 for those that it left out. */
DEV int64_t row_of(const fathom_cuda_layer_norm_backward_args& a, int64_t token) {
  const int64_t batch = token / (a.skip + a.batch_rows);
  const int place = (int)(token % (a.skip + a.batch_rows)) - a.skip;
  return place < 0 ? -1 : batch * a.batch_rows + place;
}

/* The sums of the block's warps, added in the order of the warps, to `partial`. */
template <int SLOTS>
DEV void store_partial(const float (&sums)[SLOTS][8], int channels, float* partial) {
  __shared__ float exchange[SLOTS * 256];
  for (int warp = 0; warp < kWarps; warp++) {
    if (warp_id() == warp) {
#pragma unroll
      for (int s = 0; s < SLOTS; s++)
#pragma unroll
        for (int i = 0; i < 8; i++) {
          /* Neighbouring lanes in neighbouring banks. */
          float& at = exchange[(s * 8 + i) * 32 + lane_id()];
          at = warp == 0 ? sums[s][i] : at + sums[s][i];
        }
    }
    __syncthreads();
  }
  for (int c = threadIdx.x; c < channels; c += FATHOM_NORM_THREADS)
    partial[c] = exchange[(c / 256 * 8 + c % 8) * 32 + c / 8 % 32];
  __syncthreads();
}

template <int SLOTS, bool KEEP>
DEV void layer_norm_backward(const fathom_cuda_layer_norm_backward_args& a) {
  const int channels = a.channels;
  const elem *x = (const elem*)a.x, *dy = (const elem*)a.dy;
  elem* dx = (elem*)a.dx;
  float weight[SLOTS][8], d_weight[SLOTS][8], d_bias[SLOTS][8];
  if (KEEP) load_row(a.weight, channels, weight);
#pragma unroll
  for (int s = 0; s < SLOTS; s++)
#pragma unroll
    for (int i = 0; i < 8; i++) d_weight[s][i] = d_bias[s][i] = 0.0f;

  for (int64_t token = (int64_t)blockIdx.x * kWarps + warp_id(); token < a.tokens;
       token += (int64_t)gridDim.x * kWarps) {
    const int64_t row = row_of(a, token);
    if (row < 0) {
      const float zeros[8] = {};
      if (dx && !a.accumulate) {
#pragma unroll
        for (int s = 0; s < SLOTS; s++) {
          const int channel = channel_of(s, channels);
          if (channel >= 0) store_8(dx + token * channels + channel, zeros);
        }
      }
      continue;
    }
    const float mean = a.mean[row], rstd = a.rstd[row];
    float n[SLOTS][8], d[SLOTS][8];
    load_row(x + token * channels, channels, n);
    load_row(dy + row * channels, channels, d);
    float sum = 0.0f, product = 0.0f;
#pragma unroll
    for (int s = 0; s < SLOTS; s++) {
      const int channel = channel_of(s, channels);
      if (channel < 0) continue;
      if (!KEEP) load_8(a.weight + channel, weight[s]);
#pragma unroll
      for (int i = 0; i < 8; i++) {
        n[s][i] = (n[s][i] - mean) * rstd;
        d_weight[s][i] = fmaf(d[s][i], n[s][i], d_weight[s][i]);
        d_bias[s][i] += d[s][i];
        const float g = d[s][i] * weight[s][i];
        sum += g;
        product = fmaf(g, n[s][i], product);
      }
    }
    if (!dx) continue;
    sum = warp_sum(sum) / (float)channels;
    product = warp_sum(product) / (float)channels;
#pragma unroll
    for (int s = 0; s < SLOTS; s++) {
      const int channel = channel_of(s, channels);
      if (channel < 0) continue;
      float old[8] = {};
      if (a.accumulate) load_8(dx + token * channels + channel, old);
      if (!KEEP) load_8(a.weight + channel, weight[s]);
#pragma unroll
      for (int i = 0; i < 8; i++)
        old[i] += rstd * (d[s][i] * weight[s][i] - sum - n[s][i] * product);
      store_8(dx + token * channels + channel, old);
    }
  }
  if (!a.partial) return;
  float* partial = a.partial + (int64_t)blockIdx.x * 2 * channels;
  store_partial(d_weight, channels, partial);
  store_partial(d_bias, channels, partial + channels);
}

/* ---- rows of any length: a block a row, read again for every pass ---- */

DEV void layer_norm_any(const fathom_cuda_layer_norm_args& a) {
  const int channels = a.channels;
  for (int64_t row = blockIdx.x; row < a.rows; row += gridDim.x) {
    const elem* x =
        (const elem*)a.x + row / a.batch_rows * a.x_batch_stride + row % a.batch_rows * channels;
    float sum = 0.0f;
    for (int c = threadIdx.x; c < channels; c += FATHOM_NORM_THREADS) sum += to_float(x[c]);
    const float shift = block_sum(sum) / (float)channels;
    float rest = 0.0f, squares = 0.0f;
    for (int c = threadIdx.x; c < channels; c += FATHOM_NORM_THREADS) {
      const float d = to_float(x[c]) - shift;
      rest += d;
      squares = fmaf(d, d, squares);
    }
    rest = block_sum(rest);
    squares = block_sum(squares);
    const Statistics t = statistics(shift, rest, squares, channels, a.eps);
    /* y may be x: a thread writes what only it still reads. */
    for (int c = threadIdx.x; c < channels; c += FATHOM_NORM_THREADS)
      ((elem*)a.y)[row * channels + c] =
          from_float<elem>(fmaf((to_float(x[c]) - t.mean) * t.rstd, a.weight[c], a.bias[c]));
    if (threadIdx.x == 0) {
      if (a.mean) a.mean[row] = t.mean;
      if (a.rstd) a.rstd[row] = t.rstd;
    }
  }
}

DEV void layer_norm_backward_any(const fathom_cuda_layer_norm_backward_args& a) {
  const int channels = a.channels;
  for (int64_t token = blockIdx.x; token < a.tokens; token += gridDim.x) {
    const int64_t row = row_of(a, token);
    elem* dx = (elem*)a.dx + token * channels;
    if (row < 0) {
      if (!a.accumulate)
        for (int c = threadIdx.x; c < channels; c += FATHOM_NORM_THREADS)
          dx[c] = from_float<elem>(0.0f);
      continue;
    }
    const elem* x = (const elem*)a.x + token * channels;
    const elem* dy = (const elem*)a.dy + row * channels;
    const float mean = a.mean[row], rstd = a.rstd[row];
    float sum = 0.0f, product = 0.0f;
    for (int c = threadIdx.x; c < channels; c += FATHOM_NORM_THREADS) {
      const float g = to_float(dy[c]) * a.weight[c];
      sum += g;
      product = fmaf(g, (to_float(x[c]) - mean) * rstd, product);
    }
    sum = block_sum(sum) / (float)channels;
    product = block_sum(product) / (float)channels;
    for (int c = threadIdx.x; c < channels; c += FATHOM_NORM_THREADS) {
      const float n = (to_float(x[c]) - mean) * rstd;
      const float d = rstd * (to_float(dy[c]) * a.weight[c] - sum - n * product);
      dx[c] = from_float<elem>(a.accumulate ? to_float(dx[c]) + d : d);
    }
  }
}

/* ---- sums over rows, by column ---- */

constexpr int kColumns = FATHOM_NORM_COLUMNS, kSumRows = FATHOM_NORM_SUM_ROWS;

/* The sum over the threads of a column, in their order; for those of the first row. */
DEV float sum_column(float v) {
  __shared__ float exchange[kSumRows][kColumns];
  const int column = threadIdx.x % kColumns, part = threadIdx.x / kColumns;
  exchange[part][column] = v;
  __syncthreads();
  float sum = 0.0f;
  if (part == 0)
#pragma unroll
    for (int i = 0; i < kSumRows; i++) sum += exchange[i][column];
  __syncthreads();
  return sum;
}

DEV void backward_columns_any(const fathom_cuda_layer_norm_backward_args& a) {
  const int channel = blockIdx.x * kColumns + threadIdx.x % kColumns;
  float d_weight = 0.0f, d_bias = 0.0f;
  if (channel < a.channels)
    for (int64_t token = (int64_t)blockIdx.y * kSumRows + threadIdx.x / kColumns; token < a.tokens;
         token += (int64_t)gridDim.y * kSumRows) {
      const int64_t row = row_of(a, token);
      if (row < 0) continue;
      const float dy = to_float(((const elem*)a.dy)[row * a.channels + channel]);
      const float x = to_float(((const elem*)a.x)[token * a.channels + channel]);
      d_weight = fmaf(dy, (x - a.mean[row]) * a.rstd[row], d_weight);
      d_bias += dy;
    }
  d_weight = sum_column(d_weight);
  d_bias = sum_column(d_bias);
  if (threadIdx.x >= kColumns || channel >= a.channels) return;
  float* partial = a.partial + (int64_t)blockIdx.y * 2 * a.channels;
  partial[channel] = d_weight;
  partial[a.channels + channel] = d_bias;
}

DEV void backward_sums(const fathom_cuda_layer_norm_sums_args& a) {
  const int channel = blockIdx.x * kColumns + threadIdx.x % kColumns;
  float d_weight = 0.0f, d_bias = 0.0f;
  if (channel < a.channels)
    for (int block = threadIdx.x / kColumns; block < a.blocks; block += kSumRows) {
      const float* partial = a.partial + (int64_t)block * 2 * a.channels + channel;
      d_weight += partial[0];
      d_bias += partial[a.channels];
    }
  d_weight = sum_column(d_weight);
  d_bias = sum_column(d_bias);
  if (threadIdx.x >= kColumns || channel >= a.channels) return;
  if (a.d_weight) a.d_weight[channel] += d_weight;
  if (a.d_bias) a.d_bias[channel] += d_bias;
}

}  // namespace

#define NORM(N, SLOTS, KEEP)                                                        \
  extern "C" __global__ void __launch_bounds__(FATHOM_NORM_THREADS)                 \
      fathom_layer_norm_##N(const GRID_CONSTANT fathom_cuda_layer_norm_args args) { \
    layer_norm<SLOTS, KEEP>(args);                                                  \
  }                                                                                 \
  REGISTER_KERNEL(fathom_layer_norm_##N)                                            \
  extern "C" __global__ void __launch_bounds__(FATHOM_NORM_THREADS)                 \
      fathom_layer_norm_backward_##N(                                               \
          const GRID_CONSTANT fathom_cuda_layer_norm_backward_args args) {          \
    layer_norm_backward<SLOTS, KEEP>(args);                                         \
  }                                                                                 \
  REGISTER_KERNEL(fathom_layer_norm_backward_##N)
NORM(512, 2, true)
NORM(1024, 4, true)
NORM(1536, 6, false)

extern "C" __global__ void __launch_bounds__(FATHOM_NORM_THREADS)
    fathom_layer_norm_any(const GRID_CONSTANT fathom_cuda_layer_norm_args args) {
  layer_norm_any(args);
}
REGISTER_KERNEL(fathom_layer_norm_any)

extern "C" __global__ void __launch_bounds__(FATHOM_NORM_THREADS)
    fathom_layer_norm_backward_any(const GRID_CONSTANT fathom_cuda_layer_norm_backward_args args) {
  layer_norm_backward_any(args);
}
REGISTER_KERNEL(fathom_layer_norm_backward_any)

extern "C" __global__ void __launch_bounds__(kColumns* kSumRows)
    fathom_layer_norm_backward_columns_any(
        const GRID_CONSTANT fathom_cuda_layer_norm_backward_args args) {
  backward_columns_any(args);
}
REGISTER_KERNEL(fathom_layer_norm_backward_columns_any)

extern "C" __global__ void __launch_bounds__(kColumns* kSumRows)
    fathom_layer_norm_backward_sums(const GRID_CONSTANT fathom_cuda_layer_norm_sums_args args) {
  backward_sums(args);
}
REGISTER_KERNEL(fathom_layer_norm_backward_sums)
