#include "scheduler.h"

#include <dlfcn.h>
#include <link.h>
#include <sys/mman.h>

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <numeric>
#include <thread>

#include "report.h"

namespace emulator {

__thread Block* block = nullptr;

namespace {

constexpr size_t PAGE = 4096;
constexpr unsigned SHARED_ALIGNMENT = 1024;
/*
 * Behind shared memory's end up to the inaccessible page; a NaN as float and as bf16, unlike the
 * poison.
 */
constexpr unsigned char SLACK[2] = {0xc1, 0xff};

uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 31)) * 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 29)) * 0xbf58476d1ce4e5b9u;
  return x ^ (x >> 32);
}

}  // namespace

int ThreadSet::next(unsigned start) const {
  constexpr unsigned WORDS = MAX_THREADS / 64;
  const unsigned first = start / 64 % WORDS;
  const uint64_t from_start = ~uint64_t{0} << start % 64;
  for (unsigned i = 0; i <= WORDS; i++) {
    const unsigned w = (first + i) % WORDS;
    uint64_t bits = words[w];
    if (i == 0) bits &= from_start;
    if (i == WORDS) bits &= ~from_start;
    if (bits) return static_cast<int>(w * 64 + __builtin_ctzll(bits));
  }
  return -1;
}

/* ---- one block ---- */

Execution::Execution() : own_context(fiber_of_this_thread()) {
  const size_t window_bytes = (MAX_SHARED + PAGE - 1) / PAGE * PAGE;
  void* p = mmap(nullptr, window_bytes + 2 * PAGE, PROT_NONE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) abort();
  window = static_cast<unsigned char*>(p) + PAGE;
  mprotect(window, window_bytes, PROT_READ | PROT_WRITE);
}

bool Execution::run(Launch& of, dim3 block_index) {
  launch = &of;
  grid = of.grid, size = of.size, index = block_index;
  delayed = of.delayed;
  shared_bytes = of.shared_bytes;
  prepare_threads();
  order_threads();
  poison_shared(of);

  block = this;
  in_fiber = true;
  if (sigsetjmp(escape, 1) == 0) {
    const int first = next_thread();
    current = &threads[order[first]];
    fathom_fiber_switch(&own_context, current->context);
  }
  in_fiber = false;
  if (live > 0 && !launch->failed) {
    report(where() + ": deadlock, no thread can go on: " + waiting_threads());
    launch->fault = Fault::DEADLOCK;
    launch->failed = true;
  }
  if (!launch->failed) check_shared_slack();
  block = nullptr;
  return !launch->failed;
}

void Execution::prepare_threads() {
  const unsigned count = size.x * size.y * size.z;
  if (threads.size() != count) threads.resize(count);
  live = count, exited = 0;
  ready = {}, polling = {};
  polls = false, advanced = true;
  async90.reset();
  for (Barrier& barrier : barriers) barrier = {};
  warps.assign((count + 31) / 32, {});
  warpgroups.assign((count + 127) / 128, {});
  warpgroup_arguments.resize(warpgroups.size() * 128);
  for (unsigned i = 0; i < count; i++) {
    Thread& t = threads[i];
    t.linear = i;
    t.index = dim3(i % size.x, i / size.x % size.y, i / size.x / size.y);
    t.exited = false;
    t.waits_for = nullptr;
    t.copies.clear(), t.groups.clear(), t.uncommitted = 0;
    void* top = stacks.top(i);
    if (!top) abort();
    t.context = fiber_prepare(top, enter);
    ready.add(i);
  }
}

void Execution::order_threads() {
  const unsigned count = static_cast<unsigned>(threads.size()), schedule = launch->schedule;
  greedy = schedule % 2 == 1;
  cursor = 0;
  std::iota(order, order + count, 0u);
  const uint64_t block_number = index.x + uint64_t{grid.x} * (index.y + uint64_t{grid.y} * index.z);
  uint64_t seed = mix(schedule * 0x10001u + block_number);
  const auto random = [&seed](unsigned n) {
    return static_cast<unsigned>((seed = mix(seed + 1)) % n);
  };
  if (schedule == 1) {
    std::reverse(order, order + count);
  } else if (schedule >= 2 && !greedy) {
    for (unsigned i = count; i > 1; i--) std::swap(order[i - 1], order[random(i)]);
  } else if (schedule >= 2 && count % 32 == 0) {
    unsigned first[MAX_THREADS / 32];
    const unsigned warp_count = count / 32;
    for (unsigned w = 0; w < warp_count; w++) first[w] = w * 32;
    for (unsigned i = warp_count; i > 1; i--) std::swap(first[i - 1], first[random(i)]);
    for (unsigned i = 0; i < count; i++) order[i] = first[i / 32] + i % 32;
  }
  for (unsigned i = 0; i < count; i++) position[order[i]] = i;
}

