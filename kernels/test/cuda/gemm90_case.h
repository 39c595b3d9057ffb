/* What the tests of products on sm_90a share: tiles, tensor maps, launches. */
#ifndef FATHOM_TEST_CUDA_GEMM90_CASE_H
#define FATHOM_TEST_CUDA_GEMM90_CASE_H

#include "gemm_case.h"

struct Tile90Shape {
  const char* name;
  int m, n;
};
constexpr Tile90Shape TILE90_128X256 = {"128x256", 128, 256},
                      TILE90_128X128 = {"128x128", 128, 128}, TILE90_128X64 = {"128x64", 128, 64};
constexpr Tile90Shape TILES_90[] = {TILE90_128X256, TILE90_128X128, TILE90_128X64};

inline bool is_sm90() {
  int major = 0;
  cuDeviceGetAttribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 0);
  return major == 9 && !elem_is_float();
}

/* A tensor of bf16 in 128-byte swizzled boxes; sizes innermost first, strides in elements. */
inline fathom_cuda_tensor_map encode_map(const void* address, const std::vector<uint64_t>& sizes,
                                         std::vector<uint64_t> strides,
                                         const std::vector<uint32_t>& box) {
  CUtensorMap map;
  for (uint64_t& stride : strides) stride *= 2;
  const std::vector<uint32_t> ones(sizes.size(), 1);
  EXPECT_OK(cuTensorMapEncodeTiled(
      &map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, static_cast<uint32_t>(sizes.size()),
      const_cast<void*>(address), sizes.data(), strides.data(), box.data(), ones.data(),
      CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
      CU_TENSOR_MAP_L2_PROMOTION_L2_128B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE));
  fathom_cuda_tensor_map result;
  memcpy(&result, &map, sizeof result);
  return result;
}
/* A matrix in boxes of 64 columns. */
inline fathom_cuda_tensor_map matrix_map(const void* address, int64_t rows, int64_t columns,
                                         int64_t stride, int box_rows) {
  return encode_map(address, {static_cast<uint64_t>(columns), static_cast<uint64_t>(rows)},
                    {static_cast<uint64_t>(stride)},
                    {FATHOM_GEMM90_K, static_cast<uint32_t>(box_rows)});
}

/* <prefix>_<tile> for a product [m,n] in `splits` parts, on `most` blocks at most. */
template <class Args>
void launch_tiles90(const std::string& prefix, const Tile90Shape& tile, int64_t m, int64_t n,
                    int splits, unsigned most, const Args& args) {
  const int64_t items = ceil_div(m, tile.m) * ceil_div(n, tile.n) * splits;
  launch((prefix + "_" + tile.name).c_str(), {std::min(most, static_cast<unsigned>(items))},
         {FATHOM_GEMM90_THREADS}, FATHOM_GEMM90_SHARED, args);
}

#endif
