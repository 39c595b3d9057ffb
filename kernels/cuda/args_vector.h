/* Arguments of vector.cu: whole arrays. */
#ifndef FATHOM_CUDA_ARGS_VECTOR_H
#define FATHOM_CUDA_ARGS_VECTOR_H

#include <stdint.h>

enum {
  FATHOM_VECTOR_THREADS = 256,
  FATHOM_VECTOR_PER_BLOCK = 256 * 8, /* elements of a block of the element-wise kernels */
  FATHOM_VECTOR_PARTIALS = 1024      /* blocks of fathom_partial_squares, at most */
};

/*
 * fathom_fill: x[i] = value. fathom_fill_elem: the same for elem.
 * grid: ceil(n / FATHOM_VECTOR_PER_BLOCK), block: FATHOM_VECTOR_THREADS, shared: 0 bytes.
 */
typedef struct {
  void* x; /* [n] float, or elem; aligned to 16 bytes */
  int64_t n;
  float value;
} fathom_cuda_fill_args;

/*
 * fathom_axpby: y = a x + b y. With b = 0, y is not read. x may be y. Pointers aligned to 16 bytes.
 * grid: ceil(n / FATHOM_VECTOR_PER_BLOCK), block: FATHOM_VECTOR_THREADS, shared: 0 bytes.
 */
typedef struct {
  const float* x; /* [n] */
  float* y;       /* [n] */
  int64_t n;
  float a, b;
} fathom_cuda_axpby_args;

/*
 * fathom_axpby_elem: the same on elem, computed in float32 and rounded once.
 * grid: ceil(n / FATHOM_VECTOR_PER_BLOCK), block: FATHOM_VECTOR_THREADS, shared: 0 bytes.
 */
typedef struct {
  const void* x; /* [n] elem */
  void* y;       /* [n] elem */
  int64_t n;
  float a, b;
} fathom_cuda_axpby_elem_args;

/*
 * The sum of squares in float64, in two launches and the same order every time.
 * fathom_partial_squares: grid: blocks = min(FATHOM_VECTOR_PARTIALS, ceil(n / FATHOM_VECTOR_PER_BLOCK)), at
 * least 1; fathom_sum_partials: grid: 1. block: FATHOM_VECTOR_THREADS, shared: 0 bytes.
 */
typedef struct {
  const float* x;   /* [n], aligned to 16 bytes */
  double* partials; /* [blocks], written */
  int64_t n;
} fathom_cuda_partial_squares_args;
typedef struct {
  const double* partials; /* [count] */
  double* sum;            /* [1] */
  int32_t count;          /* blocks of the first launch */
  int32_t add;            /* 1: added to *sum, 0: overwrites it */
} fathom_cuda_sum_partials_args;

/*
 * fathom_elem_from_float: y = x, rounded to nearest even; fathom_float_from_elem: y = x. Aligned to 16 bytes.
 * grid: ceil(n / FATHOM_VECTOR_PER_BLOCK), block: FATHOM_VECTOR_THREADS, shared: 0 bytes.
 */
typedef struct {
  const void* x; /* [n] */
  void* y;       /* [n] */
  int64_t n;
} fathom_cuda_convert_args;

#endif
