/*
 * Gradients of convolutions: of the input, as a product of gathered pixels of dz with the weight
 * turned round, and of the weight, as a product of dz transposed with gathered pixels of the input,
 * over parts of the pixels that a second kernel adds in their order.
 */
#include "conv_sink.h"

/* ---- input ---- */

template <class Tile, bool ALIGNED>
DEV void conv2d_dx(const fathom_cuda_conv2d_dx_args& args, unsigned char* memory) {
  const int kernel = args.kernel;
  const int parity_y = (int)blockIdx.z / args.stride, parity_x = (int)blockIdx.z % args.stride;
  const int out_height = ceil_div(args.height, args.stride),
            out_width = ceil_div(args.width, args.stride);
  Window window;
  TapWeights weights;
  const int in8 = round_up_8(args.in);
  weights.tap_stride = in8;
  weights.row_stride = (int64_t)kernel * kernel * in8;
  if (args.stride == 1) {
    window = conv_window(out_height, out_width, args.out, args.height, args.width, kernel, 1,
                         (kernel - 1) / 2);
    weights.first = kernel * kernel - 1, weights.step_y = -kernel, weights.step_x = -1;
  } else {
    /*
     * Pixel 2 i + parity takes part in output i under tap 1 (kernel 3, parity 0) or tap 0 (kernel
     * 1), or in outputs i + 1 and i under taps 0 and 2 (kernel 3, parity 1).
     */
    window.height = out_height, window.width = out_width, window.channels = args.out;
    window.out_height = (args.height - parity_y + 1) / 2,
    window.out_width = (args.width - parity_x + 1) / 2;
    window.step = 1, window.tap_step = -1;
    window.first_y = parity_y, window.first_x = parity_x;
    window.taps_y = parity_y ? kernel - 1 : 1, window.taps_x = parity_x ? kernel - 1 : 1;
    weights.first = kernel == 1 ? 0 : (1 - parity_y) * 3 + 1 - parity_x;
    weights.step_y = 6, weights.step_x = 2;
  }
  const int64_t pixels = (int64_t)args.batch * window.out_height * window.out_width;
  const TilePlace place = tile_place<Tile>(args.in);
  if (place.row >= pixels) return;
  const GemmSteps steps =
      gemm_steps(window.taps_y * window.taps_x * round_up_8(args.out), args.splits);
  elem* shared = (elem*)memory;
  GatherOperand<Tile::M, Tile::THREADS, ALIGNED> dz;
  TapWeightOperand<Tile::N, Tile::THREADS> weight;
  dz.init(shared, (const elem*)args.dz, window, place.row, pixels, steps.first);
  weight.init(shared + FATHOM_GEMM_STAGES * Tile::A_SLOT, (const elem*)args.packed, weights, window,
              place.column, in8, steps.first);
  GemmSums<Tile> sums;
  multiply<Tile>(dz, weight, steps, AsTheyAre(), AsTheyAre(), sums);
  const int64_t all = (int64_t)args.batch * args.height * args.width;
  if (args.stride == 1) {
    const PixelsInOrder order = {place.row, pixels};
    if (args.partial)
      finish_tile<Tile>(
          sums, memory,
          PartialPixelSink<PixelsInOrder>{args.partial, order, place.column, all, args.in});
    else
      finish_tile<Tile>(sums, memory, at_once(ConvDxSink<PixelsInOrder>{args, order, place.column}));
  } else {
    const PixelsOfParity order = {place.row, pixels,   window.out_height, window.out_width,
                                  parity_y,  parity_x, args.height,       args.width};
    if (args.partial)
      finish_tile<Tile>(
          sums, memory,
          PartialPixelSink<PixelsOfParity>{args.partial, order, place.column, all, args.in});
    else
      finish_tile<Tile>(sums, memory, at_once(ConvDxSink<PixelsOfParity>{args, order, place.column}));
  }
}

