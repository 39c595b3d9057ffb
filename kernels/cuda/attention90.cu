/*
 * Multi-head attention for sm_90a at head dimension 64: attention.cu's algorithm, with the Hopper's
 * units that run on their own, in the manner of FlashAttention-3 (Shah et al. 2024).
 *
 * One warpgroup fetches queries, keys and values by TMA into a ring of stages. The others have 64
 * queries each. For a tile of 128 keys such a warpgroup starts the scores of this tile and the
 * product of the last tile's probabilities, which stay in registers, with the values, and
 * exponentiates while the latter runs. Named barriers let the warpgroups take turns at starting
 * products, so that one exponentiates while another multiplies.
 *
 * At this head dimension a tile costs a multiprocessor as many cycles in the special function unit
 * as in the tensor cores: 16 exponentials and 4096 operations a cycle, 1024 cycles for 128x128
 * scores either way. A quarter of the exponentials is therefore computed as a polynomial by the
 * other units.
 *
 * Blocks stay: while a warpgroup finishes its rows, the next queries, keys and values arrive. One
 * block on a multiprocessor, of one of three shapes, so that few heads fill the last wave, too:
 *
 *   fathom_attention90         128 queries, two warpgroups
 *   fathom_attention90_tall    192 queries, three
 *   fathom_attention90_short    64 queries, two warpgroups, which take the tiles of keys in turn;
 *                               in the end one adds what the other has
 *
 * Registers: 168 at the launch; 24 for the warpgroup that fetches, 240 for the two others. Tall:
 * 128, 32 and 160.
 */
#include "attention90.h"
#include "softmax90.h"

namespace {

constexpr int kTile = kKeys * kLine; /* bytes */
static_assert(kKeys == 2 * kRows, "tiles are made of boxes");

/* `GROUPS` warpgroups compute; each has rows of its own, or all have the same and share keys. */
template <int GROUPS, bool SHARED_ROWS>
struct Shape {
  static constexpr int kGroups = GROUPS;
  static constexpr bool kSharedRows = SHARED_ROWS;
  static constexpr int kBoxes = SHARED_ROWS ? 1 : GROUPS; /* of queries */
  /* Warpgroups that read such a box, and a tile of keys. */
  static constexpr int kReaders = SHARED_ROWS ? GROUPS : 1;
  static constexpr int kTileReaders = SHARED_ROWS ? 1 : GROUPS;
};
using Usual = Shape<2, false>;
using Tall = Shape<3, false>;
using Short = Shape<2, true>;
static_assert(FATHOM_ATTENTION90_ROWS == Usual::kBoxes * kRows &&
                  FATHOM_ATTENTION90_TALL_ROWS == Tall::kBoxes * kRows &&
                  FATHOM_ATTENTION90_SHORT_ROWS == Short::kBoxes * kRows,
              "queries of a block");

/* What a thread of the second warpgroup has of a row of Short: sums, and two rows' statistics. */
constexpr int kExchange = kDim / 2 + 4;

template <class S>
struct Memory {
  unsigned char queries[S::kBoxes][kBox], results[S::kBoxes][kBox];
  unsigned char keys[kStages][kTile], values[kStages][kTile];
  float exchange[S::kSharedRows ? kExchange : 1][128];
  uint64_t queries_full[S::kBoxes], queries_empty[S::kBoxes];
  uint64_t keys_full[kStages], keys_empty[kStages];
  uint64_t values_full[kStages], values_empty[kStages];
};
static_assert(sizeof(Memory<Usual>) <= FATHOM_ATTENTION90_SHARED &&
                  sizeof(Memory<Tall>) <= FATHOM_ATTENTION90_TALL_SHARED &&
                  sizeof(Memory<Short>) <= FATHOM_ATTENTION90_SHORT_SHARED,
              "shared memory of a block");

/* A block's pieces of work: the queries of a head that it has at a time. */
template <class S>
struct Work {
  int piece, pieces, blocks, tiles;
  int batch, head, first;
  int done = 0; /* pieces so far */

