/* conv_backward.cu, conv_patch.cu, conv_transpose.cu: gradients. */
#include "conv_backward_case.h"

namespace {

/* prefix: which kernels. */
void check_dx(const char* prefix, const TileShape& tile, const Shape& s, bool gated,
              bool accumulate, int splits) {
  check_dx(s, gated, accumulate, splits, [&](const fathom_cuda_conv2d_dx_args& args) {
    if (strcmp(prefix, "fathom_conv2d_dx") == 0) {
      const int64_t pixels =
          int64_t{s.batch} * s.out_height() * s.out_width(); /* of the largest class */
      launch_tiles(prefix, tile, pixels, s.in, splits, args, s.stride * s.stride);
      return;
    }
    const unsigned tiles = s.batch * blocks_of(s.height, FATHOM_PATCH_HEIGHT) *
                           blocks_of(s.width, FATHOM_PATCH_WIDTH) * blocks_of(s.in, tile.n);
    launch((std::string(prefix) + "_" + tile.name).c_str(), {tiles}, {tile.threads},
           (elem_is_float() ? 4 : 2) * (2 * 7200 + 4 * tile.n * 40) + 256, args);
  });
}

void check_d_weight(const TileShape& tile, const Map& gradient, const Map& map, int kernel,
                    int stride, int margin, bool relu, int splits) {
  check_d_weight(gradient, map, kernel, stride, margin, relu, splits,
                 [&](const fathom_cuda_conv_d_weight_args& args) {
                   launch_tiles("fathom_conv_d_weight", tile, gradient.channels,
                                kernel * kernel * round_up_8(map.channels), splits, args);
                 });
}

void check_conv_d_weight(const TileShape& tile, const Shape& s, bool relu, int splits) {
  check_d_weight(tile, random_map(s.batch, s.out_height(), s.out_width(), s.out, 1),
                 random_map(s.batch, s.height, s.width, s.in, 2), s.kernel, s.stride,
                 (s.kernel - 1) / 2, relu, splits);
}

}  // namespace

TEST(conv2d_dx_in_every_tile) {
  for (const TileShape& tile : {TILE_128X128, TILE_128X64, TILE_64X64, TILE_ANY})
    check_dx("fathom_conv2d_dx", tile, {1, 11, 13, 40, 8, 3, 1}, true, false, 1);
}

TEST(conv2d_dx_with_stride_1) {
  check_dx("fathom_conv2d_dx", TILE_64X64, {2, 5, 7, 72, 40, 3, 1}, true, true, 1);
  check_dx("fathom_conv2d_dx", TILE_64X64, {1, 7, 9, 16, 24, 1, 1}, false, false, 1);
  check_dx("fathom_conv2d_dx", TILE_64X64, {2, 5, 7, 16, 40, 3, 1}, true, true, 3);
}

TEST(conv2d_dx_with_stride_2) {
  check_dx("fathom_conv2d_dx", TILE_64X64, {2, 7, 9, 24, 16, 3, 2}, true, true, 1);
  check_dx("fathom_conv2d_dx", TILE_64X64, {1, 6, 8, 13, 72, 3, 2}, false, false, 1);
  check_dx("fathom_conv2d_dx", TILE_64X64, {1, 6, 9, 16, 16, 1, 2}, true, false, 1);
  check_dx("fathom_conv2d_dx", TILE_64X64, {1, 7, 4, 16, 80, 3, 2}, true, false, 2);
  check_dx("fathom_conv2d_dx", TILE_128X64, {1, 1, 1, 8, 8, 3, 2}, false, false,
           1); /* classes without pixels */
}

TEST(conv2d_dx_with_odd_channels) {
  check_dx("fathom_conv2d_dx", TILE_ANY, {1, 5, 6, 11, 13, 3, 1}, true, true, 1);
  check_dx("fathom_conv2d_dx", TILE_ANY, {1, 5, 6, 3, 5, 3, 2}, false, false, 2);
}

TEST(conv2d_dx_on_patches) {
  check_dx("fathom_conv2d_dx_patch", TILE_128X128, {1, 9, 17, 136, 40, 3, 1}, true, false, 1);
  check_dx("fathom_conv2d_dx_patch", TILE_128X64, {2, 5, 18, 13, 72, 3, 1}, true, true, 1);
}

