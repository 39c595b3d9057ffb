/*
 * Modules and kernels. An image is an ELF shared object that g++ made of .cu files: see emulate.h.
 */
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "driver.h"
#include "report.h"
#include "scheduler.h"

namespace emulator {

namespace {

/* The length of an ELF file in memory: the end of its last section, table or segment. */
size_t elf_bytes(const unsigned char* image) {
  Elf64_Ehdr header;
  memcpy(&header, image, sizeof header);
  size_t bytes = std::max<size_t>(header.e_shoff + size_t{header.e_shnum} * header.e_shentsize,
                                  header.e_phoff + size_t{header.e_phnum} * header.e_phentsize);
  for (unsigned i = 0; i < header.e_phnum; i++) {
    Elf64_Phdr segment;
    memcpy(&segment, image + header.e_phoff + size_t{i} * header.e_phentsize, sizeof segment);
    bytes = std::max<size_t>(bytes, segment.p_offset + segment.p_filesz);
  }
  return bytes;
}

/* What a real GPU's images look like: cubin, fatbin, PTX. */
CUresult check_image(const unsigned char* image) {
  constexpr unsigned CUDA_MACHINE = 190;
  constexpr unsigned char FATBIN[4] = {0x50, 0xed, 0x55, 0xba};
  if (memcmp(image, FATBIN, 4) == 0 || memcmp(image, "//", 2) == 0 ||
      memcmp(image, ".version", 8) == 0) {
    return refuse(CUDA_ERROR_NO_BINARY_FOR_GPU,
                  "the image is for NVIDIA's GPUs, not for the emulator");
  }
  if (memcmp(image, ELFMAG, SELFMAG) != 0 || image[EI_CLASS] != ELFCLASS64) {
    return refuse(CUDA_ERROR_INVALID_IMAGE, "the image is no ELF file");
  }
  Elf64_Ehdr header;
  memcpy(&header, image, sizeof header);
  if (header.e_machine == CUDA_MACHINE) {
    return refuse(CUDA_ERROR_NO_BINARY_FOR_GPU,
                  "the image is for NVIDIA's GPUs, not for the emulator");
  }
  if (header.e_type != ET_DYN)
    return refuse(CUDA_ERROR_INVALID_IMAGE, "the image is no shared object");
  return CUDA_SUCCESS;
}

/* Bytes of a library's thread-local block. */
size_t thread_local_bytes(void* library) {
  link_map* map = nullptr;
  if (dlinfo(library, RTLD_DI_LINKMAP, &map) != 0) return 0;
  struct Search {
    ElfW(Addr) base;
    size_t bytes;
  } search{map->l_addr, 0};
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* data) {
        auto* wanted = static_cast<Search*>(data);
        if (info->dlpi_addr != wanted->base) return 0;
        for (int i = 0; i < info->dlpi_phnum; i++) {
          if (info->dlpi_phdr[i].p_type == PT_TLS) wanted->bytes = info->dlpi_phdr[i].p_memsz;
        }
        return 1;
      },
      &search);
  return search.bytes;
}

void unload(CUmodule module) {
  driver().modules.erase(module);
  dlclose(module->library);
  close(module->file);
  delete module;
}

CUresult load(CUmodule* result, const void* image) {
  if (!result || !image) return CUDA_ERROR_INVALID_VALUE;
  const auto* bytes = static_cast<const unsigned char*>(image);
  if (const CUresult error = check_image(bytes)) return error;
  const int file = memfd_create("cuda-module", MFD_CLOEXEC);
  if (file < 0) return CUDA_ERROR_OUT_OF_MEMORY;
  for (size_t at = 0, end = elf_bytes(bytes); at < end;) {
    const ssize_t written = write(file, bytes + at, end - at);
    if (written <= 0) {
      close(file);
      return CUDA_ERROR_OUT_OF_MEMORY;
    }
    at += static_cast<size_t>(written);
  }
  /* The descriptor stays open: the loader takes two files of one name for the same library. */
  void* library = dlopen(format("/proc/self/fd/%d", file).c_str(), RTLD_NOW | RTLD_LOCAL);
  const auto architecture =
      library ? reinterpret_cast<int (*)()>(dlsym(library, "fathom_emulator_architecture"))
              : nullptr;
  CUresult error = CUDA_SUCCESS;
  if (!library) {
    error = refuse(CUDA_ERROR_INVALID_IMAGE, "the image cannot be loaded: %s", dlerror());
  } else if (!architecture) {
    error = refuse(CUDA_ERROR_INVALID_IMAGE, "the image has no kernels of the emulator");
  } else if (architecture() > driver().capability) {
    error = refuse(CUDA_ERROR_NO_BINARY_FOR_GPU,
                   "the image is for compute capability %d, the device has %d", architecture(),
                   driver().capability);
  }
  if (error) {
    if (library) dlclose(library);
    close(file);
    return error;
  }
  *result = new CUmod_st;
  (*result)->library = library;
  (*result)->file = file;
  (*result)->static_bytes = thread_local_bytes(library);
  driver().modules.insert(*result);
  return CUDA_SUCCESS;
}

CUfunction checked(CUfunction function) {
  for (CUmodule module : driver().modules) {
    for (const auto& f : module->functions) {
      if (f.get() == function) return function;
    }
  }
  return nullptr;
}

}  // namespace

void unload_all_modules() {
  while (!driver().modules.empty()) unload(*driver().modules.begin());
}

}  // namespace emulator

using namespace emulator;

