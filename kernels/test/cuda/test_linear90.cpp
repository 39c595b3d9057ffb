/* linear90.cu: linear layers by TMA and wgmma. */
#include "gemm_case.h"

namespace {

bool is_sm90() {
  int major = 0;
  cuDeviceGetAttribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 0);
  return major == 9 && !elem_is_float();
}

/* Rows of `columns` elements, `stride` apart, in boxes of 128 rows and LINEAR90_K columns. */
fathom_cuda_tensor_map map_of(const Tensor& t, int64_t rows, int64_t columns, int64_t stride) {
  CUtensorMap map;
  const uint64_t sizes[] = {static_cast<uint64_t>(columns), static_cast<uint64_t>(rows)};
  const uint64_t strides[] = {static_cast<uint64_t>(stride) * 2};
  const uint32_t box[] = {FATHOM_LINEAR90_K, FATHOM_LINEAR90_TILE}, ones[] = {1, 1};
  EXPECT_OK(cuTensorMapEncodeTiled(&map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 2, t, sizes, strides,
                                   box, ones, CU_TENSOR_MAP_INTERLEAVE_NONE,
                                   CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_128B,
                                   CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE));
  fathom_cuda_tensor_map result;
  memcpy(&result, &map, sizeof result);
  return result;
}

/* y = residual + scale * gelu(x weight^T + bias), on `blocks` blocks. */
void check(int rows, int in, int out, int gap, unsigned blocks, bool everything) {
  const int stride = in + gap;
  const int64_t n = static_cast<int64_t>(rows) * out;
  const std::vector<float> x = to_elem(random_values(static_cast<int64_t>(rows) * stride, 1)),
                           weight = to_elem(
                               random_values(static_cast<int64_t>(out) * in, 2, -0.3f, 0.3f)),
                           bias = random_values(out, 3), scale = random_values(out, 4),
                           residual = to_elem(random_values(n, 5));
  std::vector<double> z(n), y(n);
  for (int r = 0; r < rows; r++) {
    for (int o = 0; o < out; o++) {
      double sum = bias[o];
      for (int k = 0; k < in; k++)
        sum += static_cast<double>(x[r * stride + k]) * weight[o * in + k];
      const int64_t at = static_cast<int64_t>(r) * out + o;
      z[at] = y[at] = sum;
      if (everything)
        y[at] = residual[at] + scale[o] * 0.5 * sum * (1 + std::erf(sum / std::sqrt(2.0)));
    }
  }
  Tensor x_device = Tensor::elems(x), packed = pack_weight(weight, out, 1, in, in, 0, 1),
         bias_device = Tensor::floats(bias), scale_device = Tensor::floats(scale),
         residual_device = Tensor::elems(residual), result = Tensor::empty_elems(n),
         pre = Tensor::empty_elems(n);
  fathom_cuda_linear90_args args = {};
  args.x_map = map_of(x_device, rows, in, stride);
  args.packed_map = map_of(packed, out, round_up_8(in), round_up_8(in));
  args.linear = {.x = x_device,
                 .packed = packed,
                 .bias = bias_device,
                 .scale = given(everything, scale_device),
                 .residual = given(everything, residual_device),
                 .y = result,
                 .pre_activation = given(everything, pre),
                 .partial = nullptr,
                 .x_stride = stride,
                 .rows = rows,
                 .in = in,
                 .out = out,
                 .activation = everything ? 2 : 0,
                 .splits = 1,
                 .reserved = 0};
  launch("fathom_linear_sm90", {blocks}, {FATHOM_LINEAR90_THREADS}, FATHOM_LINEAR90_SHARED, args);
  EXPECT_CALIBRATED(result.values(), y, stored(y));
  if (everything) EXPECT_CALIBRATED(pre.values(), z, stored(z));
}

}  // namespace

TEST(linear_by_wgmma) {
  if (!is_sm90()) return;
  check(130, 72, 136, 0, 4, true); /* a tile for each block */
  check(70, 40, 300, 8, 2, false); /* more tiles than blocks: both warpgroups, one of them twice */
  check(300, 200, 24, 0, 1, true); /* the ring turns over within and between tiles */
  check(1, 8, 8, 0, 1, false);
}
