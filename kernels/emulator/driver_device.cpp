/* Initialisation, the device, contexts, error texts, and the emulator's own entry points. */
#include <dlfcn.h>

#include <cstdarg>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "driver.h"
#include "driver_memory.h"
#include "report.h"
#include "scheduler.h"

namespace emulator {

namespace {
thread_local CUcontext current_context = nullptr;

int number_in_environment(const char* name, int otherwise) {
  const char* text = getenv(name);
  return text ? atoi(text) : otherwise;
}
}  // namespace

Driver& driver() {
  static Driver* d = new Driver;
  return *d;
}

Call::Call(Needs needs) : error(CUDA_SUCCESS), lock_(driver().mutex) {
  const Driver& d = driver();
  if (needs == Needs::NOTHING) return;
  if (!d.initialised) {
    error = CUDA_ERROR_NOT_INITIALIZED;
  } else if (needs == Needs::CONTEXT) {
    error = current_context ? d.sticky : CUDA_ERROR_INVALID_CONTEXT;
  }
}

CUresult refuse(CUresult error, const char* text, ...) {
  va_list arguments;
  va_start(arguments, text);
  char message[1024];
  vsnprintf(message, sizeof message, text, arguments);
  va_end(arguments);
  report(message);
  return error;
}

}  // namespace emulator

using namespace emulator;

DRIVER_API cuInit(unsigned flags) {
  DRIVER_CALL(NOTHING);
  if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
  Driver& d = driver();
  if (d.initialised) return CUDA_SUCCESS;
  install_signal_handlers();
  d.schedule = static_cast<unsigned>(number_in_environment("FATHOM_EMULATOR_SCHEDULE", 0));
  d.delayed = number_in_environment("FATHOM_EMULATOR_DELAYED", 0) != 0;
  d.capability = number_in_environment("FATHOM_EMULATOR_CAPABILITY", 90);
  d.multiprocessors = number_in_environment("FATHOM_EMULATOR_MULTIPROCESSORS", 4);
  d.dry = number_in_environment("FATHOM_EMULATOR_DRY", 0) != 0;
  d.initialised = true;
  return CUDA_SUCCESS;
}
DRIVER_API cuDriverGetVersion(int* version) {
  if (!version) return CUDA_ERROR_INVALID_VALUE;
  *version = 13000;
  return CUDA_SUCCESS;
}

/* ---- device ---- */

DRIVER_API cuDeviceGetCount(int* count) {
  DRIVER_CALL(INITIALISATION);
  *count = 1;
  return CUDA_SUCCESS;
}
DRIVER_API cuDeviceGet(CUdevice* device, int ordinal) {
  DRIVER_CALL(INITIALISATION);
  *device = 0;
  return ordinal == 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}
DRIVER_API cuDeviceGetName(char* name, int size, CUdevice device) {
  DRIVER_CALL(INITIALISATION);
  if (device != 0) return CUDA_ERROR_INVALID_DEVICE;
  snprintf(name, static_cast<size_t>(size), "Fathom emulator");
  return CUDA_SUCCESS;
}
DRIVER_API cuDeviceGetUuid(CUuuid* uuid, CUdevice device) {
  DRIVER_CALL(INITIALISATION);
  if (device != 0) return CUDA_ERROR_INVALID_DEVICE;
  memcpy(uuid->bytes, "fathom-emulator", 16);
  return CUDA_SUCCESS;
}
DRIVER_API cuDeviceGetUuid_v2(CUuuid* uuid, CUdevice device) {
  return cuDeviceGetUuid(uuid, device);
}
DRIVER_API cuDeviceGetPCIBusId(char* text, int size, CUdevice device) {
  DRIVER_CALL(INITIALISATION);
  if (device != 0) return CUDA_ERROR_INVALID_DEVICE;
  snprintf(text, static_cast<size_t>(size), "0000:00:00.0");
  return CUDA_SUCCESS;
}
DRIVER_API cuDeviceComputeCapability(int* major, int* minor, CUdevice device) {
  DRIVER_CALL(INITIALISATION);
  if (device != 0) return CUDA_ERROR_INVALID_DEVICE;
  *major = driver().capability / 10, *minor = driver().capability % 10;
  return CUDA_SUCCESS;
}
DRIVER_API cuDeviceGetAttribute(int* value, CUdevice_attribute attribute, CUdevice device) {
  DRIVER_CALL(INITIALISATION);
  if (device != 0) return CUDA_ERROR_INVALID_DEVICE;
  const int capability = driver().capability;
  switch (attribute) {
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X:
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y: *value = 1024; break;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z: *value = 64; break;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X: *value = INT32_MAX; break;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y:
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z: *value = 65535; break;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK: *value = 48 * 1024; break;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN:
      *value = static_cast<int>(MAX_SHARED);
      break;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR: *value = 228 * 1024; break;
    case CU_DEVICE_ATTRIBUTE_RESERVED_SHARED_MEMORY_PER_BLOCK: *value = 1024; break;
    case CU_DEVICE_ATTRIBUTE_TOTAL_CONSTANT_MEMORY: *value = 64 * 1024; break;
    case CU_DEVICE_ATTRIBUTE_WARP_SIZE: *value = 32; break;
    case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK:
    case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR: *value = 65536; break;
    case CU_DEVICE_ATTRIBUTE_CLOCK_RATE: *value = 1000000; break;
    case CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE: *value = 1000000; break;
    case CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH: *value = 128; break;
    case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: *value = driver().multiprocessors; break;
    case CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE: *value = 1 << 20; break;
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR: *value = 2048; break;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR: *value = 32; break;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: *value = capability / 10; break;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: *value = capability % 10; break;
    case CU_DEVICE_ATTRIBUTE_CONCURRENT_KERNELS:
    case CU_DEVICE_ATTRIBUTE_ASYNC_ENGINE_COUNT:
    case CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING:
    case CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY:
    case CU_DEVICE_ATTRIBUTE_STREAM_PRIORITIES_SUPPORTED:
    case CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED: *value = 1; break;
    default: *value = 0; break;
  }
  return CUDA_SUCCESS;
}

