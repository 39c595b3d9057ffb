/* Reads behind the end of x, n elements: `<=` for `<`. */
#include "args.h"
#include "dev.h"

extern "C" __global__ void __launch_bounds__(64)
    out_of_bounds_read(const GRID_CONSTANT broken_args args) {
  const int i = (int)(blockIdx.x * 64 + threadIdx.x);
  if (i < args.n || (i == args.n && !args.repaired)) args.y[i % args.n] = args.x[i];
}
REGISTER_KERNEL(out_of_bounds_read)
