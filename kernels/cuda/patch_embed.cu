/*
 * The patch embedding: a convolution whose stride is its kernel, so a product of patches and
 * weights. No matrix of patches is stored: the loads of the product find the numbers of a patch,
 * which are P runs of 3 P neighbours, in the picture, and round them to elem on the way to shared
 * memory. From bytes, the normalisation is one multiply-add there.
 */
#include "patch_embed.h"

namespace {

DEV int padded_columns(int patch) { return (3 * patch * patch + kDepth - 1) / kDepth * kDepth; }

/* value * scale + shift; nothing for floats, which are normalised. */
struct Normalisation {
  float scale, shift;
};
DEV float normalise(float value, const Normalisation&) { return value; }
DEV float normalise(uint8_t value, const Normalisation& n) {
  return fmaf((float)value, n.scale, n.shift);
}

template <class T>
DEV void patch_embed(const fathom_cuda_patch_embed_args& a) {
  constexpr int stride = kDepth + FATHOM_PATCH_PAD, result_stride = kTile + 4;
  constexpr int stage = 2 * kTile * stride; /* patches, then weights */
  constexpr int bytes = 2 * stage * (int)sizeof(elem), result_bytes = kTile * result_stride * 4;
  EXTERN_SHARED(memory);
  elem* shared = (elem*)memory;
  float* result = (float*)memory;
  int64_t* corners = (int64_t*)(memory + (bytes > result_bytes ? bytes : result_bytes));

  const Pictures<T> pictures{(const T*)a.image, a.height, a.width, a.patch};
  const int columns = 3 * a.patch * a.patch, padded = padded_columns(a.patch);
  const int64_t first = (int64_t)blockIdx.x * kTile;
  const int channel = blockIdx.y * kTile;
  if (threadIdx.x < kTile)
    corners[threadIdx.x] = first + threadIdx.x < a.rows ? pictures.corner(first + threadIdx.x) : -1;
  __syncthreads();

  /* A thread takes one column of a step, and every fourth patch: a warp reads 32 neighbours at a
   * time. */
  constexpr int count = kTile / 4;
  const int mine = lane_id();
  T values[count];
  const auto load = [&](int step) {
    const int k = step * kDepth + mine;
    const int64_t offset = pictures.offset(k);
#pragma unroll
    for (int i = 0; i < count; i++) {
      const int64_t corner = corners[warp_id() + 4 * i];
      values[i] = k < columns && corner >= 0 ? pictures.image[corner + offset] : (T)0;
    }
    elem* weights = shared + step % 2 * stage + kTile * stride;
#pragma unroll
    for (int i = threadIdx.x; i < kTile * kDepth / 8; i += kThreads) {
      const int row = i / (kDepth / 8), column = i % (kDepth / 8) * 8;
      const bool valid = channel + row < a.channels;
      copy_async_8(weights + row * stride + column,
                   (const elem*)a.packed +
                       (valid ? (int64_t)(channel + row) * padded + step * kDepth + column : 0),
                   valid);
    }
    copy_async_commit();
  };
  const auto keep = [&](int step) {
    /* k and its colour differ by a multiple of 3. Behind the last column the weights are 0. */
    const int colour = (step * kDepth + mine) % 3;
    const float mean = colour == 0 ? a.mean[0] : colour == 1 ? a.mean[1] : a.mean[2];
    const float std = colour == 0 ? a.std[0] : colour == 1 ? a.std[1] : a.std[2];
    const Normalisation n{__fdividef(1.0f / 255.0f, std), __fdividef(-mean, std)};
    elem* patches = shared + step % 2 * stage;
#pragma unroll
    for (int i = 0; i < count; i++)
      patches[(warp_id() + 4 * i) * stride + mine] = from_float<elem>(normalise(values[i], n));
  };

  WarpTile sums;
  sums.clear();
  const int steps = padded / kDepth;
  load(0);
  keep(0);
  for (int step = 0; step < steps; step++) {
    copy_async_wait<0>();
    __syncthreads(); /* this step is there for all, and nobody reads the one before it any more */
    if (step + 1 < steps) load(step + 1);
    const elem* patches = shared + step % 2 * stage + warp_row() * stride;
    const elem* weights = shared + step % 2 * stage + (kTile + warp_column()) * stride;
#pragma unroll
    for (int k = 0; k < kDepth; k += 16) {
      FragA left[2];
      load_a(left[0], patches + k, stride);
      load_a(left[1], patches + 16 * stride + k, stride);
#pragma unroll
      for (int pair = 0; pair < 2; pair++) {
        FragB right[2];
        load_b_pair(right, weights + 16 * pair * stride + k, stride);
        sums.multiply(left, right, pair);
      }
    }
    if (step + 1 < steps) keep(step + 1);
  }
  __syncthreads();
#pragma unroll
  for (int m = 0; m < 2; m++)
#pragma unroll
    for (int n = 0; n < 4; n++)
#pragma unroll
      for (int i = 0; i < 4; i += 2)
        store_2(result + (warp_row() + 16 * m + fragment_row(i)) * result_stride + warp_column() +
                    8 * n + fragment_column(i),
                sums.c[m][n].x[i], sums.c[m][n].x[i + 1]);
  __syncthreads();

  /* Eight channels of a token for a thread. */
  const int lead = a.cls != nullptr, patches = a.height / a.patch * (a.width / a.patch);
  const bool vector = a.channels % 8 == 0;
  for (int i = threadIdx.x; i < kTile * kTile / 8; i += kThreads) {
    const int row = i / (kTile / 8), column = i % (kTile / 8) * 8, c = channel + column;
    if (first + row >= a.rows || c >= a.channels) continue;
    const int64_t image = (first + row) / patches;
    const int place = (int)((first + row) - image * patches);
    const int here = min(8, a.channels - c);
    const float* position =
        a.position ? a.position + (int64_t)(lead + place) * a.channels + c : nullptr;
    elem* token = (elem*)a.tokens + (image * (lead + patches) + lead + place) * a.channels + c;
    float v[8];
    load_8(result + row * result_stride + column, v);
#pragma unroll
    for (int j = 0; j < 8; j++)
      if (j < here) v[j] += (a.bias ? a.bias[c + j] : 0.0f) + (position ? position[j] : 0.0f);
    if (vector) {
      store_8(token, v);
    } else {
#pragma unroll
      for (int j = 0; j < 8; j++)
        if (j < here) token[j] = from_float<elem>(v[j]);
    }
    /* The thread of a picture's first patch also writes the class token before it. */
    if (lead == 0 || place > 0) continue;
    for (int j = 0; j < here; j++)
      (token - a.channels)[j] =
          from_float<elem>(a.cls[c + j] + (a.position ? a.position[c + j] : 0.0f));
  }
}

}  // namespace

