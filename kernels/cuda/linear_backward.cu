/*
 * Gradients of linear layers, by the CPU's method: dz = dy * activation'(z) with its sums over
 * rows, dx = dz (scale * weight), G = dz^T x, d_weight += scale * G, and d_scale from the sum over
 * k of weight[o,k] G[o,k], as that is the sum over r of dy[r,o] (x weight^T)[r,o].
 */
#include "linear_sink.h"

/* ---- activation and sums over rows ---- */

extern "C" __global__ void __launch_bounds__(FATHOM_LINEAR_THREADS)
    fathom_differentiate(const GRID_CONSTANT fathom_cuda_differentiate_args args) {
  __shared__ __align__(16) float sums[FATHOM_LINEAR_THREADS * 8];
  const int chunk = (int)threadIdx.x % args.chunks;
  const int row_step = FATHOM_LINEAR_THREADS / args.chunks;
  const int c = ((int)blockIdx.x * args.chunks + chunk) * 8, n = args.columns - c;
  const int64_t begin = (int64_t)blockIdx.y * args.block_rows;
  const int64_t end = begin + args.block_rows < args.rows ? begin + args.block_rows : args.rows;
  const bool whole = args.columns % 8 == 0;
  float sum[8] = {0, 0, 0, 0, 0, 0, 0, 0};
  if (n > 0) {
    for (int64_t row = begin + threadIdx.x / args.chunks; row < end; row += row_step) {
      const int64_t at = row * args.columns + c;
      float v[8];
      load_some((const elem*)args.dy + at, n, whole, v);
      if (args.activation != ACTIVATION_NONE) {
        float z[8];
        load_some((const elem*)args.z + at, n, whole, z);
        /* As torch's: a NaN before the ReLU lets the gradient pass. */
        if (args.activation == ACTIVATION_RELU) {
#pragma unroll
          for (int i = 0; i < 8; i++) v[i] = z[i] <= 0.0f ? 0.0f : v[i];
        } else {
#pragma unroll
          for (int i = 0; i < 8; i++) v[i] *= gelu_slope(z[i]);
        }
        store_some((elem*)args.dz + at, n, whole, v);
      }
#pragma unroll
      for (int i = 0; i < 8; i++) sum[i] += v[i];
    }
  }
  if (!args.block_sums) return;
  store_8(sums + threadIdx.x * 8, sum);
  __syncthreads();
  const int width = args.chunks * 8, column = (int)threadIdx.x;
  if (column >= width || blockIdx.x * width + column >= (unsigned)args.columns) return;
  float total = 0.0f;
  for (int r = 0; r < row_step; r++) total += sums[r * width + column];
  args.block_sums[(int64_t)blockIdx.y * args.columns + blockIdx.x * width + column] = total;
}
REGISTER_KERNEL(fathom_differentiate)

extern "C" __global__ void __launch_bounds__(FATHOM_LINEAR_THREADS)
    fathom_linear_vectors(const GRID_CONSTANT fathom_cuda_linear_vectors_args args) {
  constexpr int COLUMNS = FATHOM_LINEAR_SUM_COLUMNS, GROUPS = FATHOM_LINEAR_THREADS / COLUMNS;
  __shared__ float sums[FATHOM_LINEAR_THREADS];
  const int group = (int)threadIdx.x / COLUMNS,
            c = (int)(blockIdx.x * COLUMNS + threadIdx.x % COLUMNS);
  float sum = 0.0f;
  if (args.block_sums && c < args.columns)
    for (int b = group; b < args.blocks; b += GROUPS)
      sum += args.block_sums[(int64_t)b * args.columns + c];
  sums[threadIdx.x] = sum;
  __syncthreads();
  if (group > 0 || c >= args.columns) return;
  for (int g = 1; g < GROUPS; g++) sum += sums[g * COLUMNS + threadIdx.x];
  if (args.d_bias) args.d_bias[c] += args.scale ? args.scale[c] * sum : sum;
  if (args.d_scale)
    args.d_scale[c] += args.scale_products[c] + (args.bias ? args.bias[c] * sum : 0.0f);
}
REGISTER_KERNEL(fathom_linear_vectors)

/* ---- dx ---- */

template <class Tile, bool ALIGNED>
DEV void linear_dx(const fathom_cuda_linear_dx_args& args, unsigned char* memory) {
  const TilePlace place = tile_place<Tile>(args.in);
  elem* shared = (elem*)memory;
  const int in8 = round_up_8(args.in);
  RowOperand<Tile::M, Tile::THREADS, ALIGNED> dz;
  ColumnOperand<Tile::N, Tile::THREADS, true> weight;
  dz.init(shared, (const elem*)args.dz, args.out, place.row, args.rows, args.out);
  weight.init(shared + FATHOM_GEMM_STAGES * Tile::A_SLOT, (const elem*)args.packed, in8,
              place.column, in8, args.out);
  GemmSums<Tile> sums;
  multiply<Tile>(dz, weight, gemm_steps(args.out, args.splits), AsTheyAre(), AsTheyAre(), sums);
  if (args.partial)
    finish_tile<Tile>(sums, memory, PartialSink{args.partial, place, args.rows, args.in});
  else
    finish_tile<Tile>(sums, memory, at_once(DxSink{args, place}));
}

