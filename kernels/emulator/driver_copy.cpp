/*
 * Copies and fills. Asynchronous ones behave as NVIDIA's driver documents it for pinned and
 * pageable memory.
 */
#include <cstring>

#include "driver.h"
#include "driver_memory.h"
#include "report.h"

using namespace emulator;

namespace {

void* pointer(CUdeviceptr p) { return reinterpret_cast<void*>(p); }

/* What the operation touches must still be there when it runs. */
CUresult copy_now(void* to, const void* from, size_t bytes) {
  for (const void* p : {static_cast<const void*>(to), from}) {
    if (!is_device_address(p)) continue;
    if (check_range(reinterpret_cast<CUdeviceptr>(p), bytes, "a queued copy"))
      return CUDA_ERROR_ILLEGAL_ADDRESS;
  }
  if (!driver().dry) memmove(to, from, bytes);
  return CUDA_SUCCESS;
}

template <class T>
CUresult fill(CUdeviceptr to, T value, size_t count, CUstream stream, const char* what) {
  if (to % sizeof(T)) return refuse(CUDA_ERROR_INVALID_VALUE, "%s: address %p", what, pointer(to));
  if (count == 0) return CUDA_SUCCESS;
  if (const CUresult error = check_range(to, count * sizeof(T), what)) return error;
  return enqueue(stream, [=] {
    if (check_range(to, count * sizeof(T), what)) return CUDA_ERROR_ILLEGAL_ADDRESS;
    if (driver().dry) return CUDA_SUCCESS;
    T* p = reinterpret_cast<T*>(to);
    for (size_t i = 0; i < count; i++) p[i] = value;
    return CUDA_SUCCESS;
  });
}

CUresult begin(CUstream& stream, CUdeviceptr device, size_t bytes, const char* what) {
  stream = resolve(stream);
  if (!driver().valid(stream)) return refuse(CUDA_ERROR_INVALID_HANDLE, "%s: no such stream", what);
  return bytes ? check_range(device, bytes, what) : CUDA_SUCCESS;
}

/* Synchronous copies go through the legacy stream and wait. */
template <class Copy>
CUresult in_legacy_stream(const char* what, Copy copy) {
  if (any_capture()) return refuse_in_capture(what);
  if (const CUresult error = enqueue(&driver().legacy, copy)) return error;
  return finish(&driver().legacy);
}

}  // namespace

DRIVER_API cuMemcpyHtoD_v2(CUdeviceptr to, const void* from, size_t bytes) {
  DRIVER_CALL(CONTEXT);
  if (bytes == 0) return CUDA_SUCCESS;
  if (const CUresult error = check_range(to, bytes, "cuMemcpyHtoD")) return error;
  return in_legacy_stream("cuMemcpyHtoD", [=] { return copy_now(pointer(to), from, bytes); });
}
DRIVER_API cuMemcpyDtoH_v2(void* to, CUdeviceptr from, size_t bytes) {
  DRIVER_CALL(CONTEXT);
  if (bytes == 0) return CUDA_SUCCESS;
  if (const CUresult error = check_range(from, bytes, "cuMemcpyDtoH")) return error;
  return in_legacy_stream("cuMemcpyDtoH", [=] { return copy_now(to, pointer(from), bytes); });
}
DRIVER_API cuMemcpyDtoD_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes) {
  DRIVER_CALL(CONTEXT);
  if (bytes == 0) return CUDA_SUCCESS;
  if (const CUresult error = check_range(from, bytes, "cuMemcpyDtoD, source")) return error;
  if (const CUresult error = check_range(to, bytes, "cuMemcpyDtoD, destination")) return error;
  return in_legacy_stream("cuMemcpyDtoD",
                          [=] { return copy_now(pointer(to), pointer(from), bytes); });
}

/* Pinned memory is read when the copy runs; pageable memory is staged before the call returns. */
DRIVER_API cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void* from, size_t bytes, CUstream stream) {
  DRIVER_CALL(CONTEXT);
  if (const CUresult error = begin(stream, to, bytes, "cuMemcpyHtoDAsync")) return error;
  if (bytes == 0) return CUDA_SUCCESS;
  if (is_pinned(from, bytes) || stream->capture) {
    return enqueue(stream, [=] { return copy_now(pointer(to), from, bytes); });
  }
  const auto* start = static_cast<const char*>(from);
  auto staged = std::make_shared<std::vector<char>>(start, start + bytes);
  return enqueue(stream, [=] { return copy_now(pointer(to), staged->data(), bytes); });
}
/*
 * Into pinned memory it returns at once, whose contents are unknown until a wait; else it waits
 * itself.
 */
DRIVER_API cuMemcpyDtoHAsync_v2(void* to, CUdeviceptr from, size_t bytes, CUstream stream) {
  DRIVER_CALL(CONTEXT);
  if (const CUresult error = begin(stream, from, bytes, "cuMemcpyDtoHAsync")) return error;
  if (bytes == 0) return CUDA_SUCCESS;
  const bool pinned = is_pinned(to, bytes), captured = stream->capture;
  if (driver().delayed && pinned && !captured) memset(to, 0xff, bytes);
  const CUresult error = enqueue(stream, [=] { return copy_now(to, pointer(from), bytes); });
  return error || pinned || captured ? error : finish(stream);
}
DRIVER_API cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
  DRIVER_CALL(CONTEXT);
  if (const CUresult error = begin(stream, to, bytes, "cuMemcpyDtoDAsync, destination"))
    return error;
  if (bytes == 0) return CUDA_SUCCESS;
  if (const CUresult error = check_range(from, bytes, "cuMemcpyDtoDAsync, source")) return error;
  return enqueue(stream, [=] { return copy_now(pointer(to), pointer(from), bytes); });
}

/* Fills return before they are done, even those without a stream. */
DRIVER_API cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t count, CUstream stream) {
  DRIVER_CALL(CONTEXT);
  if (const CUresult error = begin(stream, to, 0, "cuMemsetD8Async")) return error;
  return fill(to, value, count, stream, "cuMemsetD8");
}
DRIVER_API cuMemsetD16Async(CUdeviceptr to, unsigned short value, size_t count, CUstream stream) {
  DRIVER_CALL(CONTEXT);
  if (const CUresult error = begin(stream, to, 0, "cuMemsetD16Async")) return error;
  return fill(to, value, count, stream, "cuMemsetD16");
}
DRIVER_API cuMemsetD32Async(CUdeviceptr to, unsigned value, size_t count, CUstream stream) {
  DRIVER_CALL(CONTEXT);
  if (const CUresult error = begin(stream, to, 0, "cuMemsetD32Async")) return error;
  return fill(to, value, count, stream, "cuMemsetD32");
}
DRIVER_API cuMemsetD8_v2(CUdeviceptr to, unsigned char value, size_t count) {
  return cuMemsetD8Async(to, value, count, nullptr);
}
DRIVER_API cuMemsetD16_v2(CUdeviceptr to, unsigned short value, size_t count) {
  return cuMemsetD16Async(to, value, count, nullptr);
}
DRIVER_API cuMemsetD32_v2(CUdeviceptr to, unsigned value, size_t count) {
  return cuMemsetD32Async(to, value, count, nullptr);
}
