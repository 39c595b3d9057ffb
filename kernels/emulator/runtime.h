/*
 * What compiled kernels and libcuda.so.1 share: the threads of a block, and the functions that the
 * library gives to kernels. A kernel module is a shared object that imports these functions.
 */
#ifndef FATHOM_EMULATOR_RUNTIME_H
#define FATHOM_EMULATOR_RUNTIME_H

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <source_location>
#include <vector>

#define EMULATOR_API __attribute__((visibility("default")))

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
};

namespace emulator {

/* Where a kernel calls something; reports name it. */
using Place = std::source_location;

/* What went wrong; the launch ends with the matching CUDA error. */
enum class Fault { ILLEGAL_ADDRESS, MISALIGNED, LAUNCH_FAILED, DEADLOCK };

/* A copy of cp.async that has been started and not yet performed. */
struct PendingCopy {
  void* to;
  const void* from;
  int bytes;
  bool valid;
};

/* One CUDA thread: a fiber. */
struct Thread {
  void* context = nullptr; /* saved by fiber_switch */
  dim3 index;
  unsigned linear = 0;
  bool exited = false;
  const char* waits_for = nullptr; /* an operation's name while the thread waits, else null */
  Place place;
  std::vector<PendingCopy> copies; /* in delayed mode */
  std::vector<int> groups;         /* copies in each committed group, oldest first */
  int uncommitted = 0;
};

/* The block that this OS thread runs. */
struct Block {
  Thread* current = nullptr;
  dim3 grid, size, index;
  unsigned char* shared = nullptr; /* dynamic shared memory */
  unsigned shared_bytes = 0;
  bool delayed = false; /* asynchronous copies happen at their wait */
};
/* initial-exec: kernels read it for every threadIdx. */
EMULATOR_API extern __thread Block* block __attribute__((tls_model("initial-exec")));

/* Ends the block and the launch with a report; the text says what happened, not where. */
[[noreturn]] EMULATOR_API void fault(Fault kind, const char* format, ...)
    __attribute__((format(printf, 2, 3)));

EMULATOR_API void block_barrier(Place place);
/* Barriers 1..15 of bar.sync and bar.arrive. */
EMULATOR_API void named_barrier(int id, int threads, bool wait, Place place);
/*
 * Lets other threads run before the caller looks again; poll_succeeded after the look that ends it.
 */
EMULATOR_API void poll(const char* what, Place place);
EMULATOR_API void poll_succeeded();

/*
 * Collects the threads of `mask` among 32 (a warp) or all 128 of a warpgroup at one operation. The
 * last one to arrive gets everybody's `argument` (null where a thread takes no part) and computes
 * for all, then calls release; the others get null once that has happened.
 */
EMULATOR_API void** gather_warp(unsigned mask, const char* operation, void* argument, Place place);
EMULATOR_API void release_warp(unsigned mask);
EMULATOR_API void** gather_warpgroup(const char* operation, void* argument, Place place);
EMULATOR_API void release_warpgroup();

/* 16 bytes that ldmatrix reads, on sm_90: a bulk load may not overwrite them without a fence. */
EMULATOR_API void note_matrix_row(const void* row);

EMULATOR_API void start_copy(void* to, const void* from, int bytes, bool valid);
EMULATOR_API void commit_copies();
EMULATOR_API void wait_for_copies(int pending_groups);

/* How libcuda.so.1 sees a kernel: the object `fathom_kernel_<name>` of its module. */
struct Kernel {
  const char* name;
  size_t parameter_bytes;
  void (*run)(const void* parameters); /* by one thread */
  void* (*shared_variables)(); /* an address in the module's thread-local block: its __shared__
                                  variables */
  unsigned launch_bound;       /* threads in a block, at most */
  unsigned architecture;       /* 80 or 90 */
};

/*
 * gcc's patchable_function_entry(n, n) leaves n instructions without effect before the function,
 * and their start in a table.
 */
inline unsigned launch_bound(const void* function, void* const* begin, void* const* end) {
#if defined(__x86_64__)
  constexpr size_t INSTRUCTION = 1;
#else
  constexpr size_t INSTRUCTION = 4;
#endif
  const char* nearest = nullptr;
  for (void* const* entry = begin; entry < end; entry++) {
    const char* p = static_cast<const char*>(*entry);
    if (p <= function && p > nearest) nearest = p;
  }
  const size_t distance = nearest ? static_cast<const char*>(function) - nearest : 0;
  const size_t bound = distance / INSTRUCTION;
  return bound > 0 && bound <= 1024 ? static_cast<unsigned>(bound) : 1024;
}

}  // namespace emulator

#endif
