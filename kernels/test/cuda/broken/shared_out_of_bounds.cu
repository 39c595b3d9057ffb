/* Writes element n of n floats of dynamic shared memory. */
#include "args.h"
#include "dev.h"

extern "C" __global__ void __launch_bounds__(32)
    shared_out_of_bounds(const GRID_CONSTANT broken_args args) {
  EXTERN_SHARED(memory);
  ((float*)memory)[args.repaired ? threadIdx.x : threadIdx.x + args.n - 31] = 1;
}
REGISTER_KERNEL(shared_out_of_bounds)
