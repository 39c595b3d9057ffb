/*
 * The device layer for sm_90a: bulk tensor copies (TMA), mbarriers, warpgroup matrix products
 * (wgmma). For kernels in *90.cu; elem is bf16 there.
 *
 *   mbarrier_init, _arrive, _wait       barriers that also count bytes
 *   tensor_load, tensor_store           boxes of a tensor <-> shared memory, by one thread
 *   wgmma<N>                            D (64xN, float) += A (64x16) B (16xN), by 128 threads
 *
 * A ring of stages: the producer waits until a stage is empty, then mbarrier_arrive_expect(full,
 * bytes) and tensor_load(..., full); consumers mbarrier_wait(full, parity), multiply, and
 * mbarrier_arrive(empty).
 */
#ifndef FATHOM_CUDA_DEV90_H
#define FATHOM_CUDA_DEV90_H

#ifdef FATHOM_ELEM_FLOAT
#error "kernels for sm_90a have elem = bf16 only"
#endif

#include "dev.h"
#include "tensor_map.h"
#ifdef __CUDACC__
#include "wgmma_operands.h"
#else
#include "../emulator/emulate90.h"
#endif

/* ---- mbarriers: 8 bytes of shared memory each ---- */

/*
 * By one thread, before others see it: `arrivals` end a phase. Then mbarrier_fence_init and
 * __syncthreads.
 */
DEV void mbarrier_init(uint64_t* barrier, int arrivals) {
#ifdef __CUDACC__
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)),
               "r"(arrivals)
               : "memory");
#else
  emulator::mbarrier_init(barrier, arrivals);
#endif
}
/* Makes initialised barriers visible to the asynchronous copies. */
DEV void mbarrier_fence_init() {
#ifdef __CUDACC__
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
#else
  emulator::mbarrier_fence_init();
#endif
}
DEV void mbarrier_arrive(uint64_t* barrier) {
#ifdef __CUDACC__
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier))
               : "memory");
#else
  emulator::mbarrier_arrive(barrier, 0);
#endif
}
/* Arrives, and lets the phase wait for `bytes` more of asynchronous copies. */
DEV void mbarrier_arrive_expect(uint64_t* barrier, int bytes) {
#ifdef __CUDACC__
  asm volatile(
      "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)),
      "r"(bytes)
      : "memory");
#else
  emulator::mbarrier_arrive(barrier, bytes);
#endif
}
/*
 * Waits until the phase of this parity has ended: 0 for the first, then 1, 0, ... Parity 1 of a new
 * barrier counts as ended, so that a producer's first turn does not wait.
 */
DEV void mbarrier_wait(uint64_t* barrier, int parity CALLER) {
#ifdef __CUDACC__
  const uint32_t address = shared_address(barrier);
  uint32_t done;
  do {
    asm volatile(
        "{.reg .pred p; mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2; selp.b32 %0, 1, 0, "
        "p;}"
        : "=r"(done)
        : "r"(address), "r"(parity)
        : "memory");
  } while (!done);
#else
  emulator::mbarrier_wait(barrier, parity, place);
#endif
}

/* ---- bulk tensor copies ----
 * The map gives tensor, box and swizzle; x is the innermost coordinate, in elements, of the box's
 * start. What lies outside of the tensor is read as zero and not written. Shared addresses:
 * multiples of 128 bytes, with the 128-byte swizzle tiles start at multiples of 1024.
 */

/* Starts a load of a box; its bytes are counted by `barrier`. By one thread. */
DEV void tensor_load(void* shared, const fathom_cuda_tensor_map& map, int x, int y,
                     uint64_t* barrier) {
#ifdef __CUDACC__
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, "
      "%4}], [%2];" ::"r"(shared_address(shared)),
      "l"(&map), "r"(shared_address(barrier)), "r"(x), "r"(y)
      : "memory");
#else
  const int at[5] = {x, y};
  emulator::tensor_load(shared, map.opaque, at, 2, barrier);
#endif
}
DEV void tensor_load(void* shared, const fathom_cuda_tensor_map& map, int x, int y, int z,
                     uint64_t* barrier) {
#ifdef __CUDACC__
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, "
      "%4, %5}], "
      "[%2];" ::"r"(shared_address(shared)),
      "l"(&map), "r"(shared_address(barrier)), "r"(x), "r"(y), "r"(z)
      : "memory");
#else
  const int at[5] = {x, y, z};
  emulator::tensor_load(shared, map.opaque, at, 3, barrier);
#endif
}
DEV void tensor_load(void* shared, const fathom_cuda_tensor_map& map, int x, int y, int z, int w,
                     uint64_t* barrier) {
#ifdef __CUDACC__
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, "
      "%4, %5, "
      "%6}], [%2];" ::"r"(shared_address(shared)),
      "l"(&map), "r"(shared_address(barrier)), "r"(x), "r"(y), "r"(z), "r"(w)
      : "memory");
