/*
 * Fibers: stacks that one OS thread switches between. In assembly on x86-64, by ucontext elsewhere.
 */
#ifndef FATHOM_EMULATOR_FIBER_H
#define FATHOM_EMULATOR_FIBER_H

#include <cstddef>
#include <vector>

namespace emulator {

/* Stacks of one OS thread, each above an inaccessible page. */
class Stacks {
 public:
  static constexpr size_t BYTES = 256 * 1024;
  /* The top of stack `index`; successive tops lie in different cache sets. Null without memory. */
  void* top(unsigned index);
  bool is_guard(const void* address) const;

 private:
  std::vector<char*> stacks_;
};

/* A context that begins in `entry` when switched to; entry never returns. */
void* fiber_prepare(void* stack_top, void (*entry)());
/* Saves the running context in *from and continues `to`. */
extern "C" void fathom_fiber_switch(void** from, void* to);
/* Storage for the context of the OS thread's own stack. */
void* fiber_of_this_thread();

}  // namespace emulator

#endif
