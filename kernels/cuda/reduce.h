/*
 * Sums over a block, and over all blocks of a grid: each block stores its part, and the one that is done
 * last adds the parts in their order, so that the result has the same bits in every run.
 */
#ifndef FATHOM_CUDA_REDUCE_H
#define FATHOM_CUDA_REDUCE_H

#include "dev.h"

/* v[i] = the sum of v[i] over the block. THREADS is blockDim.x. */
template <int THREADS, int N>
DEV void block_sums(double (&v)[N]) {
  __shared__ double part[THREADS / 32][N];
#pragma unroll
  for (int i = 0; i < N; i++) v[i] = warp_sum(v[i]);
  __syncthreads(); /* the previous call's readers are through */
  if (lane_id() == 0) {
#pragma unroll
    for (int i = 0; i < N; i++) part[warp_id()][i] = v[i];
  }
  __syncthreads();
#pragma unroll
  for (int i = 0; i < N; i++) {
    double sum = 0;
#pragma unroll
    for (int w = 0; w < THREADS / 32; w++) sum += part[w][i];
    v[i] = sum;
  }
}

/*
 * True in the block that is the last of `blocks` to call this with a counter: it then sees what the
 * others wrote before. The counter is 0 before the first and after the last call. Called by a whole block.
 */
DEV bool last_block(uint32_t* counter, uint32_t blocks) {
  __shared__ bool last;
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) {
    last = atomicAdd(counter, 1u) == blocks - 1;
    if (last) *counter = 0;
    __threadfence();
  }
  __syncthreads();
  return last;
}

#endif
