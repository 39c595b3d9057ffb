/*
 * Parameters of epilogue.cu: what the product kernels do to their sums in registers, as a pass of
 * its own over the result of a library that cannot.
 */
#ifndef FATHOM_CUDA_ARGS_EPILOGUE_H
#define FATHOM_CUDA_ARGS_EPILOGUE_H

#include <stdint.h>

enum { FATHOM_EPILOGUE_THREADS = 256 };

/*
 * fathom_epilogue: y = residual + residual2 + scale * activation(z + bias).
 *
 * grid: ceil(rows * ceil(columns/8) / THREADS); block: THREADS; shared: 0.
 */
typedef struct {
  const void* z;         /* elem [rows,columns]; may be y */
  const float* bias;     /* [columns] or NULL */
  const float* scale;    /* [columns] or NULL */
  const void* residual;  /* elem [rows,columns] or NULL; may be y */
  const void* residual2; /* the same */
  void* y;               /* elem [rows,columns] */
  void* pre_activation;  /* elem [rows,columns], z + bias, or NULL; may be z */
  int64_t rows;
  int32_t columns;
  int32_t activation; /* FATHOM_ACTIVATION_NONE, RELU or GELU */
} fathom_cuda_epilogue_args;

#endif
