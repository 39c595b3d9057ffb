/* The emulator's contents of a CUtensorMap. */
#ifndef FATHOM_EMULATOR_TENSOR_MAP_H
#define FATHOM_EMULATOR_TENSOR_MAP_H

#include <cstdint>

namespace emulator {

struct TensorMap {
  static constexpr uint32_t MAGIC = 0x464d4150;
  uint32_t magic;
  uint8_t rank, element_bytes, swizzle, unused;
  char* address;
  uint32_t sizes[5];   /* innermost first, less one */
  uint32_t box[5];     /* elements */
  uint64_t strides[4]; /* bytes, of dimensions 1 and up */
  uint32_t box_bytes;
};
static_assert(sizeof(TensorMap) <= 128);

/* An address with the swizzle of 32 << (kind - 1) bytes: kind is CU_TENSOR_MAP_SWIZZLE_*. */
inline uintptr_t swizzled(uintptr_t address, int kind) {
  return address ^ ((address >> 7 & ((1u << kind) - 1)) << 4);
}

}  // namespace emulator

#endif
