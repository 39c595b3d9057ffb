/* linear.cu, linear_backward.cu: linear layers, their gradients, SwiGLU, packed weights. */
#include "gemm_case.h"

namespace {

enum { NONE = 0, RELU = 1, GELU = 2 };

double gelu(double z) { return 0.5 * z * (1 + std::erf(z / std::sqrt(2.0))); }
double activate(int activation, double z) {
  return activation == GELU ? gelu(z) : activation == RELU ? std::max(z, 0.0) : z;
}
double slope(int activation, double z) {
  if (activation == RELU) return z > 0;
  if (activation == NONE) return 1;
  return 0.5 * (1 + std::erf(z / std::sqrt(2.0))) + z * std::exp(-z * z / 2) / std::sqrt(2 * M_PI);
}

Tensor pack(const std::vector<float>& weight, int out, int in, const float* factor = nullptr) {
  return pack_weight(weight, out, 1, in, in, 0, 1, factor);
}

enum { BIAS = 1, SCALE = 2, RESIDUAL = 4, IN_PLACE = 8, PRE = 16 };

struct Case {
  int rows, in, out, gap; /* gap: x_stride - in */
  int activation, parts, splits;
};

void check_linear(const TileShape& tile, const Case& c) {
  const int rows = c.rows, in = c.in, out = c.out, stride = in + c.gap;
  const std::vector<float> x = to_elem(random_values(static_cast<int64_t>(rows) * stride, 1));
  const std::vector<float> weight =
      to_elem(random_values(static_cast<int64_t>(out) * in, 2, -0.3f, 0.3f));
  const std::vector<float> bias = random_values(out, 3), scale = random_values(out, 4);
  const int64_t n = static_cast<int64_t>(rows) * out;
  const std::vector<float> residual = to_elem(random_values(n, 5));

  std::vector<double> z(n), y(n);
  for (int r = 0; r < rows; r++) {
    for (int o = 0; o < out; o++) {
      double sum = c.parts & BIAS ? bias[o] : 0;
      for (int k = 0; k < in; k++)
        sum += static_cast<double>(x[r * stride + k]) * weight[o * in + k];
      const int64_t at = static_cast<int64_t>(r) * out + o;
      z[at] = sum;
      y[at] = activate(c.activation, sum) * (c.parts & SCALE ? scale[o] : 1) +
              (c.parts & (RESIDUAL | IN_PLACE) ? residual[at] : 0);
    }
  }

  Tensor x_device = Tensor::elems(x), packed = pack(weight, out, in),
         bias_device = Tensor::floats(bias), scale_device = Tensor::floats(scale),
         residual_device = Tensor::elems(residual), pre = Tensor::empty_elems(n),
         result = Tensor::empty_elems(n),
         partial = Tensor::empty_floats(c.splits > 1 ? c.splits * n : 1);
  Tensor& to = c.parts & IN_PLACE ? residual_device : result;
  const fathom_cuda_linear_args args = {
      .x = x_device,
      .packed = packed,
      .bias = given(c.parts & BIAS, bias_device),
      .scale = given(c.parts & SCALE, scale_device),
      .residual = given(c.parts & (RESIDUAL | IN_PLACE), residual_device),
      .y = to,
      .pre_activation = given(c.parts & PRE, pre),
      .partial = given(c.splits > 1, partial),
      .x_stride = stride,
      .rows = rows,
      .in = in,
      .out = out,
      .activation = c.activation,
      .splits = c.splits,
      .reserved = 0};
  launch_tiles("fathom_linear", tile, rows, out, c.splits, args);
  if (c.splits > 1) {
    launch("fathom_linear_reduce", {blocks_of(rows * ceil_div(out, 8), FATHOM_GEMM_REDUCE_THREADS)},
           {FATHOM_GEMM_REDUCE_THREADS}, 0, args);
  }
  EXPECT_CALIBRATED(to.values(), y, stored(y));
  if (c.parts & PRE) EXPECT_CALIBRATED(pre.values(), z, stored(z));
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

namespace {

struct BackwardCase {
  int rows, in, out, gap;
  int activation;
  bool scale, bias, accumulate;
  int splits;
};

struct Gradients {
  std::vector<double> dx, d_weight, d_bias, d_scale;
};

/* In float64; `rounded`: dz and scale * weight as they are stored. */
Gradients gradients(const BackwardCase& c, const std::vector<float>& x,
                    const std::vector<float>& weight, const std::vector<float>& bias,
                    const std::vector<float>& scale, const std::vector<float>& pre,
                    const std::vector<float>& dy, const std::vector<float>& old, bool rounded) {
  const int rows = c.rows, in = c.in, out = c.out, stride = in + c.gap;
  const auto round = [&](double v) {
    return rounded ? static_cast<double>(to_elem(static_cast<float>(v))) : v;
  };
  Gradients g = {std::vector<double>(rows * in), std::vector<double>(out * in, 0.5),
                 std::vector<double>(out, 0.25), std::vector<double>(out, 0.125)};
  if (c.accumulate) g.dx = to_double(old);
  for (int o = 0; o < out; o++) {
    const double gamma = c.scale ? scale[o] : 1;
    std::vector<double> product(in);
    double sum = 0, rounded_sum = 0;
    for (int r = 0; r < rows; r++) {
      const double exact = dy[r * out + o] * slope(c.activation, pre[r * out + o]),
                   dz = round(exact);
      sum += exact;
      rounded_sum += dz;
      for (int k = 0; k < in; k++) {
        product[k] += dz * x[r * stride + k];
        g.dx[r * in + k] += dz * round(gamma * weight[o * in + k]);
      }
    }
    for (int k = 0; k < in; k++) {
      g.d_weight[o * in + k] += gamma * product[k];
      g.d_scale[o] += weight[o * in + k] * product[k];
    }
    g.d_bias[o] += gamma * sum;
    if (c.bias) g.d_scale[o] += bias[o] * sum;
  }
  return g;
}

void check_backward(const TileShape& tile, const BackwardCase& c) {
  const int rows = c.rows, in = c.in, out = c.out, stride = in + c.gap;
  const std::vector<float> x = to_elem(random_values(rows * stride, 1));
  const std::vector<float> weight = to_elem(random_values(out * in, 2)),
                           bias = random_values(out, 3), scale = random_values(out, 4),
                           pre = to_elem(random_values(rows * out, 5, -3, 3)),
                           dy = to_elem(random_values(rows * out, 6)),
                           old = to_elem(random_values(rows * in, 7));
  const Gradients exact = gradients(c, x, weight, bias, scale, pre, dy, old, false);
  const Gradients plain = gradients(c, x, weight, bias, scale, pre, dy, old, true);

  Tensor x_device = Tensor::elems(x), bias_device = Tensor::floats(bias),
         scale_device = Tensor::floats(scale), pre_device = Tensor::elems(pre),
         dy_device = Tensor::elems(dy), dz_device = Tensor::empty_elems(rows * out),
         dx = c.accumulate ? Tensor::elems(old) : Tensor::empty_elems(rows * in),
         d_weight = Tensor::floats(std::vector<float>(out * in, 0.5f)),
         d_bias = Tensor::floats(std::vector<float>(out, 0.25f)),
         products = Tensor::empty_floats(out),
         d_scale = Tensor::floats(std::vector<float>(out, 0.125f));
  const Tensor& dz = c.activation ? dz_device : dy_device;
  const Differentiated sums =
      differentiate(dy_device, given(c.activation, pre_device), given(c.activation, dz_device),
                    rows, out, c.activation);

  Tensor packed = pack(weight, out, in),
         scaled = pack(weight, out, in, given(c.scale, scale_device)),
         dx_partial = Tensor::empty_floats(c.splits * rows * in);
  const fathom_cuda_linear_dx_args dx_args = {
      dz, scaled, dx, given(c.splits > 1, dx_partial), rows, in, out, c.accumulate, c.splits, 0};
  launch_tiles("fathom_linear_dx", tile, rows, in, c.splits, dx_args);
  if (c.splits > 1) {
    launch("fathom_linear_dx_reduce",
           {blocks_of(rows * ceil_div(in, 8), FATHOM_GEMM_REDUCE_THREADS)},
           {FATHOM_GEMM_REDUCE_THREADS}, 0, dx_args);
  }

  const bool in_parts = c.splits > 1 || c.scale;
  Tensor partial = Tensor::empty_floats(c.splits * out * in);
  const fathom_cuda_linear_d_weight_args weight_args = {.dz = dz,
                                                        .x = x_device,
                                                        .packed = packed,
                                                        .scale = given(c.scale, scale_device),
                                                        .d_weight = d_weight,
                                                        .scale_products = given(c.scale, products),
                                                        .partial = given(in_parts, partial),
                                                        .x_stride = stride,
                                                        .rows = rows,
                                                        .in = in,
                                                        .out = out,
                                                        .splits = c.splits};
  launch_tiles("fathom_linear_d_weight", tile, out, in, c.splits, weight_args);
  if (in_parts) {
    launch("fathom_linear_d_weight_reduce", {static_cast<unsigned>(out)},
           {FATHOM_GEMM_REDUCE_THREADS}, 0, weight_args);
  }
  add_vectors({.block_sums = sums.block_sums,
               .scale = given(c.scale, scale_device),
               .bias = given(c.bias, bias_device),
               .scale_products = given(c.scale, products),
               .d_bias = d_bias,
               .d_scale = given(c.scale, d_scale),
               .columns = out,
               .blocks = sums.blocks});

  EXPECT_CALIBRATED(dx.values(), exact.dx, stored(plain.dx));
  EXPECT_CALIBRATED(d_weight.values(), exact.d_weight, to_float(plain.d_weight));
  EXPECT_CALIBRATED(d_bias.values(), exact.d_bias, to_float(exact.d_bias));
  if (c.scale) EXPECT_CALIBRATED(d_scale.values(), exact.d_scale, to_float(plain.d_scale));
  if (c.splits > 1) {
    const std::string key = "d_weight " + std::to_string(rows) + " " + std::to_string(in);
    expect_same_bits(key.c_str(), d_weight.values());
  }
}

}  // namespace

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
