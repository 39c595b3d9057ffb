/*
 * The gradient of multi-head attention for sm_90a at head dimension 64: attention_backward.cu's sums,
 * with TMA and wgmma.
 *
 *     P = exp(S - log_sum_exp)    dP = d_out v^T    U = P * (dP - delta)
 *     dv = P^T d_out              dq = scale U k    dk = scale U^T q
 *
 * A block keeps 128 rows of one side of a head, 64 for each of two warpgroups, whose operands stay
 * in registers; a third warpgroup fetches the other side in tiles of 64 rows. Blocks of keys compute
 * S^T and dP^T, so that for them, too, P and U are the left operands of the products that follow and
 * never leave the registers. Both kinds are one launch, the longer ones first, which fill each
 * other's last wave.
 *
 * Seven products instead of five. Cycles of a multiprocessor for 128 queries and 128 keys:
 *                         tensor cores   shared memory   exponentials
 *   a block of keys           2048           1024            1024
 *   a block of queries        1536            768            1024
 *   one kernel for all        2560           2560            1024
 * (4096 operations, 128 bytes, 16 exponentials a cycle.) One kernel has to pass U through shared
 * memory for dq, whose sums are spread over the blocks of keys: 32 KB of them for each such tile go
 * through shared memory into L2, in an order that must be enforced if the bits are to be the same
 * every time. It is bound by shared memory as much as by the tensor cores; these two are bound by
 * the tensor cores alone, and no block waits for another.
 *
 * The exponentials of a tile run while the tensor cores have the sums of the tile before, and U
 * while they have the scores of the next.
 *
 * Registers: 168 at the launch; 24 for the warpgroup that fetches, 240 for the others. One block on
 * a multiprocessor.
 */
#include "attention90.h"

namespace {

constexpr int kStages = 4;

struct Memory {
  unsigned char kept[2][2][kBox]; /* [tensor][warpgroup]; the results, in the end */
  unsigned char passing[kStages][2][kBox];
  /* -log2(e) * log_sum_exp and -delta of a tile's queries. */
  float minus_lse[kStages][kRows], minus_delta[kStages][kRows];
  uint64_t kept_full, full[kStages], empty[kStages];
};
static_assert(sizeof(Memory) <= FATHOM_ATTENTION_BACKWARD90_SHARED, "shared memory of a block");
static_assert(FATHOM_ATTENTION_BACKWARD90_ROWS == 2 * kRows, "two warpgroups");

/* The head of a block, and the first of its rows. */
struct Place {
  int batch, head, first, tiles;

