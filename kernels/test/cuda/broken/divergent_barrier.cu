/*
 * A barrier in a branch that half of the block takes (n 0), that returns early (n 1), or two
 * barriers (n 2).
 */
#include "args.h"
#include "dev.h"

extern "C" __global__ void __launch_bounds__(64)
    divergent_barrier(const GRID_CONSTANT broken_args args) {
  const bool here = args.repaired || threadIdx.x < 32;
  if (args.n == 1 && !here) return;
  if (here) {
    __syncthreads();
  } else if (args.n == 2) {
    __syncthreads();
  }
  args.y[threadIdx.x] = 1;
}
REGISTER_KERNEL(divergent_barrier)