extern "C" __global__ void __launch_bounds__(256)
    fathom_patch_embed_pack(const GRID_CONSTANT fathom_cuda_patch_embed_pack_args args) {
  const int area = args.patch * args.patch, padded = padded_columns(args.patch);
  const int64_t at = (int64_t)blockIdx.x * 256 + threadIdx.x;
  const int64_t channel = at / padded;
  const int k = (int)(at - channel * padded);
  if (channel >= args.channels) return;
  const float weight = k < 3 * area ? args.weight[channel * 3 * area + k % 3 * area + k / 3] : 0.0f;
  ((elem*)args.packed)[at] = from_float<elem>(weight);
}
REGISTER_KERNEL(fathom_patch_embed_pack)

extern "C" __global__ void __launch_bounds__(FATHOM_PATCH_THREADS)
    fathom_patch_embed(const GRID_CONSTANT fathom_cuda_patch_embed_args args) {
  patch_embed<float>(args);
}
REGISTER_KERNEL(fathom_patch_embed)

extern "C" __global__ void __launch_bounds__(FATHOM_PATCH_THREADS)
    fathom_patch_embed_pixels(const GRID_CONSTANT fathom_cuda_patch_embed_args args) {
  patch_embed<uint8_t>(args);
}
REGISTER_KERNEL(fathom_patch_embed_pixels)