/* ---- contexts: all share the one device's memory ---- */

DRIVER_API cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice device) {
  DRIVER_CALL(INITIALISATION);
  if (device != 0) return CUDA_ERROR_INVALID_DEVICE;
  driver().primary.references++;
  *context = &driver().primary;
  return CUDA_SUCCESS;
}
DRIVER_API cuDevicePrimaryCtxRelease_v2(CUdevice device) {
  DRIVER_CALL(INITIALISATION);
  if (device != 0) return CUDA_ERROR_INVALID_DEVICE;
  if (driver().primary.references == 0) return CUDA_ERROR_INVALID_CONTEXT;
  if (--driver().primary.references == 0) {
    finish_all();
    if (current_context == &driver().primary) current_context = nullptr;
  }
  return CUDA_SUCCESS;
}
DRIVER_API cuDevicePrimaryCtxGetState(CUdevice device, unsigned* flags, int* active) {
  DRIVER_CALL(INITIALISATION);
  if (device != 0) return CUDA_ERROR_INVALID_DEVICE;
  *flags = 0;
  *active = driver().primary.references > 0;
  return CUDA_SUCCESS;
}
DRIVER_API cuDevicePrimaryCtxSetFlags_v2(CUdevice device, unsigned) {
  DRIVER_CALL(INITIALISATION);
  return device == 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}
/* Frees what the context owns and forgets its error. */
DRIVER_API cuDevicePrimaryCtxReset_v2(CUdevice device) {
  DRIVER_CALL(INITIALISATION);
  if (device != 0) return CUDA_ERROR_INVALID_DEVICE;
  Driver& d = driver();
  finish_all();
  forget_captures();
  while (!d.events.empty()) {
    delete *d.events.begin();
    d.events.erase(d.events.begin());
  }
  while (!d.streams.empty()) {
    delete *d.streams.begin();
    d.streams.erase(d.streams.begin());
  }
  unload_all_modules();
  release_all_memory();
  d.sticky = CUDA_SUCCESS;
  return CUDA_SUCCESS;
}
DRIVER_API cuCtxCreate_v2(CUcontext* context, unsigned, CUdevice device) {
  DRIVER_CALL(INITIALISATION);
  if (device != 0) return CUDA_ERROR_INVALID_DEVICE;
  *context = current_context = new CUctx_st;
  driver().contexts.insert(*context);
  return CUDA_SUCCESS;
}
DRIVER_API cuCtxDestroy_v2(CUcontext context) {
  DRIVER_CALL(INITIALISATION);
  if (!driver().contexts.erase(context)) return CUDA_ERROR_INVALID_CONTEXT;
  finish_all();
  if (current_context == context) current_context = nullptr;
  delete context;
  return CUDA_SUCCESS;
}
DRIVER_API cuCtxSetCurrent(CUcontext context) {
  DRIVER_CALL(INITIALISATION);
  if (context && context != &driver().primary && !driver().contexts.count(context))
    return CUDA_ERROR_INVALID_CONTEXT;
  current_context = context;
  return CUDA_SUCCESS;
}
DRIVER_API cuCtxGetCurrent(CUcontext* context) {
  DRIVER_CALL(INITIALISATION);
  *context = current_context;
  return CUDA_SUCCESS;
}
DRIVER_API cuCtxGetDevice(CUdevice* device) {
  DRIVER_CALL(INITIALISATION);
  *device = 0;
  return current_context ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}
DRIVER_API cuCtxGetStreamPriorityRange(int* least, int* greatest) {
  DRIVER_CALL(CONTEXT);
  if (least) *least = 0;
  if (greatest) *greatest = 0;
  return CUDA_SUCCESS;
}

/* ---- errors ---- */