#else
  const int at[5] = {x, y, z, w};
  emulator::tensor_load(shared, map.opaque, at, 4, barrier);
#endif
}

/*
 * Before a tensor_store or wgmma reads what this thread wrote to shared memory, or a tensor_load
 * overwrites what it read by other means than wgmma; then a barrier.
 */
DEV void fence_async_shared() {
#ifdef __CUDACC__
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#else
  emulator::fence_async_shared();
#endif
}
/* Starts a store of a box. By one thread, which also commits and waits. */
DEV void tensor_store(const fathom_cuda_tensor_map& map, int x, int y, const void* shared) {
#ifdef __CUDACC__
  asm volatile(
      "cp.async.bulk.tensor.2d.global.shared::cta.bulk_group [%0, {%2, %3}], [%1];" ::"l"(&map),
      "r"(shared_address(shared)), "r"(x), "r"(y)
      : "memory");
#else
  const int at[5] = {x, y};
  emulator::tensor_store(map.opaque, at, 2, shared);
#endif
}
DEV void tensor_store(const fathom_cuda_tensor_map& map, int x, int y, int z, const void* shared) {
#ifdef __CUDACC__
  asm volatile(
      "cp.async.bulk.tensor.3d.global.shared::cta.bulk_group [%0, {%2, %3, %4}], [%1];" ::"l"(&map),
      "r"(shared_address(shared)), "r"(x), "r"(y), "r"(z)
      : "memory");
#else
  const int at[5] = {x, y, z};
  emulator::tensor_store(map.opaque, at, 3, shared);
#endif
}
DEV void tensor_store(const fathom_cuda_tensor_map& map, int x, int y, int z, int w,
                      const void* shared) {
#ifdef __CUDACC__
  asm volatile(
      "cp.async.bulk.tensor.4d.global.shared::cta.bulk_group [%0, {%2, %3, %4, %5}], [%1];" ::"l"(
          &map),
      "r"(shared_address(shared)), "r"(x), "r"(y), "r"(z), "r"(w)
      : "memory");
#else
  const int at[5] = {x, y, z, w};
  emulator::tensor_store(map.opaque, at, 4, shared);
#endif
}
DEV void tensor_store_commit() {
#ifdef __CUDACC__
  asm volatile("cp.async.bulk.commit_group;" ::: "memory");
#else
  emulator::tensor_store_commit();
#endif
}
/*
 * Until at most N of this thread's groups have not read their shared memory: then it may be written
 * again.
 */
template <int N>
DEV void tensor_store_wait_read() {
#ifdef __CUDACC__
  asm volatile("cp.async.bulk.wait_group.read %0;" ::"n"(N) : "memory");
#else
  emulator::tensor_store_wait(N);
#endif
}
/* Until at most N have not been written. Needed with 0 before the kernel ends. */
template <int N>
DEV void tensor_store_wait() {
#ifdef __CUDACC__
  asm volatile("cp.async.bulk.wait_group %0;" ::"n"(N) : "memory");
#else
  emulator::tensor_store_wait(N);
#endif
}
DEV void prefetch_map(const fathom_cuda_tensor_map& map) {
#ifdef __CUDACC__
  asm volatile("prefetch.tensormap [%0];" ::"l"(&map) : "memory");
#else
  (void)map;
#endif
}

/* ---- warpgroup matrix products ---- */

enum class Swizzle { NONE = 0, BYTES_128 = 1, BYTES_64 = 2, BYTES_32 = 3 };

/*
 * Describes an operand in shared memory; S is the swizzle's width in bytes.
 * Not transposed (K contiguous): rows of S bytes; 8 rows follow each other, the next 8 are `stride`
 * bytes on. `leading` is not used. (NONE: 8 rows of 16 bytes; the next 8 k are `leading` bytes on.)
 *   The next 16 k of a tile: a descriptor 32 bytes further.
 * Transposed (M or N contiguous): a row of S bytes for each k; 8 k follow each other, the next 8
 * are `stride` bytes on, the next S / 2 of M or N `leading` bytes. (NONE: 8 k of 16 bytes, the next
 * 8 k `leading`, the next 8 of M or N `stride` bytes on.)
 */
DEV uint64_t wgmma_descriptor(const void* tile, int leading, int stride, Swizzle swizzle) {
#ifdef __CUDACC__
  const uint32_t address = shared_address(tile);
#else
  const uint32_t address = emulator::shared_offset(tile);
#endif
  return (uint64_t)((address & 0x3ffff) >> 4) | (uint64_t)((leading & 0x3ffff) >> 4) << 16 |
         (uint64_t)((stride & 0x3ffff) >> 4) << 32 | (uint64_t)swizzle << 62;
}

/* Before the first wgmma, and whenever registers of D or A were touched since. */
DEV void wgmma_fence() {
#ifdef __CUDACC__
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#else
  emulator::wgmma_fence();
#endif
}
DEV void wgmma_commit() {
#ifdef __CUDACC__
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
#else
  emulator::wgmma_commit();
#endif
}
/* Until at most PENDING groups are under way: then D may be read, and the operands' memory written.
 */
