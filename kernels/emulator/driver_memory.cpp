#include "driver_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <map>

#include "driver.h"
#include "report.h"

namespace emulator {

namespace {

constexpr size_t PAGE = 4096;
constexpr size_t ALIGNMENT = 256;
/* Fresh memory holds NaN, as float and as bf16. So does the slack around it, with other bits. */
constexpr int POISON = 0xff;
constexpr uint16_t SLACK = 0xffc1;

struct Allocation {
  unsigned char* data;
  size_t bytes;
  unsigned char* pages; /* accessible ones */
  size_t page_bytes;
  bool pooled;
};

struct Memory {
  unsigned char *arena = nullptr, *arena_end = nullptr, *next = nullptr;
  std::map<uintptr_t, Allocation> live, freed; /* by the start of their pages */
  std::map<uintptr_t, size_t> pinned;
  size_t total = size_t{4} << 30, used = 0;
  size_t pooled = 0, pooled_high = 0;
  uint64_t release_threshold = 0;
};

Memory& memory() {
  static Memory* m = [] {
    auto* made = new Memory;
    if (const char* text = getenv("FATHOM_EMULATOR_MEMORY"))
      made->total = strtoull(text, nullptr, 0);
    for (size_t bytes = size_t{1} << 42; bytes >= size_t{1} << 33; bytes /= 2) {
      void* p = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (p == MAP_FAILED) continue;
      made->arena = made->next = static_cast<unsigned char*>(p);
      made->arena_end = made->arena + bytes;
      break;
    }
    return made;
  }();
  return *m;
}

size_t round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }

const Allocation* find(const std::map<uintptr_t, Allocation>& in, const void* address) {
  const auto key = reinterpret_cast<uintptr_t>(address);
  auto after = in.upper_bound(key);
  if (after == in.begin()) return nullptr;
  const Allocation& a = std::prev(after)->second;
  return key < reinterpret_cast<uintptr_t>(a.pages) + a.page_bytes ? &a : nullptr;
}

/* The bytes before or behind an allocation's data on its pages; less than a page. */
struct Slack {
  unsigned char* start;
  size_t bytes;
  bool odd; /* begins with the pattern's second byte */
};
std::array<Slack, 2> slack_of(const Allocation& a) {
  const size_t before = static_cast<size_t>(a.data - a.pages);
  return {Slack{a.pages, before, false},
          Slack{a.data + a.bytes, a.page_bytes - before - a.bytes, (before + a.bytes) % 2 == 1}};
}
const unsigned char* slack_pattern() {
  static const auto* pattern = new std::vector<uint16_t>(PAGE / 2 + 1, SLACK);
  return reinterpret_cast<const unsigned char*>(pattern->data());
}
void fill_slack(const Allocation& a) {
  for (const Slack& part : slack_of(a)) memcpy(part.start, slack_pattern() + part.odd, part.bytes);
}

CUresult allocate(CUdeviceptr* p, size_t bytes, bool pooled) {
  Memory& m = memory();
  if (!p || bytes == 0)
    return refuse(CUDA_ERROR_INVALID_VALUE, "an allocation of %zu bytes", bytes);
  const size_t page_bytes = round_up(bytes, PAGE);
  if (bytes > m.total - m.used || page_bytes + PAGE > static_cast<size_t>(m.arena_end - m.next)) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  Allocation a{nullptr, bytes, m.next + PAGE, page_bytes, pooled};
  if (mprotect(a.pages, page_bytes, PROT_READ | PROT_WRITE) != 0) return CUDA_ERROR_OUT_OF_MEMORY;
  m.next = a.pages + page_bytes;
  /* Its end, or its start, touches an inaccessible page. */
  const bool at_end = driver().schedule % 2 == 0;
  a.data = at_end ? a.pages + page_bytes - round_up(bytes, ALIGNMENT) : a.pages;
  if (!driver().dry) {
    fill_slack(a);
    memset(a.data, POISON, bytes);
  }
  m.live[reinterpret_cast<uintptr_t>(a.pages)] = a;
  m.used += bytes;
  if (pooled) {
    m.pooled += bytes;
    m.pooled_high = std::max(m.pooled_high, m.pooled);
  }
  *p = reinterpret_cast<CUdeviceptr>(a.data);
  return CUDA_SUCCESS;
}

/* The first damaged byte of the slack, else null. */
const unsigned char* damage(const Allocation& a) {
  for (const Slack& part : slack_of(a)) {
    if (memcmp(part.start, slack_pattern() + part.odd, part.bytes) == 0) continue;
    for (size_t i = 0;; i++) {
      if (part.start[i] != slack_pattern()[part.odd + i]) return part.start + i;
    }
  }
  return nullptr;
}

CUresult check(const Allocation& a) {
  const unsigned char* p = driver().dry ? nullptr : damage(a);
  if (!p) return CUDA_SUCCESS;
  fill_slack(a);
  driver().sticky = CUDA_ERROR_ILLEGAL_ADDRESS;
  return refuse(CUDA_ERROR_ILLEGAL_ADDRESS, "out-of-bounds write to %p, %s",
                static_cast<const void*>(p), describe_address(p).c_str());
}

CUresult release(CUdeviceptr p) {
  Memory& m = memory();
  const Allocation* found = find(m.live, reinterpret_cast<void*>(p));
  if (!found || reinterpret_cast<CUdeviceptr>(found->data) != p) {
    return refuse(CUDA_ERROR_INVALID_VALUE, "free of %p, %s", reinterpret_cast<void*>(p),
                  describe_address(reinterpret_cast<void*>(p)).c_str());
  }
  const Allocation a = *found;
  const CUresult slack = check(a);
  mprotect(a.pages, a.page_bytes, PROT_NONE);
  madvise(a.pages, a.page_bytes, MADV_DONTNEED);
  const auto key = reinterpret_cast<uintptr_t>(a.pages);
  m.live.erase(key);
  m.freed[key] = a;
  if (m.freed.size() > 100000) m.freed.erase(m.freed.begin());
  m.used -= a.bytes;
  if (a.pooled) m.pooled -= a.bytes;
  return slack;
}

}  // namespace

