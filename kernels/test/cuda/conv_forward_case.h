/*
 * A convolution with all that is fused with it, in float64, and what the tests of its kernels
 * compare; the product's kernel is the caller's to launch.
 */
#ifndef FATHOM_TEST_CUDA_CONV_FORWARD_CASE_H
#define FATHOM_TEST_CUDA_CONV_FORWARD_CASE_H

#include "conv_case.h"

enum {
  BIAS = 1,
  RESIDUAL = 2,
  RESIDUAL2 = 4,
  IN_PLACE = 8,
  RELU_INPUT = 16,
  ACTIVATION = 32,
  PROJECT = 64
};

struct Case {
  int batch, height, width, in, out;
  int kernel, stride;
  int parts, splits;
  int project_activation;
  int source_height, source_width; /* 0: not resized */
};

inline double finish(int activation, double v) {
  return activation == SIGMOID ? 1 / (1 + std::exp(-v)) : activation == RELU ? std::max(v, 0.0) : v;
}

/* launch_product(args): the product's kernel alone. */
template <class Launch>
void check_conv(const Case& c, Launch launch_product) {
  const bool from_source = c.source_height > 0;
  const Map x = from_source ? random_map(c.batch, c.source_height, c.source_width, c.in, 1)
                            : random_map(c.batch, c.height, c.width, c.in, 1);
  const std::vector<float> weight =
      to_elem(random_values(int64_t{c.out} * c.in * c.kernel * c.kernel, 2, -0.3f, 0.3f));
  const std::vector<float> bias = random_values(c.out, 3), project = random_values(c.out, 4);
  const float project_bias = 0.3f, project_scale = -1.5f;
  const int out_height = static_cast<int>(ceil_div(c.height, c.stride)),
            out_width = static_cast<int>(ceil_div(c.width, c.stride));
  const int64_t pixels = int64_t{c.batch} * out_height * out_width, n = pixels * c.out;
  const std::vector<float> residual = to_elem(random_values(n, 5)),
                           residual2 = to_elem(random_values(n, 6));

  /* As defined, and with the resized map rounded as it is on its way to the tensor cores. */
  const auto result = [&](bool rounded) {
    Map map = x;
    if (from_source) {
      map = resized(x, c.height, c.width, [&](double v) {
        return rounded ? static_cast<double>(to_elem(static_cast<float>(v))) : v;
      });
    }
    if (c.parts & RELU_INPUT) map = relu_of(map);
    Map y = convolved(map, weight, c.out, c.kernel, c.stride);
    std::vector<double> projected(pixels, project_bias);
    for (int64_t i = 0; i < n; i++) {
      double v = y.values[i] + (c.parts & BIAS ? bias[i % c.out] : 0);
      if (c.parts & ACTIVATION) v = std::max(v, 0.0);
      if (c.parts & (RESIDUAL | IN_PLACE)) v += residual[i];
      if (c.parts & RESIDUAL2) v += residual2[i];
      y.values[i] = v;
      projected[i / c.out] += project[i % c.out] * v;
    }
    if (!(c.parts & PROJECT)) return y.values;
    for (double& v : projected) v = project_scale * finish(c.project_activation, v);
    return projected;
  };

  Tensor x_device = on_device(x), packed = pack_conv(weight, c.out, c.in, c.kernel),
         bias_device = Tensor::floats(bias), residual_device = Tensor::elems(residual),
         residual2_device = Tensor::elems(residual2), project_device = Tensor::floats(project),
         project_bias_device = Tensor::floats({project_bias}),
         y = c.parts & PROJECT ? Tensor::empty_floats(pixels) : Tensor::empty_elems(n),
         partial = Tensor::empty_floats(c.splits * n);
  const Tensor& to = c.parts & IN_PLACE ? residual_device : y;
  const fathom_cuda_conv2d_args args = {
      .x = x_device,
      .packed = packed,
      .bias = given(c.parts & BIAS, bias_device),
      .residual = given(c.parts & (RESIDUAL | IN_PLACE), residual_device),
      .residual2 = given(c.parts & RESIDUAL2, residual2_device),
      .project_weight = given(c.parts & PROJECT, project_device),
      .project_bias = given(c.parts & PROJECT, project_bias_device),
      .y = to,
      .partial = given(c.splits > 1, partial),
      .batch = c.batch,
      .height = c.height,
      .width = c.width,
      .in = c.in,
      .out = c.out,
      .kernel = c.kernel,
      .stride = c.stride,
      .source_height = c.source_height,
      .source_width = c.source_width,
      .relu_input = c.parts & RELU_INPUT ? 1 : 0,
      .activation = c.parts & ACTIVATION ? RELU : NONE,
      .project_activation = c.project_activation,
      .project_scale = project_scale,
      .splits = c.splits,
  };
  launch_product(args);
  if (c.splits > 1) {
    launch("fathom_conv2d_reduce",
           {blocks_of(pixels * ceil_div(c.out, 8), FATHOM_GEMM_REDUCE_THREADS)},
           {FATHOM_GEMM_REDUCE_THREADS}, 0, args);
  }
  const std::vector<double> exact = result(false), plain = from_source ? result(true) : exact;
  EXPECT_CALIBRATED(to.values(), exact,
                    c.parts & PROJECT ? to_float(plain) : stored(plain));
}

#endif