  DEV_MEMBER explicit Work(const fathom_cuda_attention90_args& args)
      : piece((int)blockIdx.x),
        blocks(ceil_div(args.tokens, S::kBoxes * kRows)),
        tiles(ceil_div(args.tokens, kKeys)) {
    pieces = args.batch * args.heads * blocks;
  }
  DEV_MEMBER bool next(const fathom_cuda_attention90_args& args) {
    if (piece >= pieces) return false;
    const int at = piece / blocks;
    first = piece % blocks * S::kBoxes * kRows;
    batch = at / args.heads;
    head = at % args.heads;
    return true;
  }
  DEV_MEMBER void finish() {
    piece += (int)gridDim.x;
    done++;
  }
};

/* ---- the warpgroup that fetches: one thread ---- */

template <class S>
DEV void fetch_tile(const fathom_cuda_attention90_args& args, const Work<S>& w, int part, int tile,
                    int turn, unsigned char* to, uint64_t* full, uint64_t* empty) {
  mbarrier_wait(empty, turn ^ 1);
  mbarrier_arrive_expect(full, kTile);
  for (int box = 0; box < 2; box++)
    tensor_load(to + box * kBox, args.qkv, (part * args.heads + w.head) * kDim,
                tile * kKeys + box * kRows, w.batch, full);
}

template <class S>
DEV void fetch(const fathom_cuda_attention90_args& args, Memory<S>& m) {
  for (Work<S> w(args); w.next(args); w.finish()) {
    for (int box = 0; box < S::kBoxes; box++) {
      mbarrier_wait(&m.queries_empty[box], w.done % 2 ^ 1);
      mbarrier_arrive_expect(&m.queries_full[box], kBox);
      tensor_load(m.queries[box], args.qkv, w.head * kDim, w.first + box * kRows, w.batch,
                  &m.queries_full[box]);
    }
    for (int tile = 0; tile < w.tiles; tile++) {
      const Slot to(w.done * w.tiles + tile);
      fetch_tile(args, w, 1, tile, to.turn, m.keys[to.stage], &m.keys_full[to.stage],
                 &m.keys_empty[to.stage]);
      fetch_tile(args, w, 2, tile, to.turn, m.values[to.stage], &m.values_full[to.stage],
                 &m.values_empty[to.stage]);
    }
  }
}

/* ---- a warpgroup that computes ---- */

/* A turn at starting products: mine comes when the warpgroup before me has passed it on. */
DEV void wait_for_turn(int group) { barrier_sync(1 + group, 256); }
template <class S>
DEV void pass_turn(int group) {
  barrier_arrive(1 + (group + 1) % S::kGroups, 256);
}

/* Starts s = q k^T. */
DEV void start_scores(float (&s)[kKeys / 2], uint64_t queries, const unsigned char* keys) {
  const uint64_t k = descriptor(keys);
  wgmma_fence();
#pragma unroll
  for (int d = 0; d < 4; d++) wgmma<kKeys>(s, advance(queries, 32 * d), advance(k, 32 * d), d > 0);
  wgmma_commit();
}
/* Starts o += p v; values are transposed, N contiguous. */
DEV void start_values(float (&o)[32], const FragA (&p)[kKeys / 16], const unsigned char* values) {
  const uint64_t v = descriptor(values);
  wgmma_hold(o);
  wgmma_fence();
#pragma unroll
  for (int k = 0; k < kKeys / 16; k++) wgmma<64, true>(o, p[k], advance(v, 16 * kLine * k), true);
  wgmma_commit();
}

DEV void to_operand(FragA (&p)[kKeys / 16], const float (&s)[kKeys / 2]) {
#pragma unroll
  for (int k = 0; k < kKeys / 16; k++)
#pragma unroll
    for (int r = 0; r < 4; r++) p[k].x[r] = pack_bf16(s[8 * k + 2 * r], s[8 * k + 2 * r + 1]);
}

template <class S>
class Consumer {
 public:
  DEV_MEMBER Consumer(const fathom_cuda_attention90_args& args_, Memory<S>& m_, int group_)
      : args(args_), w(args_), m(m_), group(group_), box(S::kSharedRows ? 0 : group_) {
    /* The maximum needs a factor that is not negative; 0 would turn masked scores into NaN. */
    softmax.negative = args.scale < 0.0f;
    softmax.c = fmaxf(fabsf(args.scale) * kLog2E, 1e-30f);
  }

