/* What dev90.h needs of the emulator: implemented in mbarrier.cpp and wgmma.cpp. */
#ifndef FATHOM_EMULATOR_EMULATE90_H
#define FATHOM_EMULATOR_EMULATE90_H

#include "runtime.h"

namespace emulator {

EMULATOR_API void mbarrier_init(uint64_t* barrier, int arrivals);
EMULATOR_API void mbarrier_fence_init();
EMULATOR_API void mbarrier_arrive(uint64_t* barrier, int expected_bytes);
EMULATOR_API void mbarrier_wait(uint64_t* barrier, int parity, Place place);

/*
 * `map`: what cuTensorMapEncodeTiled filled; `at`: a coordinate for each dimension, the innermost
 * first.
 */
EMULATOR_API void tensor_load(void* shared, const uint64_t* map, const int* at, int rank,
                              uint64_t* barrier);
EMULATOR_API void tensor_store(const uint64_t* map, const int* at, int rank, const void* shared);
EMULATOR_API void tensor_store_commit();
EMULATOR_API void tensor_store_wait(int pending_groups);

EMULATOR_API void fence_async_shared();

/* setmaxnreg: of the calling warpgroup, to `count` registers a thread. */
EMULATOR_API void registers_take(int count, Place place);
EMULATOR_API void registers_give(int count, Place place);

/* Where dynamic shared memory is the whole of it. */
EMULATOR_API uint32_t shared_offset(const void* p);

struct Wgmma {
  float* d;          /* this thread's N / 2 */
  const uint32_t* a; /* this thread's 4 registers; null: A has a descriptor */
  uint64_t a_descriptor, b_descriptor;
  int n;
  bool accumulate, a_transposed, b_transposed;
};
EMULATOR_API void wgmma(const Wgmma& operands, Place place);
EMULATOR_API void wgmma_fence();
EMULATOR_API void wgmma_commit();
EMULATOR_API void wgmma_wait(int pending_groups);

}  // namespace emulator

#endif
