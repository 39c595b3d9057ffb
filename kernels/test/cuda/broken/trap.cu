/* An integer division by zero. */
#include "args.h"
#include "dev.h"

extern "C" __global__ void __launch_bounds__(32) trap(const GRID_CONSTANT broken_args args) {
  args.y[threadIdx.x] = (float)(100 / (args.n + args.repaired));
}
REGISTER_KERNEL(trap)
