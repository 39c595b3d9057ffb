/* Kernels for the tests of the driver's bindings. */
#include "dev.h"

struct axpy_args {
  const float* x; /* [n] */
  float* y;       /* [n], added to */
  int32_t n;
  float a;
};
extern "C" __global__ void __launch_bounds__(128) test_axpy(const GRID_CONSTANT axpy_args args) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < args.n) args.y[i] += args.a * args.x[i];
}
REGISTER_KERNEL(test_axpy)

struct geometry_args {
  int32_t* seen; /* [grid.z, grid.y, grid.x, 3]: the block's size */
};
extern "C" __global__ void __launch_bounds__(64) test_geometry(const GRID_CONSTANT geometry_args args) {
  if (threadIdx.x + threadIdx.y + threadIdx.z != 0) return;
  int32_t* seen = args.seen + 3 * ((blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x);
  seen[0] = static_cast<int32_t>(blockDim.x);
  seen[1] = static_cast<int32_t>(blockDim.y);
  seen[2] = static_cast<int32_t>(blockDim.z);
}
REGISTER_KERNEL(test_geometry)

/* Reverses n floats through n floats of dynamic shared memory, in one block of 64 threads. */
struct reverse_args {
  const float* x; /* [n] */
  float* y;       /* [n] */
  int32_t n;
};
extern "C" __global__ void __launch_bounds__(64) test_reverse(const GRID_CONSTANT reverse_args args) {
  EXTERN_SHARED(shared);
  float* const values = reinterpret_cast<float*>(shared);
  for (int i = static_cast<int>(threadIdx.x); i < args.n; i += 64) values[i] = args.x[i];
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < args.n; i += 64) args.y[i] = values[args.n - 1 - i];
}
REGISTER_KERNEL(test_reverse)