DRIVER_API cuModuleLoadData(CUmodule* module, const void* image) {
  DRIVER_CALL(CONTEXT);
  return load(module, image);
}
DRIVER_API cuModuleLoadDataEx(CUmodule* module, const void* image, unsigned, int*, void**) {
  return cuModuleLoadData(module, image);
}
DRIVER_API cuModuleLoadFatBinary(CUmodule* module, const void* image) {
  return cuModuleLoadData(module, image);
}
DRIVER_API cuModuleLoad(CUmodule* module, const char* path) {
  DRIVER_CALL(CONTEXT);
  FILE* file = path ? fopen(path, "rb") : nullptr;
  if (!file)
    return refuse(CUDA_ERROR_FILE_NOT_FOUND, "cuModuleLoad: no file %s", path ? path : "(null)");
  std::string image;
  char buffer[65536];
  for (size_t n; (n = fread(buffer, 1, sizeof buffer, file)) > 0;) image.append(buffer, n);
  fclose(file);
  image.append(64, '\0'); /* short files can be looked at like long ones */
  return load(module, image.data());
}
DRIVER_API cuModuleUnload(CUmodule module) {
  DRIVER_CALL(CONTEXT);
  if (!driver().modules.count(module)) return CUDA_ERROR_INVALID_HANDLE;
  const CUresult error = finish_all();
  unload(module);
  return error;
}
DRIVER_API cuModuleGetFunction(CUfunction* function, CUmodule module, const char* name) {
  DRIVER_CALL(CONTEXT);
  if (!function || !name) return CUDA_ERROR_INVALID_VALUE;
  if (!driver().modules.count(module)) return CUDA_ERROR_INVALID_HANDLE;
  for (const auto& f : module->functions) {
    if (strcmp(f->kernel->name, name) == 0) {
      *function = f.get();
      return CUDA_SUCCESS;
    }
  }
  const void* kernel = dlsym(module->library, (std::string("fathom_kernel_") + name).c_str());
  if (!kernel) return CUDA_ERROR_NOT_FOUND;
  auto made = std::make_unique<CUfunc_st>();
  made->kernel = static_cast<const Kernel*>(kernel);
  made->module = module;
  *function = made.get();
  module->functions.push_back(std::move(made));
  return CUDA_SUCCESS;
}

/* ---- kernels ---- */

DRIVER_API cuFuncGetAttribute(int* value, CUfunction_attribute attribute, CUfunction function) {
  DRIVER_CALL(CONTEXT);
  if (!checked(function)) return CUDA_ERROR_INVALID_HANDLE;
  switch (attribute) {
    case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
      *value = static_cast<int>(function->kernel->launch_bound);
      break;
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES: *value = function->dynamic_limit; break;
    case CU_FUNC_ATTRIBUTE_NUM_REGS:
      *value = 65536 / std::max(static_cast<int>(function->kernel->launch_bound), 256);
      break;
    case CU_FUNC_ATTRIBUTE_PTX_VERSION:
    case CU_FUNC_ATTRIBUTE_BINARY_VERSION:
      *value = static_cast<int>(function->kernel->architecture);
      break;
    case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT: *value = -1; break;
    case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES:
    case CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES:
    case CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES:
    case CU_FUNC_ATTRIBUTE_CACHE_MODE_CA: *value = 0; break;
    default: return CUDA_ERROR_INVALID_VALUE;
  }
  return CUDA_SUCCESS;
}
DRIVER_API cuFuncSetAttribute(CUfunction function, CUfunction_attribute attribute, int value) {
  DRIVER_CALL(CONTEXT);
  if (!checked(function)) return CUDA_ERROR_INVALID_HANDLE;
  if (attribute == CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT) return CUDA_SUCCESS;
  if (attribute != CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES) return CUDA_ERROR_INVALID_VALUE;
  if (value < 0 || value > static_cast<int>(MAX_SHARED)) {
    return refuse(CUDA_ERROR_INVALID_VALUE, "%d bytes of shared memory for %s, a block has %u",
                  value, function->kernel->name, MAX_SHARED);
  }
  function->dynamic_limit = value;
  return CUDA_SUCCESS;
}
DRIVER_API cuFuncSetCacheConfig(CUfunction, int) {
  DRIVER_CALL(CONTEXT);
  return CUDA_SUCCESS;
}
DRIVER_API cuFuncGetParamInfo(CUfunction function, size_t index, size_t* offset, size_t* bytes) {
  DRIVER_CALL(CONTEXT);
  if (!checked(function)) return CUDA_ERROR_INVALID_HANDLE;
  if (index != 0) return CUDA_ERROR_INVALID_VALUE;
  *offset = 0;
  if (bytes) *bytes = function->kernel->parameter_bytes;
  return CUDA_SUCCESS;
}
DRIVER_API cuFuncGetModule(CUmodule* module, CUfunction function) {
  DRIVER_CALL(CONTEXT);
  if (!checked(function)) return CUDA_ERROR_INVALID_HANDLE;
  *module = function->module;
  return CUDA_SUCCESS;
}
/* By threads and shared memory; registers are not known. */
DRIVER_API cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, CUfunction function,
                                                       int threads, size_t shared_bytes) {
  DRIVER_CALL(CONTEXT);
  if (!checked(function)) return CUDA_ERROR_INVALID_HANDLE;
  if (!blocks || threads <= 0) return CUDA_ERROR_INVALID_VALUE;
  const int by_threads =
      threads > static_cast<int>(function->kernel->launch_bound) ? 0 : 2048 / threads;
  const int by_shared = static_cast<int>(228 * 1024 / (shared_bytes + 1024));
  *blocks = std::min({by_threads, by_shared, 32});
  return CUDA_SUCCESS;
}
DRIVER_API cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, CUfunction function,
                                                                int threads, size_t shared_bytes,
                                                                unsigned) {
  return cuOccupancyMaxActiveBlocksPerMultiprocessor(blocks, function, threads, shared_bytes);
}
