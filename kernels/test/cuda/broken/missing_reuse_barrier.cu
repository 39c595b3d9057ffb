/*
 * Rotates 128 values twice through shared memory; without the second barrier the second turn
 * overwrites.
 */
#include "args.h"
#include "dev.h"

extern "C" __global__ void __launch_bounds__(128)
    missing_reuse_barrier(const GRID_CONSTANT broken_args args) {
  __shared__ float turn[128];
  const int i = (int)threadIdx.x;
  float v = args.x[i];
  for (int t = 0; t < 2; t++) {
    turn[(i + 33) % 128] = v;
    __syncthreads();
    v = turn[i];
    if (args.repaired) __syncthreads();
  }
  args.y[i] = v;
}
REGISTER_KERNEL(missing_reuse_barrier)
