/* D = A B by one wgmma, operands copied to shared memory byte by byte: for trying descriptors. */
#include "args.h"
#include "dev90.h"

template <int N, bool AT, bool BT>
DEV void product(const product90_args& args, unsigned char* memory) {
  float d[N / 2];
  const uint64_t b =
      args.b_descriptor | wgmma_descriptor(memory + args.a_bytes, 0, 0, Swizzle::NONE);
  FragA a;
  if (args.a_registers) { /* A is [64,16] without a swizzle here */
    const bf16* tile = (const bf16*)memory + threadIdx.x / 32 * 16 * 16;
    load_a(a, tile, 16);
  }
  wgmma_fence();
  if (args.a_registers) {
    wgmma<N, BT>(d, a, b, false);
  } else {
    wgmma<N, AT, BT>(d, args.a_descriptor | wgmma_descriptor(memory, 0, 0, Swizzle::NONE), b,
                     false);
  }
  wgmma_commit();
  wgmma_wait<0>();
#pragma unroll
  for (int i = 0; i < N / 2; i++) args.d[wgmma_row(i) * N + wgmma_column(i)] = d[i];
}

template <int N>
DEV void product_of_layouts(const product90_args& args, unsigned char* memory) {
  if (args.a_transposed && args.b_transposed) {
    product<N, true, true>(args, memory);
  } else if (args.a_transposed) {
    product<N, true, false>(args, memory);
  } else if (args.b_transposed) {
    product<N, false, true>(args, memory);
  } else {
    product<N, false, false>(args, memory);
  }
}

extern "C" __global__ void __launch_bounds__(128)
    product90(const GRID_CONSTANT product90_args args) {
  EXTERN_SHARED(memory);
  for (int i = (int)threadIdx.x; i < args.a_bytes; i += 128)
    memory[i] = ((const unsigned char*)args.a)[i];
  for (int i = (int)threadIdx.x; i < args.b_bytes; i += 128) {
    memory[args.a_bytes + i] = ((const unsigned char*)args.b)[i];
  }
  fence_async_shared();
  __syncthreads();
  if (args.n == 8) product_of_layouts<8>(args, memory);
  if (args.n == 64) product_of_layouts<64>(args, memory);
  if (args.n == 96) product_of_layouts<96>(args, memory);
  if (args.n == 256) product_of_layouts<256>(args, memory);
}
REGISTER_KERNEL(product90)
