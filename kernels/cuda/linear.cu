/*
 * Linear layers: y = residual + scale * activation(x weight^T + bias), one pass over y. SwiGLU, the
 * giant's gate between two linear layers, and the packing of weights.
 */
#include "linear_sink.h"

/* ---- packing ---- */

extern "C" __global__ void __launch_bounds__(FATHOM_LINEAR_THREADS)
    fathom_pack_weight(const GRID_CONSTANT fathom_cuda_pack_weight_args args) {
  const int in8 = round_up_8(args.in);
  const int64_t i = (int64_t)blockIdx.x * FATHOM_LINEAR_THREADS + threadIdx.x;
  if (i >= (int64_t)args.size_a * args.size_b * in8) return;
  const int c = (int)(i % in8);
  const int64_t row = i / in8;
  const int a = (int)(row / args.size_b), b = (int)(row % args.size_b);
  float v = 0.0f;
  if (c < args.in) v = args.weight[a * args.stride_a + b * args.stride_b + c * args.stride_c];
  if (args.factor) v *= args.factor[a];
  ((elem*)args.packed)[i] = from_float<elem>(v);
}
REGISTER_KERNEL(fathom_pack_weight)

/* ---- product ---- */

template <class Tile, bool ALIGNED>
DEV void linear(const fathom_cuda_linear_args& args, unsigned char* memory) {
  const TilePlace place = tile_place<Tile>(args.out);
  const int depth = round_up_8(args.in);
  elem* shared = (elem*)memory;
  RowOperand<Tile::M, Tile::THREADS, ALIGNED> x;
  RowOperand<Tile::N, Tile::THREADS, true> weight;
  x.init(shared, (const elem*)args.x, args.x_stride, place.row, args.rows, args.in);
  weight.init(shared + FATHOM_GEMM_STAGES * Tile::A_SLOT, (const elem*)args.packed, depth,
              place.column, args.out, depth);
  GemmSums<Tile> sums;
  multiply<Tile>(x, weight, gemm_steps(depth, args.splits), AsTheyAre(), AsTheyAre(), sums);
  if (args.partial)
    finish_tile<Tile>(sums, memory, PartialSink{args.partial, place, args.rows, args.out});
  else
    finish_tile<Tile>(sums, memory, at_once(LinearSink{args, place}));
}

#define LINEAR(name, Tile, ALIGNED, BLOCKS)                                    \
  extern "C" __global__ void GEMM_BOUNDS(Tile, BLOCKS)                         \
      fathom_linear_##name(const GRID_CONSTANT fathom_cuda_linear_args args) { \
    EXTERN_SHARED(memory);                                                     \
    linear<Tile, ALIGNED>(args, memory);                                       \
  }                                                                            \
  REGISTER_KERNEL(fathom_linear_##name)

LINEAR(128x128, Tile128x128, true, 2)
LINEAR(128x64, Tile128x64, true, 3)
LINEAR(64x64, Tile64x64, true, 4)
LINEAR(any, Tile64x64, false, 4)

extern "C" __global__ void __launch_bounds__(FATHOM_GEMM_REDUCE_THREADS)
    fathom_linear_reduce(const GRID_CONSTANT fathom_cuda_linear_args args) {
  finish_parts(args.partial, args.splits, args.rows, args.out, at_once(LinearSink{args, {0, 0}}));
}
REGISTER_KERNEL(fathom_linear_reduce)

/* ---- SwiGLU ---- */

/* Row and first channel of this thread's eight; false past the end. */
DEV bool swiglu_place(int64_t rows, int channels, int64_t& row, int& column) {
  const int chunks = ceil_div(channels, 8);
  const int64_t i = (int64_t)blockIdx.x * FATHOM_LINEAR_THREADS + threadIdx.x;
  row = i / chunks;
  column = (int)(i % chunks) * 8;
  return row < rows;
}

extern "C" __global__ void __launch_bounds__(FATHOM_LINEAR_THREADS)
    fathom_swiglu(const GRID_CONSTANT fathom_cuda_swiglu_args args) {
  int64_t row;
  int c;
  if (!swiglu_place(args.rows, args.channels, row, c)) return;
  const int n = args.channels - c;
  const bool whole = args.channels % 8 == 0;
  const elem* x = (const elem*)args.x + row * 2 * args.channels + c;
  float gate[8], value[8];
  load_some(x, n, whole, gate);
  load_some(x + args.channels, n, whole, value);
#pragma unroll
  for (int i = 0; i < 8; i++) value[i] *= gate[i] * sigmoid(gate[i]);
  store_some((elem*)args.y + row * args.channels + c, n, whole, value);
}
REGISTER_KERNEL(fathom_swiglu)

/* With s = sigmoid(gate): silu = gate s, and its derivative is s (1 + gate (1 - s)). */
extern "C" __global__ void __launch_bounds__(FATHOM_LINEAR_THREADS)
    fathom_swiglu_backward(const GRID_CONSTANT fathom_cuda_swiglu_backward_args args) {
  int64_t row;
  int c;
  if (!swiglu_place(args.rows, args.channels, row, c)) return;
  const int n = args.channels - c;
  const bool whole = args.channels % 8 == 0;
  const int64_t at = row * 2 * args.channels + c;
  const elem* x = (const elem*)args.x + at;
  elem* dx = (elem*)args.dx + at;
  float gate[8], value[8], dy[8];
  load_some(x, n, whole, gate);
  load_some(x + args.channels, n, whole, value);
  load_some((const elem*)args.dy + row * args.channels + c, n, whole, dy);
#pragma unroll
  for (int i = 0; i < 8; i++) {
    const float g = gate[i], s = sigmoid(g);
    gate[i] = dy[i] * value[i] * (s * (1.0f + g * (1.0f - s)));
    value[i] = dy[i] * (g * s);
  }
  store_some(dx, n, whole, gate);
  store_some(dx + args.channels, n, whole, value);
}
REGISTER_KERNEL(fathom_swiglu_backward)
