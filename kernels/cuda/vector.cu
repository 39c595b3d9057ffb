/*
 * Whole arrays as vectors: fill, axpby, sum of squares, conversion between float and elem. All are
 * bound by memory: a thread handles 8 neighbours with 16-byte accesses, the array's last ones one
 * at a time.
 */
#include "args_vector.h"
#include "dev.h"

enum { THREADS = FATHOM_VECTOR_THREADS };

/* The first of this thread's 8 elements. */
DEV int64_t first_element() { return ((int64_t)blockIdx.x * THREADS + threadIdx.x) * 8; }

/* f(i) for this thread's elements one by one, or all(i) for its 8. */
template <class All, class One>
DEV void for_eight(int64_t n, All all, One one) {
  const int64_t first = first_element();
  if (first + 8 <= n) {
    all(first);
  } else {
    for (int64_t i = first; i < n; i++) one(i);
  }
}

template <class T>
DEV void fill(T* x, int64_t n, float value) {
  const float eight[8] = {value, value, value, value, value, value, value, value};
  for_eight(
      n, [&](int64_t i) { store_8(x + i, eight); },
      [&](int64_t i) { x[i] = from_float<T>(value); });
}

extern "C" __global__ void __launch_bounds__(THREADS)
    fathom_fill(const GRID_CONSTANT fathom_cuda_fill_args args) {
  fill((float*)args.x, args.n, args.value);
}
REGISTER_KERNEL(fathom_fill)

extern "C" __global__ void __launch_bounds__(THREADS)
    fathom_fill_elem(const GRID_CONSTANT fathom_cuda_fill_args args) {
  fill((elem*)args.x, args.n, args.value);
}
REGISTER_KERNEL(fathom_fill_elem)

template <bool READS_Y, class T>
DEV void axpby(int64_t n, float a, const T* x, float b, T* y) {
  for_eight(
      n,
      [&](int64_t i) {
        float u[8], v[8];
        load_8(x + i, u);
        if (READS_Y) load_8(y + i, v);
#pragma unroll
        for (int j = 0; j < 8; j++) v[j] = READS_Y ? a * u[j] + b * v[j] : a * u[j];
        store_8(y + i, v);
      },
      [&](int64_t i) {
        const float u = a * to_float(x[i]);
        y[i] = from_float<T>(READS_Y ? u + b * to_float(y[i]) : u);
      });
}

extern "C" __global__ void __launch_bounds__(THREADS)
    fathom_axpby(const GRID_CONSTANT fathom_cuda_axpby_args args) {
  if (args.b == 0) {
    axpby<false>(args.n, args.a, args.x, args.b, args.y);
  } else {
    axpby<true>(args.n, args.a, args.x, args.b, args.y);
  }
}
REGISTER_KERNEL(fathom_axpby)

extern "C" __global__ void __launch_bounds__(THREADS)
    fathom_axpby_elem(const GRID_CONSTANT fathom_cuda_axpby_elem_args args) {
  if (args.b == 0) {
    axpby<false>(args.n, args.a, (const elem*)args.x, args.b, (elem*)args.y);
  } else {
    axpby<true>(args.n, args.a, (const elem*)args.x, args.b, (elem*)args.y);
  }
}
REGISTER_KERNEL(fathom_axpby_elem)

/*
 * Each thread sums in float64: a sum over 10^9 gradients loses nothing, and memory remains the
 * limit.
 */
extern "C" __global__ void __launch_bounds__(THREADS)
    fathom_partial_squares(const GRID_CONSTANT fathom_cuda_partial_squares_args args) {
  double sum = 0;
  const int64_t stride = (int64_t)gridDim.x * THREADS * 4;
  for (int64_t i = ((int64_t)blockIdx.x * THREADS + threadIdx.x) * 4; i < args.n; i += stride) {
    if (i + 4 <= args.n) {
      float v[4];
      load_4(args.x + i, v);
      sum +=
          ((double)v[0] * v[0] + (double)v[1] * v[1]) + ((double)v[2] * v[2] + (double)v[3] * v[3]);
    } else {
      for (int64_t j = i; j < args.n; j++) sum += (double)args.x[j] * args.x[j];
    }
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) args.partials[blockIdx.x] = sum;
}
REGISTER_KERNEL(fathom_partial_squares)

extern "C" __global__ void __launch_bounds__(THREADS)
    fathom_sum_partials(const GRID_CONSTANT fathom_cuda_sum_partials_args args) {
  double sum = 0;
  for (int i = threadIdx.x; i < args.count; i += THREADS) sum += args.partials[i];
  sum = block_sum(sum);
  if (threadIdx.x == 0) *args.sum = args.add ? *args.sum + sum : sum;
}
REGISTER_KERNEL(fathom_sum_partials)

template <class From, class To>
DEV void convert(int64_t n, const From* x, To* y) {
  for_eight(
      n,
      [&](int64_t i) {
        float v[8];
        load_8(x + i, v);
        store_8(y + i, v);
      },
      [&](int64_t i) { y[i] = from_float<To>(to_float(x[i])); });
}

extern "C" __global__ void __launch_bounds__(THREADS)
    fathom_elem_from_float(const GRID_CONSTANT fathom_cuda_convert_args args) {
  convert(args.n, (const float*)args.x, (elem*)args.y);
}
REGISTER_KERNEL(fathom_elem_from_float)

extern "C" __global__ void __launch_bounds__(THREADS)
    fathom_float_from_elem(const GRID_CONSTANT fathom_cuda_convert_args args) {
  convert(args.n, (const elem*)args.x, (float*)args.y);
}
REGISTER_KERNEL(fathom_float_from_elem)
