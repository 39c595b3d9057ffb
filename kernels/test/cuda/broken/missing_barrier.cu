/*
 * The sum of a block's 128 values; without the barrier a thread reads partial sums before they are
 * written.
 */
#include "args.h"
#include "dev.h"

extern "C" __global__ void __launch_bounds__(128)
    missing_barrier(const GRID_CONSTANT broken_args args) {
  __shared__ float partial[4];
  const float sum = warp_sum(args.x[threadIdx.x]);
  if (lane_id() == 0) partial[warp_id()] = sum;
  if (args.repaired) __syncthreads();
  if (threadIdx.x == 0) args.y[0] = partial[0] + partial[1] + partial[2] + partial[3];
}
REGISTER_KERNEL(missing_barrier)
