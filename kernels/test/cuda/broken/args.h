/* Arguments of the kernels in this folder, each of which has one fault that the emulator must find. */
#ifndef FATHOM_TEST_CUDA_BROKEN_ARGS_H
#define FATHOM_TEST_CUDA_BROKEN_ARGS_H

#include <stdint.h>

typedef struct {
  const float* x;
  float* y;
  int32_t n;
  int32_t repaired; /* 1: the same kernel without its fault */
} broken_args;

#endif