TEST(conv_d_weight_in_every_tile) {
  for (const TileShape& tile : {TILE_128X128, TILE_128X64, TILE_64X64, TILE_ANY})
    check_conv_d_weight(tile, {1, 5, 7, 16, 72, 3, 1}, true, 1);
}

TEST(conv_d_weight_in_parts) {
  check_conv_d_weight(TILE_64X64, {2, 9, 11, 16, 40, 3, 1}, true, 3);
  check_conv_d_weight(TILE_64X64, {3, 5, 3, 40, 8, 3, 2}, false, 2); /* several rows in a step */
  check_conv_d_weight(TILE_64X64, {1, 3, 70, 24, 16, 1, 1}, true, 1);
  check_conv_d_weight(TILE_64X64, {70, 1, 1, 8, 8, 3, 1}, false, 1);
}

TEST(conv_d_weight_with_odd_channels) {
  check_conv_d_weight(TILE_ANY, {2, 5, 6, 13, 11, 3, 1}, true, 2);
  check_conv_d_weight(TILE_ANY, {1, 5, 6, 1, 3, 3, 2}, false, 1);
}

TEST(conv2d_gradients_through_its_relu) {
  /* The mask and d_bias are fathom_differentiate's. */
  const Map dy = random_map(2, 5, 7, 24, 1), activated = relu_of(random_map(2, 5, 7, 24, 2));
  Map dz = dy;
  std::vector<double> expected(24, 0.5);
  for (int64_t i = 0; i < dy.size(); i++) {
    if (!(activated.values[i] > 0)) dz.values[i] = 0;
    expected[i % 24] += dz.values[i];
  }
  Tensor dy_device = on_device(dy), activated_device = on_device(activated),
         masked = Tensor::empty_elems(dy.size()),
         d_bias = Tensor::floats(std::vector<float>(24, 0.5f));
  const Differentiated sums =
      differentiate(dy_device, activated_device, masked, 2 * 5 * 7, 24, RELU);
  add_vectors({sums.block_sums, nullptr, nullptr, nullptr, d_bias, nullptr, 24, sums.blocks});
  EXPECT_CLOSE(masked.values(), dz.values, 0);
  EXPECT_CLOSE(d_bias.values(), expected, 1e-5);
}

TEST(conv_transpose2d_gradients) {
  struct {
    TileShape tile;
    int batch, height, width, in, out, kernel;
  } cases[] = {{TILE_128X64, 1, 7, 5, 40, 8, 4},
               {TILE_64X64, 2, 5, 4, 72, 24, 2},
               {TILE_64X64, 1, 3, 4, 13, 16, 4},
               {TILE_ANY, 1, 3, 5, 11, 13, 2},
               {TILE_ANY, 1, 2, 2, 3, 5, 4}};
  for (const auto& c : cases) {
    const Map x = random_map(c.batch, c.height, c.width, c.in, 1);
    const Map dy = random_map(c.batch, c.kernel * c.height, c.kernel * c.width, c.out, 2);
    const std::vector<float> weight =
        to_elem(random_values(int64_t{c.in} * c.out * c.kernel * c.kernel, 3));
    const Map dx = transposed_adjoint(dy, weight, c.in, c.kernel);
    Tensor dy_device = on_device(dy), packed = pack_transposed(weight, c.in, c.out, c.kernel),
           result = Tensor::empty_elems(dx.size());
    launch_tiles("fathom_conv_transpose2d_dx", c.tile, int64_t{c.batch} * c.height * c.width, c.in,
                 1,
                 fathom_cuda_conv_transpose2d_dx_args{dy_device, packed, result, c.batch, c.height,
                                                      c.width, c.in, c.out, c.kernel});
    EXPECT_CALIBRATED(result.values(), dx.values, stored(dx.values));
    const bool aligned = c.in % 8 == 0 && c.out % 8 == 0;
    check_d_weight(aligned ? c.tile : TILE_ANY, x, dy, c.kernel, c.kernel, 0, false, 1);
  }
}
