/*
 * The patch embedding: a convolution whose stride is its kernel, so a product of patches and
 * weights. No matrix of patches is stored: the loads of the product find the numbers of a patch,
 * which are P runs of 3 P neighbours, in the picture, and round them to elem on the way to shared
 * memory. From bytes, the normalisation is one multiply-add there.
 *
 * Both products, forward and for d_weight, have tiles of 64x64 in four warps of 32x32, and two
 * stages: the numbers of the next step are on their way, in registers (what is converted) and by
 * asynchronous copies, while the tensor cores work at this one. The embedding is half a percent of
 * the network; 64x64 gives one picture of 518x518 enough blocks for a large GPU.
 *
 * 80 registers a thread: six blocks, 24 warps, on a multiprocessor.
 *
 * Going back, the patches of the batch are cut into slices, whose products are added in a fixed
 * order.
 */
#include "args_patch_embed.h"
#include "dev.h"

namespace {

constexpr int kThreads = FATHOM_PATCH_THREADS, kTile = FATHOM_PATCH_TILE;
constexpr int kDepth = FATHOM_PATCH_DEPTH;
static_assert(kThreads == 128 && kTile == 64 && kDepth == 32, "four warps of 32x32");

DEV int padded_columns(int patch) { return (3 * patch * patch + kDepth - 1) / kDepth * kDepth; }

/* Where things are in a batch of pictures; T is float or uint8_t. */
template <class T>
struct Pictures {
  const T* image;
  int height, width, patch;

  /* The first number of a patch, counted over the batch. */
  DEV_MEMBER int64_t corner(int64_t patch_index) const {
    const int across = width / patch;
    const int64_t line = patch_index / across; /* of patches, counted over the batch */
    const int column = (int)(patch_index - line * across);
    return (line * patch * width + (int64_t)column * patch) * 3;
  }
  /* Number k of a patch, counted from its corner. */
  DEV_MEMBER int64_t offset(int k) const {
    const int row = k / (3 * patch);
    return (int64_t)row * width * 3 + (k - row * 3 * patch);
  }
};

/* value * scale + shift; nothing for floats, which are normalised. */
struct Normalisation {
  float scale, shift;
};
DEV float normalise(float value, const Normalisation&) { return value; }
DEV float normalise(uint8_t value, const Normalisation& n) {
  return fmaf((float)value, n.scale, n.shift);
}

/* A warp's 32x32 of a 64x64 product. */
struct WarpTile {
  FragC c[2][4];

  DEV_MEMBER void clear() {
#pragma unroll
    for (int m = 0; m < 2; m++)
#pragma unroll
      for (int n = 0; n < 4; n++) c[m][n] = FragC{};
  }
  DEV_MEMBER void multiply(const FragA (&a)[2], const FragB (&b)[2], int pair) {
#pragma unroll
    for (int m = 0; m < 2; m++)
#pragma unroll
      for (int n = 0; n < 2; n++) mma(c[m][2 * pair + n], a[m], b[n]);
  }
};
DEV int warp_row() { return warp_id() / 2 * 32; }
DEV int warp_column() { return warp_id() % 2 * 32; }

/* ---- forward ---- */

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
