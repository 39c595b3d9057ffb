/* linear.cu, linear_backward.cu: linear layers, their gradients, SwiGLU, packed weights. */
#include "linear_case.h"

namespace {

void check_linear(const TileShape& tile, const Case& c) {
  check_linear(c, [&](const fathom_cuda_linear_args& args) {
    launch_tiles("fathom_linear", tile, c.rows, c.out, c.splits, args);
  });
}

void check_backward(const TileShape& tile, const BackwardCase& c) {
  check_backward(
      c,
      [&](const fathom_cuda_linear_dx_args& args) {
        launch_tiles("fathom_linear_dx", tile, c.rows, c.in, c.splits, args);
      },
      [&](const fathom_cuda_linear_d_weight_args& args) {
        launch_tiles("fathom_linear_d_weight", tile, c.out, c.in, c.splits, args);
      });
}

}  // namespace

TEST(linear_in_every_tile) {
  for (const TileShape& tile : {TILE_128X128, TILE_128X64, TILE_64X64, TILE_ANY}) {
    check_linear(tile, {131, 72, 136, 0, NONE, BIAS, 1});
  }
}

TEST(linear_with_everything_fused) {
  check_linear(TILE_64X64, {67, 40, 72, 16, GELU, BIAS | SCALE | RESIDUAL | PRE, 1});
  check_linear(TILE_64X64, {65, 16, 37, 0, RELU, BIAS | IN_PLACE | PRE, 1});
  check_linear(TILE_128X64, {1, 8, 1, 0, NONE, SCALE | IN_PLACE, 1});
}

TEST(linear_longer_than_the_pipeline) { check_linear(TILE_64X64, {33, 296, 24, 8, GELU, BIAS, 1}); }

TEST(linear_in_parts) {
  check_linear(TILE_64X64, {70, 200, 72, 0, GELU, BIAS | SCALE | RESIDUAL | PRE, 3});
  check_linear(TILE_64X64, {9, 40, 13, 0, NONE, BIAS | IN_PLACE, 4}); /* more splits than steps */
}

TEST(linear_with_rows_off_alignment) {
  check_linear(TILE_ANY, {70, 37, 67, 4, GELU, BIAS | SCALE | RESIDUAL | PRE, 1});
  check_linear(TILE_ANY, {5, 1, 3, 0, NONE, BIAS, 1});
  check_linear(TILE_ANY, {66, 99, 9, 0, RELU, BIAS | IN_PLACE, 2});
}

TEST(packed_weight_has_zeros_in_its_rest) {
  const std::vector<float> weight = random_values(3 * 5, 1), factor = {2, -1, 0.5f};
  Tensor factors = Tensor::floats(factor);
  const std::vector<float> packed = pack(weight, 3, 5, factors).values();
  for (int o = 0; o < 3; o++) {
    for (int k = 0; k < 8; k++) {
      const float expected = k < 5 ? to_elem(factor[o] * weight[o * 5 + k]) : 0;
      EXPECT(packed[o * 8 + k] == expected, "[%d][%d] is %g, not %g", o, k, packed[o * 8 + k],
             expected);
    }
  }
}

TEST_ONCE(plans_are_those_of_the_documented_examples) {
  EXPECT(plan_cost(TILE_128X128, 1370, 1536, 384, 1, 132) == 4718592, "fc1, 128x128");
  EXPECT(plan_cost(TILE_128X64, 1370, 1536, 384, 1, 132) == 5308416, "fc1, 128x64");
  EXPECT(plan_cost(TILE_64X64, 1370, 1536, 384, 1, 132) == 6488064, "fc1, 64x64");
  const Plan fc1 = plan_product(1370, 1536, 384, 132);
  EXPECT(fc1.tile == "128x128" && fc1.splits == 1, "fc1: %s, %d", fc1.tile.c_str(), fc1.splits);
  EXPECT(plan_cost(TILE_128X128, 1370, 1024, 1024, 1, 132) == 9961472, "proj, 128x128");
  EXPECT(plan_cost(TILE_128X128, 1370, 1024, 1024, 2, 132) == 11704382, "proj, 128x128 in 2");
  EXPECT(plan_cost(TILE_128X64, 1370, 1024, 1024, 1, 132) == 11206656, "proj, 128x64");
  EXPECT(plan_cost(TILE_64X64, 1370, 1024, 1024, 1, 132) == 10272768, "proj, 64x64");
  const Plan proj = plan_product(1370, 1024, 1024, 132);
  EXPECT(proj.tile == "128x64" && proj.splits == 2 && proj.cost == 9902142, "proj: %s, %d, %lld",
         proj.tile.c_str(), proj.splits, (long long)proj.cost);
  /* The gradient of the last 3x3's weight: few tiles, a sum over all pixels. */
  const Plan weight = plan_product(32, 288, 518 * 518, 132);
  EXPECT(weight.tile == "64x64" && weight.splits == 128, "weight: %s, %d", weight.tile.c_str(),
         weight.splits);
}