bool is_device_address(const void* address) {
  const Memory& m = memory();
  return address >= m.arena && address < m.arena_end;
}

std::string describe_address(const void* address) {
  const Memory& m = memory();
  if (!is_device_address(address)) return "no device address";
  const auto* p = static_cast<const unsigned char*>(address);
  const auto tell = [p](const Allocation& a, const char* state) {
    const void* data = a.data;
    if (p < a.data)
      return format("%td bytes before the %zu bytes at %p%s", a.data - p, a.bytes, data, state);
    const ptrdiff_t offset = p - a.data;
    if (offset < static_cast<ptrdiff_t>(a.bytes)) {
      return format("%td bytes into the %zu bytes at %p%s", offset, a.bytes, data, state);
    }
    return format("%td bytes past the end of the %zu bytes at %p%s",
                  offset - static_cast<ptrdiff_t>(a.bytes), a.bytes, data, state);
  };
  if (const Allocation* a = find(m.live, address)) return tell(*a, "");
  if (const Allocation* a = find(m.freed, address)) return tell(*a, ", freed");
  /* A page between two allocations: the nearer one. */
  const Allocation *below = find(m.live, p - PAGE), *above = find(m.live, p + PAGE);
  if (below && above)
    (p - (below->data + below->bytes) <= above->data - p ? above : below) = nullptr;
  if (below) return tell(*below, "");
  if (above) return tell(*above, "");
  return "in no allocation";
}

CUresult check_range(CUdeviceptr p, size_t bytes, const char* what) {
  const auto* start = reinterpret_cast<const unsigned char*>(p);
  const Allocation* a = find(memory().live, start);
  if (a && start >= a->data && start + bytes <= a->data + a->bytes) return CUDA_SUCCESS;
  return refuse(CUDA_ERROR_INVALID_VALUE, "%s: %zu bytes from %p on, %s", what, bytes,
                static_cast<const void*>(start), describe_address(start).c_str());
}

CUresult check_slack() {
  CUresult result = CUDA_SUCCESS;
  for (const auto& [key, a] : memory().live) {
    if (const CUresult error = check(a)) result = error;
  }
  return result;
}

CUresult check_slack_of(const void* parameters, size_t bytes) {
  for (size_t i = 0; i + 8 <= bytes; i += 8) {
    const void* p;
    memcpy(&p, static_cast<const char*>(parameters) + i, 8);
    if (!is_device_address(p)) continue;
    const Allocation* a = find(memory().live, p);
    if (!a) continue;
    if (const CUresult error = check(*a)) return error;
  }
  return CUDA_SUCCESS;
}

