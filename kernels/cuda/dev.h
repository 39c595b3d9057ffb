/*
 * The device layer: what kernels are written with, the same for a GPU (nvcc, sm_80 and newer) and
 * for the emulator (a C++ compiler, ../emulator). Inline PTX lives here, in dev_fragment.h and
 * dev90.h only.
 *
 *   bf16, elem                 numbers; elem is what activations and packed weights are made of
 *   to_float, from_float<T>    conversions, round to nearest even
 *   load_8, store_8, ...       vector accesses; the address must be a multiple of what is accessed
 *   copy_async_8, ...          copies from global to shared memory that run in the background
 *   warp_sum, block_sum, ...   reductions in a fixed order; every thread gets the result
 *   FragA, FragB, FragC, mma   tensor cores: dev_fragment.h, included at the end
 *
 * elem is bf16; with -DFATHOM_ELEM_FLOAT it is float: a variant for exact tests.
 */
#ifndef FATHOM_CUDA_DEV_H
#define FATHOM_CUDA_DEV_H

#include <stdint.h>

#ifdef __CUDACC__
#define DEV static __device__ __forceinline__
#define DEV_MEMBER __device__ __forceinline__
/* Dynamic shared memory, aligned to 1024 bytes: unsigned char name[]. */
#define EXTERN_SHARED(name) extern __shared__ __align__(1024) unsigned char name[]
/* Marks the argument struct of a kernel: read in place from constant memory. */
#define GRID_CONSTANT __grid_constant__
/* After a kernel's definition: lets the emulator find it. */
#define REGISTER_KERNEL(name)
/*
 * The emulator's reports name the line of the kernel that called a function with a CALLER
 * parameter.
 */
#define CALLER
#define AT_CALLER
#define SYNC_THREADS_AT_CALLER() __syncthreads()
#else
#include "../emulator/emulate.h"
#endif

/* ---- numbers ---- */

struct bf16 {
  uint16_t bits;
};

#ifdef FATHOM_ELEM_FLOAT
typedef float elem;
#else
typedef bf16 elem;
#endif

DEV float to_float(float x) { return x; }
DEV float to_float(bf16 x) { return __uint_as_float((uint32_t)x.bits << 16); }

/* The nearest bf16, ties to even; NaN stays NaN. */
DEV bf16 to_bf16(float x) {
  bf16 r;
#ifdef __CUDACC__
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(r.bits) : "f"(x));
#else
  const uint32_t u = __float_as_uint(x);
  r.bits = x != x ? 0x7fff : (uint16_t)((u + 0x7fff + ((u >> 16) & 1)) >> 16);
#endif
  return r;
}

/* from_float<elem>(x), from_float<float>(x) */
template <class T>
DEV T from_float(float x) {
  if constexpr (sizeof(T) == 4) {
    return x;
  } else {
    return to_bf16(x);
  }
}

/* Two bf16 in a register, `low` in the lower half. */
DEV uint32_t pack_bf16(float low, float high) {
#ifdef __CUDACC__
  uint32_t r;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
  return r;
#else
  return to_bf16(low).bits | (uint32_t)to_bf16(high).bits << 16;
#endif
}
DEV float low_bf16(uint32_t pair) { return __uint_as_float(pair << 16); }
DEV float high_bf16(uint32_t pair) { return __uint_as_float(pair & 0xffff0000u); }

/* ---- vector accesses ---- */

/* 16 bytes at p, which must be a multiple of 16. */
DEV uint4 load_16_bytes(const void* p) {
#ifndef __CUDACC__
  emulator::check_alignment(p, 16, "load of 16 bytes");
#endif
  return *(const uint4*)p;
}
DEV void store_16_bytes(void* p, uint4 v) {
#ifndef __CUDACC__
  emulator::check_alignment(p, 16, "store of 16 bytes");
#endif
  *(uint4*)p = v;
}

