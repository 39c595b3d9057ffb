/* conv90.cu: convolutions with stride 1 by TMA and wgmma. */
#include "../../cuda/args_conv90.h"
#include "conv_forward_case.h"
#include "gemm90_case.h"

namespace {

/* On at most `blocks` blocks; boxes of pixels as the host would not choose them, too. */
void check_conv(const Tile90Shape& tile, unsigned blocks, int box_height, int box_width,
                const Case& c) {
  check_conv(c, [&](const fathom_cuda_conv2d_args& conv) {
    const auto in = static_cast<uint64_t>(c.in), in8 = static_cast<uint64_t>(round_up_8(c.in)),
               taps = static_cast<uint64_t>(c.kernel * c.kernel),
               width = static_cast<uint64_t>(c.width), height = static_cast<uint64_t>(c.height);
    fathom_cuda_conv2d90_args args = {};
    args.x_map = encode_map(conv.x, {in, width, height, static_cast<uint64_t>(c.batch)},
                            {in, width * in, height * width * in},
                            {FATHOM_GEMM90_K, static_cast<uint32_t>(box_width),
                             static_cast<uint32_t>(box_height), 1});
    args.packed_map =
        encode_map(conv.packed, {in, taps, static_cast<uint64_t>(c.out)}, {in8, taps * in8},
                   {FATHOM_GEMM90_K, 1, static_cast<uint32_t>(tile.n)});
    args.conv = conv;
    args.conv.x = args.conv.packed = nullptr;
    args.box_height = box_height;
    args.box_width = box_width;
    const int64_t boxes =
        c.batch * ceil_div(c.height, box_height) * ceil_div(c.width, box_width);
    launch_tiles90(conv.relu_input ? "fathom_conv2d_relu90" : "fathom_conv2d90", tile,
                   boxes * tile.m, c.out, c.splits, blocks, args);
  });
}

constexpr int ALL = BIAS | RESIDUAL | RESIDUAL2 | RELU_INPUT | ACTIVATION;

}  // namespace

TEST(conv2d_by_wgmma_in_every_tile) {
  if (!is_sm90()) return;
  for (const Tile90Shape& tile : TILES_90) {
    check_conv(tile, 1, 5, 13, {2, 7, 13, 8, 40, 3, 1, BIAS, 1, 0, 0, 0});
    check_conv(tile, 1, 5, 13, {2, 7, 13, 8, 40, 3, 1, BIAS | RELU_INPUT, 1, 0, 0, 0});
  }
}

TEST(conv2d_by_wgmma_with_everything_fused) {
  if (!is_sm90()) return;
  check_conv(TILE90_128X64, 2, 8, 16, {2, 9, 17, 72, 24, 3, 1, ALL, 1, 0, 0, 0});
  check_conv(TILE90_128X128, 1, 2, 5, {1, 4, 5, 24, 136, 3, 1, ALL, 1, 0, 0, 0});
  check_conv(TILE90_128X256, 1, 3, 37,
             {1, 3, 38, 16, 19, 3, 1, IN_PLACE | RESIDUAL2, 1, 0, 0, 0});
}

TEST(conv2d_by_wgmma_of_kernel_1) {
  if (!is_sm90()) return;
  check_conv(TILE90_128X128, 1, 1, 128, {1, 1, 150, 72, 24, 1, 1, BIAS, 1, 0, 0, 0});
  check_conv(TILE90_128X64, 1, 1, 128,
             {1, 1, 54, 136, 48, 1, 1, RELU_INPUT | IN_PLACE | RESIDUAL2, 1, 0, 0, 0});
}

TEST(conv2d_by_wgmma_in_parts) {
  if (!is_sm90()) return;
  check_conv(TILE90_128X64, 2, 5, 7, {2, 5, 7, 40, 72, 3, 1, ALL, 3, 0, 0, 0});
  check_conv(TILE90_128X256, 1, 16, 8, {1, 5, 9, 24, 13, 3, 1, BIAS, 2, 0, 0, 0});
}
