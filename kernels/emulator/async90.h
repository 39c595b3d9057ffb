/* What a block on sm_90 has under way: bulk copies and warpgroup products. */
#ifndef FATHOM_EMULATOR_ASYNC90_H
#define FATHOM_EMULATOR_ASYNC90_H

#include <array>
#include <deque>
#include <map>
#include <vector>

#include "emulate90.h"
#include "tensor_map.h"

namespace emulator {

/* A box between a tensor and shared memory. */
struct BulkCopy {
  TensorMap map;
  int at[5];
  unsigned char* shared;
  uint64_t* barrier; /* of a load; null for a store */
};

/* A started wgmma. */
struct Product {
  std::array<float*, 128> d;
  std::array<std::array<uint32_t, 4>, 128> a; /* if it comes from registers */
  Wgmma operands;
  std::vector<float> saved; /* D before it was poisoned, thread by thread; empty if it was not */
};

struct Async90 {
  struct ThreadState {
    std::vector<BulkCopy> stores;
    std::vector<size_t> store_groups; /* committed: how many stores in each */
    size_t uncommitted_stores = 0;
    uint64_t products = 0;                /* started so far */
    std::vector<uint64_t> product_groups; /* committed: `products` at each commit */
    uint64_t finished_products = 0;       /* waited for */
    bool fenced = false;
    bool fenced_shared = false; /* fence_async_shared since its last barrier */
    std::vector<const void*> rows_read; /* by ldmatrix since that fence */
    bool published = false;     /* at a barrier to which all came with that fence */
    int barrier = -1;           /* where it waits */
  };
  struct Warpgroup {
    std::deque<Product> products; /* not performed yet */
    uint64_t performed = 0;
    int registers = 0; /* of a thread */
  };
  std::vector<ThreadState> threads;
  std::vector<Warpgroup> warpgroups;
  std::vector<BulkCopy> loads; /* delayed ones */
  /* Barriers that are initialised and not yet fenced, and the thread that did it. */
  std::map<const uint64_t*, unsigned> new_barriers;
  int free_registers = 0; /* of the multiprocessor; a warpgroup's thread counts 1 */
  struct {
    float a[64][16], b[16][256], d[64][256];
  } product; /* operands of the one that is computed */
};

/* The running block's, made at the first use. */
Async90& async90();
/* Faults if the thread that ends, or the block with its last one, left something under way. */
void check_end_of_thread90();

}  // namespace emulator

#endif