/* 8 elements; p must be a multiple of 16 bytes. */
DEV void load_8(const bf16* p, float (&v)[8]) {
  const uint4 u = load_16_bytes(p);
  v[0] = low_bf16(u.x), v[1] = high_bf16(u.x), v[2] = low_bf16(u.y), v[3] = high_bf16(u.y);
  v[4] = low_bf16(u.z), v[5] = high_bf16(u.z), v[6] = low_bf16(u.w), v[7] = high_bf16(u.w);
}
DEV void store_8(bf16* p, const float (&v)[8]) {
  uint4 u;
  u.x = pack_bf16(v[0], v[1]), u.y = pack_bf16(v[2], v[3]);
  u.z = pack_bf16(v[4], v[5]), u.w = pack_bf16(v[6], v[7]);
  store_16_bytes(p, u);
}
DEV void load_4(const float* p, float (&v)[4]) {
  const uint4 u = load_16_bytes(p);
  v[0] = __uint_as_float(u.x), v[1] = __uint_as_float(u.y);
  v[2] = __uint_as_float(u.z), v[3] = __uint_as_float(u.w);
}
DEV void store_4(float* p, const float (&v)[4]) {
  uint4 u;
  u.x = __float_as_uint(v[0]), u.y = __float_as_uint(v[1]);
  u.z = __float_as_uint(v[2]), u.w = __float_as_uint(v[3]);
  store_16_bytes(p, u);
}
DEV void load_8(const float* p, float (&v)[8]) {
  const uint4 a = load_16_bytes(p), b = load_16_bytes(p + 4);
  v[0] = __uint_as_float(a.x), v[1] = __uint_as_float(a.y);
  v[2] = __uint_as_float(a.z), v[3] = __uint_as_float(a.w);
  v[4] = __uint_as_float(b.x), v[5] = __uint_as_float(b.y);
  v[6] = __uint_as_float(b.z), v[7] = __uint_as_float(b.w);
}
DEV void store_8(float* p, const float (&v)[8]) {
  const float low[4] = {v[0], v[1], v[2], v[3]}, high[4] = {v[4], v[5], v[6], v[7]};
  store_4(p, low);
  store_4(p + 4, high);
}

/* Two neighbours; p must be a multiple of two elements' size. */
DEV float2 load_2(const bf16* p) {
#ifndef __CUDACC__
  emulator::check_alignment(p, 4, "load of two elements");
#endif
  const uint32_t u = *(const uint32_t*)p;
  return make_float2(low_bf16(u), high_bf16(u));
}
DEV float2 load_2(const float* p) {
#ifndef __CUDACC__
  emulator::check_alignment(p, 8, "load of two elements");
#endif
  return *(const float2*)p;
}
DEV void store_2(bf16* p, float a, float b) {
#ifndef __CUDACC__
  emulator::check_alignment(p, 4, "store of two elements");
#endif
  *(uint32_t*)p = pack_bf16(a, b);
}
DEV void store_2(float* p, float a, float b) {
#ifndef __CUDACC__
  emulator::check_alignment(p, 8, "store of two elements");
#endif
  *(float2*)p = make_float2(a, b);
}

/* ---- asynchronous copies from global to shared memory (cp.async) ---- */

#ifdef __CUDACC__
DEV uint32_t shared_address(const void* p) { return (uint32_t)__cvta_generic_to_shared(p); }
#endif

/*
 * Starts a copy of 16 bytes; both addresses multiples of 16. Not valid: 16 zero bytes are written
 * and `global` is not read. The destination may be read after copy_async_commit, copy_async_wait
 * and a barrier.
 */
DEV void copy_async_16(void* shared, const void* global, bool valid) {
#ifdef __CUDACC__
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)),
               "l"(global), "r"(valid ? 16 : 0)
               : "memory");
#else
  emulator::copy_async(shared, global, 16, valid);
#endif
}
/* The same with 4 bytes, for rows that are not aligned to 16. */
DEV void copy_async_4(void* shared, const void* global, bool valid) {
#ifdef __CUDACC__
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(shared_address(shared)),
               "l"(global), "r"(valid ? 4 : 0)
               : "memory");
#else
  emulator::copy_async(shared, global, 4, valid);
