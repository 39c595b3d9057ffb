/* A 16-byte access to an address that is a multiple of 4 only. */
#include "args.h"
#include "dev.h"

extern "C" __global__ void __launch_bounds__(32) misaligned(const GRID_CONSTANT broken_args args) {
  float v[4];
  load_4(args.x + (args.repaired ? 4 : 1) * threadIdx.x, v);
  args.y[threadIdx.x] = v[0];
}
REGISTER_KERNEL(misaligned)
