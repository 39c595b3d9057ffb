/*
 * Stream capture and graphs. A graph is the list of captured operations in the order of their
 * calls.
 */
#include "driver.h"
#include "driver_memory.h"
#include "report.h"

namespace emulator {

struct Capture {
  CUstream origin;
  std::set<CUstream>
      joined; /* streams that wait for an event of this capture and have not been waited for */
  std::vector<std::function<CUresult()>> operations;
  bool invalid = false;
};

}  // namespace emulator

struct CUgraph_st {
  std::vector<std::function<CUresult()>> operations;
};
struct CUgraphExec_st {
  std::vector<std::function<CUresult()>> operations;
};

namespace emulator {

namespace {

/* Of the device, for a graph that can be launched. */
constexpr size_t EXECUTABLE_BYTES = 64 << 10;

std::set<Capture*>& captures() {
  static auto* all = new std::set<Capture*>;
  return *all;
}
std::set<CUgraph>& graphs() {
  static auto* all = new std::set<CUgraph>;
  return *all;
}
std::set<CUgraphExec>& executables() {
  static auto* all = new std::set<CUgraphExec>;
  return *all;
}

void end(Capture* capture) {
  capture->origin->capture = nullptr;
  for (CUstream stream : driver().streams) {
    if (stream->capture == capture) stream->capture = nullptr;
  }
  for (CUevent event : driver().events) {
    if (event->capture == capture) event->capture = nullptr;
  }
  captures().erase(capture);
  delete capture;
}

}  // namespace

bool any_capture() { return !captures().empty(); }
void invalidate_captures() {
  for (Capture* capture : captures()) capture->invalid = true;
}
void forget_captures() {
  while (!captures().empty()) end(*captures().begin());
}

void capture_operation(CUstream stream, std::function<CUresult()> run) {
  Capture* capture = stream->capture;
  if (stream != capture->origin) capture->joined.insert(stream);
  capture->operations.push_back(std::move(run));
}

CUresult capture_event(CUevent event, CUstream stream) {
  event->capture = stream->capture;
  event->captured_in = stream;
  event->record = nullptr;
  return CUDA_SUCCESS;
}

CUresult capture_wait(CUstream stream, CUevent event) {
  if (!event->capture || (stream->capture && stream->capture != event->capture)) {
    stream->capture->invalid = true;
    return refuse(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED,
                  "a captured stream waits for an event from outside");
  }
  Capture* capture = event->capture;
  if (!stream->capture) {
    stream->capture = capture;
    capture->joined.insert(stream);
  }
  capture->joined.erase(event->captured_in);
  return CUDA_SUCCESS;
}

}  // namespace emulator

using namespace emulator;

DRIVER_API cuStreamBeginCapture_v2(CUstream stream, int) {
  DRIVER_CALL(CONTEXT);
  stream = resolve(stream);
  if (!driver().valid(stream)) return CUDA_ERROR_INVALID_HANDLE;
  if (stream == &driver().legacy)
    return refuse(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "the legacy stream cannot be captured");
  if (stream->capture) return CUDA_ERROR_ILLEGAL_STATE;
  stream->capture = new Capture{stream, {}, {}};
  captures().insert(stream->capture);
  return CUDA_SUCCESS;
}
DRIVER_API cuStreamEndCapture(CUstream stream, CUgraph* graph) {
  DRIVER_CALL(CONTEXT);
  stream = resolve(stream);
  if (!driver().valid(stream)) return CUDA_ERROR_INVALID_HANDLE;
  Capture* capture = stream->capture;
  if (!capture) return CUDA_ERROR_ILLEGAL_STATE;
  if (capture->origin != stream) return CUDA_ERROR_STREAM_CAPTURE_UNMATCHED;
  if (graph) *graph = nullptr;
  CUresult error = CUDA_SUCCESS;
  if (capture->invalid) {
    error = CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  } else if (!capture->joined.empty()) {
    error = refuse(CUDA_ERROR_STREAM_CAPTURE_UNJOINED,
                   "a capture ends without waiting for a stream that it includes");
  } else {
    *graph = new CUgraph_st{std::move(capture->operations)};
    graphs().insert(*graph);
  }
  end(capture);
  return error;
}
DRIVER_API cuStreamIsCapturing(CUstream stream, int* status) {
  DRIVER_CALL(CONTEXT);
  stream = resolve(stream);
  if (!driver().valid(stream)) return CUDA_ERROR_INVALID_HANDLE;
  *status = !stream->capture           ? CU_STREAM_CAPTURE_STATUS_NONE
            : stream->capture->invalid ? CU_STREAM_CAPTURE_STATUS_INVALIDATED
                                       : CU_STREAM_CAPTURE_STATUS_ACTIVE;
  return CUDA_SUCCESS;
}
DRIVER_API cuThreadExchangeStreamCaptureMode(int* mode) {
  DRIVER_CALL(INITIALISATION);
  *mode = CU_STREAM_CAPTURE_MODE_GLOBAL;
  return CUDA_SUCCESS;
}

DRIVER_API cuGraphInstantiateWithFlags(CUgraphExec* executable, CUgraph graph, unsigned long long) {
  DRIVER_CALL(CONTEXT);
  if (!executable || !graphs().count(graph)) return CUDA_ERROR_INVALID_VALUE;
  if (!take(EXECUTABLE_BYTES)) return CUDA_ERROR_OUT_OF_MEMORY;
  *executable = new CUgraphExec_st{graph->operations};
  executables().insert(*executable);
  return CUDA_SUCCESS;
}
DRIVER_API cuGraphUpload(CUgraphExec executable, CUstream stream) {
  DRIVER_CALL(CONTEXT);
  return executables().count(executable) && driver().valid(resolve(stream))
             ? CUDA_SUCCESS
             : CUDA_ERROR_INVALID_HANDLE;
}
DRIVER_API cuGraphLaunch(CUgraphExec executable, CUstream stream) {
  DRIVER_CALL(CONTEXT);
  stream = resolve(stream);
  if (!executables().count(executable) || !driver().valid(stream)) return CUDA_ERROR_INVALID_HANDLE;
  return enqueue(stream, [operations = executable->operations] {
    for (const auto& operation : operations) {
      if (const CUresult error = operation()) return error;
    }
    return CUDA_SUCCESS;
  });
}
DRIVER_API cuGraphExecDestroy(CUgraphExec executable) {
  DRIVER_CALL(CONTEXT);
  if (!executables().erase(executable)) return CUDA_ERROR_INVALID_VALUE;
  give_back(EXECUTABLE_BYTES);
  delete executable;
  return CUDA_SUCCESS;
}
DRIVER_API cuGraphDestroy(CUgraph graph) {
  DRIVER_CALL(CONTEXT);
  if (!graphs().erase(graph)) return CUDA_ERROR_INVALID_VALUE;
  delete graph;
  return CUDA_SUCCESS;
}
