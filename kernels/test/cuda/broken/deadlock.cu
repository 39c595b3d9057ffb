/* Two warps wait at two named barriers, each for the other. */
#include "args.h"
#include "dev.h"

extern "C" __global__ void __launch_bounds__(64) deadlock(const GRID_CONSTANT broken_args args) {
  const int first = args.repaired ? 1 : 1 + warp_id();
  barrier_sync(first, 64);
  barrier_sync(3 - first, 64);
  args.y[threadIdx.x] = 1;
}
REGISTER_KERNEL(deadlock)
