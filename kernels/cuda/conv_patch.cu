/*
 * 3x3 convolutions with stride 1 on patches of 8 x 16 output pixels: each pixel of the input is
 * brought to shared memory once for all nine taps, which also makes a bilinear resize of the input
 * affordable there.
 */
#include "conv_patch.h"

DEV GemmSteps patch_steps(int channels) {
  GemmSteps steps;
  steps.first = 0;
  steps.end = 9 * ceil_div(channels, FATHOM_GEMM_K);
  return steps;
}

template <class Tile>
DEV void conv2d_patch(const fathom_cuda_conv2d_args& args, unsigned char* memory) {
  const int across = ceil_div(args.out, Tile::N), first_column = (int)blockIdx.x % across * Tile::N;
  const PixelsOfPatch place = patch_place(args.height, args.width, across);
  MapPatch<Tile::THREADS> x;
  PatchWeightRows<Tile::N, Tile::THREADS> weight;
  x.init((elem*)memory, (const elem*)args.x, place, args.in);
  weight.init(PatchMemory<Tile>::weights(memory), (const elem*)args.packed, round_up_8(args.in),
              first_column, args.out);
  GemmSums<Tile> sums;
  multiply<Tile>(x, weight, patch_steps(args.in), WithRelu{args.relu_input != 0}, AsTheyAre(),
                 sums);
  finish_convolution<Tile>(sums, memory, args, place, first_column);
}

#define CONV2D_PATCH(name, Tile, BLOCKS)                                             \
  extern "C" __global__ void GEMM_BOUNDS(Tile, BLOCKS)                               \
      fathom_conv2d_patch_##name(const GRID_CONSTANT fathom_cuda_conv2d_args args) { \
    EXTERN_SHARED(memory);                                                           \
    conv2d_patch<Tile>(args, memory);                                                \
  }                                                                                  \
  REGISTER_KERNEL(fathom_conv2d_patch_##name)

CONV2D_PATCH(128x128, Tile128x128, 2)
CONV2D_PATCH(128x64, Tile128x64, 3)
CONV2D_PATCH(128x32, Tile128x32, 4)

template <class Tile>
DEV void conv2d_resized(const fathom_cuda_conv2d_args& args, unsigned char* memory) {
  const int across = ceil_div(args.out, Tile::N), first_column = (int)blockIdx.x % across * Tile::N;
  const PixelsOfPatch place = patch_place(args.height, args.width, across);
  ResizedPatch<Tile::THREADS> x;
  PatchWeightRows<Tile::N, Tile::THREADS> weight;
  x.init((elem*)memory, PatchMemory<Tile>::lines(memory), (const elem*)args.x, place,
         args.source_height, args.source_width, args.in);
  weight.init(PatchMemory<Tile>::weights(memory), (const elem*)args.packed, round_up_8(args.in),
              first_column, args.out);
  GemmSums<Tile> sums;
  multiply<Tile>(x, weight, patch_steps(args.in), WithRelu{args.relu_input != 0}, AsTheyAre(),
                 sums);
  finish_convolution<Tile>(sums, memory, args, place, first_column);
}

#define CONV2D_RESIZED(name, Tile, BLOCKS)                                             \
  extern "C" __global__ void GEMM_BOUNDS(Tile, BLOCKS)                                 \
      fathom_conv2d_resized_##name(const GRID_CONSTANT fathom_cuda_conv2d_args args) { \
    EXTERN_SHARED(memory);                                                             \
    conv2d_resized<Tile>(args, memory);                                                \
  }                                                                                    \
  REGISTER_KERNEL(fathom_conv2d_resized_##name)

CONV2D_RESIZED(128x64, Tile128x64, 3)
CONV2D_RESIZED(128x32, Tile128x32, 4)

/* ---- gradient of the input ---- */

template <class Tile>
DEV void conv2d_dx_patch(const fathom_cuda_conv2d_dx_args& args, unsigned char* memory) {
  const int across = ceil_div(args.in, Tile::N), first_column = (int)blockIdx.x % across * Tile::N;
  const PixelsOfPatch place = patch_place(args.height, args.width, across);
  MapPatch<Tile::THREADS> dz;
  PatchWeightColumns<Tile::N, Tile::THREADS> weight;
  dz.init((elem*)memory, (const elem*)args.dz, place, args.out);
  weight.init(PatchMemory<Tile>::weights(memory), (const elem*)args.packed, round_up_8(args.in),
              first_column, args.out);
  GemmSums<Tile> sums;
  multiply<Tile>(dz, weight, patch_steps(args.out), AsTheyAre(), AsTheyAre(), sums);
  finish_tile<Tile>(sums, memory, at_once(ConvDxSink<PixelsOfPatch>{args, place, first_column}));
}

#define CONV2D_DX_PATCH(name, Tile, BLOCKS)                                                \
  extern "C" __global__ void GEMM_BOUNDS(Tile, BLOCKS)                                     \
      fathom_conv2d_dx_patch_##name(const GRID_CONSTANT fathom_cuda_conv2d_dx_args args) { \
    EXTERN_SHARED(memory);                                                                 \
    conv2d_dx_patch<Tile>(args, memory);                                                   \
  }                                                                                        \
  REGISTER_KERNEL(fathom_conv2d_dx_patch_##name)

CONV2D_DX_PATCH(128x128, Tile128x128, 2)
CONV2D_DX_PATCH(128x64, Tile128x64, 3)
