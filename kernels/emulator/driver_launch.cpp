/* Launches: what the driver refuses, and the operation that runs the kernel. */
#include <cstdlib>
#include <cstring>

#include "driver.h"
#include "driver_memory.h"
#include "report.h"
#include "scheduler.h"

namespace emulator {

namespace {

CUresult error_of(Fault fault) {
  switch (fault) {
    case Fault::ILLEGAL_ADDRESS: return CUDA_ERROR_ILLEGAL_ADDRESS;
    case Fault::MISALIGNED: return CUDA_ERROR_MISALIGNED_ADDRESS;
    case Fault::DEADLOCK: return CUDA_ERROR_LAUNCH_TIMEOUT;
    case Fault::LAUNCH_FAILED: break;
  }
  return CUDA_ERROR_LAUNCH_FAILED;
}

CUresult check_geometry(CUfunction function, const CUlaunchConfig& c) {
  const char* name = function->kernel->name;
  if (c.gridDimX == 0 || c.gridDimX > INT32_MAX || c.gridDimY == 0 || c.gridDimY > 65535 ||
      c.gridDimZ == 0 || c.gridDimZ > 65535) {
    return refuse(CUDA_ERROR_INVALID_VALUE, "%s: a grid of (%u,%u,%u) blocks", name, c.gridDimX,
                  c.gridDimY, c.gridDimZ);
  }
  const uint64_t threads = uint64_t{c.blockDimX} * c.blockDimY * c.blockDimZ;
  if (threads == 0 || c.blockDimX > 1024 || c.blockDimY > 1024 || c.blockDimZ > 64 ||
      threads > MAX_THREADS) {
    return refuse(CUDA_ERROR_INVALID_VALUE, "%s: a block of (%u,%u,%u) threads", name, c.blockDimX,
                  c.blockDimY, c.blockDimZ);
  }
  if (threads > function->kernel->launch_bound) {
    return refuse(CUDA_ERROR_INVALID_VALUE, "%s: %u threads in a block, its launch bound is %u",
                  name, static_cast<unsigned>(threads), function->kernel->launch_bound);
  }
  if (c.sharedMemBytes > static_cast<unsigned>(function->dynamic_limit)) {
    return refuse(CUDA_ERROR_INVALID_VALUE,
                  "%s: %u bytes of dynamic shared memory, its limit is %d (cuFuncSetAttribute)",
                  name, c.sharedMemBytes, function->dynamic_limit);
  }
  for (unsigned i = 0; i < c.numAttrs; i++) {
    const CUlaunchAttribute& attribute = c.attrs[i];
    unsigned cluster[3];
    memcpy(cluster, attribute.value, sizeof cluster);
    if (attribute.id == CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION &&
        cluster[0] * cluster[1] * cluster[2] != 1) {
      return refuse(CUDA_ERROR_NOT_SUPPORTED, "%s: clusters are not emulated", name);
    }
  }
  return CUDA_SUCCESS;
}

/* The parameter struct from the one or the other of the two ways to pass it. */
CUresult find_parameters(CUfunction function, void** parameters, void** extra, const void** found) {
  const Kernel& kernel = *function->kernel;
  if (parameters) {
    *found = parameters[0];
  } else if (extra) {
    size_t bytes = 0;
    for (; *extra != CU_LAUNCH_PARAM_END; extra += 2) {
      if (*extra == CU_LAUNCH_PARAM_BUFFER_POINTER) *found = extra[1];
      if (*extra == CU_LAUNCH_PARAM_BUFFER_SIZE) bytes = *static_cast<size_t*>(extra[1]);
    }
    if (bytes != kernel.parameter_bytes) {
      return refuse(CUDA_ERROR_INVALID_VALUE, "%s: %zu bytes of parameters, the kernel has %zu",
                    kernel.name, bytes, kernel.parameter_bytes);
    }
  }
  return *found ? CUDA_SUCCESS : refuse(CUDA_ERROR_INVALID_VALUE, "%s: no parameters", kernel.name);
}

CUresult run(CUfunction function, const CUlaunchConfig& c, const void* parameters) {
  const Kernel& kernel = *function->kernel;
  if (const void* p = find_host_pointer(parameters, kernel.parameter_bytes)) {
    return refuse(CUDA_ERROR_ILLEGAL_ADDRESS, "%s: the parameter %p is an address of the host",
                  kernel.name, p);
  }
  if (driver().dry) return CUDA_SUCCESS;
  Launch launch;
  launch.kernel = &kernel;
  launch.module = function->module->library;
  launch.static_bytes = function->module->static_bytes;
  launch.grid = dim3(c.gridDimX, c.gridDimY, c.gridDimZ);
  launch.size = dim3(c.blockDimX, c.blockDimY, c.blockDimZ);
  launch.shared_bytes = c.sharedMemBytes;
  launch.parameters = parameters;
  launch.schedule = driver().schedule;
  launch.delayed = driver().delayed;
  if (!run_launch(launch)) return error_of(launch.fault);
  if (const CUresult error = check_slack_of(parameters, kernel.parameter_bytes)) {
    report("after kernel " + std::string(kernel.name) + ": " + last_report());
    return error;
  }
  return CUDA_SUCCESS;
}

}  // namespace

}  // namespace emulator

using namespace emulator;

DRIVER_API cuLaunchKernelEx(const CUlaunchConfig* config, CUfunction function, void** parameters,
                            void** extra) {
  DRIVER_CALL(CONTEXT);
  if (!config || !function) return CUDA_ERROR_INVALID_VALUE;
  const CUlaunchConfig c = *config;
  const CUstream stream = resolve(c.hStream);
  if (!driver().valid(stream))
    return refuse(CUDA_ERROR_INVALID_HANDLE, "%s: no such stream", function->kernel->name);
  if (const CUresult error = check_geometry(function, c)) return error;
  const void* found = nullptr;
  if (const CUresult error = find_parameters(function, parameters, extra, &found)) return error;
  const size_t bytes = function->kernel->parameter_bytes;
  std::shared_ptr<void> copy(aligned_alloc(128, (bytes + 127) / 128 * 128), free);
  memcpy(copy.get(), found, bytes);
  return enqueue(stream, [=] { return run(function, c, copy.get()); });
}
DRIVER_API cuLaunchKernel(CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                          unsigned block_x, unsigned block_y, unsigned block_z,
                          unsigned shared_bytes, CUstream stream, void** parameters, void** extra) {
  const CUlaunchConfig config{grid_x,  grid_y,       grid_z, block_x, block_y,
                              block_z, shared_bytes, stream, nullptr, 0};
  return cuLaunchKernelEx(&config, function, parameters, extra);
}
