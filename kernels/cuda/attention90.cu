/*
 * Multi-head attention for sm_90a at head dimension 64: attention.cu's algorithm, with the Hopper's
 * units that run on their own, in the manner of FlashAttention-3 (Shah et al. 2024).
 *
 * One warpgroup fetches queries, keys and values by TMA into a ring of stages. Two others have 64
 * queries each. For a tile of 128 keys such a warpgroup starts the scores of this tile and the
 * product of the last tile's probabilities, which stay in registers, with the values, and
 * exponentiates while the latter runs. Two named barriers let the two warpgroups take turns at
 * starting products, so that one exponentiates while the other multiplies.
 *
 * At this head dimension a tile costs a multiprocessor as many cycles in the special function unit
 * as in the tensor cores: 16 exponentials and 4096 operations a cycle, 1024 cycles for 128x128
 * scores either way. A quarter of the exponentials is therefore computed as a polynomial by the
 * other units.
 *
 * Registers: 168 at the launch; 24 for the warpgroup that fetches, 240 for the others. One block on
 * a multiprocessor.
 */
#include "attention90.h"

namespace {

constexpr int kKeys = 128; /* in a tile */
constexpr int kStages = 2;
constexpr int kTile = kKeys * kLine; /* bytes */
static_assert(FATHOM_ATTENTION90_ROWS == 2 * kRows && kKeys == 2 * kRows,
              "tiles are made of boxes");

struct Memory {
  unsigned char queries[2][kBox]; /* and the results, in the end */
  unsigned char keys[kStages][kTile];
  unsigned char values[kStages][kTile];
  uint64_t queries_full;
  uint64_t keys_full[kStages], keys_empty[kStages];
  uint64_t values_full[kStages], values_empty[kStages];
};
static_assert(sizeof(Memory) <= FATHOM_ATTENTION90_SHARED, "shared memory of a block");

/* The head and the queries of a block. */
struct Place {
  int batch, head, first, tiles;

