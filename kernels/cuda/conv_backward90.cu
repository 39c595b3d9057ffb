/*
 * Gradients of convolutions with stride 1 on sm_90a: conv_backward.cu's products by TMA and wgmma
 * (gemm90.h, conv90.cu).
 */
#include "conv_box90.h"
#include "conv_sink.h"
#include "gemm90.h"

#define KERNEL_90 extern "C" __global__ void __launch_bounds__(FATHOM_GEMM90_THREADS, 1)

/* ---- input: a convolution of dz with the kernel turned round, K being taps and outputs ---- */

DEV Boxes boxes_of(const fathom_cuda_conv2d_dx90_args& args) {
  return {args.dx.height, args.dx.width, args.box_height, args.box_width};
}

template <class Tile>
struct DxOperands {
  const fathom_cuda_conv2d_dx90_args& args;
  Boxes boxes;
  Corner corner = {0, 0, 0};
  int first_column = 0;

  DEV_MEMBER void prefetch() const {
    prefetch_map(args.dz_map);
    prefetch_map(args.packed_map);
  }
  DEV_MEMBER int bytes() const { return (boxes.pixels() + Tile::N) * 128; }
  DEV_MEMBER void begin(TilePlace place) {
    corner = boxes.corner(place.row / Tile::M);
    first_column = place.column;
  }
  DEV_MEMBER void load(unsigned char* stage, int step, uint64_t* barrier) const {
    const int kernel = args.dx.kernel, taps = kernel * kernel;
    const int output = step / taps * FATHOM_GEMM90_K, tap = step % taps;
    load_box(stage, args.dz_map, corner, output, tap, kernel, barrier);
#pragma unroll
    for (int i = 0; i < Tile::N / 64; i++)
      tensor_load(stage + Tile::A_BYTES + i * FATHOM_GEMM90_SQUARE, args.packed_map,
                  first_column + 64 * i, taps - 1 - tap, output, barrier);
  }
  DEV_MEMBER void multiply(float (&d)[Tile::HEIGHT][Tile::N / 2], const unsigned char* stage,
                           int row, bool add) const {
    multiply_step<Tile, Major::K, Major::MN>(d, stage, row, add);
  }
};

struct FinishConvDx {
  const fathom_cuda_conv2d_dx90_args& args;

  template <class Sums>
  DEV_MEMBER void operator()(const Sums& sums, const Item90& item) const {
    const fathom_cuda_conv2d_dx_args& dx = args.dx;
    const Boxes boxes = boxes_of(args);
    const PixelsOfBox order = {boxes, boxes.corner(item.place.row / FATHOM_GEMM90_ROWS)};
    if (dx.partial) {
      const int64_t pixels = (int64_t)dx.batch * dx.height * dx.width;
      sums.finish(part_sink(PartialPixelSink<PixelsOfBox>{dx.partial + item.split * pixels * dx.in,
                                                          order, item.place.column, pixels,
                                                          dx.in}));
    } else {
      sums.finish(ConvDxSink<PixelsOfBox>{dx, order, item.place.column});
    }
  }
};

template <class Tile>
DEV void conv2d_dx90(const fathom_cuda_conv2d_dx90_args& args, unsigned char* memory) {
  const fathom_cuda_conv2d_dx_args& dx = args.dx;
  const Boxes boxes = boxes_of(args);
  Work90 work;
  work.down = dx.batch * boxes.down() * boxes.across();
  work.across = ceil_div(dx.in, Tile::N);
  work.group = args.group > 0 ? args.group : work.across;
  work.steps = dx.kernel * dx.kernel * ceil_div(dx.out, FATHOM_GEMM90_K);
  work.splits = dx.splits;
  multiply90<Tile>(work, DxOperands<Tile>{args, boxes}, memory, FinishConvDx{args});
}

