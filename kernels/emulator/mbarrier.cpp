/* mbarriers and bulk tensor copies (TMA), as the PTX manual describes them. */
#include <algorithm>

#include "async90.h"
#include "scheduler.h"

namespace emulator {

namespace {

/* What the 8 bytes hold; the real contents are opaque too. */
struct Barrier90 {
  int32_t bytes; /* expected and not yet there */
  uint16_t arrivals : 15, phase : 1;
  uint16_t pending;
};
static_assert(sizeof(Barrier90) == 8);

bool in_shared(const void* p, size_t bytes) {
  const auto* start = static_cast<const unsigned char*>(p);
  return start >= block->shared && start + bytes <= block->shared + block->shared_bytes;
}

Barrier90& checked(uint64_t* barrier) {
  auto* b = reinterpret_cast<Barrier90*>(barrier);
  if (reinterpret_cast<uintptr_t>(b) % 8)
    fault(Fault::MISALIGNED, "an mbarrier at %p", static_cast<void*>(b));
  if (b->arrivals == 0 || b->pending > b->arrivals)
    fault(Fault::LAUNCH_FAILED, "the mbarrier was not initialised");
  return *b;
}

void settle(Barrier90& b) {
  if (b.pending > 0) return;
  if (b.bytes < 0)
    fault(Fault::LAUNCH_FAILED, "%d more bytes arrive at an mbarrier than it expects", -b.bytes);
  if (b.bytes > 0) return;
  b.phase ^= 1;
  b.pending = b.arrivals;
  execution()->advanced = true;
}

/* Calls row(tensor's address or null, shared address) for each 16 bytes of the box. */
template <class Chunk>
void for_each_chunk(const BulkCopy& copy, Chunk chunk) {
  const TensorMap& m = copy.map;
  const int per_chunk = 16 / m.element_bytes;
  uint32_t box[5], i[5] = {};
  for (int d = 0; d < 5; d++) box[d] = d < m.rank ? m.box[d] : 1;
  size_t offset = 0;
  for (i[4] = 0; i[4] < box[4]; i[4]++) {
    for (i[3] = 0; i[3] < box[3]; i[3]++) {
      for (i[2] = 0; i[2] < box[2]; i[2]++) {
        for (i[1] = 0; i[1] < box[1]; i[1]++) {
          char* row = m.address;
          bool inside = true;
          for (int d = 1; d < m.rank; d++) {
            const int64_t at = int64_t{copy.at[d]} + i[d];
            inside = inside && at >= 0 && at <= int64_t{m.sizes[d]};
            row += at * static_cast<int64_t>(m.strides[d - 1]);
          }
          for (i[0] = 0; i[0] < box[0]; i[0] += per_chunk, offset += 16) {
            const auto shared =
                swizzled(reinterpret_cast<uintptr_t>(copy.shared + offset), m.swizzle);
            for (int e = 0; e < per_chunk; e++) {
              const int64_t x = int64_t{copy.at[0]} + i[0] + e;
              char* global = inside && x >= 0 && x <= int64_t{m.sizes[0]}
                                 ? row + x * m.element_bytes
                                 : nullptr;
              chunk(global, reinterpret_cast<char*>(shared) + e * m.element_bytes, m.element_bytes);
            }
          }
        }
      }
    }
  }
}

void perform_load(const BulkCopy& copy) {
  for_each_chunk(copy, [](const char* global, char* shared, size_t bytes) {
    if (global) {
      memcpy(shared, global, bytes);
    } else {
      memset(shared, 0, bytes);
    }
  });
  Barrier90& b = checked(copy.barrier);
  b.bytes -= static_cast<int32_t>(copy.map.box_bytes);
  settle(b);
}
void perform_store(const BulkCopy& copy) {
  for_each_chunk(copy, [](char* global, const char* shared, size_t bytes) {
    if (global) memcpy(global, shared, bytes);
  });
}

BulkCopy make_copy(const uint64_t* map, const int* at, int rank, const void* shared,
                   uint64_t* barrier) {
  BulkCopy copy;
  memcpy(&copy.map, map, sizeof copy.map);
  if (reinterpret_cast<uintptr_t>(map) % 64)
    fault(Fault::MISALIGNED, "a tensor map at %p, no multiple of 64",
          static_cast<const void*>(map));
  if (copy.map.magic != TensorMap::MAGIC) fault(Fault::LAUNCH_FAILED, "not a tensor map");
  if (copy.map.rank != rank)
    fault(Fault::LAUNCH_FAILED, "%d coordinates for a tensor map of rank %d", rank, copy.map.rank);
  if (at[0] * copy.map.element_bytes % 16)
    fault(Fault::MISALIGNED, "a bulk copy from coordinate %d, no multiple of 16 bytes", at[0]);
  std::copy(at, at + 5, copy.at);
  copy.shared = static_cast<unsigned char*>(const_cast<void*>(shared));
  copy.barrier = barrier;
  const unsigned alignment = copy.map.swizzle == 0 ? 128u : 8u * (16u << copy.map.swizzle);
  if (shared_offset(shared) % alignment) {
    fault(Fault::MISALIGNED, "a bulk copy at shared offset %u, no multiple of %u",
          shared_offset(shared), alignment);
  }
  if (!in_shared(shared, copy.map.box_bytes)) {
    fault(Fault::ILLEGAL_ADDRESS,
          "a bulk copy of %u bytes at offset %u of %u bytes of shared memory", copy.map.box_bytes,
          shared_offset(shared), block->shared_bytes);
  }
  return copy;
}

/* What ptxas gives a kernel with a launch bound of one block of so many threads. */
int registers_at_launch(size_t threads) {
  return std::min(65536 / static_cast<int>(threads) / 8 * 8, 248);
}

}  // namespace

Async90& async90() {
  Execution& e = *execution();
  if (!e.async90) {
    e.async90 = std::make_unique<Async90>();
    e.async90->threads.resize(e.threads.size());
    e.async90->warpgroups.resize((e.threads.size() + 127) / 128);
    for (Async90::Warpgroup& w : e.async90->warpgroups)
      w.registers = registers_at_launch(e.threads.size());
  }
  return *e.async90;
}

uint32_t shared_offset(const void* p) {
  if (!in_shared(p, 0)) fault(Fault::ILLEGAL_ADDRESS, "%p is not in dynamic shared memory", p);
  return static_cast<uint32_t>(static_cast<const unsigned char*>(p) - block->shared);
}

/* ---- mbarriers ---- */

void mbarrier_init(uint64_t* barrier, int arrivals) {
  if (reinterpret_cast<uintptr_t>(barrier) % 8)
    fault(Fault::MISALIGNED, "an mbarrier at %p", static_cast<void*>(barrier));
  if (arrivals < 1 || arrivals > 0x7fff)
    fault(Fault::LAUNCH_FAILED, "an mbarrier for %d arrivals", arrivals);
  auto* b = reinterpret_cast<Barrier90*>(barrier);
  b->bytes = 0;
  b->arrivals = static_cast<uint16_t>(arrivals) & 0x7fff;
  b->phase = 0;
  b->pending = static_cast<uint16_t>(arrivals);
  async90().new_barriers[barrier] = block->current->linear;
}

void mbarrier_fence_init() {
  std::erase_if(async90().new_barriers,
                [](const auto& entry) { return entry.second == block->current->linear; });
}

void mbarrier_arrive(uint64_t* barrier, int expected_bytes) {
  Barrier90& b = checked(barrier);
  if (b.pending == 0)
    fault(Fault::LAUNCH_FAILED, "over-arrival: the mbarrier's %d arrivals of this phase are there",
          b.arrivals);
  if (expected_bytes < 0 || expected_bytes >= 1 << 20)
    fault(Fault::LAUNCH_FAILED, "an mbarrier expects %d bytes", expected_bytes);
  b.bytes += expected_bytes;
  b.pending--;
  execution()->advanced = true;
  settle(b);
}

void mbarrier_wait(uint64_t* barrier, int parity, Place place) {
  const Barrier90& b = checked(barrier);
  if (parity != 0 && parity != 1) fault(Fault::LAUNCH_FAILED, "parity %d of an mbarrier", parity);
  for (bool first = true;; first = false) {
    if (Async90* async = execution()->async90.get()) {
      for (size_t i = 0; i < async->loads.size();) {
        if (async->loads[i].barrier != barrier) {
          i++;
          continue;
        }
        const BulkCopy copy = async->loads[i];
        async->loads.erase(async->loads.begin() + static_cast<ptrdiff_t>(i));
        perform_load(copy);
      }
    }
    if (b.phase != static_cast<unsigned>(parity)) {
      if (!first) poll_succeeded();
      return;
    }
    poll(parity ? "an mbarrier's phase 1" : "an mbarrier's phase 0", place);
  }
}

/* ---- bulk copies ---- */

void fence_async_shared() {
  Async90::ThreadState& t = async90().threads[block->current->linear];
  t.fenced_shared = true;
  t.rows_read.clear();
}
void note_matrix_row(const void* row) {
  async90().threads[block->current->linear].rows_read.push_back(row);
}

void tensor_load(void* shared, const uint64_t* map, const int* at, int rank, uint64_t* barrier) {
  checked(barrier);
  if (async90().new_barriers.count(barrier)) {
    fault(Fault::LAUNCH_FAILED,
          "a bulk load to an mbarrier initialised without mbarrier_fence_init");
  }
  const BulkCopy copy = make_copy(map, at, rank, shared, barrier);
  const std::vector<Async90::ThreadState>& threads = async90().threads;
  for (size_t i = 0; i < threads.size(); i++) {
    for (const void* row : threads[i].rows_read) {
      if (row < copy.shared || row >= copy.shared + copy.map.box_bytes) continue;
      fault(Fault::LAUNCH_FAILED,
            "a bulk load overwrites what thread %zu read by ldmatrix, without fence_async_shared",
            i);
    }
  }
  if (!block->delayed) return perform_load(copy);
  memset(shared, 0xff, copy.map.box_bytes); /* the swizzle permutes within the box */
  async90().loads.push_back(copy);
  execution()->advanced = true;
}

void tensor_store(const uint64_t* map, const int* at, int rank, const void* shared) {
  const BulkCopy copy = make_copy(map, at, rank, shared, nullptr);
  Async90::ThreadState& t = async90().threads[block->current->linear];
  if (!t.fenced_shared && !t.published) {
    fault(Fault::LAUNCH_FAILED,
          "a bulk store without fence_async_shared by all that wrote its box");
  }
  t.stores.push_back(copy);
  t.uncommitted_stores++;
  if (!block->delayed) perform_store(copy);
}
void tensor_store_commit() {
  Async90::ThreadState& t = async90().threads[block->current->linear];
  t.store_groups.push_back(t.uncommitted_stores);
  t.uncommitted_stores = 0;
}
void tensor_store_wait(int pending_groups) {
  Async90::ThreadState& t = async90().threads[block->current->linear];
  while (t.store_groups.size() > static_cast<size_t>(pending_groups)) {
    const size_t count = t.store_groups.front();
    t.store_groups.erase(t.store_groups.begin());
    if (block->delayed)
      std::for_each(t.stores.begin(), t.stores.begin() + static_cast<ptrdiff_t>(count),
                    perform_store);
    t.stores.erase(t.stores.begin(), t.stores.begin() + static_cast<ptrdiff_t>(count));
  }
}

/* ---- registers ---- */

namespace {

/* Each thread of a block has as many at the launch, and there are no more: who takes waits. */
void change_registers(const char* what, int count, bool take, Place place) {
  if (!gather_warpgroup(what, nullptr, place)) return;
  Async90& async = async90();
  Async90::Warpgroup& w = async.warpgroups[block->current->linear / 128];
  const int more = count - w.registers;
  if (take ? more < 0 : more > 0) {
    fault(Fault::LAUNCH_FAILED, "%s: %d registers instead of %d", what, count, w.registers);
  }
  while (more > async.free_registers) poll(what, place);
  poll_succeeded();
  async.free_registers -= more;
  w.registers = count;
  release_warpgroup();
}

}  // namespace

void registers_take(int count, Place place) {
  change_registers("registers_take", count, true, place);
}
void registers_give(int count, Place place) {
  change_registers("registers_give", count, false, place);
}

void check_end_of_thread90() {
  Execution& e = *execution();
  if (!e.async90) return;
  const Async90::ThreadState& t = e.async90->threads[e.current->linear];
  if (!t.stores.empty())
    fault(Fault::LAUNCH_FAILED, "the thread ends without waiting for its bulk stores");
  if (t.products > t.finished_products)
    fault(Fault::LAUNCH_FAILED, "the thread ends without waiting for its wgmma");
  if (e.live == 1 && !e.async90->loads.empty())
    fault(Fault::LAUNCH_FAILED, "the block ends without waiting for a bulk load");
}

}  // namespace emulator
