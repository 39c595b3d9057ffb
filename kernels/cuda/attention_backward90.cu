/*
 * The gradient of multi-head attention for sm_90a at head dimension 64: attention_backward.cu's
 * sums, with TMA and wgmma.
 *
 *     P = exp(S - log_sum_exp)    dP = d_out v^T    U = P * (dP - delta)
 *     dv = P^T d_out              dq = scale U k    dk = scale U^T q
 *
 * A piece of work keeps 128 rows of one side of a head, 64 for each of two warpgroups, whose
 * operands stay in registers; a third warpgroup fetches the other side in tiles of 64 rows. Where
 * the rows are keys, S^T and dP^T are computed, so that there, too, P and U are the left operands
 * of the products that follow and never leave the registers. Blocks stay, and have pieces of both
 * kinds, such that they end together; the next piece's rows and tiles arrive while one is finished.
 *
 * Seven products instead of five. Cycles of a multiprocessor for 128 queries and 128 keys:
 *                         tensor cores   shared memory   exponentials
 *   keys                      2048           1024            1024
 *   queries                   1536            768            1024
 *   one kernel for all        2560           2560            1024
 * (4096 operations, 128 bytes, 16 exponentials a cycle.) One kernel has to pass U through shared
 * memory for dq, whose sums are spread over the keys' blocks: 32 KB of them for each such tile go
 * through shared memory into L2, in an order that must be enforced if the bits are to be the same
 * every time. It is bound by shared memory as much as by the tensor cores; these two are bound by
 * the tensor cores alone, and no block waits for another.
 *
 * The exponentials of a tile run while the tensor cores have the sums of the tile before, and U
 * while they have the scores of the next: a warpgroup keeps them busy almost alone, so that the two
 * need not take turns.
 *
 * Registers: 168 at the launch; 40 for the warpgroup that fetches, 232 for the others. One block on
 * a multiprocessor.
 */
#include "attention90.h"

namespace {

struct Memory {
  unsigned char kept[2][2][kBox], results[2][2][kBox]; /* [tensor][warpgroup] */
  unsigned char passing[kStages][2][kBox];
  /* -log2(e) * log_sum_exp and -delta of a tile's queries. */
  float minus_lse[kStages][kRows], minus_delta[kStages][kRows];
  uint64_t kept_full, kept_empty, full[kStages], empty[kStages];
};
static_assert(sizeof(Memory) <= FATHOM_ATTENTION_BACKWARD90_SHARED, "shared memory of a block");
static_assert(FATHOM_ATTENTION_BACKWARD90_ROWS == 2 * kRows, "two warpgroups");

/* A piece of work: the rows of a head that a block keeps at a time. */
struct Piece {
  int batch, head, first, tiles;
  int before; /* pieces that the block had before */