#define CONV2D_DX90(name, Tile)                                                                    \
  KERNEL_90 fathom_conv2d_dx90_##name(const GRID_CONSTANT fathom_cuda_conv2d_dx90_args args) {     \
    EXTERN_SHARED(memory);                                                                         \
    conv2d_dx90<Tile>(args, memory);                                                               \
  }                                                                                                \
  REGISTER_KERNEL(fathom_conv2d_dx90_##name)

CONV2D_DX90(128x256, Tile90_128x256)
CONV2D_DX90(128x128, Tile90_128x128)
CONV2D_DX90(128x64, Tile90_128x64)

/* ---- weight: dz transposed times the pixels under the taps, K being pixels ---- */

/*
 * 64 columns of the product are one tap's 64 channels (past the last, zeros), so that a square of B
 * is a box of the map, moved by the tap. Where dz has no pixel, its zeros say that the map's do not
 * count.
 */
template <class Tile>
struct WeightOperands {
  const fathom_cuda_conv_d_weight90_args& args;
  Boxes boxes;
  TilePlace place = {0, 0};

  DEV_MEMBER void prefetch() const {
    prefetch_map(args.gradient_map);
    prefetch_map(args.map_map);
  }
  DEV_MEMBER int bytes() const { return Tile::STAGE; }
  DEV_MEMBER void begin(TilePlace tile) { place = tile; }
  DEV_MEMBER void load(unsigned char* stage, int step, uint64_t* barrier) const {
    const int kernel = args.d_weight.kernel, squares = ceil_div(args.d_weight.channels, 64);
    const Corner corner = boxes.corner(step);
#pragma unroll
    for (int i = 0; i < Tile::M / 64; i++)
      tensor_load(stage + i * FATHOM_GEMM90_SQUARE, args.gradient_map, place.row + 64 * i, corner.x,
                  corner.y, corner.b, barrier);
    int tap = place.column / 64 / squares, square = place.column / 64 % squares;
#pragma unroll
    for (int i = 0; i < Tile::N / 64; i++) {
      /* After the last tap: channels that do not exist. */
      const bool exists = tap < kernel * kernel;
      load_box(stage + Tile::A_BYTES + i * FATHOM_GEMM90_SQUARE, args.map_map, corner,
               (exists ? square : squares) * 64, exists ? tap : 0, kernel, barrier);
      if (++square == squares) square = 0, tap++;
    }
  }
  DEV_MEMBER void multiply(float (&d)[Tile::HEIGHT][Tile::N / 2], const unsigned char* stage,
                           int row, bool add) const {
    multiply_step<Tile, Major::MN, Major::MN>(d, stage, row, add);
  }
};

/* A part of the sums [rows][k][k][channels8]. */
struct TapPartialSink {
  float* partial;
  TilePlace place;
  int rows, taps, channels;
  DEV_MEMBER void operator()(int row, int column, const float (&v)[8]) const {
    const int r = place.row + row, square = (place.column + column) / 64,
              squares = ceil_div(channels, 64);
    const int tap = square / squares, c = square % squares * 64 + column % 64;
    if (r < rows && tap < taps && c < channels)
      store_8(partial + ((int64_t)r * taps + tap) * channels + c, v);
  }
};

struct FinishConvWeight {
  const fathom_cuda_conv_d_weight_args& args;

  template <class Sums>
  DEV_MEMBER void operator()(const Sums& sums, const Item90& item) const {
    const int taps = args.kernel * args.kernel;
    const int64_t part = (int64_t)args.rows * taps * args.channels;
    sums.finish(part_sink(TapPartialSink{args.partial + item.split * part, item.place, args.rows,
                                         taps, args.channels}));
  }
};

template <class Tile>
DEV void conv_d_weight90(const fathom_cuda_conv_d_weight90_args& args, unsigned char* memory) {
  const fathom_cuda_conv_d_weight_args& w = args.d_weight;
  const Boxes boxes = {w.out_height, w.out_width, args.box_height, args.box_width};
  const int columns = w.kernel * w.kernel * ceil_div(w.channels, 64) * 64;
  const int steps = w.batch * boxes.down() * boxes.across();
  multiply90<Tile>(work_of<Tile>(w.rows, columns, steps * FATHOM_GEMM90_K, w.splits, 0),
                   WeightOperands<Tile>{args, boxes}, memory, FinishConvWeight{w});
}

#define CONV_D_WEIGHT90(name, Tile)                               \
  KERNEL_90 fathom_conv_d_weight90_##name(                        \
      const GRID_CONSTANT fathom_cuda_conv_d_weight90_args args) { \
    EXTERN_SHARED(memory);                                        \
    conv_d_weight90<Tile>(args, memory);                          \
  }                                                               \
  REGISTER_KERNEL(fathom_conv_d_weight90_##name)

CONV_D_WEIGHT90(128x256, Tile90_128x256)
CONV_D_WEIGHT90(128x128, Tile90_128x128)
CONV_D_WEIGHT90(128x64, Tile90_128x64)
