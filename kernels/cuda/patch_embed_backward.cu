/*
 * The gradients of the patch embedding. That of the weights is a product of the tokens' gradients
 * and patches, which are found in the picture as on the way forward; the patches of the batch are
 * cut into slices, whose products are added in a fixed order. The others are sums over tokens.
 */
#include "patch_embed.h"

namespace {

/* ---- backward: d_weight ---- */

DEV void backward_weight(const fathom_cuda_patch_embed_backward_args& a) {
  constexpr int stride = kTile + FATHOM_PATCH_PAD;
  constexpr int stage = 2 * kDepth * stride; /* d_tokens, then patches */
  EXTERN_SHARED(memory);
  elem* shared = (elem*)memory;
  int64_t* corners = (int64_t*)(memory + 2 * stage * sizeof(elem)); /* [stage][kDepth] */

  const Pictures<float> pictures{a.image, a.height, a.width, a.patch};
  const int columns = 3 * a.patch * a.patch, patches = a.height / a.patch * (a.width / a.patch);
  const int first_column = blockIdx.x * kTile, channel = blockIdx.y * kTile;
  const int64_t begin = (int64_t)blockIdx.z * FATHOM_PATCH_SLICE;
  const int64_t end = min(begin + FATHOM_PATCH_SLICE, a.rows);
  const elem* d_tokens = (const elem*)a.d_tokens;
  const bool vector = a.channels % 8 == 0;

  /* A thread takes one column of the patches, and every second patch of a step. */
  constexpr int count = kDepth / 2;
  const int mine = threadIdx.x % kTile, k = first_column + mine;
  const int64_t offset = pictures.offset(k);
  float values[count];
  const auto find = [&](int step) {
    if (threadIdx.x >= kDepth) return;
    const int64_t patch = begin + step * kDepth + threadIdx.x;
    corners[step % 2 * kDepth + threadIdx.x] = patch < end ? pictures.corner(patch) : -1;
  };
  const auto load = [&](int step) {
#pragma unroll
    for (int i = 0; i < count; i++) {
      const int64_t corner = corners[step % 2 * kDepth + threadIdx.x / kTile + 2 * i];
      values[i] = k < columns && corner >= 0 ? pictures.image[corner + offset] : 0.0f;
    }
    elem* tokens = shared + step % 2 * stage;
    for (int i = threadIdx.x; i < kDepth * kTile / 8; i += kThreads) {
      const int row = i / (kTile / 8), c = channel + i % (kTile / 8) * 8;
      const int64_t patch = begin + step * kDepth + row, image = patch / patches;
      const int64_t token = patch + (image + 1) * a.class_token;
      elem* to = tokens + row * stride + (c - channel);
      if (vector) {
        const bool valid = patch < end && c < a.channels;
        copy_async_8(to, d_tokens + (valid ? token * a.channels + c : 0), valid);
      } else {
        for (int j = 0; j < 8; j++)
          to[j] = patch < end && c + j < a.channels ? d_tokens[token * a.channels + c + j]
                                                    : from_float<elem>(0.0f);
      }
    }
    copy_async_commit();
  };
  const auto keep = [&](int step) {
    elem* to = shared + step % 2 * stage + kDepth * stride;
#pragma unroll
    for (int i = 0; i < count; i++)
      to[(threadIdx.x / kTile + 2 * i) * stride + mine] = from_float<elem>(values[i]);
  };

  WarpTile sums;
  sums.clear();
  const int steps = (int)((end - begin + kDepth - 1) / kDepth);
  find(0);
  __syncthreads();
  load(0);
  keep(0);
  find(1);
  for (int step = 0; step < steps; step++) {
    copy_async_wait<0>();
    __syncthreads(); /* this step is there for all, and nobody reads the one before it any more */
    if (step + 1 < steps) load(step + 1);
    const elem* tokens = shared + step % 2 * stage + warp_row();
    const elem* right_tile = shared + step % 2 * stage + kDepth * stride + warp_column();
#pragma unroll
    for (int depth = 0; depth < kDepth; depth += 16) {
      FragA left[2];
      load_a_transposed(left[0], tokens + depth * stride, stride);
      load_a_transposed(left[1], tokens + depth * stride + 16, stride);
#pragma unroll
      for (int pair = 0; pair < 2; pair++) {
        FragB right[2];
        load_b_transposed_pair(right, right_tile + depth * stride + 16 * pair, stride);
        sums.multiply(left, right, pair);
      }
    }
    if (step + 1 < steps) keep(step + 1);
    find(step + 2);
  }
  float* partial = a.partial + (int64_t)blockIdx.z * a.channels * columns;
#pragma unroll
  for (int m = 0; m < 2; m++)
#pragma unroll
    for (int n = 0; n < 4; n++)
#pragma unroll
      for (int i = 0; i < 4; i++) {
        const int c = channel + warp_row() + 16 * m + fragment_row(i);
        const int column = first_column + warp_column() + 8 * n + fragment_column(i);
        if (c < a.channels && column < columns)
          partial[(int64_t)c * columns + column] = sums.c[m][n].x[i];
      }
}

/* ---- backward: sums over tokens ---- */

constexpr int kColumns = FATHOM_PATCH_SUM_COLUMNS;
constexpr int kSumThreads = FATHOM_PATCH_SUM_THREADS, kSumRows = kSumThreads / kColumns;

/* The sum over the threads of a column, in their order; for those of the first row. */
DEV float sum_column(float v) {
  __shared__ float exchange[kSumRows][kColumns];
  const int column = threadIdx.x % kColumns, row = threadIdx.x / kColumns;
  exchange[row][column] = v;
  __syncthreads();
  float sum = 0.0f;
  if (row == 0)
#pragma unroll
    for (int i = 0; i < kSumRows; i++) sum += exchange[i][column];
  return sum;
}

DEV void backward_tokens(const fathom_cuda_patch_embed_sums_args& a) {
  const int channel = blockIdx.x * kColumns + threadIdx.x % kColumns;
  const int begin = blockIdx.y * FATHOM_PATCH_SUM_TOKENS;
  const int end = min(begin + FATHOM_PATCH_SUM_TOKENS, a.tokens);
  float bias = 0.0f;
  if (channel < a.channels)
    for (int token = begin + threadIdx.x / kColumns; token < end; token += kSumRows) {
      float sum = 0.0f;
      for (int image = 0; image < a.batch; image++)
        sum += to_float(
            ((const elem*)a.d_tokens)[((int64_t)image * a.tokens + token) * a.channels + channel]);
      if (a.d_position) a.d_position[(int64_t)token * a.channels + channel] += sum;
      if (token >= a.class_token)
        bias += sum;
      else if (a.d_cls)
        a.d_cls[channel] += sum;
    }
  bias = sum_column(bias);
  if (a.partial && threadIdx.x < kColumns && channel < a.channels)
    a.partial[(int64_t)blockIdx.y * a.channels + channel] = bias;
}

DEV void backward_bias(const fathom_cuda_patch_embed_sums_args& a) {
  const int channel = blockIdx.x * kColumns + threadIdx.x % kColumns;
  float sum = 0.0f;
  if (channel < a.channels)
    for (int block = threadIdx.x / kColumns; block < a.blocks; block += kSumRows)
      sum += a.partial[(int64_t)block * a.channels + channel];
  sum = sum_column(sum);
  if (threadIdx.x < kColumns && channel < a.channels) a.d_bias[channel] += sum;
}

}  // namespace

