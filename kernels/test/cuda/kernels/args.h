/* Arguments of the kernels in this folder, which try the device layer itself. */
#ifndef FATHOM_TEST_CUDA_KERNELS_ARGS_H
#define FATHOM_TEST_CUDA_KERNELS_ARGS_H

#include <stdint.h>

#include "../../../cuda/tensor_map.h"

typedef struct {
  const void* a; /* elem */
  const void* b; /* elem */
  float* c;
  int32_t variant;
} fragment_args;

typedef struct {
  fathom_cuda_tensor_map a, b,
      c; /* A [M,K], B [N,K], C [M,N]: boxes of 64 x 64, 64 x 64, 64 x 32 */
  int32_t k;
  int32_t broken; /* which fault the kernel has; 0: none */
} gemm90_args;
enum {
  GEMM90_STAGE = 2 * 64 * 64 * 2, /* bytes of a stage: a tile of A and one of B */
  GEMM90_STAGES = 2,
  GEMM90_SHARED = GEMM90_STAGES * GEMM90_STAGE + 64 * 64 * 4 + 64
};

typedef struct {
  const void* a; /* bf16, copied to shared memory as it is */
  const void* b;
  float* d;                            /* [64,n] */
  uint64_t a_descriptor, b_descriptor; /* without the address */
  int32_t a_bytes, b_bytes;            /* multiples of 1024 */
  int32_t n;                           /* 8, 64, 96 or 256 */
  int32_t a_transposed, b_transposed, a_registers;
} product90_args;

typedef struct {
  int32_t* y;     /* [256]: 1 128 times, then 2 */
  int32_t broken; /* which fault the kernel has; 0: none */
} registers90_args;

#endif
