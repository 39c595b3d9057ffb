/*
 * The gradient of multi-head attention. With S = scale q k^T, P = exp(S - log_sum_exp), and delta =
 * the row sums of d_out * out, which are those of P * dP:
 *
 *     dv = P^T d_out      dP = d_out v^T      U = P * (dP - delta)
 *     dq = scale U k      dk = scale U^T q
 *
 * Scores are computed again in tiles, by two kernels: one keeps keys and values of a head and walks
 * over the queries (dk, dv), one keeps queries and d_out and walks over the keys (dq). That is 7
 * products where a single kernel would need 5, but every sum has one owner and a fixed order: no
 * atomics, no partial sums in memory, the same bits every time.
 *
 * Both keep their side as fragments in registers, and compute scores such that the kept side is the
 * rows of the accumulators (S^T in the first, S in the second): P and U are then the left operand
 * of the products that follow, and never leave the registers. They go over a tile 16 rows at a
 * time, so that two fragments of scores are alive for each of the warp's row fragments.
 *
 * Registers of a thread at head dimension 64 (sm_80, sm_90): 255 and 211; two blocks on a
 * multiprocessor.
 */
#include "attention.h"

namespace {

constexpr int kStep = 16; /* rows of the tile whose scores are alive at a time */

template <class S>
using Kept = FragA[S::kFragments][S::D / 16];
template <class S>
using Sums = FragC[S::kFragments][S::D / 8];
template <class S>
using Scores = FragC[S::kFragments][kStep / 8];

/* to = kept rows^T for 16 rows of shared memory. */
template <class S>
DEV void product(Scores<S>& to, const Kept<S>& kept, const elem* rows) {
#pragma unroll
  for (int m = 0; m < S::kFragments; m++)
#pragma unroll
    for (int n = 0; n < kStep / 8; n++) to[m][n] = FragC{};
#pragma unroll
  for (int d = 0; d < S::D / 16; d++) {
    FragB b[2];
    load_b_pair(b, rows + 16 * d, S::kStride);
#pragma unroll
    for (int m = 0; m < S::kFragments; m++) {
      mma(to[m][0], kept[m][d], b[0]);
      mma(to[m][1], kept[m][d], b[1]);
    }
  }
}

/* sums += weights rows for 16 rows of shared memory. */
template <class S>
DEV void accumulate(Sums<S>& sums, const Scores<S>& weights, const elem* rows) {
  FragA a[S::kFragments];
#pragma unroll
  for (int m = 0; m < S::kFragments; m++) accumulators_to_a(a[m], weights[m][0], weights[m][1]);
#pragma unroll
  for (int n = 0; n < S::D / 8; n += 2) {
    FragB b[2];
    load_b_transposed_pair(b, rows + 8 * n, S::kStride);
#pragma unroll
    for (int m = 0; m < S::kFragments; m++) {
      mma(sums[m][n], a[m], b[0]);
      mma(sums[m][n + 1], a[m], b[1]);
    }
  }
}

template <class S>
DEV void clear_sums(Sums<S>& sums) {
#pragma unroll
  for (int m = 0; m < S::kFragments; m++)
#pragma unroll
    for (int n = 0; n < S::D / 8; n++) sums[m][n] = FragC{};
}

template <class S>
DEV void fill(float (&factor)[S::kFragments][2], float value) {
#pragma unroll
  for (int m = 0; m < S::kFragments; m++) factor[m][0] = factor[m][1] = value;
}

/* The block's rows of two tensors to fragments, by way of the shared memory of the stages. */
template <class S>
DEV void load_kept(Kept<S>& a, Kept<S>& b, elem* shared, const elem* from_a, int64_t stride_a,
                   const elem* from_b, int64_t stride_b, int first, int tokens) {
  stage_rows<S, S::kRows>(shared, from_a, stride_a, first, tokens);
  stage_rows<S, S::kRows>(shared + S::kRows * S::kStride, from_b, stride_b, first, tokens);
  copy_async_commit();
  copy_async_wait<0>();
  __syncthreads();
  load_rows<S>(a, shared);
  load_rows<S>(b, shared + S::kRows * S::kStride);
  __syncthreads();
}

/* A tile of two tensors to a stage; an empty group behind the last one. */
template <class S>
DEV void fetch(elem* shared, int tile, const elem* a, int64_t stride_a, const elem* b,
               int64_t stride_b, int tokens) {
  elem* to = shared + tile % S::kStages * S::kPair;
  if (tile * S::kTile < tokens) {
    stage_rows<S, S::kTile>(to, a, stride_a, tile * S::kTile, tokens);
    stage_rows<S, S::kTile>(to + S::kPair / 2, b, stride_b, tile * S::kTile, tokens);
  }
  copy_async_commit();
}

template <class S>
DEV void backward_keys(const fathom_cuda_attention_backward_args& args) {
  static_assert(FATHOM_ATTENTION_THREADS == 2 * S::kTile,
                "a thread fetches one statistic of a tile");
  EXTERN_SHARED(memory);
  elem* shared = (elem*)memory;
  /* [stage][2][kTile]: log_sum_exp and delta of the tile's queries. */
  float* statistics = (float*)(shared + S::kStages * S::kPair);
  const AttentionBlock<S> block(args.tokens, args.heads);
  const int tokens = args.tokens, lane = lane_id();
  const int64_t stride = block.stride(3), out_stride = block.stride(1);
  const elem* qkv = (const elem*)args.qkv;
  const elem* queries = qkv + block.offset(3, 0);
  const elem* d_out = (const elem*)args.d_out + block.offset(1, 0);

  Kept<S> keys, values;
  load_kept<S>(keys, values, shared, qkv + block.offset(3, 1), stride, qkv + block.offset(3, 2),
               stride, block.first, tokens);

  const auto next = [&](int tile) {
    const int kind = threadIdx.x / S::kTile, place = threadIdx.x % S::kTile;
    const int query = tile * S::kTile + place;
    const float* source = kind == 0 ? args.log_sum_exp : args.delta;
    /* Queries past the end have zeros everywhere, so that they add 1 * 0 to dv and 1 * (0 - 0) * 0
     * to dk. */
    copy_async_4(statistics + (tile % S::kStages * 2 + kind) * S::kTile + place,
                 source + (query < tokens ? block.at * tokens + query : 0), query < tokens);
    fetch<S>(shared, tile, queries, stride, d_out, out_stride, tokens);
  };
#pragma unroll
  for (int tile = 0; tile < S::kStages - 1; tile++) next(tile);

  const float c = args.scale * kLog2E;
  Sums<S> dk, dv;
  clear_sums<S>(dk);
  clear_sums<S>(dv);
  for (int tile = 0; tile * S::kTile < tokens; tile++) {
    copy_async_wait<S::kStages - 2>();
    __syncthreads(); /* the tile is there for all, and nobody reads the one before it any more */
    next(tile + S::kStages - 1);
    const elem* q = shared + tile % S::kStages * S::kPair;
    const elem* d_o = q + S::kPair / 2;
    const float* lse = statistics + tile % S::kStages * 2 * S::kTile;
    const float* delta = lse + S::kTile;
#pragma unroll 1
    for (int row = 0; row < S::kTile; row += kStep) {
      Scores<S> p, u;
      product<S>(p, keys, q + row * S::kStride);
      product<S>(u, values, d_o + row * S::kStride);
#pragma unroll
      for (int n = 0; n < kStep / 8; n++)
#pragma unroll
        for (int j = 0; j < 2; j++) {
          const int query = row + 8 * n + lane % 4 * 2 + j;
          const float minus_lse = -kLog2E * lse[query], minus_delta = -delta[query];
#pragma unroll
          for (int m = 0; m < S::kFragments; m++)
#pragma unroll
            for (int i = j; i < 4; i += 2) {
              p[m][n].x[i] = fast_exp2(fmaf(c, p[m][n].x[i], minus_lse));
              u[m][n].x[i] = p[m][n].x[i] * (u[m][n].x[i] + minus_delta);
            }
        }
      accumulate<S>(dv, p, d_o + row * S::kStride);
      accumulate<S>(dk, u, q + row * S::kStride);
    }
  }

  copy_async_wait<0>();
  __syncthreads();
  elem* dqkv = (elem*)args.dqkv;
  float factor[S::kFragments][2];
  fill<S>(factor, args.scale);
  store_rows<S>(dk, factor, shared, dqkv + block.offset(3, 1), stride, block.first, tokens);
  fill<S>(factor, 1.0f);
  store_rows<S>(dv, factor, shared, dqkv + block.offset(3, 2), stride, block.first, tokens);
}

template <class S>
DEV void backward_queries(const fathom_cuda_attention_backward_args& args) {
  EXTERN_SHARED(memory);
  elem* shared = (elem*)memory;
  const AttentionBlock<S> block(args.tokens, args.heads);
  const int tokens = args.tokens, warp = warp_id(), lane = lane_id();
  const int64_t stride = block.stride(3);
  const elem* qkv = (const elem*)args.qkv;
  const elem* keys = qkv + block.offset(3, 1);
  const elem* values = qkv + block.offset(3, 2);

  Kept<S> queries, d_out;
  load_kept<S>(queries, d_out, shared, qkv + block.offset(3, 0), stride,
               (const elem*)args.d_out + block.offset(1, 0), block.stride(1), block.first, tokens);
#pragma unroll
  for (int tile = 0; tile < S::kStages - 1; tile++)
    fetch<S>(shared, tile, keys, stride, values, stride, tokens);

  float minus_lse[S::kFragments][2], minus_delta[S::kFragments][2];
#pragma unroll
  for (int m = 0; m < S::kFragments; m++)
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int row = block.first + warp * S::kWarpRows + 16 * m + 8 * half + lane / 4;
      const int64_t at = block.at * tokens + row;
      minus_lse[m][half] = row < tokens ? -kLog2E * args.log_sum_exp[at] : -INFINITY;
      minus_delta[m][half] = row < tokens ? -args.delta[at] : 0.0f;
    }