extern "C" __global__ void __launch_bounds__(FATHOM_PATCH_THREADS)
    fathom_patch_embed_backward_weight(
        const GRID_CONSTANT fathom_cuda_patch_embed_backward_args args) {
  backward_weight(args);
}
REGISTER_KERNEL(fathom_patch_embed_backward_weight)

extern "C" __global__ void __launch_bounds__(256) fathom_patch_embed_backward_weight_sum(
    const GRID_CONSTANT fathom_cuda_patch_embed_backward_args args) {
  const int area = args.patch * args.patch, columns = 3 * area;
  const int64_t size = (int64_t)args.channels * columns;
  const int64_t at = (int64_t)blockIdx.x * 256 + threadIdx.x;
  if (at >= size) return;
  const int64_t channel = at / columns;
  const int k = (int)(at - channel * columns);
  float sum = 0.0f;
  for (int slice = 0; slice < args.slices; slice++) sum += args.partial[slice * size + at];
  args.d_weight[channel * columns + k % 3 * area + k / 3] += sum;
}
REGISTER_KERNEL(fathom_patch_embed_backward_weight_sum)

extern "C" __global__ void __launch_bounds__(FATHOM_PATCH_SUM_THREADS)
    fathom_patch_embed_backward_tokens(const GRID_CONSTANT fathom_cuda_patch_embed_sums_args args) {
  backward_tokens(args);
}
REGISTER_KERNEL(fathom_patch_embed_backward_tokens)

extern "C" __global__ void __launch_bounds__(FATHOM_PATCH_SUM_THREADS)
    fathom_patch_embed_backward_bias(const GRID_CONSTANT fathom_cuda_patch_embed_sums_args args) {
  backward_bias(args);
}
REGISTER_KERNEL(fathom_patch_embed_backward_bias)
