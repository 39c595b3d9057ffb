#include "report.h"

#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <mutex>

#include "driver_memory.h"
#include "scheduler.h"

namespace emulator {

namespace {
std::mutex text_mutex;
std::string last_text;
struct sigaction previous[65];
}  // namespace

std::string format(const char* text, ...) {
  va_list arguments;
  va_start(arguments, text);
  char buffer[2048];
  vsnprintf(buffer, sizeof buffer, text, arguments);
  va_end(arguments);
  return buffer;
}

void report(const std::string& text) {
  std::lock_guard lock(text_mutex);
  last_text = text;
  if (!getenv("FATHOM_EMULATOR_QUIET")) fprintf(stderr, "emulator: %s\n", text.c_str());
}
std::string last_report() {
  std::lock_guard lock(text_mutex);
  return last_text;
}
void clear_report() {
  std::lock_guard lock(text_mutex);
  last_text.clear();
}

std::string where() {
  const Execution* e = execution();
  if (!e) return "";
  const dim3 &g = e->grid, &b = e->index, &s = e->size, &t = e->current->index;
  return format(
      "kernel %s, grid (%u,%u,%u) of (%u,%u,%u) threads, block (%u,%u,%u), thread (%u,%u,%u), "
      "schedule %u%s",
      e->launch->kernel->name, g.x, g.y, g.z, s.x, s.y, s.z, b.x, b.y, b.z, t.x, t.y, t.z,
      e->launch->schedule, e->launch->delayed ? ", delayed copies" : "");
}

/* ---- signals ---- */

namespace {

void describe_access(const siginfo_t* info, void* context, char* text, size_t size) {
  const char* access = "access to";
#if defined(__x86_64__)
  const auto* machine = static_cast<const ucontext_t*>(context);
  const bool write = machine->uc_mcontext.gregs[REG_ERR] & 2;
  access = write ? "write to" : "read of";
#else
  (void)context;
#endif
  char place[256];
  const Execution* e = execution();
  const char* shared = e->describe_shared(info->si_addr, place, sizeof place);
  if (shared) {
    snprintf(text, size, "%s %s", access, place);
  } else if (e->stacks.is_guard(info->si_addr)) {
    snprintf(text, size, "a thread's stack of %zu bytes is too small", Stacks::BYTES);
  } else {
    snprintf(text, size, "%s %p, %s", access, info->si_addr,
             describe_address(info->si_addr).c_str());
  }
}

void on_signal(int signal, siginfo_t* info, void* context) {
  Execution* e = execution();
  if (e && e->in_fiber) {
    char text[512];
    Fault kind = Fault::ILLEGAL_ADDRESS;
    if (signal == SIGFPE) {
      kind = Fault::LAUNCH_FAILED;
      snprintf(text, sizeof text, "integer division by zero");
    } else if (signal == SIGILL) {
      kind = Fault::LAUNCH_FAILED;
      snprintf(text, sizeof text, "illegal instruction or trap");
    } else {
      describe_access(info, context, text, sizeof text);
    }
    if (!e->launch->failed.exchange(true)) {
      e->launch->fault = kind;
      report(where() + ": " + text);
    }
    siglongjmp(e->escape, 1);
  }
  if (signal == SIGSEGV && is_device_address(info->si_addr)) {
    report(
        format("the host accesses %p, %s", info->si_addr, describe_address(info->si_addr).c_str()));
  }
  const struct sigaction& old = previous[signal];
  if (old.sa_flags & SA_SIGINFO) return old.sa_sigaction(signal, info, context);
  if (old.sa_handler != SIG_DFL && old.sa_handler != SIG_IGN) return old.sa_handler(signal);
  sigaction(signal, &old, nullptr); /* the instruction is repeated and ends the process */
}

}  // namespace

void install_signal_handlers() {
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL}) {
    struct sigaction action = {};
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(signal, &action, &previous[signal]);
  }
}

void prepare_signal_stack() {
  constexpr size_t BYTES = 128 * 1024;
  stack_t stack = {};
  stack.ss_sp = malloc(BYTES);
  stack.ss_size = BYTES;
  sigaltstack(&stack, nullptr);
}

}  // namespace emulator
