/* A full-mask shuffle that half of the warp does not reach (n 0), or two different ones (n 1). */
#include "args.h"
#include "dev.h"

extern "C" __global__ void __launch_bounds__(32)
    divergent_shuffle(const GRID_CONSTANT broken_args args) {
  float v = args.x[threadIdx.x];
  if (args.repaired || threadIdx.x < 16) {
    v += __shfl_xor_sync(0xffffffffu, v, 1);
  } else if (args.n == 1) {
    v += __shfl_down_sync(0xffffffffu, v, 1);
  }
  args.y[threadIdx.x] = v;
}
REGISTER_KERNEL(divergent_shuffle)
