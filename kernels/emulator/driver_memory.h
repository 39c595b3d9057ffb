/*
 * Device memory: every allocation between inaccessible pages, at an address that was never used
 * before.
 */
#ifndef FATHOM_EMULATOR_DRIVER_MEMORY_H
#define FATHOM_EMULATOR_DRIVER_MEMORY_H

#include <cstddef>
#include <string>

#include "driver_api.h"

namespace emulator {

bool is_device_address(const void* address);
/* "12 bytes past the end of the 400 bytes at 0x...", "8 bytes into ... bytes, freed", ... */
std::string describe_address(const void* address);
bool is_pinned(const void* host, size_t bytes);

/* CUDA_ERROR_INVALID_VALUE with a report unless the range lies in one allocation. */
CUresult check_range(CUdeviceptr p, size_t bytes, const char* what);

/*
 * Looks for writes next to allocations: to all, or to those that the words of a parameter struct
 * point into.
 */
CUresult check_slack();
CUresult check_slack_of(const void* parameters, size_t bytes);
/* A parameter that is the address of unregistered host memory, else null. */
const void* find_host_pointer(const void* parameters, size_t bytes);

/* What the driver keeps on the device for itself. */
bool take(size_t bytes);
void give_back(size_t bytes);

void release_all_memory();

}  // namespace emulator

#endif
