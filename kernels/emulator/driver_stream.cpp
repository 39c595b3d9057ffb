/* Streams and events: queues of operations, run when somebody waits (delayed mode) or at once. */
#include <algorithm>
#include <chrono>

#include "driver.h"
#include "driver_memory.h"
#include "report.h"

namespace emulator {

CUstream resolve(CUstream stream) {
  if (stream == nullptr || stream == CU_STREAM_LEGACY) return &driver().legacy;
  if (stream == CU_STREAM_PER_THREAD) return &driver().per_thread;
  return stream;
}

namespace {

std::vector<CUstream> all_streams() {
  std::vector<CUstream> all(driver().streams.begin(), driver().streams.end());
  all.push_back(&driver().legacy);
  all.push_back(&driver().per_thread);
  return all;
}

/* The legacy stream and the blocking ones wait for each other's earlier operations. */
void run_implicit_dependencies(CUstream stream, uint64_t number) {
  Driver& d = driver();
  if (stream == &d.legacy) {
    for (CUstream other : all_streams()) {
      if (other != stream && other->blocking) run_through(other, number);
    }
  } else if (stream->blocking) {
    run_through(&d.legacy, number);
  }
}

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

void run_through(CUstream stream, uint64_t number) {
  Driver& d = driver();
  while (!stream->queue.empty() && stream->queue.front().number <= number) {
    if (d.sticky) return stream->queue.clear();
    run_implicit_dependencies(stream, stream->queue.front().number);
    if (stream->queue.empty()) return;
    const Operation operation = std::move(stream->queue.front());
    stream->queue.pop_front();
    if (const CUresult error = operation.run()) d.sticky = error;
  }
}

CUresult enqueue(CUstream stream, std::function<CUresult()> run) {
  Driver& d = driver();
  if (stream->capture) {
    capture_operation(stream, std::move(run));
    return CUDA_SUCCESS;
  }
  if (stream == &d.legacy && any_capture()) {
    invalidate_captures();
    return refuse(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT,
                  "the legacy stream is used while another is captured");
  }
  const uint64_t number = d.next_number++;
  stream->queue.push_back({number, std::move(run)});
  if (!d.delayed) run_through(stream, number);
  return CUDA_SUCCESS;
}

CUresult finish(CUstream stream) {
  Driver& d = driver();
  /* Independent streams may be far ahead or not have begun: odd schedules run them first. */
  if (d.schedule % 2 == 1) {
    std::vector<CUstream> all = all_streams();
    std::reverse(all.begin(), all.end());
    for (CUstream other : all) run_through(other, UINT64_MAX);
  }
  run_through(stream, UINT64_MAX);
  return d.sticky;
}

CUresult finish_all() {
  for (CUstream stream : all_streams()) run_through(stream, UINT64_MAX);
  if (driver().sticky) return driver().sticky;
  return check_slack();
}

CUresult refuse_in_capture(const char* function) {
  invalidate_captures();
  return refuse(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "%s while a stream is captured", function);
}

}  // namespace emulator

using namespace emulator;

/* ---- streams ---- */

DRIVER_API cuStreamCreate(CUstream* stream, unsigned flags) {
  DRIVER_CALL(CONTEXT);
  if (!stream || flags > 1) return CUDA_ERROR_INVALID_VALUE;
  *stream = new CUstream_st;
  (*stream)->blocking = !(flags & CU_STREAM_NON_BLOCKING);
  driver().streams.insert(*stream);
  return CUDA_SUCCESS;
}
DRIVER_API cuStreamCreateWithPriority(CUstream* stream, unsigned flags, int) {
  return cuStreamCreate(stream, flags);
}
DRIVER_API cuStreamDestroy_v2(CUstream stream) {
  DRIVER_CALL(CONTEXT);
  if (!driver().streams.count(stream))
    return refuse(CUDA_ERROR_INVALID_HANDLE, "cuStreamDestroy of no stream");
  const CUresult error = finish(stream);
  driver().streams.erase(stream);
  delete stream;
  return error;
}
DRIVER_API cuStreamSynchronize(CUstream stream) {
  DRIVER_CALL(CONTEXT);
  stream = resolve(stream);
  if (!driver().valid(stream))
    return refuse(CUDA_ERROR_INVALID_HANDLE, "cuStreamSynchronize of no stream");
  if (stream->capture) return refuse_in_capture("cuStreamSynchronize");
  if (const CUresult error = finish(stream)) return error;
  return check_slack();
}
/* Each question lets one operation run. */
DRIVER_API cuStreamQuery(CUstream stream) {
  DRIVER_CALL(CONTEXT);
  stream = resolve(stream);
  if (!driver().valid(stream)) return CUDA_ERROR_INVALID_HANDLE;
  if (stream->capture) return refuse_in_capture("cuStreamQuery");
  if (stream->queue.empty()) return CUDA_SUCCESS;
  run_through(stream, stream->queue.front().number);
  return driver().sticky ? driver().sticky : CUDA_ERROR_NOT_READY;
}
DRIVER_API cuStreamGetFlags(CUstream stream, unsigned* flags) {
  DRIVER_CALL(CONTEXT);
  stream = resolve(stream);
  if (!driver().valid(stream)) return CUDA_ERROR_INVALID_HANDLE;
  *flags = stream->blocking ? CU_STREAM_DEFAULT : CU_STREAM_NON_BLOCKING;
  return CUDA_SUCCESS;
}
DRIVER_API cuCtxSynchronize() {
  DRIVER_CALL(CONTEXT);
  if (any_capture()) return refuse_in_capture("cuCtxSynchronize");
  return finish_all();
}
DRIVER_API cuStreamWaitEvent(CUstream stream, CUevent event, unsigned) {
  DRIVER_CALL(CONTEXT);
  stream = resolve(stream);
  if (!driver().valid(stream) || !driver().events.count(event)) return CUDA_ERROR_INVALID_HANDLE;
  if (event->capture || stream->capture) return capture_wait(stream, event);
  if (!event->record) return CUDA_SUCCESS;
  return enqueue(stream, [record = event->record] {
    if (!record->done) run_through(record->stream, record->number);
    return CUDA_SUCCESS;
  });
}

/* ---- events ---- */

DRIVER_API cuEventCreate(CUevent* event, unsigned flags) {
  DRIVER_CALL(CONTEXT);
  if (!event) return CUDA_ERROR_INVALID_VALUE;
  *event = new CUevent_st;
  (*event)->timing = !(flags & CU_EVENT_DISABLE_TIMING);
  driver().events.insert(*event);
  return CUDA_SUCCESS;
}
DRIVER_API cuEventDestroy_v2(CUevent event) {
  DRIVER_CALL(CONTEXT);
  if (!driver().events.erase(event))
    return refuse(CUDA_ERROR_INVALID_HANDLE, "cuEventDestroy of no event");
  delete event;
  return CUDA_SUCCESS;
}
DRIVER_API cuEventRecord(CUevent event, CUstream stream) {
  DRIVER_CALL(CONTEXT);
  stream = resolve(stream);
  if (!driver().valid(stream) || !driver().events.count(event)) return CUDA_ERROR_INVALID_HANDLE;
  if (stream->capture) return capture_event(event, stream);
  event->capture = nullptr;
  event->record = std::make_shared<Record>(Record{stream, driver().next_number});
  return enqueue(stream, [record = event->record] {
    record->done = true;
    record->seconds = now();
    return CUDA_SUCCESS;
  });
}
DRIVER_API cuEventRecordWithFlags(CUevent event, CUstream stream, unsigned) {
  return cuEventRecord(event, stream);
}
DRIVER_API cuEventSynchronize(CUevent event) {
  DRIVER_CALL(CONTEXT);
  if (!driver().events.count(event)) return CUDA_ERROR_INVALID_HANDLE;
  if (event->capture) return CUDA_ERROR_CAPTURED_EVENT;
  if (event->record && !event->record->done)
    run_through(event->record->stream, event->record->number);
  return driver().sticky;
}
DRIVER_API cuEventQuery(CUevent event) {
  DRIVER_CALL(CONTEXT);
  if (!driver().events.count(event)) return CUDA_ERROR_INVALID_HANDLE;
  if (event->capture) return CUDA_ERROR_CAPTURED_EVENT;
  if (!event->record || event->record->done) return CUDA_SUCCESS;
  const CUstream stream = event->record->stream;
  if (!stream->queue.empty()) run_through(stream, stream->queue.front().number);
  return driver().sticky ? driver().sticky : CUDA_ERROR_NOT_READY;
}
DRIVER_API cuEventElapsedTime(float* milliseconds, CUevent start, CUevent end) {
  DRIVER_CALL(CONTEXT);
  for (const CUevent event : {start, end}) {
    if (!driver().events.count(event) || !event->record || !event->timing)
      return CUDA_ERROR_INVALID_HANDLE;
    if (!event->record->done) return CUDA_ERROR_NOT_READY;
  }
  *milliseconds = static_cast<float>((end->record->seconds - start->record->seconds) * 1e3);
  return CUDA_SUCCESS;
}
DRIVER_API cuEventElapsedTime_v2(float* milliseconds, CUevent start, CUevent end) {
  return cuEventElapsedTime(milliseconds, start, end);
}
