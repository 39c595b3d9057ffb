/*
 * Runs launches: blocks over OS threads, the threads of a block as fibers, in an order given by a
 * seed.
 */
#ifndef FATHOM_EMULATOR_SCHEDULER_H
#define FATHOM_EMULATOR_SCHEDULER_H

#include <csetjmp>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "async90.h"
#include "fiber.h"
#include "runtime.h"

namespace emulator {

constexpr unsigned MAX_THREADS = 1024;
constexpr unsigned MAX_SHARED = 227 * 1024;

/*
 * Order of threads and blocks, and where allocations lie. 0: forward, threads take turns. 1:
 * reverse, each as far as it gets. 2: shuffled, turns. 3: shuffled warps, each as far as it gets.
 * Larger: as 2 and 3 with other shuffles.
 */
struct Launch {
  const Kernel* kernel;
  void* module; /* dlopen's handle */
  dim3 grid, size;
  unsigned shared_bytes;
  const void* parameters;
  size_t static_bytes; /* of all __shared__ variables of the module */
  unsigned schedule;
  bool delayed;
  std::atomic<uint64_t> next_block{0};
  std::atomic<bool> failed{false};
  Fault fault{};
};

/* Runs it to its end. False after a fault, which has been reported. */
bool run_launch(Launch& launch);

/* A set of the block's threads, by their place in the order. */
struct ThreadSet {
  uint64_t words[MAX_THREADS / 64] = {};
  void add(unsigned i) { words[i / 64] |= uint64_t{1} << i % 64; }
  void remove(unsigned i) { words[i / 64] &= ~(uint64_t{1} << i % 64); }
  void add_all(const ThreadSet& other) {
    for (unsigned w = 0; w < MAX_THREADS / 64; w++) words[w] |= other.words[w];
  }
  bool empty() const {
    for (uint64_t w : words) {
      if (w) return false;
    }
    return true;
  }
  /* The first member from `start` on, going round; -1 if empty. */
  int next(unsigned start) const;
};

struct Barrier {
  ThreadSet waiting;
  unsigned arrived = 0, expected = 0;
  bool unfenced = false; /* somebody came without fence_async_shared */
  Place place;
};

/* Threads of a warp or of a warpgroup (its `count`) that meet at one operation. */
struct Gathering {
  unsigned mask = 0; /* 0: free */
  unsigned arrived = 0;
  unsigned count = 0;
  const char* operation = nullptr;
  Place place;
  void* arguments[32] = {};
};
struct Group {
  Gathering gatherings[4]; /* of disjoint masks */
};

/* What an OS thread keeps from block to block, and the block that it runs now. */
class Execution : public Block {
 public:
  Execution();
  /* False if the launch has failed. */
  bool run(Launch& launch, dim3 block_index);
  void poison_shared(const Launch& launch);

  [[noreturn]] void abandon();
  void suspend(const char* what, Place place);
  void make_ready(const ThreadSet& set) { ready.add_all(set); }
  void make_ready(unsigned linear) { ready.add(position[linear]); }
  /* "threads 0-31: __syncthreads at file:line; ..." of all threads that wait. */
  std::string waiting_threads() const;
  const char* describe_shared(const void* address, char* text, size_t size) const;

  Launch* launch = nullptr;
  std::vector<Thread> threads;
  unsigned live = 0, exited = 0;
  ThreadSet ready, polling;
  bool advanced = false; /* since the pollers last looked */
  bool polls = false;    /* the current thread's last look failed */
  Barrier barriers[16];
  std::vector<Group> warps;
  std::vector<Gathering> warpgroups;
  std::vector<void*> warpgroup_arguments;
  std::unique_ptr<Async90> async90; /* null until the block uses it */
  Stacks stacks;
  sigjmp_buf escape; /* for signal handlers */
  unsigned position[MAX_THREADS];
  bool in_fiber = false;

 private:
  void prepare_threads();
  void order_threads();
  int next_thread();
  void check_shared_slack();
  static void enter();

  unsigned order[MAX_THREADS];
  unsigned cursor = 0;
  bool greedy = false;
  void* own_context;
  unsigned char* window = nullptr; /* MAX_SHARED bytes between two inaccessible pages */
};

/* The running block with all that belongs to it; null outside of kernels. */
inline Execution* execution() { return static_cast<Execution*>(block); }

}  // namespace emulator

#endif
