/*
 * Gradients of convolutions in float64, and what the tests of their kernels compare; the products'
 * kernels are the caller's to launch.
 */
#ifndef FATHOM_TEST_CUDA_CONV_BACKWARD_CASE_H
#define FATHOM_TEST_CUDA_CONV_BACKWARD_CASE_H

#include "conv_case.h"

struct Shape {
  int batch, height, width, in, out, kernel, stride;
  int out_height() const { return static_cast<int>(ceil_div(height, stride)); }
  int out_width() const { return static_cast<int>(ceil_div(width, stride)); }
};

/* dx of a convolution; launch_product(args): the product's kernel alone. */
template <class Launch>
void check_dx(const Shape& s, bool gated, bool accumulate, int splits, Launch launch_product) {
  const Map dy = random_map(s.batch, s.out_height(), s.out_width(), s.out, 1);
  const Map gate = random_map(s.batch, s.height, s.width, s.in, 2),
            old = random_map(s.batch, s.height, s.width, s.in, 3);
  const std::vector<float> weight =
      to_elem(random_values(int64_t{s.out} * s.in * s.kernel * s.kernel, 4));
  Map dx = convolved_adjoint(dy, weight, s.height, s.width, s.in, s.kernel, s.stride);
  for (int64_t i = 0; i < dx.size(); i++) {
    if (gated && !(gate.values[i] > 0)) dx.values[i] = 0;
    if (accumulate) dx.values[i] += old.values[i];
  }

  Tensor dy_device = on_device(dy), gate_device = on_device(gate),
         packed = pack_conv(weight, s.out, s.in, s.kernel),
         result = accumulate ? on_device(old) : Tensor::empty_elems(dx.size()),
         partial = Tensor::empty_floats(splits * dx.size());
  const fathom_cuda_conv2d_dx_args args = {.dz = dy_device,
                                           .packed = packed,
                                           .gate = given(gated, gate_device),
                                           .dx = result,
                                           .partial = given(splits > 1, partial),
                                           .batch = s.batch,
                                           .height = s.height,
                                           .width = s.width,
                                           .in = s.in,
                                           .out = s.out,
                                           .kernel = s.kernel,
                                           .stride = s.stride,
                                           .accumulate = accumulate,
                                           .splits = splits,
                                           .reserved = 0};
  launch_product(args);
  if (splits > 1) {
    launch("fathom_conv2d_dx_reduce",
           {blocks_of(int64_t{s.batch} * s.height * s.width * ceil_div(s.in, 8),
                      FATHOM_GEMM_REDUCE_THREADS)},
           {FATHOM_GEMM_REDUCE_THREADS}, 0, args);
  }
  EXPECT_CALIBRATED(result.values(), dx.values, stored(dx.values));
}

/* d_weight += gradient^T map; launch_product(args): the product's kernel alone. */
template <class Launch>
void check_d_weight(const Map& gradient, const Map& map, int kernel, int stride, int margin,
                    bool relu, int splits, Launch launch_product) {
  const int rows = gradient.channels, taps = kernel * kernel;
  const std::vector<double> expected =
      weight_gradient(gradient, relu ? relu_of(map) : map, kernel, stride, margin, 0.5);
  const int64_t columns = taps * round_up_8(map.channels);
  Tensor gradient_device = on_device(gradient), map_device = on_device(map),
         d_weight = Tensor::floats(std::vector<float>(expected.size(), 0.5f)),
         partial = Tensor::empty_floats(splits * rows * columns);
  const fathom_cuda_conv_d_weight_args args = {.gradient = gradient_device,
                                               .map = map_device,
                                               .d_weight = d_weight,
                                               .partial = partial,
                                               .batch = map.batch,
                                               .height = map.height,
                                               .width = map.width,
                                               .channels = map.channels,
                                               .out_height = gradient.height,
                                               .out_width = gradient.width,
                                               .rows = rows,
                                               .kernel = kernel,
                                               .stride = stride,
                                               .margin = margin,
                                               .relu_map = relu,
                                               .splits = splits};
  launch_product(args);
  launch("fathom_conv_d_weight_reduce",
         {blocks_of(static_cast<int64_t>(expected.size()), FATHOM_GEMM_REDUCE_THREADS)},
         {FATHOM_GEMM_REDUCE_THREADS}, 0, args);
  EXPECT_CALIBRATED(d_weight.values(), expected, to_float(expected));
  if (splits > 1) {
    const std::string key = "conv d_weight " + std::to_string(rows) + " " + std::to_string(columns);
    expect_same_bits(key.c_str(), d_weight.values());
  }
}

#endif
