/* Copies 16 bytes a thread with cp.async and reads them without waiting for the copy. */
#include "args.h"
#include "dev.h"

extern "C" __global__ void __launch_bounds__(32)
    missing_copy_wait(const GRID_CONSTANT broken_args args) {
  EXTERN_SHARED(memory);
  float* tile = (float*)memory;
  const int i = (int)threadIdx.x;
  copy_async_16(tile + 4 * i, args.x + 4 * i, true);
  copy_async_commit();
  if (args.repaired) {
    copy_async_wait<0>();
  } else {
    copy_async_wait<1>();
  }
  __syncthreads();
  for (int j = 0; j < 4; j++) args.y[i + 32 * j] = tile[i + 32 * j];
}
REGISTER_KERNEL(missing_copy_wait)
