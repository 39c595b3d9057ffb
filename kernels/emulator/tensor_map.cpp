/* cuTensorMapEncodeTiled, with the conditions of the driver API's documentation. */
#include "tensor_map.h"

#include <cstring>

#include "driver.h"

using namespace emulator;

namespace {

/* Bytes of a CUtensorMapDataType; 0 where it is none. */
int bytes_of_type(int type) {
  constexpr int BYTES[] = {1, 2, 4, 4, 8, 8, 2, 4, 8, 2, 4, 4, 4};
  return type >= 0 && type < 13 ? BYTES[type] : 0;
}

}  // namespace

DRIVER_API cuTensorMapEncodeTiled(CUtensorMap* map, int type, uint32_t rank, void* address,
                                  const uint64_t* sizes, const uint64_t* strides,
                                  const uint32_t* box, const uint32_t* element_strides,
                                  int interleave, int swizzle, int, int fill) {
  DRIVER_CALL(INITIALISATION);
  const auto bad = [](const char* text) {
    return refuse(CUDA_ERROR_INVALID_VALUE, "cuTensorMapEncodeTiled: %s", text);
  };
  const int bytes = bytes_of_type(type);
  if (!map || reinterpret_cast<uintptr_t>(map) % 64)
    return bad("the map is not aligned to 64 bytes");
  if (bytes == 0) return bad("no such data type");
  if (rank < 1 || rank > 5) return bad("rank is 1 to 5");
  if (!address || reinterpret_cast<uintptr_t>(address) % 16)
    return bad("the address is no multiple of 16");
  if (interleave != CU_TENSOR_MAP_INTERLEAVE_NONE || fill != CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE) {
    return refuse(CUDA_ERROR_NOT_SUPPORTED,
                  "cuTensorMapEncodeTiled: interleave and NaN fill are not emulated");
  }
  if (swizzle < CU_TENSOR_MAP_SWIZZLE_NONE || swizzle > CU_TENSOR_MAP_SWIZZLE_128B)
    return bad("no such swizzle");
  TensorMap t = {};
  t.magic = TensorMap::MAGIC;
  t.rank = static_cast<uint8_t>(rank);
  t.element_bytes = static_cast<uint8_t>(bytes);
  t.swizzle = static_cast<uint8_t>(swizzle);
  t.address = static_cast<char*>(address);
  t.box_bytes = static_cast<uint32_t>(bytes);
  for (uint32_t i = 0; i < rank; i++) {
    if (sizes[i] < 1 || sizes[i] > uint64_t{1} << 32) return bad("a size is 1 to 2^32");
    if (box[i] < 1 || box[i] > 256) return bad("a box is 1 to 256 elements wide");
    if (element_strides[i] != 1) {
      return refuse(CUDA_ERROR_NOT_SUPPORTED,
                    "cuTensorMapEncodeTiled: element strides are not emulated");
    }
    t.sizes[i] = static_cast<uint32_t>(sizes[i] - 1);
    t.box[i] = box[i];
    t.box_bytes *= box[i];
    if (i == 0) continue;
    if (strides[i - 1] % 16 || strides[i - 1] >= uint64_t{1} << 40)
      return bad("a stride is a multiple of 16 below 2^40");
    t.strides[i - 1] = strides[i - 1];
  }
  const uint32_t row = box[0] * static_cast<uint32_t>(bytes);
  if (row % 16) return bad("the box's inner bytes are no multiple of 16");
  if (swizzle && row > 16u << swizzle) return bad("the box's inner bytes exceed the swizzle");
  memset(map, 0, sizeof *map);
  memcpy(map, &t, sizeof t);
  return CUDA_SUCCESS;
}
