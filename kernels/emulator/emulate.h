/*
 * The CUDA language for a C++ compiler: what the .cu files need of it, no more. Included by dev.h.
 *
 * A kernel becomes an ordinary function that one fiber per CUDA thread calls. Functions that
 * involve other threads call into libcuda.so.1 (runtime.h), which switches fibers.
 */
#ifndef FATHOM_EMULATOR_EMULATE_H
#define FATHOM_EMULATOR_EMULATE_H

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <type_traits>

#include "runtime.h"

/* ---- keywords ---- */

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __restrict__ __restrict
#define __align__(n) __attribute__((aligned(n)))
/* One block at a time runs on an OS thread. */
#define __shared__ static thread_local
/* The bound is found again as the distance between function and table entry: see runtime.h. */
/* (+ 0: GCC 12 fails on a constant that has a name.) */
#define __launch_bounds__(threads, ...) \
  __attribute__((patchable_function_entry((threads) + 0, (threads) + 0)))

#define DEV static inline
#define DEV_MEMBER inline
#define GRID_CONSTANT
#define EXTERN_SHARED(name) unsigned char* const name = emulator::block->shared

#define threadIdx (emulator::block->current->index)
#define blockIdx (emulator::block->index)
#define blockDim (emulator::block->size)
#define gridDim (emulator::block->grid)
constexpr int warpSize = 32;

#ifndef FATHOM_ARCHITECTURE
#define FATHOM_ARCHITECTURE 80
#endif
extern "C" {
__attribute__((weak,
               visibility("hidden"))) extern void* const __start___patchable_function_entries[];
__attribute__((weak,
               visibility("hidden"))) extern void* const __stop___patchable_function_entries[];
/* Marks a module, and says which devices can run it. */
__attribute__((weak, visibility("default"))) int fathom_emulator_architecture() {
  return FATHOM_ARCHITECTURE;
}
}

namespace emulator {

template <class Arguments>
Arguments parameter_of(void (*)(Arguments));
template <auto kernel>
void run_kernel(const void* parameters) {
  using Arguments = decltype(parameter_of(kernel));
  static_assert(std::is_trivially_copyable_v<Arguments>);
  kernel(*static_cast<const Arguments*>(parameters));
}
static inline void* shared_variables() {
  static thread_local char anchor;
  return &anchor;
}
template <auto kernel>
Kernel describe(const char* name) {
  return {name,
          sizeof(decltype(parameter_of(kernel))),
          run_kernel<kernel>,
          shared_variables,
          launch_bound(reinterpret_cast<const void*>(kernel), __start___patchable_function_entries,
                       __stop___patchable_function_entries),
          FATHOM_ARCHITECTURE};
}

}  // namespace emulator

#define REGISTER_KERNEL(name)                                                                    \
  extern "C" __attribute__((visibility("default"))) const emulator::Kernel fathom_kernel_##name; \
  const emulator::Kernel fathom_kernel_##name = emulator::describe<name>(#name);

/* ---- vector types ---- */

struct alignas(8) int2 {
  int x, y;
};
struct alignas(16) int4 {
  int x, y, z, w;
};
struct alignas(8) uint2 {
  unsigned x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
struct alignas(8) float2 {
  float x, y;
};
struct float3 {
  float x, y, z;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(16) double2 {
  double x, y;
};
static inline int2 make_int2(int x, int y) { return {x, y}; }
static inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
static inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
static inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) {
  return {x, y, z, w};
}
static inline float2 make_float2(float x, float y) { return {x, y}; }
static inline float3 make_float3(float x, float y, float z) { return {x, y, z}; }
static inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
static inline double2 make_double2(double x, double y) { return {x, y}; }

#include "emulate_math.h"
#include "emulate_warp.h"

#endif