  const float c = args.scale * kLog2E;
  Sums<S> dq;
  clear_sums<S>(dq);
  for (int tile = 0; tile * S::kTile < tokens; tile++) {
    copy_async_wait<S::kStages - 2>();
    __syncthreads(); /* the tile is there for all, and nobody reads the one before it any more */
    fetch<S>(shared, tile + S::kStages - 1, keys, stride, values, stride, tokens);
    const elem* k = shared + tile % S::kStages * S::kPair;
    const elem* v = k + S::kPair / 2;
    const int left = tokens - tile * S::kTile;
#pragma unroll 1
    for (int row = 0; row < S::kTile; row += kStep) {
      Scores<S> p, u;
      product<S>(p, queries, k + row * S::kStride);
      product<S>(u, d_out, v + row * S::kStride);
#pragma unroll
      for (int n = 0; n < kStep / 8; n++)
#pragma unroll
        for (int i = 0; i < 4; i++) {
          /* Of keys past the end the score is 0 and its exponential may be infinite. */
          const bool valid = row + 8 * n + lane % 4 * 2 + i % 2 < left;
#pragma unroll
          for (int m = 0; m < S::kFragments; m++) {
            const float weight = fast_exp2(fmaf(c, p[m][n].x[i], minus_lse[m][i / 2]));
            u[m][n].x[i] = valid ? weight * (u[m][n].x[i] + minus_delta[m][i / 2]) : 0.0f;
          }
        }
      accumulate<S>(dq, u, k + row * S::kStride);
    }
  }

