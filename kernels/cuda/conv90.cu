/*
 * Convolutions 1x1 and 3x3 with stride 1 on sm_90a, as products (gemm90.h) whose rows are pixels: a
 * step along K is one tap and 64 channels, for which TMA brings the tile's box of pixels, moved by
 * the tap, from a map of four dimensions. What lies outside of the picture comes as zeros.
 *
 * Nine taps read a pixel nine times, from the L2 cache: with 128 x 256 tiles that is a third of
 * what a step reads. (Kept in shared memory, the patch of a tile and its border would have to be
 * cut into operands of whole groups of 8 pixels, which taps beside the centre do not have.)
 */
#include "conv_box90.h"
#include "conv_sink.h"
#include "gemm90.h"

DEV Boxes boxes_of(const fathom_cuda_conv2d90_args& args) {
  return {args.conv.height, args.conv.width, args.box_height, args.box_width};
}

/*
 * multiply_step with the ReLU of A: 16 rows and 16 k of a warp go through registers. A fragment's
 * registers may be written again when the product that read them is through, that is four products
 * later; the same wait, after the third, says that the step before is through.
 */
template <class Tile>
DEV void multiply_step_relu(float (&d)[Tile::HEIGHT][Tile::N / 2], const unsigned char* stage,
                            int row, bool add) {
  FragA a[FATHOM_GEMM90_K / 16][Tile::HEIGHT];
  const int line = row + warp_id() % 4 * 16 + lane_id() % 16;
#pragma unroll
  for (int k = 0; k < FATHOM_GEMM90_K / 16; k++) {
    wgmma_wait<3>();
#pragma unroll
    for (int h = 0; h < Tile::HEIGHT; h++) {
      /* 16-byte pieces of a line lie at their number xor line % 8. */
      const int piece = (2 * k + lane_id() / 16) ^ (line % 8);
      load_a_rows(a[k][h], (const elem*)(stage + (line + 64 * h) * 128 + piece * 16));
      relu(a[k][h]);
    }
    const uint64_t b16 = operand_16<Major::K>(stage + Tile::A_BYTES, k);
    wgmma_fence();
#pragma unroll
    for (int h = 0; h < Tile::HEIGHT; h++) wgmma<Tile::N>(d[h], a[k][h], b16, add || k > 0);
    wgmma_commit();
  }
  /* By the whole warp, before one thread says that the lines it read may be overwritten by TMA. */
  fence_async_shared();
  __syncwarp();
}

template <class Tile, bool RELU>
struct ConvOperands {
  const fathom_cuda_conv2d90_args& args;
  Boxes boxes;
  Corner corner;
  int first_column;

  DEV_MEMBER explicit ConvOperands(const fathom_cuda_conv2d90_args& all)
      : args(all), boxes(boxes_of(all)), corner(), first_column(0) {}
  DEV_MEMBER void prefetch() const {
    prefetch_map(args.x_map);
    prefetch_map(args.packed_map);
  }
  /* Rows past the box keep what an earlier step left: their sums go nowhere. */
  DEV_MEMBER int bytes() const { return (boxes.pixels() + Tile::N) * 128; }
  DEV_MEMBER void begin(TilePlace place) {
    corner = boxes.corner(place.row / Tile::M);
    first_column = place.column;
  }
  DEV_MEMBER void load(unsigned char* stage, int step, uint64_t* barrier) const {
    const int kernel = args.conv.kernel, taps = kernel * kernel;
    const int channel = step / taps * FATHOM_GEMM90_K, tap = step % taps;
    load_box(stage, args.x_map, corner, channel, tap, kernel, barrier);
    tensor_load(stage + Tile::A_BYTES, args.packed_map, channel, tap, first_column, barrier);
  }
  DEV_MEMBER void multiply(float (&d)[Tile::HEIGHT][Tile::N / 2], const unsigned char* stage,
                           int row, bool add) const {
    if constexpr (RELU)
      multiply_step_relu<Tile>(d, stage, row, add);
    else
      multiply_step<Tile, Major::K, Major::K>(d, stage, row, add);
  }
};

struct FinishConv {
  const fathom_cuda_conv2d90_args& args;

  template <class Sums>
  DEV_MEMBER void operator()(const Sums& sums, const Item90& item) const {
    const fathom_cuda_conv2d_args& conv = args.conv;
    const Boxes boxes = boxes_of(args);
    const PixelsOfBox order = {boxes, boxes.corner(item.place.row / FATHOM_GEMM90_ROWS)};
    if (conv.partial) {
      const int64_t pixels = (int64_t)conv.batch * conv.height * conv.width;
      sums.finish(part_sink(PartialPixelSink<PixelsOfBox>{
          conv.partial + item.split * pixels * conv.out, order, item.place.column, pixels,
          conv.out}));
    } else {
      sums.finish(ConvSink<PixelsOfBox>{conv, order, item.place.column});
    }
  }
};

template <class Tile, bool RELU>
DEV void conv2d90(const fathom_cuda_conv2d90_args& args, unsigned char* memory) {
  const fathom_cuda_conv2d_args& conv = args.conv;
  const Boxes boxes = boxes_of(args);
  Work90 work;
  work.down = conv.batch * boxes.down() * boxes.across();
  work.across = ceil_div(conv.out, Tile::N);
  work.group = args.group > 0 ? args.group : work.across;
  work.steps = conv.kernel * conv.kernel * ceil_div(conv.in, FATHOM_GEMM90_K);
  work.splits = conv.splits;
  multiply90<Tile>(work, ConvOperands<Tile, RELU>(args), memory, FinishConv{args});
}

#define CONV2D90(name, tile, Tile, RELU)                                               \
  extern "C" __global__ void __launch_bounds__(FATHOM_GEMM90_THREADS, 1)               \
      fathom_##name##_##tile(const GRID_CONSTANT fathom_cuda_conv2d90_args args) {     \
    EXTERN_SHARED(memory);                                                             \
    conv2d90<Tile, RELU>(args, memory);                                                \
  }                                                                                    \
  REGISTER_KERNEL(fathom_##name##_##tile)

CONV2D90(conv2d90, 128x256, Tile90_128x256, false)
CONV2D90(conv2d90, 128x128, Tile90_128x128, false)
CONV2D90(conv2d90, 128x64, Tile90_128x64, false)
CONV2D90(conv2d_relu90, 128x256, Tile90_128x256, true)
CONV2D90(conv2d_relu90, 128x128, Tile90_128x128, true)
CONV2D90(conv2d_relu90, 128x64, Tile90_128x64, true)