namespace {

struct ErrorText {
  CUresult error;
  const char *name, *text;
};
#define ERROR(name, text) {CUDA_##name, "CUDA_" #name, text}
constexpr ErrorText ERRORS[] = {
    ERROR(SUCCESS, "no error"),
    ERROR(ERROR_INVALID_VALUE, "invalid argument"),
    ERROR(ERROR_OUT_OF_MEMORY, "out of memory"),
    ERROR(ERROR_NOT_INITIALIZED, "initialization error"),
    ERROR(ERROR_DEINITIALIZED, "driver shutting down"),
    ERROR(ERROR_NO_DEVICE, "no CUDA-capable device is detected"),
    ERROR(ERROR_INVALID_DEVICE, "invalid device ordinal"),
    ERROR(ERROR_INVALID_IMAGE, "device kernel image is invalid"),
    ERROR(ERROR_INVALID_CONTEXT, "invalid device context"),
    ERROR(ERROR_NO_BINARY_FOR_GPU, "no kernel image is available for execution on the device"),
    ERROR(ERROR_FILE_NOT_FOUND, "file not found"),
    ERROR(ERROR_INVALID_HANDLE, "invalid resource handle"),
    ERROR(ERROR_ILLEGAL_STATE, "the operation cannot be performed in the present state"),
    ERROR(ERROR_NOT_FOUND, "named symbol not found"),
    ERROR(ERROR_NOT_READY, "device not ready"),
    ERROR(ERROR_ILLEGAL_ADDRESS, "an illegal memory access was encountered"),
    ERROR(ERROR_LAUNCH_OUT_OF_RESOURCES, "too many resources requested for launch"),
    ERROR(ERROR_LAUNCH_TIMEOUT, "the launch timed out and was terminated"),
    ERROR(ERROR_HOST_MEMORY_ALREADY_REGISTERED,
          "part or all of the requested memory range is already mapped"),
    ERROR(ERROR_HOST_MEMORY_NOT_REGISTERED,
          "pointer does not correspond to a registered memory region"),
    ERROR(ERROR_MISALIGNED_ADDRESS, "misaligned address"),
    ERROR(ERROR_LAUNCH_FAILED, "unspecified launch failure"),
    ERROR(ERROR_NOT_SUPPORTED, "operation not supported"),
    ERROR(ERROR_STREAM_CAPTURE_UNSUPPORTED, "operation not permitted when stream is capturing"),
    ERROR(ERROR_STREAM_CAPTURE_INVALIDATED,
          "operation failed due to a previous error during capture"),
    ERROR(ERROR_STREAM_CAPTURE_UNMATCHED, "capture was not ended in the same stream as it began"),
    ERROR(ERROR_STREAM_CAPTURE_UNJOINED, "capturing stream has unjoined work"),
    ERROR(ERROR_STREAM_CAPTURE_IMPLICIT,
          "operation would make the legacy stream depend on a capturing blocking stream"),
    ERROR(ERROR_CAPTURED_EVENT,
          "operation not permitted on an event last recorded in a capturing stream"),
    ERROR(ERROR_UNKNOWN, "unknown error"),
};

}  // namespace

DRIVER_API cuGetErrorName(CUresult error, const char** text) {
  for (const ErrorText& e : ERRORS) {
    if (e.error == error) {
      *text = e.name;
      return CUDA_SUCCESS;
    }
  }
  *text = nullptr;
  return CUDA_ERROR_INVALID_VALUE;
}
DRIVER_API cuGetErrorString(CUresult error, const char** text) {
  for (const ErrorText& e : ERRORS) {
    if (e.error == error) {
      *text = e.text;
      return CUDA_SUCCESS;
    }
  }
  *text = nullptr;
  return CUDA_ERROR_INVALID_VALUE;
}

/* ---- entry points by name ---- */

DRIVER_API cuGetProcAddress_v2(const char* name, void** function, int, uint64_t, int* status) {
  if (!name || !function) return CUDA_ERROR_INVALID_VALUE;
  Dl_info self = {};
  dladdr(reinterpret_cast<void*>(&cuInit), &self);
  void* library = dlopen(self.dli_fname, RTLD_NOW | RTLD_NOLOAD);
  *function = nullptr;
  for (const char* suffix : {"_v4", "_v3", "_v2", ""}) {
    *function = library ? dlsym(library, (std::string(name) + suffix).c_str()) : nullptr;
    if (*function) break;
  }
  if (library) dlclose(library);
  if (status) *status = *function ? 0 : 1;
  return *function ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}
DRIVER_API cuGetProcAddress(const char* name, void** function, int version, uint64_t flags) {
  return cuGetProcAddress_v2(name, function, version, flags, nullptr);
}

/* ---- the emulator's own: see emulator_api.h ---- */

extern "C" __attribute__((visibility("default"))) void fathom_emulator_configure(int schedule,
                                                                                 int delayed) {
  std::lock_guard lock(driver().mutex);
  finish_all();
  driver().schedule = static_cast<unsigned>(schedule);
  driver().delayed = delayed != 0;
}
extern "C" __attribute__((visibility("default"))) const char* fathom_emulator_last_report() {
  static thread_local std::string text;
  text = last_report();
  return text.c_str();
}
extern "C" __attribute__((visibility("default"))) void fathom_emulator_clear_report() {
  clear_report();
}