  DEV_MEMBER void run() {
    for (; w.next(args); w.finish()) {
      softmax.rows[0] = softmax.rows[1] = Row{-INFINITY, 0.0f};
#pragma unroll
      for (int i = 0; i < kDim / 2; i++) o[i] = 0.0f;
      mbarrier_wait(&m.queries_full[box], w.done % 2);
      if (!S::kSharedRows || group < w.tiles) multiply();
      if (!S::kSharedRows || exchange()) finish();
    }
    tensor_store_wait<0>();
  }

 private:
  static constexpr int kFirstGroupBarrier = 4, kExchangeBarrier = 8;
  static constexpr int kStep = S::kSharedRows ? S::kGroups : 1; /* between tiles */

  DEV_MEMBER Slot slot(int tile) const { return Slot(w.done * w.tiles + tile); }

  /* o and the rows' statistics from the warpgroup's tiles of keys. */
  DEV_MEMBER void multiply() {
    const uint64_t queries = descriptor(m.queries[box]);
    int tile = S::kSharedRows ? group : 0;
    Slot at = slot(tile);
    float s[kKeys / 2], rescale[2];
    FragA probabilities[kKeys / 16];
    mbarrier_wait(&m.keys_full[at.stage], at.turn);
    start_scores(s, queries, m.keys[at.stage]);
    wgmma_wait<0>();
    wgmma_hold(s);
    release(&m.keys_empty[at.stage]);
    softmax.apply(s, args.tokens - tile * kKeys, rescale);
    to_operand(probabilities, s);
    /* The first turn is the first warpgroup's. */
    if (!S::kSharedRows && group == S::kGroups - 1 && w.tiles > 1) pass_turn<S>(group);

    for (tile += kStep; tile < w.tiles; tile += kStep) {
      const Slot before = at;
      at = slot(tile);
      mbarrier_wait(&m.keys_full[at.stage], at.turn);
      if (!S::kSharedRows) wait_for_turn(group);
      wgmma_hold(o);
      start_scores(s, queries, m.keys[at.stage]);
      mbarrier_wait(&m.values_full[before.stage], before.turn);
      start_values(o, probabilities, m.values[before.stage]);
      if (!S::kSharedRows && (group < S::kGroups - 1 || tile + 1 < w.tiles)) pass_turn<S>(group);
      wgmma_wait<1>();
      wgmma_hold(s);
      release(&m.keys_empty[at.stage]);
      softmax.apply(s, args.tokens - tile * kKeys, rescale);
      wgmma_wait<0>();
      wgmma_hold(o);
      release(&m.values_empty[before.stage]);
#pragma unroll
      for (int i = 0; i < kDim / 2; i++) o[i] *= rescale[i / 2 % 2];
      to_operand(probabilities, s);
    }
    mbarrier_wait(&m.values_full[at.stage], at.turn);
    start_values(o, probabilities, m.values[at.stage]);
    wgmma_wait<0>();
    wgmma_hold(o);
    release(&m.values_empty[at.stage]);
  }

  /* The second warpgroup's o and statistics to the first's, which gets true. */
  DEV_MEMBER bool exchange() {
    float(*shared)[128] = m.exchange;
    const int thread = (int)threadIdx.x % 128;
    if (group > 0) {
#pragma unroll
      for (int i = 0; i < kDim / 2; i++) shared[i][thread] = o[i];
#pragma unroll
      for (int half = 0; half < 2; half++) {
        shared[kDim / 2 + half][thread] = softmax.rows[half].maximum;
        shared[kDim / 2 + 2 + half][thread] = softmax.rows[half].sum;
      }
    }
    barrier_sync(kExchangeBarrier, 256);
    if (group == 0) {
      float mine[2], other[2];
#pragma unroll
      for (int half = 0; half < 2; half++) {
        Row& row = softmax.rows[half];
        const float maximum = fmaxf(row.maximum, shared[kDim / 2 + half][thread]);
        mine[half] = fast_exp2(softmax.c * (row.maximum - maximum));
        other[half] = fast_exp2(softmax.c * (shared[kDim / 2 + half][thread] - maximum));
        row.maximum = maximum;
        row.sum = row.sum * mine[half] + shared[kDim / 2 + 2 + half][thread] * other[half];
      }
#pragma unroll
      for (int i = 0; i < kDim / 2; i++)
        o[i] = o[i] * mine[i / 2 % 2] + shared[i][thread] * other[i / 2 % 2];
    }
    barrier_sync(kExchangeBarrier, 256);
    if (group > 0) release(&m.queries_empty[box]);
    return group == 0;
  }

