/*
 * The stand-in driver's objects and how its functions begin. One mutex guards everything: a call of
 * the driver, and every operation that it runs, is alone.
 */
#ifndef FATHOM_EMULATOR_DRIVER_H
#define FATHOM_EMULATOR_DRIVER_H

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "driver_api.h"
#include "runtime.h"

#define DRIVER_API extern "C" __attribute__((visibility("default"))) CUresult

namespace emulator {

/* A point in a stream: an event's record. */
struct Record {
  struct CUstream_st* stream; /* valid until done */
  uint64_t number;
  bool done = false;
  double seconds = 0; /* when it was reached */
};

struct Capture;

struct Operation {
  uint64_t number; /* in the order of calls */
  std::function<CUresult()> run;
};

}  // namespace emulator

struct CUctx_st {
  int references = 0;
};
struct CUstream_st {
  bool blocking = true; /* waits for the legacy stream, and it for this one */
  std::deque<emulator::Operation> queue;
  emulator::Capture* capture = nullptr;
};
struct CUevent_st {
  std::shared_ptr<emulator::Record> record; /* the latest; null before the first */
  emulator::Capture* capture = nullptr;     /* recorded in this capture */
  CUstream captured_in = nullptr;
  bool timing = true;
};
struct CUmod_st {
  void* library = nullptr;
  int file = -1;
  size_t static_bytes = 0; /* of __shared__ variables */
  std::vector<std::unique_ptr<struct CUfunc_st>> functions;
};
struct CUfunc_st {
  const emulator::Kernel* kernel;
  CUmodule module;
  int dynamic_limit = 48 * 1024;
};

namespace emulator {

struct Driver {
  std::recursive_mutex mutex;
  bool initialised = false;
  CUresult sticky = CUDA_SUCCESS; /* after a fault every call returns it */
  unsigned schedule = 0;
  bool delayed = false;
  int capability = 90;
  int multiprocessors = 4;
  bool dry = false; /* nothing is done, all else is as ever */
  CUctx_st primary;
  std::set<CUctx_st*> contexts;
  CUstream_st legacy, per_thread;
  std::set<CUstream_st*> streams; /* all, in addition to those two */
  std::set<CUevent_st*> events;
  std::set<CUmod_st*> modules;
  uint64_t next_number = 1;

  bool valid(CUstream stream) const {
    return stream == &legacy || stream == &per_thread || streams.count(stream);
  }
};
Driver& driver();

enum class Needs { NOTHING, INITIALISATION, CONTEXT };

/*
 * The beginning of every driver function: takes the mutex and finds out whether the call may go on.
 */
class Call {
 public:
  explicit Call(Needs needs);
  CUresult error;

 private:
  std::lock_guard<std::recursive_mutex> lock_;
};
#define DRIVER_CALL(needs)                           \
  const emulator::Call call(emulator::Needs::needs); \
  if (call.error) return call.error

/* Reports what the caller did wrong and returns the error. */
CUresult refuse(CUresult error, const char* text, ...) __attribute__((format(printf, 2, 3)));

/* ---- streams (driver_stream.cpp) ---- */

/* Null and CU_STREAM_LEGACY mean the legacy stream. */
CUstream resolve(CUstream stream);
/*
 * Adds an operation to a stream, or to the graph that the stream is captured into. In delayed mode
 * it runs when somebody waits for it, else now; what it returns then is the context's error.
 */
CUresult enqueue(CUstream stream, std::function<CUresult()> run);
void run_through(CUstream stream, uint64_t number);
/* Runs all that is queued in a stream, or in all of them. */
CUresult finish(CUstream stream);
CUresult finish_all();
/* For calls that may not be made while a stream is captured: ends that capture. */
CUresult refuse_in_capture(const char* function);

/* ---- captures (driver_graph.cpp) ---- */

void capture_operation(CUstream stream, std::function<CUresult()> run);
CUresult capture_event(CUevent event, CUstream stream);
CUresult capture_wait(CUstream stream, CUevent event);
bool any_capture();
void invalidate_captures();
void forget_captures();

/* ---- modules ---- */

void unload_all_modules();

}  // namespace emulator

#endif