template <int PENDING>
DEV void wgmma_wait() {
#ifdef __CUDACC__
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(PENDING) : "memory");
#else
  emulator::wgmma_wait(PENDING);
#endif
}

/*
 * After a wait, before D is read, and before the fence where it was written: keeps the compiler from moving
 * accesses of D past either, for nothing else tells it that D changes meanwhile.
 */
template <int COUNT>
DEV void wgmma_hold(float (&d)[COUNT]) {
#ifdef __CUDACC__
#pragma unroll
  for (int i = 0; i < COUNT; i++) asm volatile("" : "+f"(d[i])::"memory");
#else
  (void)d;
#endif
}

/*
 * Before a chain of products that does not accumulate, while others are under way: D's old values
 * are not needed. Otherwise what the kernel wrote to D counts as the chain's input, and ptxas would
 * wait for the others before it.
 */
template <int COUNT>
DEV void wgmma_discard(float (&d)[COUNT]) {
#ifdef __CUDACC__
#pragma unroll
  for (int i = 0; i < COUNT; i++) asm volatile("" : "=f"(d[i]));
#else
  (void)d;
#endif
}

/* Where element i of a thread's D lies: rows of the warpgroup's 64, columns of N. */
DEV int wgmma_row(int i) {
  return (int)(threadIdx.x % 128) / 32 * 16 + lane_id() / 4 + i / 2 % 2 * 8;
}
DEV int wgmma_column(int i) { return i / 4 * 8 + lane_id() % 4 * 2 + i % 2; }

/*
 * Starts D = A B (accumulate false) or D += A B. N: a multiple of 8, at most 256. Not transposed: A
 * is [M,K], B is [N,K] in memory.
 */
template <int N, bool A_TRANSPOSED = false, bool B_TRANSPOSED = false>
DEV void wgmma(float (&d)[N / 2], uint64_t a, uint64_t b, bool accumulate CALLER) {
  static_assert(N % 8 == 0 && N <= 256, "columns of a wgmma");
#ifdef __CUDACC__
#define WGMMA_CASE(n, a_, b_, go_, ta_, tb_)                                                     \
  if constexpr (N == n)                                                                          \
    WGMMA_SHARED_(n, WGMMA_NAMES_##n, WGMMA_OUT_##n(d), a_, b_, go_, ta_, tb_, a, b, accumulate, \
                  A_TRANSPOSED, B_TRANSPOSED);
  WGMMA_SHARED_CASES(WGMMA_CASE)
#undef WGMMA_CASE
#else
  emulator::wgmma({d, nullptr, a, b, N, accumulate, A_TRANSPOSED, B_TRANSPOSED}, place);
#endif
}
/*
 * The same with A in registers: each warp's 16 rows as in a FragA. A's registers are read until the
 * wait.
 */
template <int N, bool B_TRANSPOSED = false>
DEV void wgmma(float (&d)[N / 2], const FragA& a, uint64_t b, bool accumulate CALLER) {
  static_assert(N % 8 == 0 && N <= 256, "columns of a wgmma");
#ifdef __CUDACC__
#define WGMMA_CASE(n, a0_, a1_, a2_, a3_, b_, go_, tb_)                                           \
  if constexpr (N == n)                                                                           \
    WGMMA_REGISTERS_(n, WGMMA_NAMES_##n, WGMMA_OUT_##n(d), a0_, a1_, a2_, a3_, b_, go_, tb_, a.x, \
                     b, accumulate, B_TRANSPOSED);
  WGMMA_REGISTERS_CASES(WGMMA_CASE)
#undef WGMMA_CASE
#else
  emulator::wgmma({d, a.x, 0, b, N, accumulate, false, B_TRANSPOSED}, place);
#endif
}

/* ---- registers between warpgroups; one thread of a warp ---- */

/*
 * By all of a warpgroup: its threads have at most COUNT registers from here on, a multiple of 8 from
 * 24 to 256. Who takes waits until others have given as many.
 */
template <int COUNT>
DEV void registers_take() {
  static_assert(COUNT % 8 == 0 && COUNT >= 24 && COUNT <= 256, "registers of setmaxnreg");
#ifdef __CUDACC__
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(COUNT));
#else
  emulator::registers_take(COUNT, emulator::Place::current());
#endif
}
template <int COUNT>
DEV void registers_give() {
  static_assert(COUNT % 8 == 0 && COUNT >= 24 && COUNT <= 256, "registers of setmaxnreg");
#ifdef __CUDACC__
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(COUNT));
#else
  emulator::registers_give(COUNT, emulator::Place::current());
#endif
}
/* True in one thread of the warp, the same one every time. */
DEV bool elect_one() { return lane_id() == 0; }

#endif
