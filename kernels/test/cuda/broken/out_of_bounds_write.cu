/* Writes before the start of y (n 0) or behind its end. */
#include "args.h"
#include "dev.h"

extern "C" __global__ void __launch_bounds__(64)
    out_of_bounds_write(const GRID_CONSTANT broken_args args) {
  if (threadIdx.x == 3) args.y[args.repaired ? 0 : args.n > 0 ? args.n : -1] = 1;
}
REGISTER_KERNEL(out_of_bounds_write)