#endif
}
/* 8 elements: 16 bytes of bf16, 32 bytes of float; addresses multiples of 16. */
DEV void copy_async_8(elem* shared, const elem* global, bool valid) {
  copy_async_16(shared, global, valid);
  if (sizeof(elem) == 4) copy_async_16(shared + 4, global + 4, valid);
}
/* Closes a group: the copies that this thread started since the last commit. */
DEV void copy_async_commit() {
#ifdef __CUDACC__
  asm volatile("cp.async.commit_group;" ::: "memory");
#else
  emulator::copy_async_commit();
#endif
}
/* Waits until at most N of this thread's latest groups are still under way. */
template <int N>
DEV void copy_async_wait() {
#ifdef __CUDACC__
  asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
#else
  emulator::copy_async_wait(N);
#endif
}

/* ---- barriers among a part of a block ---- */

/* Named barrier 1..15: waits until `threads` (a multiple of 32) have arrived. */
DEV void barrier_sync(int id, int threads CALLER) {
#ifdef __CUDACC__
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
#else
  emulator::named_barrier(id, threads, true, place);
#endif
}
/* Arrives without waiting; `threads` counts those that arrive and those that wait. */
DEV void barrier_arrive(int id, int threads CALLER) {
#ifdef __CUDACC__
  asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory");
#else
  emulator::named_barrier(id, threads, false, place);
#endif
}

/* ---- who am I ---- */

/* For blocks with one dimension. */
DEV int lane_id() { return (int)(threadIdx.x % 32); }
DEV int warp_id() { return (int)(threadIdx.x / 32); }

/* ---- reductions ----
 * Called by all threads of the warp or block. The order of additions is fixed, every thread gets
 * the same bits. T is float, double, int, unsigned or a 64-bit integer. Blocks have one dimension,
 * a multiple of 32.
 */

struct Add {
  template <class T>
  static DEV_MEMBER T apply(T a, T b) {
    return a + b;
  }
};
struct Max {
  template <class T>
  static DEV_MEMBER T apply(T a, T b) {
    return a > b ? a : b;
  }
};
struct Min {
  template <class T>
  static DEV_MEMBER T apply(T a, T b) {
    return a < b ? a : b;
  }
};

/* Over groups of WIDTH neighbouring lanes (a power of two up to 32). */
template <class Operation, int WIDTH = 32, class T>
DEV T warp_reduce(T v CALLER) {
#ifdef __CUDACC__
#pragma unroll
  for (int step = WIDTH / 2; step > 0; step /= 2)
    v = Operation::apply(v, __shfl_xor_sync(0xffffffffu, v, step));
  return v;
#else
  return emulator::warp_butterfly(v, WIDTH, [](T a, T b) { return Operation::apply(a, b); }, place);
#endif
}
template <class T>
DEV T warp_sum(T v CALLER) {
  return warp_reduce<Add>(v AT_CALLER);
}
template <class T>
DEV T warp_max(T v CALLER) {
  return warp_reduce<Max>(v AT_CALLER);
}
template <class T>
DEV T warp_min(T v CALLER) {
  return warp_reduce<Min>(v AT_CALLER);
}

/* `identity` is what missing warps contribute. Contains two barriers. */
template <class Operation, class T>
DEV T block_reduce(T v, T identity CALLER) {
  __shared__ T partial[32];
  v = warp_reduce<Operation>(v AT_CALLER);
  SYNC_THREADS_AT_CALLER(); /* the previous call's readers are through */
  if (lane_id() == 0) partial[warp_id()] = v;
  SYNC_THREADS_AT_CALLER();
  return warp_reduce<Operation>(lane_id() < (int)(blockDim.x / 32) ? partial[lane_id()] : identity
                                    AT_CALLER);
}
template <class T>
DEV T block_sum(T v CALLER) {
  return block_reduce<Add>(v, (T)0 AT_CALLER);
}
/* For float: of values that are not NaN. */
DEV float block_max(float v CALLER) {
  return block_reduce<Max>(v, -__int_as_float(0x7f800000) AT_CALLER);
}
DEV float block_min(float v CALLER) {
  return block_reduce<Min>(v, __int_as_float(0x7f800000) AT_CALLER);
}

#include "dev_fragment.h"

#endif
