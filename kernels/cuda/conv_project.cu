/*
 * The projection of channels to one number for each pixel on its own, and its gradients. Bound by
 * memory: one pass over x, the lanes that share a pixel reading 8 channels each.
 */
#include "args_conv.h"
#include "gemm_tile.h"

/* The sum over groups of `lanes` neighbouring lanes, a power of two. */
DEV float group_sum(float v, int lanes) {
  for (int step = lanes / 2; step > 0; step /= 2) v += __shfl_xor_sync(0xffffffffu, v, step);
  return v;
}

extern "C" __global__ void __launch_bounds__(FATHOM_PROJECT_THREADS)
    fathom_project(const GRID_CONSTANT fathom_cuda_project_args args) {
  const int lanes = args.lanes, group = FATHOM_PROJECT_THREADS / lanes;
  const int lane = (int)threadIdx.x % lanes;
  const bool whole = args.channels % 8 == 0;
  const float bias = args.bias[0];
  /* `first` is the same for the whole block, so that its warps stay together. */
  for (int64_t first = (int64_t)blockIdx.x * group; first < args.pixels;
       first += (int64_t)gridDim.x * group) {
    const int64_t pixel = first + threadIdx.x / lanes;
    float sum = 0.0f;
    if (pixel < args.pixels) {
      for (int c = lane * 8; c < args.channels; c += lanes * 8) {
        float x[8], weight[8];
        load_some((const elem*)args.x + pixel * args.channels + c, args.channels - c, whole, x);
        load_some(args.weight + c, args.channels - c, whole, weight);
#pragma unroll
        for (int i = 0; i < 8; i++) sum += x[i] * weight[i];
      }
    }
    sum = group_sum(sum, lanes) + bias;
    if (args.activation == ACTIVATION_RELU) sum = sum <= 0.0f ? 0.0f : sum;
    if (args.activation == ACTIVATION_SIGMOID) sum = sigmoid(sum);
    if (lane == 0 && pixel < args.pixels) args.y[pixel] = args.scale * sum;
  }
}
REGISTER_KERNEL(fathom_project)

/* The gradient of the sum before the activation. inverse: 1 / scale, or 0 for a scale of 0. */
DEV float sum_gradient(const fathom_cuda_project_backward_args& args, float inverse,
                       int64_t pixel) {
  const float dy = args.dy[pixel];
  if (args.activation == ACTIVATION_NONE) return dy * args.scale;
  const float y = args.y[pixel];
  if (args.activation == ACTIVATION_RELU)
    return y * (args.scale < 0.0f ? -1.0f : 1.0f) > 0.0f ? dy * args.scale : 0.0f;
  /* y = scale * s, and s' = s (1 - s) */
  return dy * y * (1.0f - y * inverse);
}

extern "C" __global__ void __launch_bounds__(FATHOM_PROJECT_THREADS)
    fathom_project_backward(const GRID_CONSTANT fathom_cuda_project_backward_args args) {
  __shared__ __align__(16) float sums[FATHOM_PROJECT_THREADS * 8];
  const int lanes = args.lanes, group = FATHOM_PROJECT_THREADS / lanes;
  const int lane = (int)threadIdx.x % lanes;
  const int64_t begin = (int64_t)blockIdx.x * args.block_pixels + threadIdx.x / lanes;
  const int64_t block_end = (int64_t)(blockIdx.x + 1) * args.block_pixels;
  const int64_t end = block_end < args.pixels ? block_end : args.pixels;
  const bool whole = args.channels % 8 == 0;
  const float inverse = args.scale == 0.0f ? 0.0f : 1.0f / args.scale;
  for (int first = 0; first < args.channels; first += lanes * 8) {
    const int c = first + lane * 8, n = args.channels - c;
    float weight[8], sum[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    if (args.dx && n > 0) load_some(args.weight + c, n, whole, weight);
    for (int64_t pixel = begin; pixel < end && n > 0; pixel += group) {
      const float g = sum_gradient(args, inverse, pixel);
      const int64_t at = pixel * args.channels + c;
      if (args.weight_sums) {
        float x[8];
        load_some((const elem*)args.x + at, n, whole, x);
#pragma unroll
        for (int i = 0; i < 8; i++) sum[i] += g * x[i];
      }
      if (args.dx) {
        float dx[8];
#pragma unroll
        for (int i = 0; i < 8; i++) dx[i] = g * weight[i];
        store_some((elem*)args.dx + at, n, whole, dx);
      }
    }
    if (!args.weight_sums) continue;
    __syncthreads(); /* the previous channels' readers are through */
    store_8(sums + threadIdx.x * 8, sum);
    __syncthreads();
    for (int i = (int)threadIdx.x; i < lanes * 8 && first + i < args.channels;
         i += FATHOM_PROJECT_THREADS) {
      float total = 0.0f;
      for (int r = 0; r < group; r++) total += sums[r * lanes * 8 + i];
      args.weight_sums[(int64_t)blockIdx.x * args.channels + first + i] = total;
    }
  }
  if (!args.bias_sums) return;
  float bias = 0.0f;
  for (int64_t pixel = (int64_t)blockIdx.x * args.block_pixels + threadIdx.x; pixel < end;
       pixel += FATHOM_PROJECT_THREADS)
    bias += sum_gradient(args, inverse, pixel);
  bias = block_sum(bias);
  if (threadIdx.x == 0) args.bias_sums[blockIdx.x] = bias;
}
REGISTER_KERNEL(fathom_project_backward)
