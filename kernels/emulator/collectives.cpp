/* What kernels call when threads meet: barriers, warp and warpgroup collectives, polling. */
#include <cstdarg>

#include "report.h"
#include "scheduler.h"

namespace emulator {

void fault(Fault kind, const char* text, ...) {
  va_list arguments;
  va_start(arguments, text);
  char message[1024];
  vsnprintf(message, sizeof message, text, arguments);
  va_end(arguments);
  Execution& e = *execution();
  if (!e.launch->failed.exchange(true)) {
    e.launch->fault = kind;
    std::string all = where() + ": " + message;
    const std::string waiting = e.waiting_threads();
    if (!waiting.empty()) all += " (" + waiting + ")";
    report(all);
  }
  e.abandon();
}

/* ---- barriers ---- */

namespace {

/* Who comes to a barrier with fence_async_shared, which tensor_store asks about. */
void note_arrival(Execution& e, Barrier& b, int id) {
  if (!e.async90) {
    b.unfenced = true;
    return;
  }
  Async90::ThreadState& t = e.async90->threads[e.current->linear];
  b.unfenced = b.unfenced || !t.fenced_shared;
  t.fenced_shared = false;
  t.barrier = id;
}
void note_departure(Execution& e) {
  if (e.async90) e.async90->threads[e.current->linear].barrier = -1;
}
/* The last one has come. */
void complete(Execution& e, Barrier& b, int id) {
  if (!b.unfenced) {
    for (Async90::ThreadState& t : e.async90->threads) t.published = t.published || t.barrier == id;
  }
  note_departure(e);
  e.make_ready(b.waiting);
  b = {};
}

}  // namespace

void block_barrier(Place place) {
  Execution& e = *execution();
  Barrier& b = e.barriers[0];
  if (e.exited > 0) {
    fault(Fault::LAUNCH_FAILED, "__syncthreads at %s:%u after %u threads of the block have ended",
          place.file_name(), place.line(), e.exited);
  }
  if (b.arrived > 0 && b.place.line() != place.line()) {
    fault(Fault::LAUNCH_FAILED, "divergent __syncthreads: at %s:%u while others wait at %s:%u",
          place.file_name(), place.line(), b.place.file_name(), b.place.line());
  }
  b.place = place;
  e.advanced = true;
  note_arrival(e, b, 0);
  if (++b.arrived == e.threads.size()) return complete(e, b, 0);
  b.waiting.add(e.position[e.current->linear]);
  e.suspend("__syncthreads", place);
  note_departure(e);
}

void named_barrier(int id, int threads, bool wait, Place place) {
  Execution& e = *execution();
  if (id < 1 || id > 15) fault(Fault::LAUNCH_FAILED, "barrier %d: 1 to 15 are there", id);
  if (threads <= 0 || threads % 32 != 0 || static_cast<size_t>(threads) > e.threads.size()) {
    fault(Fault::LAUNCH_FAILED, "barrier %d for %d threads in a block of %zu", id, threads,
          e.threads.size());
  }
  Barrier& b = e.barriers[id];
  if (b.arrived > 0 && b.expected != static_cast<unsigned>(threads)) {
    fault(Fault::LAUNCH_FAILED, "barrier %d for %d threads at line %u, for %u at line %u", id,
          threads, place.line(), b.expected, b.place.line());
  }
  b.place = place;
  b.expected = static_cast<unsigned>(threads);
  e.advanced = true;
  note_arrival(e, b, id);
  if (++b.arrived == b.expected) return complete(e, b, id);
  if (!wait) return note_departure(e);
  b.waiting.add(e.position[e.current->linear]);
  e.suspend("a named barrier", place);
  note_departure(e);
}

/* ---- polling ---- */

void poll(const char* what, Place place) {
  Execution& e = *execution();
  /* The first failed look is news: the thread did something before. */
  if (!e.polls) e.advanced = true;
  e.polls = false;
  e.polling.add(e.position[e.current->linear]);
  e.suspend(what, place);
  e.polls = true;
}
void poll_succeeded() {
  Execution& e = *execution();
  e.polls = false;
  e.advanced = true;
}

/* ---- warps ---- */

void** gather_warp(unsigned mask, const char* operation, void* argument, Place place) {
  Execution& e = *execution();
  Thread& t = *e.current;
  const unsigned lane = t.linear % 32, warp = t.linear / 32;
  Group& group = e.warps[warp];
  if (!(mask >> lane & 1))
    fault(Fault::LAUNCH_FAILED, "%s: lane %u is not in its own mask %08x", operation, lane, mask);
  Gathering* g = nullptr;
  for (Gathering& candidate : group.gatherings) {
    if (candidate.mask == mask) g = &candidate;
  }
  if (!g) {
    for (unsigned l = 0; l < 32; l++) {
      if (!(mask >> l & 1)) continue;
      const unsigned other = warp * 32 + l;
      if (other >= e.threads.size())
        fault(Fault::LAUNCH_FAILED, "%s: lane %u of the mask is not in the block", operation, l);
      if (e.threads[other].exited) {
        fault(Fault::LAUNCH_FAILED, "divergent %s at %s:%u: lane %u of the mask has ended",
              operation, place.file_name(), place.line(), l);
      }
    }
    for (Gathering& candidate : group.gatherings) {
      if (!candidate.mask) g = &candidate;
    }
    if (!g) fault(Fault::LAUNCH_FAILED, "%s: too many different masks in a warp", operation);
    *g = {mask, 0, 0, operation, place, {}};
  } else if (g->operation != operation && strcmp(g->operation, operation) != 0) {
    fault(Fault::LAUNCH_FAILED, "divergent warp: %s at %s:%u while others are at %s, %s:%u",
          operation, place.file_name(), place.line(), g->operation, g->place.file_name(),
          g->place.line());
  } else if (g->place.line() != place.line()) {
    fault(Fault::LAUNCH_FAILED, "divergent %s: at %s:%u while others are at %s:%u", operation,
          place.file_name(), place.line(), g->place.file_name(), g->place.line());
  }
  g->arrived |= 1u << lane;
  g->arguments[lane] = argument;
  e.advanced = true;
  if (g->arrived == mask) return g->arguments;
  e.suspend(operation, place);
  return nullptr;
}

void release_warp(unsigned mask) {
  Execution& e = *execution();
  const unsigned lane = e.current->linear % 32, first = e.current->linear - lane;
  for (Gathering& g : e.warps[first / 32].gatherings) {
    if (g.mask == mask) g.mask = 0;
  }
  for (unsigned l = 0; l < 32; l++) {
    if ((mask >> l & 1) && l != lane) e.make_ready(first + l);
  }
}

void** gather_warpgroup(const char* operation, void* argument, Place place) {
  Execution& e = *execution();
  Thread& t = *e.current;
  const unsigned group = t.linear / 128;
  if ((group + 1) * 128 > e.threads.size()) {
    fault(Fault::LAUNCH_FAILED, "%s outside of a whole warpgroup", operation);
  }
  Gathering& g = e.warpgroups[group];
  if (g.count > 0 && (strcmp(g.operation, operation) != 0 || g.place.line() != place.line())) {
    fault(Fault::LAUNCH_FAILED,
          "divergent warpgroup: %s at line %u while others are at %s, line %u", operation,
          place.line(), g.operation, g.place.line());
  }
  g.operation = operation;
  g.place = place;
  e.warpgroup_arguments[t.linear] = argument;
  e.advanced = true;
  if (++g.count == 128) return &e.warpgroup_arguments[group * 128];
  e.suspend(operation, place);
  return nullptr;
}

void release_warpgroup() {
  Execution& e = *execution();
  const unsigned group = e.current->linear / 128;
  e.warpgroups[group].count = 0;
  for (unsigned i = group * 128; i < (group + 1) * 128; i++) {
    if (i != e.current->linear) e.make_ready(i);
  }
}

/* ---- cp.async ---- */

namespace {
void perform(const PendingCopy& copy) {
  if (copy.valid) {
    memcpy(copy.to, copy.from, static_cast<size_t>(copy.bytes));
  } else {
    memset(copy.to, 0, static_cast<size_t>(copy.bytes));
  }
}
}  // namespace

void start_copy(void* to, const void* from, int bytes, bool valid) {
  const PendingCopy copy{to, from, bytes, valid};
  if (!block->delayed) return perform(copy);
  memset(to, 0xff, static_cast<size_t>(bytes));
  block->current->copies.push_back(copy);
  block->current->uncommitted++;
}

void commit_copies() {
  Thread& t = *block->current;
  t.groups.push_back(t.uncommitted);
  t.uncommitted = 0;
}

void wait_for_copies(int pending_groups) {
  Thread& t = *block->current;
  const int done = static_cast<int>(t.groups.size()) - pending_groups;
  if (done <= 0) return;
  int copies = 0;
  for (int g = 0; g < done; g++) copies += t.groups[g];
  for (int i = 0; i < copies; i++) perform(t.copies[i]);
  t.copies.erase(t.copies.begin(), t.copies.begin() + copies);
  t.groups.erase(t.groups.begin(), t.groups.begin() + done);
}

}  // namespace emulator
