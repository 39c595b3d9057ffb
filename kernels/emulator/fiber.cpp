#include "fiber.h"

#include <sys/mman.h>
#include <ucontext.h>

#include <cstdint>

#if !defined(__x86_64__) && !defined(FATHOM_EMULATOR_UCONTEXT)
#define FATHOM_EMULATOR_UCONTEXT
#endif

namespace emulator {

namespace {
constexpr size_t PAGE = 4096;
}

void* Stacks::top(unsigned index) {
  while (stacks_.size() <= index) {
    void* p = mmap(nullptr, BYTES, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) return nullptr;
    mprotect(p, PAGE, PROT_NONE);
    stacks_.push_back(static_cast<char*>(p));
  }
  return stacks_[index] + BYTES - index % 32 * 320;
}

bool Stacks::is_guard(const void* address) const {
  for (const char* stack : stacks_) {
    if (address >= stack && address < stack + PAGE) return true;
  }
  return false;
}

#ifndef FATHOM_EMULATOR_UCONTEXT

asm(R"(
.text
.globl fathom_fiber_switch
.hidden fathom_fiber_switch
.type fathom_fiber_switch, @function
fathom_fiber_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size fathom_fiber_switch, . - fathom_fiber_switch
)");

void* fiber_prepare(void* stack_top, void (*entry)()) {
  auto sp = reinterpret_cast<uintptr_t*>(reinterpret_cast<uintptr_t>(stack_top) & ~uintptr_t{63});
  *--sp = 0; /* entry's return address; keeps the stack as the ABI wants it */
  *--sp = reinterpret_cast<uintptr_t>(entry);
  for (int i = 0; i < 6; i++) *--sp = 0;
  return sp;
}

void* fiber_of_this_thread() { return nullptr; }

#else

void* fiber_prepare(void* stack_top, void (*entry)()) {
  auto top = (reinterpret_cast<uintptr_t>(stack_top) & ~uintptr_t{63}) - sizeof(ucontext_t);
  auto context = reinterpret_cast<ucontext_t*>(top & ~uintptr_t{63});
  getcontext(context);
  const size_t bytes = Stacks::BYTES / 2;
  context->uc_stack.ss_sp = reinterpret_cast<char*>(context) - bytes;
  context->uc_stack.ss_size = bytes;
  context->uc_link = nullptr;
  makecontext(context, entry, 0);
  return context;
}

void* fiber_of_this_thread() {
  static thread_local ucontext_t context;
  return &context;
}

/* A context's address never changes, so *from is there already. */
extern "C" void fathom_fiber_switch(void** from, void* to) {
  swapcontext(static_cast<ucontext_t*>(*from), static_cast<ucontext_t*>(to));
}

#endif

}  // namespace emulator
