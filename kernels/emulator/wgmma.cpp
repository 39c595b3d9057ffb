/* wgmma.mma_async: 64 x N x 16 products of a warpgroup, with the PTX manual's operand layouts. */
#include "async90.h"
#include "scheduler.h"

namespace emulator {

namespace {

float from_bf16(uint16_t bits) {
  const uint32_t u = static_cast<uint32_t>(bits) << 16;
  float f;
  memcpy(&f, &u, 4);
  return f;
}

/* Reads elements of an operand in shared memory; `line` is m of A or n of B. */
class Operand {
 public:
  Operand(uint64_t descriptor, bool transposed, const char* name)
      : transposed_(transposed), name_(name) {
    start_ = (descriptor & 0x3fff) << 4;
    leading_ = (descriptor >> 16 & 0x3fff) << 4;
    stride_ = (descriptor >> 32 & 0x3fff) << 4;
    /* The field's values 1, 2, 3 are 128, 64, 32 bytes. */
    const unsigned field = descriptor >> 62;
    kind_ = field ? 4 - static_cast<int>(field) : 0;
    if (descriptor >> 49 & 7)
      fault(Fault::LAUNCH_FAILED, "wgmma %s: a base offset is not emulated", name);
  }
  float at(unsigned line, unsigned k) const {
    const unsigned width = 16u << kind_; /* bytes of a row */
    const unsigned per_row = width / 2;
    unsigned offset;
    if (!transposed_ && kind_ == 0) {
      offset = line % 8 * 16 + line / 8 * stride_ + k / 8 * leading_ + k % 8 * 2;
    } else if (!transposed_) {
      offset = line % 8 * width + line / 8 * stride_ + k * 2;
    } else if (kind_ == 0) {
      offset = line % 8 * 2 + line / 8 * stride_ + k % 8 * 16 + k / 8 * leading_;
    } else {
      offset = line % per_row * 2 + line / per_row * leading_ + k % 8 * width + k / 8 * stride_;
    }
    const auto address = static_cast<unsigned>(swizzled(start_ + offset, kind_));
    if (address + 2 > block->shared_bytes) {
      fault(Fault::ILLEGAL_ADDRESS, "wgmma %s reads offset %u of %u bytes of shared memory", name_,
            address, block->shared_bytes);
    }
    uint16_t bits;
    memcpy(&bits, block->shared + address, 2);
    return from_bf16(bits);
  }

 private:
  bool transposed_;
  const char* name_;
  unsigned start_, leading_, stride_;
  int kind_;
};

unsigned row_of(unsigned thread, unsigned i) {
  return thread / 32 * 16 + thread % 32 / 4 + i / 2 % 2 * 8;
}
unsigned column_of(unsigned thread, unsigned i) { return i / 4 * 8 + thread % 4 * 2 + i % 2; }

void perform(const Product& p) {
  const Wgmma& o = p.operands;
  const unsigned n = static_cast<unsigned>(o.n), registers = n / 2;
  auto& [A, B, D] = async90().product;
  if (o.a) {
    /* Register r of a thread: rows + 8 (r % 2), k + 8 (r / 2), two neighbours. */
    for (unsigned t = 0; t < 128; t++) {
      for (unsigned i = 0; i < 8; i++) {
        const unsigned r = i / 2, row = t / 32 * 16 + t % 32 / 4 + r % 2 * 8,
                       k = t % 4 * 2 + r / 2 * 8 + i % 2;
        A[row][k] = from_bf16(static_cast<uint16_t>(p.a[t][r] >> (16 * (i % 2))));
      }
    }
  } else {
    const Operand a(o.a_descriptor, o.a_transposed, "A");
    for (unsigned m = 0; m < 64; m++) {
      for (unsigned k = 0; k < 16; k++) A[m][k] = a.at(m, k);
    }
  }
  const Operand b(o.b_descriptor, o.b_transposed, "B");
  for (unsigned k = 0; k < 16; k++) {
    for (unsigned j = 0; j < n; j++) B[k][j] = b.at(j, k);
  }
  for (unsigned t = 0; t < 128 && !p.saved.empty(); t++) {
    memcpy(p.d[t], &p.saved[t * registers], registers * sizeof(float));
  }
  for (unsigned t = 0; t < 128; t++) {
    for (unsigned i = 0; i < registers; i++)
      D[row_of(t, i)][column_of(t, i)] = o.accumulate ? p.d[t][i] : 0;
  }
  for (unsigned m = 0; m < 64; m++) {
    for (unsigned k = 0; k < 16; k++) {
      for (unsigned j = 0; j < n; j++) D[m][j] += A[m][k] * B[k][j];
    }
  }
  for (unsigned t = 0; t < 128; t++) {
    for (unsigned i = 0; i < registers; i++) p.d[t][i] = D[row_of(t, i)][column_of(t, i)];
  }
}

/* Nobody may look at D before the wait. A chain of products saves it once. */
void poison(Product& p, const std::deque<Product>& earlier) {
  for (const Product& e : earlier) {
    if (e.d[0] == p.d[0]) return;
  }
  const size_t registers = static_cast<size_t>(p.operands.n) / 2;
  p.saved.resize(128 * registers);
  for (size_t t = 0; t < 128; t++) {
    memcpy(&p.saved[t * registers], p.d[t], registers * sizeof(float));
    memset(p.d[t], 0xff, registers * sizeof(float));
  }
}

Async90::ThreadState& this_thread() { return async90().threads[block->current->linear]; }

}  // namespace

void wgmma(const Wgmma& operands, Place place) {
  if (!this_thread().fenced)
    fault(Fault::LAUNCH_FAILED, "wgmma without wgmma_fence since the start or the last wait");
  Wgmma mine = operands;
  void** all = gather_warpgroup("wgmma", &mine, place);
  if (!all) return;
  Async90& async = async90();
  const unsigned group = block->current->linear / 128;
  Product p;
  p.operands = mine;
  for (unsigned t = 0; t < 128; t++) {
    const Wgmma& o = *static_cast<const Wgmma*>(all[t]);
    if (o.a_descriptor != mine.a_descriptor || o.b_descriptor != mine.b_descriptor ||
        o.n != mine.n || o.accumulate != mine.accumulate || !o.a != !mine.a) {
      fault(Fault::LAUNCH_FAILED, "wgmma with different descriptors in a warpgroup: thread %u",
            group * 128 + t);
    }
    p.d[t] = o.d;
    if (o.a) std::copy(o.a, o.a + 4, p.a[t].begin());
    async.threads[group * 128 + t].products++;
  }
  Async90::Warpgroup& w = async.warpgroups[group];
  if (block->delayed) {
    poison(p, w.products);
    w.products.push_back(std::move(p));
  } else {
    perform(p);
    w.performed++;
  }
  release_warpgroup();
}

void wgmma_fence() { this_thread().fenced = true; }

void wgmma_commit() {
  Async90::ThreadState& t = this_thread();
  t.product_groups.push_back(t.products);
}

void wgmma_wait(int pending_groups) {
  Async90::ThreadState& t = this_thread();
  t.fenced = false;
  const size_t groups = t.product_groups.size(), pending = static_cast<size_t>(pending_groups);
  if (groups <= pending) return;
  const uint64_t through = t.product_groups[groups - pending - 1];
  t.product_groups.erase(t.product_groups.begin(),
                         t.product_groups.end() - static_cast<ptrdiff_t>(pending));
  t.finished_products = through;
  Async90::Warpgroup& w = async90().warpgroups[block->current->linear / 128];
  while (w.performed < through) {
    perform(w.products.front());
    w.products.pop_front();
    w.performed++;
  }
}

}  // namespace emulator