#define CONV2D_DX(name, Tile, ALIGNED, BLOCKS)                                       \
  extern "C" __global__ void GEMM_BOUNDS(Tile, BLOCKS)                               \
      fathom_conv2d_dx_##name(const GRID_CONSTANT fathom_cuda_conv2d_dx_args args) { \
    EXTERN_SHARED(memory);                                                           \
    conv2d_dx<Tile, ALIGNED>(args, memory);                                          \
  }                                                                                  \
  REGISTER_KERNEL(fathom_conv2d_dx_##name)

CONV2D_DX(128x128, Tile128x128, true, 2)
CONV2D_DX(128x64, Tile128x64, true, 3)
CONV2D_DX(64x64, Tile64x64, true, 4)
CONV2D_DX(any, Tile64x64, false, 4)

extern "C" __global__ void __launch_bounds__(FATHOM_GEMM_REDUCE_THREADS)
    fathom_conv2d_dx_reduce(const GRID_CONSTANT fathom_cuda_conv2d_dx_args args) {
  const int64_t pixels = (int64_t)args.batch * args.height * args.width;
  finish_parts(args.partial, args.splits, (int)pixels, args.in,
               at_once(ConvDxSink<PixelsInOrder>{args, {0, pixels}, 0}));
}
REGISTER_KERNEL(fathom_conv2d_dx_reduce)

/* ---- weight ---- */

template <class Tile, bool ALIGNED>
DEV void conv_d_weight(const fathom_cuda_conv_d_weight_args& args, unsigned char* memory) {
  const int columns = args.kernel * args.kernel * round_up_8(args.channels);
  const TilePlace place = tile_place<Tile>(columns);
  const int pixels = args.batch * args.out_height * args.out_width;
  const GemmSteps steps = gemm_steps(pixels, args.splits);
  elem* shared = (elem*)memory;
  ColumnOperand<Tile::M, Tile::THREADS, ALIGNED> gradient;
  PixelOperand<Tile::N, Tile::THREADS, ALIGNED> map;
  gradient.init(shared, (const elem*)args.gradient, args.rows, place.row, args.rows, pixels);
  map.init(shared + FATHOM_GEMM_STAGES * Tile::A_SLOT, (const elem*)args.map,
           conv_window(args.height, args.width, args.channels, args.out_height, args.out_width,
                       args.kernel, args.stride, args.margin),
           place.column, pixels, steps.first);
  GemmSums<Tile> sums;
  multiply<Tile>(gradient, map, steps, AsTheyAre(), WithRelu{args.relu_map != 0}, sums);
  finish_tile<Tile>(sums, memory, PartialSink{args.partial, place, args.rows, columns});
}

#define CONV_D_WEIGHT(name, Tile, ALIGNED, BLOCKS)                                           \
  extern "C" __global__ void GEMM_BOUNDS(Tile, BLOCKS)                                       \
      fathom_conv_d_weight_##name(const GRID_CONSTANT fathom_cuda_conv_d_weight_args args) { \
    EXTERN_SHARED(memory);                                                                   \
    conv_d_weight<Tile, ALIGNED>(args, memory);                                              \
  }                                                                                          \
  REGISTER_KERNEL(fathom_conv_d_weight_##name)

CONV_D_WEIGHT(128x128, Tile128x128, true, 2)
CONV_D_WEIGHT(128x64, Tile128x64, true, 3)
CONV_D_WEIGHT(64x64, Tile64x64, true, 4)
CONV_D_WEIGHT(any, Tile64x64, false, 4)

/* A thread has one (row, tap, channel), channels fastest, as the parts lie. */
extern "C" __global__ void __launch_bounds__(FATHOM_GEMM_REDUCE_THREADS)
    fathom_conv_d_weight_reduce(const GRID_CONSTANT fathom_cuda_conv_d_weight_args args) {
  const int64_t i = (int64_t)blockIdx.x * FATHOM_GEMM_REDUCE_THREADS + threadIdx.x;
  const int taps = args.kernel * args.kernel, channels8 = round_up_8(args.channels);
  if (i >= (int64_t)args.rows * taps * args.channels) return;
  const int c = (int)(i % args.channels);
  const int64_t line = i / args.channels, part = (int64_t)args.rows * taps * channels8;
  const float* p = args.partial + line * channels8 + c;
  float sum = *p;
#pragma unroll 4
  for (int s = 1; s < args.splits; s++) sum += p[s * part];
  args.d_weight[(line / taps * args.channels + c) * taps + line % taps] += sum;
}
REGISTER_KERNEL(fathom_conv_d_weight_reduce)