  DEV_MEMBER Place(const fathom_cuda_attention_backward90_args& args, int block) {
    const int blocks = ceil_div(args.tokens, 2 * kRows);
    first = block % blocks * 2 * kRows;
    batch = block / blocks / args.heads;
    head = block / blocks % args.heads;
    tiles = ceil_div(args.tokens, kRows);
  }
  DEV_MEMBER int64_t statistic(const fathom_cuda_attention_backward90_args& args, int token) const {
    return ((int64_t)batch * args.heads + head) * args.tokens + token;
  }
};

/* ---- the warpgroup that fetches: a thread for the tiles, a warp for the statistics ---- */

/* 64 rows of q and d_out, or of k and v. */
template <bool QUERIES>
DEV void load_rows(const fathom_cuda_attention_backward90_args& args, const Place& p, int row,
                   unsigned char* a, unsigned char* b, uint64_t* full) {
  const int heads = args.heads;
  tensor_load(a, args.qkv, (QUERIES ? p.head : heads + p.head) * kDim, row, p.batch, full);
  if (QUERIES) {
    tensor_load(b, args.d_out, p.head * kDim, row, p.batch, full);
  } else {
    tensor_load(b, args.qkv, (2 * heads + p.head) * kDim, row, p.batch, full);
  }
}

template <bool KEYS>
DEV void fetch_tiles(const fathom_cuda_attention_backward90_args& args, const Place& p, Memory& m) {
  mbarrier_arrive_expect(&m.kept_full, 4 * kBox);
  for (int group = 0; group < 2; group++)
    load_rows<!KEYS>(args, p, p.first + group * kRows, m.kept[0][group], m.kept[1][group],
                     &m.kept_full);
  for (int tile = 0; tile < p.tiles; tile++) {
    const int stage = tile % kStages;
    mbarrier_wait(&m.empty[stage], tile / kStages % 2 ^ 1);
    mbarrier_arrive_expect(&m.full[stage], 2 * kBox);
    load_rows<KEYS>(args, p, tile * kRows, m.passing[stage][0], m.passing[stage][1],
                    &m.full[stage]);
  }
}

/* For queries past the end P is 0. */
DEV void fetch_statistics(const fathom_cuda_attention_backward90_args& args, const Place& p,
                          Memory& m) {
  for (int tile = 0; tile < p.tiles; tile++) {
    const int stage = tile % kStages;
    float lse[2], delta[2];
#pragma unroll
    for (int i = 0; i < 2; i++) {
      const int query = tile * kRows + 32 * i + lane_id();
      const bool valid = query < args.tokens;
      lse[i] = valid ? args.log_sum_exp[p.statistic(args, query)] : INFINITY;
      delta[i] = valid ? args.delta[p.statistic(args, query)] : 0.0f;
    }
    mbarrier_wait(&m.empty[stage], tile / kStages % 2 ^ 1);
#pragma unroll
    for (int i = 0; i < 2; i++) {
      m.minus_lse[stage][32 * i + lane_id()] = -kLog2E * lse[i];
      m.minus_delta[stage][32 * i + lane_id()] = -delta[i];
    }
    __syncwarp();
    if (elect_one()) mbarrier_arrive(&m.full[stage]);
  }
}

/* ---- a warpgroup that computes ---- */

/* 64 rows in shared memory as left operands, 16 columns each. */
DEV void load_operand(FragA (&a)[kDim / 16], unsigned char* rows) {
  const int row = (int)threadIdx.x % 128 / 32 * 16 + lane_id() % 16;
#pragma unroll
  for (int d = 0; d < kDim / 16; d++)
    load_a_rows(a[d], (const elem*)swizzled_chunk(rows, row, 2 * d + lane_id() / 16));
}

/* Starts s = a tile^T: a row for each kept row, a column for each of the tile's. */
DEV void start_scores(float (&s)[kRows / 2], const FragA (&a)[kDim / 16],
                      const unsigned char* tile) {
  const uint64_t b = descriptor(tile);
  wgmma_discard(s);
  wgmma_fence();
#pragma unroll
  for (int d = 0; d < kDim / 16; d++) wgmma<kRows>(s, a[d], advance(b, 32 * d), d > 0);
  wgmma_commit();
}
/* Starts sums = weights tile or sums += weights tile, in the group that is committed next. */
DEV void start_sums(float (&sums)[kDim / 2], const FragA (&weights)[kRows / 16],
                    const unsigned char* tile, bool accumulate) {
  const uint64_t b = descriptor(tile);
#pragma unroll
  for (int k = 0; k < kRows / 16; k++)
    wgmma<kDim, true>(sums, weights[k], advance(b, 16 * kLine * k), accumulate || k > 0);
}

DEV void to_operand(FragA (&a)[kRows / 16], const float (&s)[kRows / 2]) {
#pragma unroll
  for (int k = 0; k < kRows / 16; k++)
#pragma unroll
    for (int r = 0; r < 4; r++) a[k].x[r] = pack_bf16(s[8 * k + 2 * r], s[8 * k + 2 * r + 1]);
}

template <bool KEYS>
class Consumer {
 public:
  DEV_MEMBER Consumer(const fathom_cuda_attention_backward90_args& args_, const Place& p_,
                      Memory& m_, int group_)
      : args(args_), p(p_), m(m_), group(group_), c(args_.scale * kLog2E) {}

  DEV_MEMBER void run() {
    if (!KEYS) load_statistics();
    mbarrier_wait(&m.kept_full, 0);
    load_operand(first, m.kept[0][group]);
    load_operand(second, m.kept[1][group]);
    mbarrier_wait(&m.full[0], 0);
    wgmma_discard(first_sums);
    wgmma_discard(second_sums);
    start_scores(s, first, m.passing[0][0]);
    start_scores(dp, second, m.passing[0][1]);
    wgmma_wait<1>();
    exponentiate(0);
    wgmma_wait<0>();
    to_operand(weights, s);
    for (int tile = 0; tile + 1 < p.tiles; tile++) step(tile);
    gradient_of_scores<true>(p.tiles - 1);
    start_all_sums(p.tiles - 1);
    wgmma_wait<0>();
    store();
  }

 private:
  /* A row's statistics, where rows are queries. */
  DEV_MEMBER void load_statistics() {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int query = p.first + group * kRows + wgmma_row(2 * half);
      const bool valid = query < args.tokens;
      minus_lse[half] = valid ? -kLog2E * args.log_sum_exp[p.statistic(args, query)] : -INFINITY;
      minus_delta[half] = valid ? -args.delta[p.statistic(args, query)] : 0.0f;
    }
  }

  /*
   * From weights and dP of a tile to those of the next. Nothing is under way at either end: ptxas
   * does not follow a wgmma around a loop.
   */
  DEV_MEMBER void step(int tile) {
    const int stage = tile % kStages, next = (tile + 1) % kStages;
    mbarrier_wait(&m.full[next], (tile + 1) / kStages % 2);
    start_scores(s, first, m.passing[next][0]);
    gradient_of_scores<false>(tile);
    start_all_sums(tile);
    start_scores(dp, second, m.passing[next][1]);
    wgmma_wait<2>();
    exponentiate(tile + 1);
    wgmma_wait<0>();
    release(&m.empty[stage]);
    to_operand(weights, s);
  }

