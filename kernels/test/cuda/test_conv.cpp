/* conv.cu, conv_patch.cu, conv_transpose.cu, conv_project.cu: the forward pass. */
#include "conv_forward_case.h"

namespace {

/* prefix: which kernels; the patch kernels have tiles and shared memory of their own. */
void check_conv(const char* prefix, const TileShape& tile, const Case& c) {
  const unsigned height = blocks_of(c.height, c.stride), width = blocks_of(c.width, c.stride);
  check_conv(c, [&](const fathom_cuda_conv2d_args& args) {
    if (strcmp(prefix, "fathom_conv2d") == 0) {
      launch_tiles(prefix, tile, int64_t{c.batch} * height * width, c.out, c.splits, args);
      return;
    }
    const unsigned tiles = c.batch * blocks_of(height, FATHOM_PATCH_HEIGHT) *
                           blocks_of(width, FATHOM_PATCH_WIDTH) * blocks_of(c.out, tile.n);
    launch((std::string(prefix) + "_" + tile.name).c_str(), {tiles}, {tile.threads},
           (elem_is_float() ? 4 : 2) * (2 * 7200 + 4 * tile.n * 40) + 256, args);
  });
}

}  // namespace

TEST(conv2d_in_every_tile) {
  for (const TileShape& tile : {TILE_128X128, TILE_128X64, TILE_64X64, TILE_128X32, TILE_ANY})
    check_conv("fathom_conv2d", tile, {1, 11, 13, 8, 40, 3, 1, BIAS, 1, 0, 0, 0});
}

TEST(conv2d_with_everything_fused) {
  const int all = BIAS | RESIDUAL | RESIDUAL2 | RELU_INPUT | ACTIVATION;
  check_conv("fathom_conv2d", TILE_64X64, {2, 7, 9, 24, 72, 3, 1, all, 1, 0, 0, 0});
  check_conv("fathom_conv2d", TILE_64X64, {2, 7, 10, 16, 24, 3, 2, BIAS | RELU_INPUT, 1, 0, 0, 0});
  check_conv("fathom_conv2d", TILE_64X64,
             {1, 6, 9, 40, 48, 1, 1, RELU_INPUT | IN_PLACE | RESIDUAL2, 1, 0, 0, 0});
  check_conv("fathom_conv2d", TILE_64X64, {1, 6, 9, 40, 19, 1, 2, BIAS, 1, 0, 0, 0});
}

TEST(conv2d_in_parts) {
  const int all = BIAS | RESIDUAL | RESIDUAL2 | RELU_INPUT | ACTIVATION;
  check_conv("fathom_conv2d", TILE_64X64, {2, 5, 7, 40, 72, 3, 1, all, 3, 0, 0, 0});
}

TEST(conv2d_with_odd_channels) {
  const int all = BIAS | RESIDUAL | RESIDUAL2 | RELU_INPUT | ACTIVATION;
  check_conv("fathom_conv2d", TILE_ANY, {1, 5, 6, 13, 11, 3, 1, all, 1, 0, 0, 0});
  check_conv("fathom_conv2d", TILE_ANY, {2, 5, 4, 3, 5, 3, 2, BIAS | IN_PLACE, 2, 0, 0, 0});
  check_conv("fathom_conv2d", TILE_ANY, {1, 1, 1, 1, 1, 3, 1, 0, 1, 0, 0, 0});
}

TEST(conv2d_with_projection) {
  check_conv("fathom_conv2d", TILE_128X32,
             {1, 9, 15, 16, 32, 3, 1, BIAS | ACTIVATION | PROJECT, 1, RELU, 0, 0});
  check_conv("fathom_conv2d", TILE_64X64,
             {1, 9, 7, 16, 37, 1, 1, BIAS | RESIDUAL | PROJECT, 1, SIGMOID, 0, 0});
  check_conv("fathom_conv2d", TILE_128X128, {2, 5, 7, 8, 100, 3, 2, PROJECT, 1, NONE, 0, 0});
}

TEST(conv2d_on_patches) {
  const int all = BIAS | RESIDUAL | RESIDUAL2 | RELU_INPUT | ACTIVATION;
  check_conv("fathom_conv2d_patch", TILE_128X128, {1, 9, 17, 40, 136, 3, 1, BIAS, 1, 0, 0, 0});
  check_conv("fathom_conv2d_patch", TILE_128X64, {2, 9, 18, 72, 24, 3, 1, all, 1, 0, 0, 0});
  check_conv("fathom_conv2d_patch", TILE_128X32,
             {2, 3, 5, 8, 13, 3, 1, IN_PLACE | RELU_INPUT, 1, 0, 0, 0});
  check_conv("fathom_conv2d_patch", TILE_128X32,
             {1, 9, 18, 16, 32, 3, 1, BIAS | ACTIVATION | PROJECT, 1, RELU, 0, 0});
}

TEST(conv2d_of_a_map_resized_as_it_is_read) {
  check_conv("fathom_conv2d_resized", TILE_128X32,
             {2, 13, 19, 40, 32, 3, 1, BIAS | ACTIVATION | PROJECT, 1, RELU, 7, 10});
  check_conv("fathom_conv2d_resized", TILE_128X64,
             {1, 9, 18, 40, 72, 3, 1, BIAS | RELU_INPUT, 1, 0, 5, 18});
  check_conv("fathom_conv2d_resized", TILE_128X32,
             {1, 5, 6, 13, 9, 3, 1, BIAS | RESIDUAL, 1, 0, 1, 3}); /* odd */
  check_conv("fathom_conv2d_resized", TILE_128X32,
             {1, 1, 1, 8, 8, 3, 1, 0, 1, 0, 4, 5}); /* smaller */
}