/*
 * Shared memory starts with unknown contents: NaN. Its end lies as near to an inaccessible page as
 * can be.
 */
void Execution::poison_shared(const Launch& of) {
  const unsigned bytes =
      (shared_bytes + SHARED_ALIGNMENT - 1) / SHARED_ALIGNMENT * SHARED_ALIGNMENT;
  shared = window + (MAX_SHARED + PAGE - 1) / PAGE * PAGE - bytes;
  memset(shared, 0xff, shared_bytes);
  for (unsigned i = shared_bytes; i < bytes; i++) shared[i] = SLACK[i % 2];

  /* The module's thread-local block is made by the first use in this OS thread. */
  of.kernel->shared_variables();
  void* variables = nullptr;
  if (dlinfo(of.module, RTLD_DI_TLS_DATA, &variables) == 0 && variables) {
    memset(variables, 0xff, of.static_bytes);
  }
}

void Execution::check_shared_slack() {
  const unsigned bytes =
      (shared_bytes + SHARED_ALIGNMENT - 1) / SHARED_ALIGNMENT * SHARED_ALIGNMENT;
  for (unsigned i = shared_bytes; i < bytes; i++) {
    if (shared[i] == SLACK[i % 2]) continue;
    report(where() +
           format(": wrote %u bytes past the end of its %u bytes of dynamic shared memory",
                  i - shared_bytes, shared_bytes));
    launch->fault = Fault::ILLEGAL_ADDRESS;
    launch->failed = true;
    return;
  }
}

const char* Execution::describe_shared(const void* address, char* text, size_t text_size) const {
  const auto* p = static_cast<const unsigned char*>(address);
  const unsigned char* end = window + (MAX_SHARED + PAGE - 1) / PAGE * PAGE;
  if (p < window - PAGE || p >= end + PAGE) return nullptr;
  snprintf(text, text_size, "offset %td of %u bytes of dynamic shared memory", p - shared,
           shared_bytes);
  return text;
}

/* ---- fibers ---- */

void Execution::enter() {
  Execution& e = *execution();
  e.launch->kernel->run(e.launch->parameters);
  /* The hardware finishes copies that were started; those of others may still need them. */
  Thread& t = *e.current;
  for (const PendingCopy& copy : t.copies) {
    if (copy.valid) memcpy(copy.to, copy.from, static_cast<size_t>(copy.bytes));
  }
  t.copies.clear();
  check_end_of_thread90();
  t.exited = true;
  e.live--, e.exited++;
  e.advanced = true;
  const Barrier& all = e.barriers[0];
  if (all.arrived > 0) {
    fault(Fault::LAUNCH_FAILED, "the thread ends while others wait at __syncthreads, line %u",
          all.place.line());
  }
  const int n = e.live > 0 ? e.next_thread() : -1;
  void* to = e.own_context;
  if (n >= 0) {
    e.current = &e.threads[e.order[n]];
    to = e.current->context;
  }
  void* from = t.context;
  fathom_fiber_switch(&from, to);
  abort();
}

int Execution::next_thread() {
  if (launch->failed) return -1;
  int n = ready.next(greedy ? 0 : cursor);
  if (n < 0 && advanced && !polling.empty()) {
    ready = polling, polling = {};
    advanced = false;
    n = ready.next(greedy ? 0 : cursor);
  }
  if (n >= 0) {
    ready.remove(static_cast<unsigned>(n));
    cursor = static_cast<unsigned>(n) + 1;
  }
  return n;
}

void Execution::suspend(const char* what, Place place) {
  Thread& t = *current;
  t.waits_for = what;
  t.place = place;
  const int n = next_thread();
  Thread* next = n >= 0 ? &threads[order[n]] : nullptr;
  if (next != &t) {
    void* to = next ? next->context : own_context;
    if (next) current = next;
    fathom_fiber_switch(&t.context, to);
  }
  t.waits_for = nullptr;
}