  DEV_MEMBER int64_t statistic(const fathom_cuda_attention_backward90_args& args, int token) const {
    return ((int64_t)batch * args.heads + head) * args.tokens + token;
  }
  DEV_MEMBER Slot slot(int tile) const { return Slot(before * tiles + tile); }
};

/* Calls keys(piece) for the block's pieces of keys, then queries(piece); args_attention90.h. */
template <class Keys, class Queries>
DEV void for_each_piece(const fathom_cuda_attention_backward90_args& args, Keys keys,
                        Queries queries) {
  const int blocks = ceil_div(args.tokens, 2 * kRows), pieces = args.batch * args.heads * blocks;
  const int grid = (int)gridDim.x, block = (int)blockIdx.x, busy = pieces % grid;
  Piece p;
  p.tiles = ceil_div(args.tokens, kRows);
  p.before = 0;
  const auto place = [&](int at) {
    p.first = at % blocks * 2 * kRows;
    p.batch = at / blocks / args.heads;
    p.head = at / blocks % args.heads;
  };
  for (int at = block; at < pieces; at += grid) {
    place(at);
    keys(p);
    p.before++;
  }
  const bool is_busy = block < busy;
  const int shared_out = busy * args.busy_queries; /* among the busy blocks */
  const int end = is_busy ? shared_out : pieces, step = is_busy ? busy : grid - busy;
  for (int at = is_busy ? block : shared_out + block - busy; at < end; at += step) {
    place(at);
    queries(p);
    p.before++;
  }
}

/* ---- the warpgroup that fetches: a thread for the tiles, a warp for the statistics ---- */

/* 64 rows of q and d_out, or of k and v. */
template <bool QUERIES>
DEV void load_rows(const fathom_cuda_attention_backward90_args& args, const Piece& p, int row,
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
DEV void fetch_tiles(const fathom_cuda_attention_backward90_args& args, const Piece& p, Memory& m) {
  mbarrier_wait(&m.kept_empty, p.before % 2 ^ 1);
  mbarrier_arrive_expect(&m.kept_full, 4 * kBox);
  for (int group = 0; group < 2; group++)
    load_rows<!KEYS>(args, p, p.first + group * kRows, m.kept[0][group], m.kept[1][group],
                     &m.kept_full);
  for (int tile = 0; tile < p.tiles; tile++) {
    const Slot at = p.slot(tile);
    mbarrier_wait(&m.empty[at.stage], at.turn ^ 1);
    mbarrier_arrive_expect(&m.full[at.stage], 2 * kBox);
    load_rows<KEYS>(args, p, tile * kRows, m.passing[at.stage][0], m.passing[at.stage][1],
                    &m.full[at.stage]);
  }
}

/* Where the tiles are queries; for those past the end P is 0. */
template <bool KEYS>
DEV void fetch_statistics(const fathom_cuda_attention_backward90_args& args, const Piece& p,
                          Memory& m) {
  for (int tile = 0; tile < p.tiles; tile++) {
    const Slot at = p.slot(tile);
    float lse[2], delta[2];
#pragma unroll
    for (int i = 0; i < 2 && KEYS; i++) {
      const int query = tile * kRows + 32 * i + lane_id();
      const bool valid = query < args.tokens;
      lse[i] = valid ? args.log_sum_exp[p.statistic(args, query)] : INFINITY;
      delta[i] = valid ? args.delta[p.statistic(args, query)] : 0.0f;
    }
    mbarrier_wait(&m.empty[at.stage], at.turn ^ 1);
#pragma unroll
    for (int i = 0; i < 2 && KEYS; i++) {
      m.minus_lse[at.stage][32 * i + lane_id()] = -kLog2E * lse[i];
      m.minus_delta[at.stage][32 * i + lane_id()] = -delta[i];
    }
    __syncwarp();
    if (elect_one()) mbarrier_arrive(&m.full[at.stage]);
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
  DEV_MEMBER Consumer(const fathom_cuda_attention_backward90_args& args_, const Piece& p_,
                      Memory& m_, int group_)
      : args(args_), p(p_), m(m_), group(group_), c(args_.scale * kLog2E) {}

  DEV_MEMBER void run() {
    if (!KEYS) load_statistics();
    mbarrier_wait(&m.kept_full, p.before % 2);
    load_operand(first, m.kept[0][group]);
    load_operand(second, m.kept[1][group]);
    fence_async_shared(); /* what was read is overwritten by TMA */
    release(&m.kept_empty);
    const Slot at = p.slot(0);
    mbarrier_wait(&m.full[at.stage], at.turn);
    wgmma_discard(first_sums);
    wgmma_discard(second_sums);
    start_scores(s, first, m.passing[at.stage][0]);
    start_scores(dp, second, m.passing[at.stage][1]);
    wgmma_wait<1>();
    exponentiate(0);
    wgmma_wait<0>();
    to_operand(weights, s);
    for (int tile = 0; tile + 1 < p.tiles; tile++) step(tile);
    gradient_of_scores<true>(p.tiles - 1);
    start_all_sums(p.tiles - 1);
    wgmma_wait<0>();
    release(&m.empty[p.slot(p.tiles - 1).stage]);
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
    const Slot next = p.slot(tile + 1);
    mbarrier_wait(&m.full[next.stage], next.turn);
    start_scores(s, first, m.passing[next.stage][0]);
    gradient_of_scores<false>(tile);
    start_all_sums(tile);
    start_scores(dp, second, m.passing[next.stage][1]);
    wgmma_wait<2>();
    exponentiate(tile + 1);
    wgmma_wait<0>();
    release(&m.empty[p.slot(tile).stage]);
    to_operand(weights, s);
  }

  /* s = P, the scores being there. */
  DEV_MEMBER void exponentiate(int tile) {
    const int stage = p.slot(tile).stage;
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
    const int stage = p.slot(tile).stage;
    wgmma_fence();
    if (KEYS) start_sums(second_sums, weights, m.passing[stage][1], tile > 0);
    start_sums(first_sums, u, m.passing[stage][0], tile > 0);
    wgmma_commit();
  }

  /* u = P * (dP - delta), P as rounded, dP being there. */
  template <bool LAST>
  DEV_MEMBER void gradient_of_scores(int tile) {
    const int stage = p.slot(tile).stage, left = args.tokens - tile * kRows;
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

  DEV_MEMBER void store() {
    const float scale[2] = {args.scale, args.scale}, one[2] = {1.0f, 1.0f};
    const bool sender = threadIdx.x % 128 == 0;
    if (sender) tensor_store_wait_read<0>(); /* of the piece before */
    barrier_sync(1 + group, 128);
    wgmma_hold(first_sums);
    write_rows(m.results[0][group], first_sums, scale);
    if (KEYS) {
      wgmma_hold(second_sums);
      write_rows(m.results[1][group], second_sums, one);
    }
    fence_async_shared();
    barrier_sync(1 + group, 128);
    const int row = p.first + group * kRows;
    if (!sender || row >= args.tokens) return;
    tensor_store(args.dqkv, (KEYS ? args.heads + p.head : p.head) * kDim, row, p.batch,
                 m.results[0][group]);
    if (KEYS)
      tensor_store(args.dqkv, (2 * args.heads + p.head) * kDim, row, p.batch,
                   m.results[1][group]);
    tensor_store_commit();
  }

  const fathom_cuda_attention_backward90_args& args;
  const Piece& p;
  Memory& m;
  const int group;
  const float c;
  float minus_lse[2], minus_delta[2];
  FragA first[kDim / 16], second[kDim / 16]; /* k and v, or q and d_out */
  FragA weights[kRows / 16], u[kRows / 16];
  float s[kRows / 2], dp[kRows / 2];
  float first_sums[kDim / 2], second_sums[kDim / 2]; /* dk and dv, or dq */
};

}  // namespace

extern "C" __global__ void __launch_bounds__(FATHOM_ATTENTION90_THREADS, 1)
    fathom_attention_backward90(const GRID_CONSTANT fathom_cuda_attention_backward90_args args) {
  EXTERN_SHARED(shared);
  Memory& m = *(Memory*)shared;
  if (threadIdx.x == 0) {
    mbarrier_init(&m.kept_full, 1);
    mbarrier_init(&m.kept_empty, 8);
    for (int stage = 0; stage < kStages; stage++) {
      mbarrier_init(&m.full[stage], 2);
      mbarrier_init(&m.empty[stage], 8);
    }
    mbarrier_fence_init();
    prefetch_map(args.qkv);
    prefetch_map(args.d_out);
    prefetch_map(args.dqkv);
  }
  __syncthreads();
  const int group = (int)threadIdx.x / 128 - 1;
  if (group < 0) {
    registers_give<40>();
    if (threadIdx.x == 0)
      for_each_piece(
          args, [&](const Piece& p) { fetch_tiles<true>(args, p, m); },
          [&](const Piece& p) { fetch_tiles<false>(args, p, m); });
    if (warp_id() == 1)
      for_each_piece(
          args, [&](const Piece& p) { fetch_statistics<true>(args, p, m); },
          [&](const Piece& p) { fetch_statistics<false>(args, p, m); });
  } else {
    registers_take<232>();
    for_each_piece(
        args, [&](const Piece& p) { Consumer<true>(args, p, m, group).run(); },
        [&](const Piece& p) { Consumer<false>(args, p, m, group).run(); });
    tensor_store_wait<0>();
  }
}
REGISTER_KERNEL(fathom_attention_backward90)
