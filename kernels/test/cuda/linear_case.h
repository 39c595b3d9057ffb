/*
 * Linear layers and their gradients in float64, and what the tests of their kernels compare; the
 * kernels of the products are the caller's to launch.
 */
#ifndef FATHOM_TEST_CUDA_LINEAR_CASE_H
#define FATHOM_TEST_CUDA_LINEAR_CASE_H

#include "gemm_case.h"

enum { NONE = 0, RELU = 1, GELU = 2 };

inline double gelu(double z) { return 0.5 * z * (1 + std::erf(z / std::sqrt(2.0))); }
inline double activate(int activation, double z) {
  return activation == GELU ? gelu(z) : activation == RELU ? std::max(z, 0.0) : z;
}
inline double slope(int activation, double z) {
  if (activation == RELU) return z > 0;
  if (activation == NONE) return 1;
  return 0.5 * (1 + std::erf(z / std::sqrt(2.0))) + z * std::exp(-z * z / 2) / std::sqrt(2 * M_PI);
}

inline Tensor pack(const std::vector<float>& weight, int out, int in,
                   const float* factor = nullptr) {
  return pack_weight(weight, out, 1, in, in, 0, 1, factor);
}

/* ---- forward ---- */

enum { BIAS = 1, SCALE = 2, RESIDUAL = 4, IN_PLACE = 8, PRE = 16 };

struct Case {
  int rows, in, out, gap; /* gap: x_stride - in */
  int activation, parts, splits;
};

/* launch_product(args): the product's kernel alone. */
template <class Launch>
void check_linear(const Case& c, Launch launch_product) {
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
  launch_product(args);
  if (c.splits > 1) {
    launch("fathom_linear_reduce", {blocks_of(rows * ceil_div(out, 8), FATHOM_GEMM_REDUCE_THREADS)},
           {FATHOM_GEMM_REDUCE_THREADS}, 0, args);
  }
  EXPECT_CALIBRATED(to.values(), y, stored(y));
  if (c.parts & PRE) EXPECT_CALIBRATED(pre.values(), z, stored(z));
}

/* ---- backward ---- */

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
inline Gradients gradients(const BackwardCase& c, const std::vector<float>& x,
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

/* launch_dx(args), launch_weight(args): the products' kernels alone. */
template <class LaunchDx, class LaunchWeight>
void check_backward(const BackwardCase& c, LaunchDx launch_dx, LaunchWeight launch_weight) {
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
  launch_dx(dx_args);
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
  launch_weight(weight_args);
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

#endif