  copy_async_wait<0>();
  __syncthreads();
  float factor[S::kFragments][2];
  fill<S>(factor, args.scale);
  store_rows<S>(dq, factor, shared, (elem*)args.dqkv + block.offset(3, 0), stride, block.first,
                tokens);
}

}  // namespace

/* Eight lanes sum a row of a head, eight neighbouring elements each at a time. */
extern "C" __global__ void __launch_bounds__(FATHOM_ATTENTION_DELTA_THREADS)
    fathom_attention_backward_delta(const GRID_CONSTANT fathom_cuda_attention_backward_args args) {
  const int64_t row = (int64_t)blockIdx.x * (FATHOM_ATTENTION_DELTA_THREADS / 8) + threadIdx.x / 8;
  float sum = 0.0f;
  if (row < args.rows)
    for (int at = threadIdx.x % 8 * 8; at < args.head_dim; at += 64) {
      float out[8], d_out[8];
      load_8((const elem*)args.out + row * args.head_dim + at, out);
      load_8((const elem*)args.d_out + row * args.head_dim + at, d_out);
#pragma unroll
      for (int i = 0; i < 8; i++) sum = fmaf(out[i], d_out[i], sum);
    }
#pragma unroll
  for (int step = 4; step > 0; step /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, step);
  if (row >= args.rows || threadIdx.x % 8 != 0) return;
  /* Rows are [B,T,heads], delta is [B,heads,T]. */
  const int64_t token = row / args.heads, batch = token / args.tokens;
  args.delta[(batch * args.heads + row % args.heads) * args.tokens + token % args.tokens] = sum;
}
REGISTER_KERNEL(fathom_attention_backward_delta)

#define ATTENTION_BACKWARD(D)                                               \
  extern "C" __global__ void __launch_bounds__(FATHOM_ATTENTION_THREADS, 2) \
      fathom_attention_backward_keys_##D(                                   \
          const GRID_CONSTANT fathom_cuda_attention_backward_args args) {   \
    backward_keys<AttentionShape<D>>(args);                                 \
  }                                                                         \
  REGISTER_KERNEL(fathom_attention_backward_keys_##D)                       \
  extern "C" __global__ void __launch_bounds__(FATHOM_ATTENTION_THREADS, 2) \
      fathom_attention_backward_queries_##D(                                \
          const GRID_CONSTANT fathom_cuda_attention_backward_args args) {   \
    backward_queries<AttentionShape<D>>(args);                              \
  }                                                                         \
  REGISTER_KERNEL(fathom_attention_backward_queries_##D)
FATHOM_FOR_HEAD_DIMS(ATTENTION_BACKWARD)