TEST(conv_transpose2d_scatters) {
  struct {
    TileShape tile;
    int batch, height, width, in, out, kernel;
    bool bias;
  } cases[] = {{TILE_128X128, 1, 5, 7, 40, 24, 4, true}, {TILE_128X64, 1, 13, 11, 16, 40, 2, false},
               {TILE_64X64, 2, 5, 7, 72, 16, 2, true},   {TILE_64X64, 1, 3, 4, 8, 13, 4, true},
               {TILE_ANY, 2, 3, 5, 13, 7, 2, true},      {TILE_ANY, 1, 2, 2, 3, 8, 4, false}};
  for (const auto& c : cases) {
    const Map x = random_map(c.batch, c.height, c.width, c.in, 1);
    const std::vector<float> weight = to_elem(
                                 random_values(int64_t{c.in} * c.out * c.kernel * c.kernel, 2)),
                             bias = c.bias ? random_values(c.out, 3) : std::vector<float>();
    const Map y = transposed(x, weight, bias, c.out, c.kernel);
    Tensor x_device = on_device(x), packed = pack_transposed(weight, c.in, c.out, c.kernel),
           bias_device = Tensor::floats(random_values(c.out, 3)),
           result = Tensor::empty_elems(y.size());
    launch_tiles(
        "fathom_conv_transpose2d", c.tile, int64_t{c.batch} * c.height * c.width,
        c.kernel * c.kernel * c.out, 1,
        fathom_cuda_conv_transpose2d_args{x_device, packed, given(c.bias, bias_device), result,
                                          c.batch, c.height, c.width, c.in, c.out, c.kernel});
    EXPECT_CALIBRATED(result.values(), y.values, stored(y.values));
  }
}

/* ---- projection ---- */

namespace {

int lanes_of(int channels) {
  int lanes = 1;
  while (lanes < 32 && lanes < ceil_div(channels, 8)) lanes *= 2;
  return lanes;
}

}  // namespace

TEST(project_and_its_gradient) {
  for (const int channels : {1, 13, 32, 72, 300}) {
    for (const int activation : {NONE, RELU, SIGMOID}) {
      const int pixels = 301;
      const float scale = activation == RELU ? -0.7f : 1.7f;
      const std::vector<float> x = to_elem(random_values(int64_t{pixels} * channels, 1)),
                               weight = random_values(channels, 2), dy = random_values(pixels, 3),
                               bias = {0.2f};
      std::vector<double> y(pixels), dx(int64_t{pixels} * channels), d_weight(channels, 0.5),
          d_bias(1, 0.25);
      for (int p = 0; p < pixels; p++) {
        double z = bias[0];
        for (int c = 0; c < channels; c++)
          z += x[p * channels + c] * static_cast<double>(weight[c]);
        const double s = finish(activation, z);
        y[p] = scale * s;
        const double g = dy[p] * static_cast<double>(scale) *
                         (activation == SIGMOID ? s * (1 - s)
                          : activation == RELU  ? z > 0
                                                : 1);
        d_bias[0] += g;
        for (int c = 0; c < channels; c++) {
          dx[p * channels + c] = g * weight[c];
          d_weight[c] += g * x[p * channels + c];
        }
      }
      Tensor x_device = Tensor::elems(x), weight_device = Tensor::floats(weight),
             bias_device = Tensor::floats(bias), y_device = Tensor::empty_floats(pixels),
             dy_device = Tensor::floats(dy);
      const int lanes = lanes_of(channels);
      launch("fathom_project",
             {std::min(blocks_of(int64_t{pixels} * lanes, FATHOM_PROJECT_THREADS), 4096u)},
             {FATHOM_PROJECT_THREADS}, 0,
             fathom_cuda_project_args{x_device, weight_device, bias_device, y_device, pixels,
                                      channels, lanes, activation, scale});
      EXPECT_CLOSE(y_device.values(), y, 2e-6 * channels);

      const int block_pixels = 256, blocks = 2;
      Tensor dx_device = Tensor::empty_elems(int64_t{pixels} * channels),
             weight_sums = Tensor::empty_floats(blocks * channels),
             bias_sums = Tensor::empty_floats(blocks),
             d_weight_device = Tensor::floats(std::vector<float>(channels, 0.5f)),
             d_bias_device = Tensor::floats({0.25f});
      launch("fathom_project_backward", {blocks}, {FATHOM_PROJECT_THREADS}, 0,
             fathom_cuda_project_backward_args{x_device, weight_device, y_device, dy_device,
                                               dx_device, weight_sums, bias_sums, pixels, channels,
                                               lanes, block_pixels, activation, scale, 0});
      add_vectors(
          {weight_sums, nullptr, nullptr, nullptr, d_weight_device, nullptr, channels, blocks});
      add_vectors({bias_sums, nullptr, nullptr, nullptr, d_bias_device, nullptr, 1, blocks});
      EXPECT_CALIBRATED(dx_device.values(), dx, stored(dx));
      EXPECT_CLOSE(d_weight_device.values(), d_weight, 1e-5);
      EXPECT_CLOSE(d_bias_device.values(), d_bias, 1e-5);
    }
  }
}