#define LINEAR_DX(name, Tile, ALIGNED, BLOCKS)                                       \
  extern "C" __global__ void GEMM_BOUNDS(Tile, BLOCKS)                               \
      fathom_linear_dx_##name(const GRID_CONSTANT fathom_cuda_linear_dx_args args) { \
    EXTERN_SHARED(memory);                                                           \
    linear_dx<Tile, ALIGNED>(args, memory);                                          \
  }                                                                                  \
  REGISTER_KERNEL(fathom_linear_dx_##name)

LINEAR_DX(128x128, Tile128x128, true, 2)
LINEAR_DX(128x64, Tile128x64, true, 3)
LINEAR_DX(64x64, Tile64x64, true, 4)
LINEAR_DX(any, Tile64x64, false, 4)

extern "C" __global__ void __launch_bounds__(FATHOM_GEMM_REDUCE_THREADS)
    fathom_linear_dx_reduce(const GRID_CONSTANT fathom_cuda_linear_dx_args args) {
  finish_parts(args.partial, args.splits, args.rows, args.in, at_once(DxSink{args, {0, 0}}));
}
REGISTER_KERNEL(fathom_linear_dx_reduce)

/* ---- d_weight ---- */

template <class Tile, bool ALIGNED>
DEV void linear_d_weight(const fathom_cuda_linear_d_weight_args& args, unsigned char* memory) {
  const TilePlace place = tile_place<Tile>(args.in);
  elem* shared = (elem*)memory;
  ColumnOperand<Tile::M, Tile::THREADS, ALIGNED> dz;
  ColumnOperand<Tile::N, Tile::THREADS, ALIGNED> x;
  dz.init(shared, (const elem*)args.dz, args.out, place.row, args.out, args.rows);
  x.init(shared + FATHOM_GEMM_STAGES * Tile::A_SLOT, (const elem*)args.x, args.x_stride,
         place.column, args.in, args.rows);
  GemmSums<Tile> sums;
  multiply<Tile>(dz, x, gemm_steps(args.rows, args.splits), AsTheyAre(), AsTheyAre(), sums);
  if (args.partial)
    finish_tile<Tile>(sums, memory, PartialSink{args.partial, place, args.out, args.in});
  else
    finish_tile<Tile>(sums, memory, at_once(WeightSink{args, place}));
}

#define LINEAR_D_WEIGHT(name, Tile, ALIGNED, BLOCKS)                                             \
  extern "C" __global__ void GEMM_BOUNDS(Tile, BLOCKS)                                           \
      fathom_linear_d_weight_##name(const GRID_CONSTANT fathom_cuda_linear_d_weight_args args) { \
    EXTERN_SHARED(memory);                                                                       \
    linear_d_weight<Tile, ALIGNED>(args, memory);                                                \
  }                                                                                              \
  REGISTER_KERNEL(fathom_linear_d_weight_##name)

LINEAR_D_WEIGHT(128x128, Tile128x128, true, 2)
LINEAR_D_WEIGHT(128x64, Tile128x64, true, 3)
LINEAR_D_WEIGHT(64x64, Tile64x64, true, 4)
LINEAR_D_WEIGHT(any, Tile64x64, false, 4)

/* A block has one row of G. */
extern "C" __global__ void __launch_bounds__(FATHOM_GEMM_REDUCE_THREADS)
    fathom_linear_d_weight_reduce(const GRID_CONSTANT fathom_cuda_linear_d_weight_args args) {
  const int o = (int)blockIdx.x, in8 = round_up_8(args.in);
  const AtOnce<WeightSink> sink = {{args, {0, 0}}};
  float product = 0.0f;
  for (int k = (int)threadIdx.x * 8; k < args.in; k += FATHOM_GEMM_REDUCE_THREADS * 8) {
    float v[8];
    sum_parts(args.partial, args.splits, args.out, args.in, o, k, v);
    if (args.scale_products) {
      float weight[8];
      load_8((const elem*)args.packed + (int64_t)o * in8 + k, weight);
#pragma unroll
      for (int i = 0; i < 8; i++) product += v[i] * weight[i];
    }
    if (args.d_weight) sink(o, k, v);
  }
  if (!args.scale_products) return;
  product = block_sum(product);
  if (threadIdx.x == 0) args.scale_products[o] = product;
}
REGISTER_KERNEL(fathom_linear_d_weight_reduce)