  DEV_MEMBER explicit Place(const fathom_cuda_attention90_args& args) {
    const int blocks = (args.tokens + 2 * kRows - 1) / (2 * kRows);
    const int at = (int)blockIdx.x / blocks;
    first = (int)blockIdx.x % blocks * 2 * kRows;
    batch = at / args.heads;
    head = at % args.heads;
    tiles = (args.tokens + kKeys - 1) / kKeys;
  }
};

/* ---- the warpgroup that fetches: one thread ---- */

DEV void fetch_tile(const fathom_cuda_attention90_args& args, const Place& p, int part, int tile,
                    unsigned char* to, uint64_t* full, uint64_t* empty) {
  mbarrier_wait(empty, tile / kStages % 2 ^ 1);
  mbarrier_arrive_expect(full, kTile);
  for (int box = 0; box < 2; box++)
    tensor_load(to + box * kBox, args.qkv, (part * args.heads + p.head) * 64,
                tile * kKeys + box * FATHOM_ATTENTION90_BOX, p.batch, full);
}

DEV void fetch(const fathom_cuda_attention90_args& args, const Place& p, Memory& m) {
  mbarrier_arrive_expect(&m.queries_full, 2 * kBox);
  for (int box = 0; box < 2; box++)
    tensor_load(m.queries[box], args.qkv, p.head * 64, p.first + box * kRows, p.batch,
                &m.queries_full);
  for (int tile = 0; tile < p.tiles; tile++) {
    const int stage = tile % kStages;
    fetch_tile(args, p, 1, tile, m.keys[stage], &m.keys_full[stage], &m.keys_empty[stage]);
    fetch_tile(args, p, 2, tile, m.values[stage], &m.values_full[stage], &m.values_empty[stage]);
  }
}

/* ---- a warpgroup that computes ---- */

/*
 * 2^x for x <= 0, as 2^n times a polynomial on [-1/2,1/2] (minimax, relative error 7.5e-5, a
 * twentieth of bf16's rounding); 2^-126 for everything below.
 */
DEV float polynomial_exp2(float x) {
  x = fmaxf(x, -126.0f);
  const float shifted = x + 12582912.0f; /* 1.5 * 2^23: n in the low bits */
  const float r = x - (shifted - 12582912.0f);
  const float p =
      fmaf(fmaf(fmaf(0.0551716685f, r, 0.242611125f), r, 0.693260968f), r, 0.999928057f);
  return __int_as_float(__float_as_int(p) + (int)((unsigned)__float_as_int(shifted) << 23));
}

/* The softmax of a row so far; `sum` is over this thread's columns until the end. */
struct Row {
  float maximum, sum;
};

/*
 * Scores of a row to exp2(c * (score - maximum)), and the factor that what was summed before takes.
 * Rows are the elements of s with i / 2 % 2 = half; four threads share one.
 */
DEV float exponentiate(float (&s)[kKeys / 2], int half, float c, Row& row) {
  float maximum = row.maximum;
#pragma unroll
  for (int i = 0; i < kKeys / 2; i++)
    if (i / 2 % 2 == half) maximum = fmaxf(maximum, s[i]);
  maximum = fmaxf(maximum, __shfl_xor_sync(0xffffffffu, maximum, 1));
  maximum = fmaxf(maximum, __shfl_xor_sync(0xffffffffu, maximum, 2));
  const float shift = -c * maximum, rescale = fast_exp2(fmaf(c, row.maximum, shift));
  float sum = 0.0f;
#pragma unroll
  for (int i = 0; i < kKeys / 2; i++)
    if (i / 2 % 2 == half) {
      const float x = fmaf(c, s[i], shift);
      s[i] = i / 4 % 4 == 3 ? polynomial_exp2(x) : fast_exp2(x);
      sum += s[i];
    }
  row.sum = fmaf(row.sum, rescale, sum);
  row.maximum = maximum;
  return rescale;
}

/* A turn at starting products: mine comes when the other warpgroup has passed it on. */
DEV void wait_for_turn(int group) { barrier_sync(1 + group, 256); }
DEV void pass_turn(int group) { barrier_arrive(1 + (group ^ 1), 256); }

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

struct Softmax {
  float c;
  bool negative;
  Row rows[2];

