/* conv_backward90.cu: gradients of convolutions with stride 1 by TMA and wgmma. */
#include "../../cuda/args_conv90.h"
#include "conv_backward_case.h"
#include "gemm90_case.h"

namespace {

/* A map [batch,height,width,channels] in boxes of pixels, 64 channels each. */
fathom_cuda_tensor_map pixel_map(const void* address, int batch, int height, int width,
                                 int channels, int box_height, int box_width) {
  const auto b = static_cast<uint64_t>(batch), h = static_cast<uint64_t>(height),
             w = static_cast<uint64_t>(width), c = static_cast<uint64_t>(channels);
  return encode_map(address, {c, w, h, b}, {c, w * c, h * w * c},
                    {FATHOM_GEMM90_K, static_cast<uint32_t>(box_width),
                     static_cast<uint32_t>(box_height), 1});
}

/* On at most `blocks` blocks. */
void check_dx(const Tile90Shape& tile, unsigned blocks, int box_height, int box_width,
              const Shape& s, bool gated, bool accumulate, int splits) {
  check_dx(s, gated, accumulate, splits, [&](const fathom_cuda_conv2d_dx_args& dx) {
    const auto in = static_cast<uint64_t>(s.in), in8 = static_cast<uint64_t>(round_up_8(s.in)),
               taps = static_cast<uint64_t>(s.kernel * s.kernel);
    fathom_cuda_conv2d_dx90_args args = {};
    args.dz_map = pixel_map(dx.dz, s.batch, s.height, s.width, s.out, box_height, box_width);
    args.packed_map = encode_map(dx.packed, {in, taps, static_cast<uint64_t>(s.out)},
                                 {in8, taps * in8}, {64, 1, FATHOM_GEMM90_K});
    args.dx = dx;
    args.dx.dz = args.dx.packed = nullptr;
    args.box_height = box_height;
    args.box_width = box_width;
    const int64_t boxes = s.batch * ceil_div(s.height, box_height) * ceil_div(s.width, box_width);
    launch_tiles90("fathom_conv2d_dx90", tile, boxes * tile.m, s.in, splits, blocks, args);
  });
}

void check_d_weight(const Tile90Shape& tile, unsigned blocks, int box_height, int box_width,
                    const Shape& s, int splits) {
  const Map gradient = random_map(s.batch, s.height, s.width, s.out, 1),
            map = random_map(s.batch, s.height, s.width, s.in, 2);
  check_d_weight(
      gradient, map, s.kernel, 1, (s.kernel - 1) / 2, false, splits,
      [&](const fathom_cuda_conv_d_weight_args& weight) {
        fathom_cuda_conv_d_weight90_args args = {};
        args.gradient_map = pixel_map(weight.gradient, s.batch, s.height, s.width, s.out,
                                      box_height, box_width);
        args.map_map =
            pixel_map(weight.map, s.batch, s.height, s.width, s.in, box_height, box_width);
        args.d_weight = weight;
        args.d_weight.gradient = args.d_weight.map = nullptr;
        args.box_height = box_height;
        args.box_width = box_width;
        launch_tiles90("fathom_conv_d_weight90", tile, s.out,
                       s.kernel * s.kernel * ceil_div(s.in, 64) * 64, splits, blocks, args);
      });
}

}  // namespace

TEST(conv2d_dx_by_wgmma) {
  if (!is_sm90()) return;
  check_dx(TILE90_128X256, 1, 5, 13, {2, 7, 13, 72, 8, 3, 1}, true, false, 1);
  check_dx(TILE90_128X128, 1, 8, 16, {1, 9, 17, 136, 24, 3, 1}, false, true, 1);
  check_dx(TILE90_128X64, 2, 3, 37, {1, 3, 38, 19, 72, 3, 1}, true, true, 1);
  check_dx(TILE90_128X64, 1, 1, 128, {1, 1, 150, 40, 136, 1, 1}, false, false, 1);
}

TEST(conv2d_dx_by_wgmma_in_parts) {
  if (!is_sm90()) return;
  check_dx(TILE90_128X128, 2, 5, 7, {2, 5, 7, 72, 40, 3, 1}, true, true, 3);
}

TEST(conv_d_weight_by_wgmma) {
  if (!is_sm90()) return;
  check_d_weight(TILE90_128X256, 1, 8, 8, {2, 7, 13, 72, 40, 3, 1}, 1);
  check_d_weight(TILE90_128X128, 1, 4, 16, {1, 9, 17, 24, 136, 3, 1}, 2);
  check_d_weight(TILE90_128X64, 2, 16, 4, {1, 3, 5, 8, 8, 3, 1}, 1);
  check_d_weight(TILE90_128X64, 2, 1, 64, {1, 1, 300, 136, 24, 1, 1}, 3);
}
