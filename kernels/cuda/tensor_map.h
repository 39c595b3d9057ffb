/*
 * A TMA descriptor as part of an argument struct: what cuTensorMapEncodeTiled fills (CUtensorMap).
 */
#ifndef FATHOM_CUDA_TENSOR_MAP_H
#define FATHOM_CUDA_TENSOR_MAP_H

#include <stdint.h>

typedef struct {
  uint64_t opaque[16];
} __attribute__((aligned(64))) fathom_cuda_tensor_map;

#endif