  /* Scores of a tile to probabilities, up to a factor for the row; the factors for the sums before.
   */
  DEV_MEMBER void apply(float (&s)[kKeys / 2], int left, float (&rescale)[2]) {
    if (negative) {
#pragma unroll
      for (int i = 0; i < kKeys / 2; i++) s[i] = -s[i];
    }
    if (left < kKeys) {
#pragma unroll
      for (int i = 0; i < kKeys / 2; i++)
        if (wgmma_column(i) >= left) s[i] = -INFINITY;
    }
#pragma unroll
    for (int half = 0; half < 2; half++) rescale[half] = exponentiate(s, half, c, rows[half]);
  }
};

DEV void to_operand(FragA (&p)[kKeys / 16], const float (&s)[kKeys / 2]) {
#pragma unroll
  for (int k = 0; k < kKeys / 16; k++)
#pragma unroll
    for (int r = 0; r < 4; r++) p[k].x[r] = pack_bf16(s[8 * k + 2 * r], s[8 * k + 2 * r + 1]);
}

/* Results times factor; one thread sends them. */
DEV void store(const fathom_cuda_attention90_args& args, const Place& p, int group,
               unsigned char* to, const float (&o)[32], const float (&factor)[2]) {
  write_rows(to, o, factor);
  fence_async_shared();
  barrier_sync(3 + group, 128);
  const int first = p.first + group * kRows;
  if (threadIdx.x % 128 == 0 && first < args.tokens) {
    tensor_store(args.out, p.head * 64, first, p.batch, to);
    tensor_store_commit();
    tensor_store_wait<0>();
  }
}

DEV void compute(const fathom_cuda_attention90_args& args, const Place& p, Memory& m, int group) {
  Softmax softmax;
  /* The maximum needs a factor that is not negative; one of 0 would turn masked scores into NaN. */
  softmax.negative = args.scale < 0.0f;
  softmax.c = fmaxf(fabsf(args.scale) * kLog2E, 1e-30f);
  softmax.rows[0] = softmax.rows[1] = Row{-INFINITY, 0.0f};
  float s[kKeys / 2], o[32], rescale[2];
#pragma unroll
  for (int i = 0; i < 32; i++) o[i] = 0.0f;
  FragA probabilities[kKeys / 16];
  const uint64_t queries = descriptor(m.queries[group]);

  mbarrier_wait(&m.queries_full, 0);
  mbarrier_wait(&m.keys_full[0], 0);
  start_scores(s, queries, m.keys[0]);
  wgmma_wait<0>();
  wgmma_hold(s);
  release(&m.keys_empty[0]);
  softmax.apply(s, args.tokens, rescale);
  to_operand(probabilities, s);
  if (group == 1 && p.tiles > 1) pass_turn(group); /* the first turn is the other's */

  for (int tile = 1; tile < p.tiles; tile++) {
    const int stage = tile % kStages, before = (tile - 1) % kStages;
    mbarrier_wait(&m.keys_full[stage], tile / kStages % 2);
    wait_for_turn(group);
    wgmma_hold(o);
    start_scores(s, queries, m.keys[stage]);
    mbarrier_wait(&m.values_full[before], (tile - 1) / kStages % 2);
    start_values(o, probabilities, m.values[before]);
    if (group == 0 || tile + 1 < p.tiles) pass_turn(group);
    wgmma_wait<1>();
    wgmma_hold(s);
    release(&m.keys_empty[stage]);
    softmax.apply(s, args.tokens - tile * kKeys, rescale);
    wgmma_wait<0>();
    wgmma_hold(o);
    release(&m.values_empty[before]);
#pragma unroll
    for (int i = 0; i < 32; i++) o[i] *= rescale[i / 2 % 2];
    to_operand(probabilities, s);
  }
  const int last = p.tiles - 1;
  mbarrier_wait(&m.values_full[last % kStages], last / kStages % 2);
  start_values(o, probabilities, m.values[last % kStages]);
  wgmma_wait<0>();
  wgmma_hold(o);

  float inverse[2];
#pragma unroll
  for (int half = 0; half < 2; half++) {
    float sum = softmax.rows[half].sum;
    sum += __shfl_xor_sync(0xffffffffu, sum, 1);
    sum += __shfl_xor_sync(0xffffffffu, sum, 2);
    inverse[half] = 1.0f / sum;
    const int row = p.first + group * kRows + wgmma_row(2 * half);
    if (args.log_sum_exp && lane_id() % 4 == 0 && row < args.tokens)
      args.log_sum_exp[((int64_t)p.batch * args.heads + p.head) * args.tokens + row] =
          kLn2 * fmaf(softmax.c, softmax.rows[half].maximum, log2f(sum));
  }
  store(args, p, group, m.queries[group], o, inverse);
}

}  // namespace

extern "C" __global__ void __launch_bounds__(FATHOM_ATTENTION90_THREADS, 1)
    fathom_attention90(const GRID_CONSTANT fathom_cuda_attention90_args args) {
  EXTERN_SHARED(shared);
  Memory& memory = *(Memory*)shared;
  const Place place(args);
  if (threadIdx.x == 0) {
    mbarrier_init(&memory.queries_full, 1);
    for (int stage = 0; stage < kStages; stage++) {
      mbarrier_init(&memory.keys_full[stage], 1);
      mbarrier_init(&memory.values_full[stage], 1);
      mbarrier_init(&memory.keys_empty[stage], 8);
      mbarrier_init(&memory.values_empty[stage], 8);
    }
    mbarrier_fence_init();
    prefetch_map(args.qkv);
    prefetch_map(args.out);
  }
  __syncthreads();
  if (threadIdx.x < 128) {
    registers_give<24>();
    if (threadIdx.x == 0) fetch(args, place, memory);
  } else {
    registers_take<240>();
    compute(args, place, memory, threadIdx.x / 128 - 1);
  }
}
REGISTER_KERNEL(fathom_attention90)
