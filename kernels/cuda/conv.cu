/*
 * Convolutions 1x1 and 3x3 as products of gathered pixels with the weight, with what is fused
 * before (ReLU) and after them (bias, activation, residuals, projection to one channel).
 */
#include "conv_sink.h"

template <class Tile, bool ALIGNED>
DEV void conv2d(const fathom_cuda_conv2d_args& args, unsigned char* memory) {
  const TilePlace place = tile_place<Tile>(args.out);
  const int out_height = ceil_div(args.height, args.stride),
            out_width = ceil_div(args.width, args.stride);
  const int64_t pixels = (int64_t)args.batch * out_height * out_width;
  const int depth = args.kernel * args.kernel * round_up_8(args.in);
  const GemmSteps steps = gemm_steps(depth, args.splits);
  elem* shared = (elem*)memory;
  GatherOperand<Tile::M, Tile::THREADS, ALIGNED> x;
  RowOperand<Tile::N, Tile::THREADS, true> weight;
  x.init(shared, (const elem*)args.x,
         conv_window(args.height, args.width, args.in, out_height, out_width, args.kernel,
                     args.stride, (args.kernel - 1) / 2),
         place.row, pixels, steps.first);
  weight.init(shared + FATHOM_GEMM_STAGES * Tile::A_SLOT, (const elem*)args.packed, depth,
              place.column, args.out, depth);
  GemmSums<Tile> sums;
  multiply<Tile>(x, weight, steps, WithRelu{args.relu_input != 0}, AsTheyAre(), sums);
  const PixelsInOrder order = {place.row, pixels};
  if (args.partial)
    finish_tile<Tile>(
        sums, memory,
        PartialPixelSink<PixelsInOrder>{args.partial, order, place.column, pixels, args.out});
  else
    finish_convolution<Tile>(sums, memory, args, order, place.column);
}

#define CONV2D(name, Tile, ALIGNED, BLOCKS)                                    \
  extern "C" __global__ void GEMM_BOUNDS(Tile, BLOCKS)                         \
      fathom_conv2d_##name(const GRID_CONSTANT fathom_cuda_conv2d_args args) { \
    EXTERN_SHARED(memory);                                                     \
    conv2d<Tile, ALIGNED>(args, memory);                                       \
  }                                                                            \
  REGISTER_KERNEL(fathom_conv2d_##name)

CONV2D(128x128, Tile128x128, true, 2)
CONV2D(128x64, Tile128x64, true, 3)
CONV2D(64x64, Tile64x64, true, 4)
CONV2D(128x32, Tile128x32, true, 4)
CONV2D(any, Tile64x64, false, 4)

extern "C" __global__ void __launch_bounds__(FATHOM_GEMM_REDUCE_THREADS)
    fathom_conv2d_reduce(const GRID_CONSTANT fathom_cuda_conv2d_args args) {
  const int64_t pixels =
      (int64_t)args.batch * ceil_div(args.height, args.stride) * ceil_div(args.width, args.stride);
  finish_parts(args.partial, args.splits, (int)pixels, args.out,
               at_once(ConvSink<PixelsInOrder>{args, {0, pixels}, 0}));
}
REGISTER_KERNEL(fathom_conv2d_reduce)