/* ---- backward ---- */


TEST(linear_gradients_in_every_tile) {
  for (const TileShape& tile : {TILE_128X128, TILE_128X64, TILE_64X64, TILE_ANY}) {
    check_backward(tile, {70, 136, 72, 0, NONE, false, true, false, 1});
  }
}

TEST(linear_gradients_through_an_activation) {
  check_backward(TILE_64X64, {130, 24, 40, 8, GELU, false, true, true, 1});
  check_backward(TILE_64X64, {67, 16, 16, 0, RELU, false, true, false, 1});
}

TEST(linear_gradients_with_a_scale) {
  check_backward(TILE_64X64, {150, 40, 24, 0, NONE, true, true, false, 1});
  check_backward(TILE_64X64, {33, 24, 72, 0, NONE, true, false, true, 2});
}

TEST(linear_gradients_in_parts) {
  check_backward(TILE_64X64, {300, 72, 136, 0, GELU, false, true, true, 3});
}

TEST(linear_gradients_off_alignment) {
  check_backward(TILE_ANY, {69, 37, 29, 5, GELU, false, true, true, 1});
  check_backward(TILE_ANY, {100, 13, 3, 0, NONE, true, true, false, 2});
  check_backward(TILE_ANY, {1, 1, 1, 0, NONE, false, true, false, 1});
}

TEST(sums_of_several_blocks) {
  /* Two blocks of rows, two of columns. */
  const int rows = 70, columns = 300;
  const std::vector<float> dy = to_elem(random_values(rows * columns, 1));
  std::vector<double> expected(columns, 1.0);
  for (int r = 0; r < rows; r++)
    for (int c = 0; c < columns; c++) expected[c] += dy[r * columns + c];
  Tensor dy_device = Tensor::elems(dy), d_bias = Tensor::floats(std::vector<float>(columns, 1.0f));
  const Differentiated sums = differentiate(dy_device, nullptr, nullptr, rows, columns, NONE);
  EXPECT(sums.blocks == 2, "%d blocks", sums.blocks);
  add_vectors({.block_sums = sums.block_sums,
               .scale = nullptr,
               .bias = nullptr,
               .scale_products = nullptr,
               .d_bias = d_bias,
               .d_scale = nullptr,
               .columns = columns,
               .blocks = sums.blocks});
  EXPECT_CLOSE(d_bias.values(), expected, 1e-5);
}

/* ---- SwiGLU ---- */

TEST(swiglu_and_its_gradient) {
  for (const int channels : {1, 13, 64, 72}) {
    const int rows = 37, n = rows * channels;
    const std::vector<float> x = to_elem(random_values(2 * n, 1, -6, 6)),
                             dy = to_elem(random_values(n, 2));
    std::vector<double> y(n), dx(2 * n);
    for (int r = 0; r < rows; r++) {
      for (int c = 0; c < channels; c++) {
        const double g = x[(2 * r) * channels + c], v = x[(2 * r + 1) * channels + c],
                     s = 1 / (1 + std::exp(-g));
        y[r * channels + c] = g * s * v;
        dx[(2 * r) * channels + c] = dy[r * channels + c] * v * s * (1 + g * (1 - s));
        dx[(2 * r + 1) * channels + c] = dy[r * channels + c] * g * s;
      }
    }
    Tensor x_device = Tensor::elems(x), dy_device = Tensor::elems(dy),
           result = Tensor::empty_elems(n);
    const Dim grid = {blocks_of(rows * ceil_div(channels, 8), FATHOM_LINEAR_THREADS)},
              block = {FATHOM_LINEAR_THREADS};
    launch("fathom_swiglu", grid, block, 0,
           fathom_cuda_swiglu_args{x_device, result, rows, channels, 0});
    launch("fathom_swiglu_backward", grid, block, 0,
           fathom_cuda_swiglu_backward_args{x_device, dy_device, x_device, rows, channels,
                                            0}); /* in place */
    EXPECT_CALIBRATED(result.values(), y, stored(y));
    EXPECT_CALIBRATED(x_device.values(), dx, stored(dx));
  }
}