const void* find_host_pointer(const void* parameters, size_t bytes) {
  for (size_t i = 0; i + 8 <= bytes; i += 8) {
    uintptr_t word;
    memcpy(&word, static_cast<const char*>(parameters) + i, 8);
    /* Where Linux puts heaps, libraries and stacks; two packed integers seldom look like it. */
    if (word < 0x550000000000 || word >> 47) continue;
    const void* p = reinterpret_cast<const void*>(word);
    if (is_device_address(p) || is_pinned(p, 1)) continue;
    unsigned char resident;
    void* page = reinterpret_cast<void*>(word & ~(PAGE - 1));
    if (mincore(page, PAGE, &resident) == 0) return p;
  }
  return nullptr;
}

bool is_pinned(const void* host, size_t bytes) {
  const auto key = reinterpret_cast<uintptr_t>(host);
  const auto& pinned = memory().pinned;
  auto after = pinned.upper_bound(key);
  if (after == pinned.begin()) return false;
  --after;
  return key + bytes <= after->first + after->second;
}

bool take(size_t bytes) {
  Memory& m = memory();
  if (bytes > m.total - m.used) return false;
  m.used += bytes;
  return true;
}
void give_back(size_t bytes) { memory().used -= bytes; }

void release_all_memory() {
  Memory& m = memory();
  while (!m.live.empty()) release(reinterpret_cast<CUdeviceptr>(m.live.begin()->second.data));
}

}  // namespace emulator

using namespace emulator;

/* ---- device memory ---- */

DRIVER_API cuMemGetInfo_v2(size_t* available, size_t* total) {
  DRIVER_CALL(CONTEXT);
  if (available) *available = memory().total - memory().used;
  if (total) *total = memory().total;
  return CUDA_SUCCESS;
}
DRIVER_API cuDeviceTotalMem_v2(size_t* bytes, CUdevice device) {
  DRIVER_CALL(INITIALISATION);
  if (device != 0) return CUDA_ERROR_INVALID_DEVICE;
  *bytes = memory().total;
  return CUDA_SUCCESS;
}
DRIVER_API cuMemAlloc_v2(CUdeviceptr* p, size_t bytes) {
  DRIVER_CALL(CONTEXT);
  if (any_capture()) return refuse_in_capture("cuMemAlloc");
  return allocate(p, bytes, false);
}
DRIVER_API cuMemFree_v2(CUdeviceptr p) {
  DRIVER_CALL(CONTEXT);
  if (p == 0) return CUDA_SUCCESS;
  if (any_capture()) return refuse_in_capture("cuMemFree");
  if (const CUresult error = finish_all()) return error;
  return release(p);
}
DRIVER_API cuMemAllocAsync(CUdeviceptr* p, size_t bytes, CUstream stream) {
  DRIVER_CALL(CONTEXT);
  stream = resolve(stream);
  if (!driver().valid(stream)) return CUDA_ERROR_INVALID_HANDLE;
  if (stream->capture)
    return refuse(CUDA_ERROR_NOT_SUPPORTED, "cuMemAllocAsync in a stream that is captured");
  return allocate(p, bytes, true);
}
DRIVER_API cuMemFreeAsync(CUdeviceptr p, CUstream stream) {
  DRIVER_CALL(CONTEXT);
  if (p == 0) return CUDA_SUCCESS;
  stream = resolve(stream);
  if (!driver().valid(stream)) return CUDA_ERROR_INVALID_HANDLE;
  if (stream->capture)
    return refuse(CUDA_ERROR_NOT_SUPPORTED, "cuMemFreeAsync in a stream that is captured");
  if (const CUresult error = check_range(p, 1, "cuMemFreeAsync")) return error;
  return enqueue(stream, [p] { return release(p); });
}
DRIVER_API cuMemGetAddressRange_v2(CUdeviceptr* base, size_t* bytes, CUdeviceptr p) {
  DRIVER_CALL(CONTEXT);
  const Allocation* a = find(memory().live, reinterpret_cast<void*>(p));
  if (!a) return CUDA_ERROR_NOT_FOUND;
  if (base) *base = reinterpret_cast<CUdeviceptr>(a->data);
  if (bytes) *bytes = a->bytes;
  return CUDA_SUCCESS;
}

/* ---- the default pool: its attributes; memory always comes from the system ---- */