void Execution::abandon() {
  void* from = current->context;
  fathom_fiber_switch(&from, own_context);
  abort();
}

std::string Execution::waiting_threads() const {
  std::string text;
  std::vector<bool> told(threads.size());
  for (size_t i = 0; i < threads.size(); i++) {
    const Thread& t = threads[i];
    if (told[i] || t.exited || !t.waits_for) continue;
    std::string numbers;
    for (size_t j = i; j < threads.size(); j++) {
      const auto same = [&](size_t k) {
        const Thread& o = threads[k];
        return !o.exited && o.waits_for && strcmp(o.waits_for, t.waits_for) == 0 &&
               o.place.line() == t.place.line();
      };
      if (!same(j)) continue;
      size_t last = j;
      while (last + 1 < threads.size() && same(last + 1)) last++;
      for (size_t k = j; k <= last; k++) told[k] = true;
      numbers +=
          (numbers.empty() ? "" : ",") + (last > j ? format("%zu-%zu", j, last) : format("%zu", j));
      j = last;
    }
    text += format("%sthreads %s wait for %s at %s:%u", text.empty() ? "" : "; ", numbers.c_str(),
                   t.waits_for, t.place.file_name(), t.place.line());
  }
  return text;
}

/* ---- launches over OS threads ---- */

namespace {

uint64_t block_count(const Launch& launch) {
  return uint64_t{launch.grid.x} * launch.grid.y * launch.grid.z;
}

/* The n-th block to start: forward, reverse, or i -> (a i + b) mod n with a coprime to n. */
uint64_t nth_block(const Launch& launch, uint64_t i) {
  const uint64_t n = block_count(launch);
  if (launch.schedule == 0) return i;
  if (launch.schedule == 1) return n - 1 - i;
  uint64_t a = mix(launch.schedule) % n | 1;
  while (std::gcd(a, n) != 1) a += 2;
  return static_cast<uint64_t>((static_cast<unsigned __int128>(a) * i + mix(launch.schedule + 77)) %
                               n);
}

void run_blocks(Launch& launch) {
  thread_local Execution* mine = new Execution; /* as long as the OS thread, which never ends */
  const uint64_t count = block_count(launch);
  while (!launch.failed) {
    const uint64_t i = launch.next_block++;
    if (i >= count) break;
    const uint64_t b = nth_block(launch, i);
    const dim3 at(static_cast<unsigned>(b % launch.grid.x),
                  static_cast<unsigned>(b / launch.grid.x % launch.grid.y),
                  static_cast<unsigned>(b / launch.grid.x / launch.grid.y));
    mine->run(launch, at);
  }
}

/*
 * OS threads that wait for launches; they are never joined, so that a process may end at any time.
 */
class Workers {
 public:
  Workers() {
    const char* text = getenv("FATHOM_EMULATOR_THREADS");
    unsigned count = text ? static_cast<unsigned>(atoi(text)) : std::thread::hardware_concurrency();
    count = std::clamp(count, 1u, 16u);
    for (unsigned i = 0; i < count; i++) std::thread([this] { work(); }).detach();
    count_ = count;
  }
  void run(Launch& launch) {
    std::unique_lock lock(mutex_);
    launch_ = &launch;
    generation_++;
    running_ = static_cast<unsigned>(std::min<uint64_t>(count_, block_count(launch)));
    to_start_ = running_;
    start_.notify_all();
    done_.wait(lock, [this] { return running_ == 0; });
    launch_ = nullptr;
  }

 private:
  void work() {
    prepare_signal_stack();
    std::unique_lock lock(mutex_);
    for (uint64_t seen = 0;;) {
      start_.wait(lock, [&] { return generation_ != seen && to_start_ > 0; });
      seen = generation_;
      to_start_--;
      Launch& launch = *launch_;
      lock.unlock();
      run_blocks(launch);
      lock.lock();
      if (--running_ == 0) done_.notify_all();
    }
  }
  std::mutex mutex_;
  std::condition_variable start_, done_;
  Launch* launch_ = nullptr;
  uint64_t generation_ = 0;
  unsigned count_ = 0, running_ = 0, to_start_ = 0;
};

}  // namespace

bool run_launch(Launch& launch) {
  static Workers* workers = new Workers;
  workers->run(launch);
  return !launch.failed;
}

}  // namespace emulator
