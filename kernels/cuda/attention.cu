/*
 * Multi-head attention, out = softmax(scale * q k^T) v, without ever storing the score matrix, in
 * the manner of FlashAttention-2 (Dao 2023).
 *
 * A block keeps a tile of queries of one head as fragments in registers and walks over the keys.
 * The scores of a tile of keys are accumulators that become, after the exponential, the left
 * operand of the product with the values: nothing but keys and values passes through shared memory.
 * Maximum and sum of a row are kept along the way; the output is rescaled when the maximum rises,
 * and divided once at the end.
 *
 * Exponentials are powers of two, with scale * log2(e) folded into the multiply-add that subtracts
 * the maximum. All of them go to the special function unit: a quarter of a multiprocessor computes
 * a row of 32 exponentials in 8 cycles, against about 13 for the matrix products that go with it
 * (mma.sync at head dimension 64 on sm_90), so that with two blocks on a multiprocessor they are
 * hidden.
 *
 * Registers of a thread and blocks on a multiprocessor (sm_80, sm_90): 239 and 2 at head dimension
 * 64, 143 and 3 for its short blocks; at most 202 and 2 at the others.
 */
#include "attention.h"

namespace {

/* s = q k^T for a tile of keys in shared memory. */
template <class S>
DEV void scores(FragC (&s)[S::kFragments][S::kTile / 8], const FragA (&q)[S::kFragments][S::D / 16],
                const elem* keys) {
#pragma unroll
  for (int m = 0; m < S::kFragments; m++)
#pragma unroll
    for (int n = 0; n < S::kTile / 8; n++) s[m][n] = FragC{};
#pragma unroll
  for (int d = 0; d < S::D / 16; d++)
#pragma unroll
    for (int n = 0; n < S::kTile / 8; n += 2) {
      FragB k[2];
      load_b_pair(k, keys + 8 * n * S::kStride + 16 * d, S::kStride);
#pragma unroll
      for (int m = 0; m < S::kFragments; m++) {
        mma(s[m][n], q[m][d], k[0]);
        mma(s[m][n + 1], q[m][d], k[1]);
      }
    }
}

/* o += p v for a tile of values in shared memory. */
template <class S>
DEV void weigh_values(FragC (&o)[S::kFragments][S::D / 8],
                      const FragC (&p)[S::kFragments][S::kTile / 8], const elem* values) {
#pragma unroll
  for (int k = 0; k < S::kTile / 16; k++) {
    FragA a[S::kFragments];
#pragma unroll
    for (int m = 0; m < S::kFragments; m++) accumulators_to_a(a[m], p[m][2 * k], p[m][2 * k + 1]);
#pragma unroll
    for (int n = 0; n < S::D / 8; n += 2) {
      FragB v[2];
      load_b_transposed_pair(v, values + 16 * k * S::kStride + 8 * n, S::kStride);
#pragma unroll
      for (int m = 0; m < S::kFragments; m++) {
        mma(o[m][n], a[m], v[0]);
        mma(o[m][n + 1], a[m], v[1]);
      }
    }
  }
}

/* The softmax of a row of queries so far; `sum` is over this lane's columns until the end. */
struct Row {
  float maximum, sum;
};

/*
 * Scores of a row to exp2(c * (score - maximum)), and the factor that what was summed before takes.
 * `half` picks the row of the fragments.
 */
template <int N>
DEV float exponentiate(FragC (&s)[N], int half, float c, Row& row) {
  float maximum = row.maximum;
#pragma unroll
  for (int n = 0; n < N; n++)
    maximum = fmaxf(maximum, fmaxf(s[n].x[2 * half], s[n].x[2 * half + 1]));
  /* A row is spread over four lanes. */
  maximum = fmaxf(maximum, __shfl_xor_sync(0xffffffffu, maximum, 1));
  maximum = fmaxf(maximum, __shfl_xor_sync(0xffffffffu, maximum, 2));
  const float shift = -c * maximum, rescale = fast_exp2(fmaf(c, row.maximum, shift));
  float sum = 0.0f;
#pragma unroll
  for (int n = 0; n < N; n++)
#pragma unroll
    for (int j = 2 * half; j < 2 * half + 2; j++) {
      s[n].x[j] = fast_exp2(fmaf(c, s[n].x[j], shift));
      sum += s[n].x[j];
    }
  row.sum = fmaf(row.sum, rescale, sum);
  row.maximum = maximum;
  return rescale;
}

template <class S>
DEV void attention(const fathom_cuda_attention_args& args) {
  EXTERN_SHARED(memory);
  elem* shared = (elem*)memory;
  const AttentionBlock<S> block(args.tokens, args.heads);
  const int tokens = args.tokens, warp = warp_id(), lane = lane_id();
  const int64_t stride = block.stride(3);
  const elem* q = (const elem*)args.qkv + block.offset(3, 0);
  const elem* keys = (const elem*)args.qkv + block.offset(3, 1);
  const elem* values = (const elem*)args.qkv + block.offset(3, 2);

  FragA queries[S::kFragments][S::D / 16];
  stage_rows<S, S::kRows>(shared, q, stride, block.first, tokens);
  copy_async_commit();
  copy_async_wait<0>();
  __syncthreads();
  load_rows<S>(queries, shared);
  __syncthreads();

  const auto fetch = [&](int tile) {
    elem* to = shared + tile % S::kStages * S::kPair;
    if (tile * S::kTile < tokens) {
      stage_rows<S, S::kTile>(to, keys, stride, tile * S::kTile, tokens);
      stage_rows<S, S::kTile>(to + S::kPair / 2, values, stride, tile * S::kTile, tokens);
    }
    copy_async_commit();
  };
#pragma unroll
  for (int tile = 0; tile < S::kStages - 1; tile++) fetch(tile);

  /* The maximum needs a factor that is not negative; one of 0 would turn masked scores into NaN. */
  const bool negative = args.scale < 0.0f;
  const float c = fmaxf(fabsf(args.scale) * kLog2E, 1e-30f);
  FragC o[S::kFragments][S::D / 8];
  Row rows[S::kFragments][2];
#pragma unroll
  for (int m = 0; m < S::kFragments; m++) {
    rows[m][0] = rows[m][1] = Row{-INFINITY, 0.0f};
#pragma unroll
    for (int n = 0; n < S::D / 8; n++) o[m][n] = FragC{};
  }

  for (int tile = 0; tile * S::kTile < tokens; tile++) {
    copy_async_wait<S::kStages - 2>();
    __syncthreads(); /* the tile is there for all, and nobody reads the one before it any more */
    fetch(tile + S::kStages - 1);
    const elem* stage = shared + tile % S::kStages * S::kPair;
    FragC s[S::kFragments][S::kTile / 8];
    scores<S>(s, queries, stage);
    if (negative) {
#pragma unroll
      for (int m = 0; m < S::kFragments; m++)
#pragma unroll
        for (int n = 0; n < S::kTile / 8; n++)
#pragma unroll
          for (int j = 0; j < 4; j++) s[m][n].x[j] = -s[m][n].x[j];
    }
    const int left = tokens - tile * S::kTile;
    if (left < S::kTile) {
#pragma unroll
      for (int n = 0; n < S::kTile / 8; n++)
#pragma unroll
        for (int j = 0; j < 4; j++)
          if (8 * n + lane % 4 * 2 + j % 2 >= left) {
#pragma unroll
            for (int m = 0; m < S::kFragments; m++) s[m][n].x[j] = -INFINITY;
          }
    }
#pragma unroll
    for (int m = 0; m < S::kFragments; m++)
#pragma unroll
      for (int half = 0; half < 2; half++) {
        const float rescale = exponentiate(s[m], half, c, rows[m][half]);
#pragma unroll
        for (int n = 0; n < S::D / 8; n++) {
          o[m][n].x[2 * half] *= rescale;
          o[m][n].x[2 * half + 1] *= rescale;
        }
      }
    weigh_values<S>(o, s, stage + S::kPair / 2);
  }

  float inverse[S::kFragments][2];
#pragma unroll
  for (int m = 0; m < S::kFragments; m++)
#pragma unroll
    for (int half = 0; half < 2; half++) {
      float sum = rows[m][half].sum;
      sum += __shfl_xor_sync(0xffffffffu, sum, 1);
      sum += __shfl_xor_sync(0xffffffffu, sum, 2);
      inverse[m][half] = 1.0f / sum;
      const int row = block.first + warp * S::kWarpRows + 16 * m + 8 * half + lane / 4;
      if (args.log_sum_exp && lane % 4 == 0 && row < tokens)
        args.log_sum_exp[block.at * tokens + row] =
            kLn2 * fmaf(c, rows[m][half].maximum, log2f(sum));
    }
  copy_async_wait<0>();
  __syncthreads();
  store_rows<S>(o, inverse, shared, (elem*)args.out + block.offset(1, 0), block.stride(1),
                block.first, tokens);
}

}  // namespace

#define ATTENTION(NAME, ...)                                                \
  extern "C" __global__ void __launch_bounds__(FATHOM_ATTENTION_THREADS, 2) \
      fathom_##NAME(const GRID_CONSTANT fathom_cuda_attention_args args) {  \
    attention<AttentionShape<__VA_ARGS__>>(args);                           \
  }                                                                         \
  REGISTER_KERNEL(fathom_##NAME)
#define ATTENTION_OF(D) ATTENTION(attention_##D, D)
FATHOM_FOR_HEAD_DIMS(ATTENTION_OF)
ATTENTION(attention_short_64, 64, FATHOM_ATTENTION_SHORT_ROWS)