DRIVER_API cuDeviceGetDefaultMemPool(CUmemoryPool* pool, CUdevice device) {
  DRIVER_CALL(INITIALISATION);
  if (device != 0) return CUDA_ERROR_INVALID_DEVICE;
  *pool = reinterpret_cast<CUmemoryPool>(&memory());
  return CUDA_SUCCESS;
}
DRIVER_API cuDeviceGetMemPool(CUmemoryPool* pool, CUdevice device) {
  return cuDeviceGetDefaultMemPool(pool, device);
}
DRIVER_API cuMemPoolSetAttribute(CUmemoryPool pool, int attribute, void* value) {
  DRIVER_CALL(INITIALISATION);
  if (reinterpret_cast<Memory*>(pool) != &memory()) return CUDA_ERROR_INVALID_VALUE;
  uint64_t number;
  memcpy(&number, value, attribute >= CU_MEMPOOL_ATTR_RELEASE_THRESHOLD ? 8 : 4);
  if (attribute == CU_MEMPOOL_ATTR_RELEASE_THRESHOLD) {
    memory().release_threshold = number;
  } else if (attribute == CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH ||
             attribute == CU_MEMPOOL_ATTR_USED_MEM_HIGH) {
    if (number != 0) return CUDA_ERROR_INVALID_VALUE;
    memory().pooled_high = memory().pooled;
  } else if (attribute < 1 || attribute > 3) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return CUDA_SUCCESS;
}
DRIVER_API cuMemPoolGetAttribute(CUmemoryPool pool, int attribute, void* value) {
  DRIVER_CALL(INITIALISATION);
  const Memory& m = memory();
  if (reinterpret_cast<Memory*>(pool) != &m) return CUDA_ERROR_INVALID_VALUE;
  uint64_t number;
  switch (attribute) {
    case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD: number = m.release_threshold; break;
    case CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT:
    case CU_MEMPOOL_ATTR_USED_MEM_CURRENT: number = m.pooled; break;
    case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH:
    case CU_MEMPOOL_ATTR_USED_MEM_HIGH: number = m.pooled_high; break;
    default: return CUDA_ERROR_INVALID_VALUE;
  }
  memcpy(value, &number, sizeof number);
  return CUDA_SUCCESS;
}
DRIVER_API cuMemPoolTrimTo(CUmemoryPool pool, size_t) {
  DRIVER_CALL(INITIALISATION);
  return reinterpret_cast<Memory*>(pool) == &memory() ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* ---- host memory ---- */

DRIVER_API cuMemHostAlloc(void** p, size_t bytes, unsigned) {
  DRIVER_CALL(CONTEXT);
  if (!p || bytes == 0) return CUDA_ERROR_INVALID_VALUE;
  *p = aligned_alloc(PAGE, round_up(bytes, PAGE));
  if (!*p) return CUDA_ERROR_OUT_OF_MEMORY;
  memset(*p, POISON, bytes);
  memory().pinned[reinterpret_cast<uintptr_t>(*p)] = bytes;
  return CUDA_SUCCESS;
}
DRIVER_API cuMemAllocHost_v2(void** p, size_t bytes) { return cuMemHostAlloc(p, bytes, 0); }
DRIVER_API cuMemFreeHost(void* p) {
  DRIVER_CALL(CONTEXT);
  if (!memory().pinned.erase(reinterpret_cast<uintptr_t>(p))) {
    return refuse(CUDA_ERROR_INVALID_VALUE,
                  "cuMemFreeHost of %p, which cuMemAllocHost did not return", p);
  }
  if (const CUresult error = finish_all()) return error;
  free(p);
  return CUDA_SUCCESS;
}
DRIVER_API cuMemHostRegister_v2(void* p, size_t bytes, unsigned) {
  DRIVER_CALL(CONTEXT);
  if (!p || bytes == 0) return CUDA_ERROR_INVALID_VALUE;
  if (is_pinned(p, 1)) return CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
  memory().pinned[reinterpret_cast<uintptr_t>(p)] = bytes;
  return CUDA_SUCCESS;
}
DRIVER_API cuMemHostUnregister(void* p) {
  DRIVER_CALL(CONTEXT);
  if (!memory().pinned.erase(reinterpret_cast<uintptr_t>(p)))
    return CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
  return finish_all();
}
DRIVER_API cuMemHostGetDevicePointer_v2(CUdeviceptr* device, void* host, unsigned) {
  DRIVER_CALL(CONTEXT);
  if (!is_pinned(host, 1)) return CUDA_ERROR_INVALID_VALUE;
  *device = reinterpret_cast<CUdeviceptr>(host);
  return CUDA_SUCCESS;
}