  /* Statistics and results of the rows. */
  DEV_MEMBER void finish() {
    release(&m.queries_empty[box]);
    const int first = w.first + box * kRows;
    float inverse[2];
#pragma unroll
    for (int half = 0; half < 2; half++) {
      float sum = softmax.rows[half].sum;
      sum += __shfl_xor_sync(0xffffffffu, sum, 1);
      sum += __shfl_xor_sync(0xffffffffu, sum, 2);
      inverse[half] = 1.0f / sum;
      const int row = first + wgmma_row(2 * half);
      if (args.log_sum_exp && lane_id() % 4 == 0 && row < args.tokens)
        args.log_sum_exp[((int64_t)w.batch * args.heads + w.head) * args.tokens + row] =
            kLn2 * fmaf(softmax.c, softmax.rows[half].maximum, log2f(sum));
    }
    const bool sender = threadIdx.x % 128 == 0;
    if (sender) tensor_store_wait_read<0>(); /* of the rows before */
    barrier_sync(kFirstGroupBarrier + group, 128);
    write_rows(m.results[box], o, inverse);
    fence_async_shared();
    barrier_sync(kFirstGroupBarrier + group, 128);
    if (sender && first < args.tokens) {
      tensor_store(args.out, w.head * kDim, first, w.batch, m.results[box]);
      tensor_store_commit();
    }
  }

  const fathom_cuda_attention90_args& args;
  Work<S> w;
  Memory<S>& m;
  const int group, box;
  Softmax softmax;
  float o[kDim / 2];
};

template <class S, int PRODUCER_REGISTERS, int CONSUMER_REGISTERS>
DEV void attention(const fathom_cuda_attention90_args& args) {
  EXTERN_SHARED(shared);
  Memory<S>& m = *(Memory<S>*)shared;
  if (threadIdx.x == 0) {
    for (int box = 0; box < S::kBoxes; box++) {
      mbarrier_init(&m.queries_full[box], 1);
      mbarrier_init(&m.queries_empty[box], 4 * S::kReaders);
    }
    for (int stage = 0; stage < kStages; stage++) {
      mbarrier_init(&m.keys_full[stage], 1);
      mbarrier_init(&m.values_full[stage], 1);
      mbarrier_init(&m.keys_empty[stage], 4 * S::kTileReaders);
      mbarrier_init(&m.values_empty[stage], 4 * S::kTileReaders);
    }
    mbarrier_fence_init();
    prefetch_map(args.qkv);
    prefetch_map(args.out);
  }
  __syncthreads();
  if (threadIdx.x < 128) {
    registers_give<PRODUCER_REGISTERS>();
    if (threadIdx.x == 0) fetch<S>(args, m);
  } else {
    registers_take<CONSUMER_REGISTERS>();
    Consumer<S>(args, m, (int)threadIdx.x / 128 - 1).run();
  }
}

}  // namespace

extern "C" __global__ void __launch_bounds__(FATHOM_ATTENTION90_THREADS, 1)
    fathom_attention90(const GRID_CONSTANT fathom_cuda_attention90_args args) {
  attention<Usual, 24, 240>(args);
}
REGISTER_KERNEL(fathom_attention90)

extern "C" __global__ void __launch_bounds__(FATHOM_ATTENTION90_TALL_THREADS, 1)
    fathom_attention90_tall(const GRID_CONSTANT fathom_cuda_attention90_args args) {
  attention<Tall, 32, 160>(args);
}
REGISTER_KERNEL(fathom_attention90_tall)

extern "C" __global__ void __launch_bounds__(FATHOM_ATTENTION90_THREADS, 1)
    fathom_attention90_short(const GRID_CONSTANT fathom_cuda_attention90_args args) {
  attention<Short, 24, 240>(args);
}
REGISTER_KERNEL(fathom_attention90_short)
