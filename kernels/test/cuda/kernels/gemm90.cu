/*
 * C = A B^T by TMA, a ring of mbarriers and wgmma: a producer warp and a consumer warpgroup.
 * `broken` puts one of the faults into it that such kernels have.
 */
#include "args.h"
#include "dev90.h"

enum { CONSUMERS = 128, TILE = 64 * 64 * 2, HALF = 64 * 32 * 4 };

extern "C" __global__ void __launch_bounds__(160) gemm90(const GRID_CONSTANT gemm90_args args) {
  EXTERN_SHARED(memory);
  unsigned char* output = memory + GEMM90_STAGES * GEMM90_STAGE;
  uint64_t* full = (uint64_t*)(output + 64 * 64 * 4);
  uint64_t* empty = full + GEMM90_STAGES;
  const int thread = (int)threadIdx.x, steps = (args.k + 63) / 64;
  if (thread == 0 && args.broken != 1) {
    for (int s = 0; s < GEMM90_STAGES; s++) {
      mbarrier_init(full + s, 1);
      mbarrier_init(empty + s, CONSUMERS);
    }
    if (args.broken != 10) mbarrier_fence_init();
  }
  __syncthreads();
  if (thread >= CONSUMERS) {
    for (int t = 0; thread == CONSUMERS && t < steps; t++) {
      const int s = t % GEMM90_STAGES, turn = t / GEMM90_STAGES % 2;
      if (args.broken != 2) mbarrier_wait(empty + s, turn ^ 1);
      mbarrier_arrive_expect(full + s, args.broken == 3   ? TILE
                                       : args.broken == 4 ? 3 * TILE
                                                          : 2 * TILE);
      if (args.broken == 5) mbarrier_arrive(full + s);
      tensor_load(memory + s * GEMM90_STAGE, args.a, t * 64 + (args.broken == 12 ? 4 : 0),
                  (int)blockIdx.y * 64, full + s);
      tensor_load(memory + s * GEMM90_STAGE + TILE, args.b, t * 64, (int)blockIdx.x * 64, full + s);
    }
    return;
  }
  float d[32];
  for (int t = 0; t < steps; t++) {
    const int s = t % GEMM90_STAGES, turn = t / GEMM90_STAGES % 2;
    if (args.broken != 6) mbarrier_wait(full + s, turn);
    const unsigned char* a = memory + s * GEMM90_STAGE;
    if (args.broken >= 13) {
      FragA unused;
      load_a_rows(unused, (const elem*)(a + thread * 128));
      if (args.broken == 14) fence_async_shared();
    }
    if (args.broken != 7) wgmma_fence();
#pragma unroll
    for (int k = 0; k < 4; k++) {
      wgmma<64>(d, wgmma_descriptor(a + 32 * k, 0, 1024, Swizzle::BYTES_128),
                wgmma_descriptor(a + TILE + 32 * k, 0, 1024, Swizzle::BYTES_128), t + k > 0);
    }
    wgmma_commit();
    if (args.broken == 8) {
      wgmma_wait<1>();
    } else {
      wgmma_wait<0>();
    }
    mbarrier_arrive(empty + s);
  }
  /* Two boxes of 32 columns: 128 bytes a row, as many as a swizzle holds. */
  float* c = (float*)output;
#pragma unroll
  for (int i = 0; i < 32; i++) {
    const int row = wgmma_row(i), column = wgmma_column(i) % 32, chunk = column / 4 ^ row % 8;
    c[wgmma_column(i) / 32 * (HALF / 4) + row * 32 + chunk * 4 + column % 4] = d[i];
  }
  if (args.broken == 8) wgmma_wait<0>();
  if (args.broken != 11) fence_async_shared();
  barrier_sync(1, CONSUMERS);
  if (thread == 0) {
    for (int half = 0; half < 2; half++) {
      tensor_store(args.c, (int)blockIdx.x * 64 + 32 * half, (int)blockIdx.y * 64,
                   output + half * HALF);
    }
    tensor_store_commit();
    if (args.broken != 9) tensor_store_wait<0>();
  }
}
REGISTER_KERNEL(gemm90)
