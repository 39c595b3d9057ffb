/*
 * Transposed convolutions whose kernel is their stride: one product for all taps, scattered on its
 * way out; the gradient of the input gathers the taps. That of the weight is conv_backward.cu's.
 */
#include "conv_sink.h"

/* Columns are (tap, channel): a chunk of 8 may span taps where out is no multiple of 8. */
struct ScatterSink {
  const fathom_cuda_conv_transpose2d_args& args;
  PixelsInOrder order;
  int first_column;

  DEV_MEMBER void operator()(int row, int column, float (&v)[8]) const {
    const int64_t number = order(row);
    const int k = args.kernel, first = first_column + column, columns = k * k * args.out;
    if (number < 0 || first >= columns) return;
    Pixel p;
    p.start(number, args.height, args.width);
    const int64_t corner = ((int64_t)p.b * k * args.height + k * p.y) * k * args.width + k * p.x;
    elem* y = (elem*)args.y;
    if (args.out % 8 == 0) {
      const int tap = first / args.out, o = first % args.out;
      if (args.bias) {
        float bias[8];
        load_8(args.bias + o, bias);
#pragma unroll
        for (int i = 0; i < 8; i++) v[i] += bias[i];
      }
      store_8(y + (corner + (int64_t)(tap / k) * k * args.width + tap % k) * args.out + o, v);
      return;
    }
#pragma unroll
    for (int i = 0; i < 8; i++) {
      if (first + i >= columns) break;
      const int tap = (first + i) / args.out, o = (first + i) % args.out;
      y[(corner + (int64_t)(tap / k) * k * args.width + tap % k) * args.out + o] =
          from_float<elem>(args.bias ? v[i] + args.bias[o] : v[i]);
    }
  }
};

template <class Tile, bool ALIGNED>
DEV void conv_transpose2d(const fathom_cuda_conv_transpose2d_args& args, unsigned char* memory) {
  const int columns = args.kernel * args.kernel * args.out, in8 = round_up_8(args.in);
  const int pixels = args.batch * args.height * args.width;
  const TilePlace place = tile_place<Tile>(columns);
  elem* shared = (elem*)memory;
  RowOperand<Tile::M, Tile::THREADS, ALIGNED> x;
  RowOperand<Tile::N, Tile::THREADS, true> weight;
  x.init(shared, (const elem*)args.x, args.in, place.row, pixels, args.in);
  weight.init(shared + FATHOM_GEMM_STAGES * Tile::A_SLOT, (const elem*)args.packed, in8,
              place.column, columns, in8);
  GemmSums<Tile> sums;
  multiply<Tile>(x, weight, gemm_steps(in8, 1), AsTheyAre(), AsTheyAre(), sums);
  finish_tile<Tile>(sums, memory, ScatterSink{args, {place.row, pixels}, place.column});
}

#define CONV_TRANSPOSE2D(name, Tile, ALIGNED, BLOCKS)                                              \
  extern "C" __global__ void GEMM_BOUNDS(Tile, BLOCKS)                                             \
      fathom_conv_transpose2d_##name(const GRID_CONSTANT fathom_cuda_conv_transpose2d_args args) { \
    EXTERN_SHARED(memory);                                                                         \
    conv_transpose2d<Tile, ALIGNED>(args, memory);                                                 \
  }                                                                                                \
  REGISTER_KERNEL(fathom_conv_transpose2d_##name)

CONV_TRANSPOSE2D(128x128, Tile128x128, true, 2)
CONV_TRANSPOSE2D(128x64, Tile128x64, true, 3)
CONV_TRANSPOSE2D(64x64, Tile64x64, true, 4)
CONV_TRANSPOSE2D(any, Tile64x64, false, 4)

/* ---- gradient of the input ---- */

struct TransposeDxSink {
  const fathom_cuda_conv_transpose2d_dx_args& args;
  PixelsInOrder order;
  int first_column;
  DEV_MEMBER void operator()(int row, int column, const float (&v)[8]) const {
    const int64_t pixel = order(row);
    const int c = first_column + column;
    if (pixel < 0 || c >= args.in) return;
    store_some((elem*)args.dx + pixel * args.in + c, args.in - c, args.in % 8 == 0, v);
  }
};

template <class Tile, bool ALIGNED>
DEV void conv_transpose2d_dx(const fathom_cuda_conv_transpose2d_dx_args& args,
                             unsigned char* memory) {
  const int k = args.kernel, in8 = round_up_8(args.in);
  const int64_t pixels = (int64_t)args.batch * args.height * args.width;
  const TilePlace place = tile_place<Tile>(args.in);
  const Window window =
      conv_window(k * args.height, k * args.width, args.out, args.height, args.width, k, k, 0);
  TapWeights weights;
  weights.first = 0, weights.step_y = k, weights.step_x = 1;
  weights.tap_stride = (int64_t)args.out * in8;
  weights.row_stride = in8;
  elem* shared = (elem*)memory;
  GatherOperand<Tile::M, Tile::THREADS, ALIGNED> dy;
  TapWeightOperand<Tile::N, Tile::THREADS> weight;
  dy.init(shared, (const elem*)args.dy, window, place.row, pixels, 0);
  weight.init(shared + FATHOM_GEMM_STAGES * Tile::A_SLOT, (const elem*)args.packed, weights, window,
              place.column, in8, 0);
  GemmSums<Tile> sums;
  multiply<Tile>(dy, weight, gemm_steps(k * k * round_up_8(args.out), 1), AsTheyAre(), AsTheyAre(),
                 sums);
  finish_tile<Tile>(sums, memory, TransposeDxSink{args, {place.row, pixels}, place.column});
}

#define CONV_TRANSPOSE2D_DX(name, Tile, ALIGNED, BLOCKS)                                  \
  extern "C" __global__ void GEMM_BOUNDS(Tile, BLOCKS) fathom_conv_transpose2d_dx_##name( \
      const GRID_CONSTANT fathom_cuda_conv_transpose2d_dx_args args) {                    \
    EXTERN_SHARED(memory);                                                                \
    conv_transpose2d_dx<Tile, ALIGNED>(args, memory);                                     \
  }                                                                                       \
  REGISTER_KERNEL(fathom_conv_transpose2d_dx_##name)

CONV_TRANSPOSE2D_DX(128x64, Tile128x64, true, 3)
CONV_TRANSPOSE2D_DX(64x64, Tile64x64, true, 4)
CONV_TRANSPOSE2D_DX(any, Tile64x64, false, 4)