  /* s = P, the scores being there. */
  DEV_MEMBER void exponentiate(int tile) {
    const int stage = tile % kStages;
    wgmma_hold(s);
#pragma unroll
    for (int i = 0; i < kRows / 2; i += 2) {
      const float2 minus = KEYS ? load_2(&m.minus_lse[stage][wgmma_column(i)])
                                : make_float2(minus_lse[i / 2 % 2], minus_lse[i / 2 % 2]);
      s[i] = fast_exp2(fmaf(c, s[i], minus.x));
      s[i + 1] = fast_exp2(fmaf(c, s[i + 1], minus.y));
    }
  }

  DEV_MEMBER void start_all_sums(int tile) {
    const int stage = tile % kStages;
    wgmma_fence();
    if (KEYS) start_sums(second_sums, weights, m.passing[stage][1], tile > 0);
    start_sums(first_sums, u, m.passing[stage][0], tile > 0);
    wgmma_commit();
  }

  /* u = P * (dP - delta), P as rounded, dP being there. */
  template <bool LAST>
  DEV_MEMBER void gradient_of_scores(int tile) {
    const int stage = tile % kStages, left = args.tokens - tile * kRows;
    wgmma_hold(dp);
#pragma unroll
    for (int i = 0; i < kRows / 2; i += 2) {
      const float2 minus = KEYS ? load_2(&m.minus_delta[stage][wgmma_column(i)])
                                : make_float2(minus_delta[i / 2 % 2], minus_delta[i / 2 % 2]);
      const uint32_t weight = weights[i / 8].x[i / 2 % 4];
      float low = low_bf16(weight) * (dp[i] + minus.x);
      float high = high_bf16(weight) * (dp[i + 1] + minus.y);
      if (!KEYS && LAST) {
        /* Of keys past the end the score is 0 and its exponential may be infinite. */
        if (wgmma_column(i) >= left) low = 0.0f;
        if (wgmma_column(i + 1) >= left) high = 0.0f;
      }
      u[i / 8].x[i / 2 % 4] = pack_bf16(low, high);
    }
  }

  /* The operands' place is free: they are in registers. */
  DEV_MEMBER void store() {
    const float scale[2] = {args.scale, args.scale}, one[2] = {1.0f, 1.0f};
    wgmma_hold(first_sums);
    write_rows(m.kept[0][group], first_sums, scale);
    if (KEYS) {
      wgmma_hold(second_sums);
      write_rows(m.kept[1][group], second_sums, one);
    }
    fence_async_shared();
    barrier_sync(1 + group, 128);
    const int row = p.first + group * kRows;
    if (threadIdx.x % 128 != 0 || row >= args.tokens) return;
    tensor_store(args.dqkv, (KEYS ? args.heads + p.head : p.head) * kDim, row, p.batch,
                 m.kept[0][group]);
    if (KEYS)
      tensor_store(args.dqkv, (2 * args.heads + p.head) * kDim, row, p.batch, m.kept[1][group]);
    tensor_store_commit();
    tensor_store_wait<0>();
  }

  const fathom_cuda_attention_backward90_args& args;
  const Place& p;
  Memory& m;
  const int group;
  const float c;
  float minus_lse[2], minus_delta[2];
  FragA first[kDim / 16], second[kDim / 16]; /* k and v, or q and d_out */
  FragA weights[kRows / 16], u[kRows / 16];
  float s[kRows / 2], dp[kRows / 2];
  float first_sums[kDim / 2], second_sums[kDim / 2]; /* dk and dv, or dq */
};

template <bool KEYS>
DEV void backward(const fathom_cuda_attention_backward90_args& args, int block, Memory& m) {
  const Place p(args, block);
  if (threadIdx.x == 0) {
    mbarrier_init(&m.kept_full, 1);
    for (int stage = 0; stage < kStages; stage++) {
      mbarrier_init(&m.full[stage], KEYS ? 2 : 1);
      mbarrier_init(&m.empty[stage], 8);
    }
    mbarrier_fence_init();
    prefetch_map(args.qkv);
    prefetch_map(args.d_out);
    prefetch_map(args.dqkv);
  }
  __syncthreads();
  if (threadIdx.x < 128) {
    registers_give<24>();
    if (threadIdx.x == 0) fetch_tiles<KEYS>(args, p, m);
    if (KEYS && threadIdx.x / 32 == 1) fetch_statistics(args, p, m);
  } else {
    registers_take<240>();
    Consumer<KEYS>(args, p, m, (int)threadIdx.x / 128 - 1).run();
  }
}

}  // namespace

extern "C" __global__ void __launch_bounds__(FATHOM_ATTENTION90_THREADS, 1)
    fathom_attention_backward90(const GRID_CONSTANT fathom_cuda_attention_backward90_args args) {
  EXTERN_SHARED(shared);
  Memory& memory = *(Memory*)shared;
  const int half = (int)(gridDim.x / 2), block = (int)blockIdx.x;
  if (block < half) {
    backward<true>(args, block, memory);
  } else {
    backward<false>(args, block - half, memory);
  }
}
REGISTER_KERNEL(fathom_attention_backward90)
