/* No fault here: y = x. The tests call it in wrong ways. */
#include "args.h"
#include "dev.h"

extern "C" __global__ void __launch_bounds__(64) copy(const GRID_CONSTANT broken_args args) {
  const int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < args.n) args.y[i] = args.x[i];
}
REGISTER_KERNEL(copy)
