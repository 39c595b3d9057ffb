/*
 * Feature alignment: 1 - cosine between the tokens of two encoders, and its gradient
 * (cosine s / |s|^2 - f / (|s| |f|)) / kept. A warp takes a token at a time.
 */
#include "loss.h"

typedef fathom_cuda_alignment_loss_args alignment;

constexpr int WARPS = LOSS_THREADS / 32, TOKENS = FATHOM_CUDA_LOSS_ROWS;

/* d loss / d s = scale (of_student s - of_frozen f); both 0 where the token has no gradient. */
struct token {
  float of_student, of_frozen;
};
static_assert(sizeof(token) == FATHOM_CUDA_LOSS_ROW_BYTES, "args_loss.h");
struct token_part {
  double loss, kept;
};
static_assert(sizeof(token_part) == FATHOM_CUDA_LOSS_ROWS_BYTES, "args_loss.h");

DEV token* tokens_of(const alignment& a) {
  return (token*)((char*)a.workspace + FATHOM_CUDA_LOSS_HEADER_BYTES);
}
DEV token_part* token_parts_of(const alignment& a) { return (token_part*)(tokens_of(a) + (a.rows + 31) / 32 * 32); }

/* Calls visit(i, n, s, f) for the lane's elements i .. i + n of a token's two vectors, 8 at a time. */
template <class Visit>
DEV void each_vector(const alignment& a, int64_t row, Visit visit) {
  const elem *s = (const elem*)a.student + row * a.channels, *f = (const elem*)a.frozen + row * a.channels;
  const bool aligned = a.channels % 8 == 0;
#pragma unroll 2
  for (int64_t i = 8 * lane_id(); i < a.channels; i += 8 * 32) {
    float x[8], y[8];
    if (aligned) {
      load_8(s + i, x);
      load_8(f + i, y);
    } else {
#pragma unroll
      for (int k = 0; k < 8; k++) {
        x[k] = i + k < a.channels ? to_float(s[i + k]) : 0.0f;
        y[k] = i + k < a.channels ? to_float(f[i + k]) : 0.0f;
      }
    }
    visit(i, x, y);
  }
}

/* Reads 2 elements a channel of every token, 4 bytes in bf16. */
extern "C" __global__ void __launch_bounds__(LOSS_THREADS, 4)
    fathom_alignment_loss_sums(const GRID_CONSTANT fathom_cuda_alignment_loss_args args) {
  double sum[2] = {0, 0}; /* loss and tokens kept, in the first lane of each warp */
  for (int k = warp_id(); k < TOKENS; k += WARPS) {
    const int64_t row = (int64_t)blockIdx.x * TOKENS + k;
    if (row >= args.rows) continue;
    float both = 0, student = 0, frozen = 0;
    each_vector(args, row, [&](int64_t, const float(&x)[8], const float(&y)[8]) {
#pragma unroll
      for (int i = 0; i < 8; i++) both += x[i] * y[i], student += x[i] * x[i], frozen += y[i] * y[i];
    });
    both = warp_sum(both), student = warp_sum(student), frozen = warp_sum(frozen);
    if (lane_id() > 0) continue;
    const double norms = sqrt((double)student) * sqrt((double)frozen);
    const double cosine = norms == 0 ? 0.0 : both / norms;
    const bool left_out = cosine >= args.margin;
    sum[0] += left_out ? 0.0 : 1 - cosine;
    sum[1] += left_out ? 0.0 : 1.0;
    const bool flat = left_out || norms == 0;
    tokens_of(args)[row] = token{flat ? 0.0f : (float)(cosine / student), flat ? 0.0f : (float)(1 / norms)};
  }
  block_sums<LOSS_THREADS>(sum);
  token_part* parts = token_parts_of(args);
  if (threadIdx.x == 0) parts[blockIdx.x] = token_part{sum[0], sum[1]};
  if (!last_block(&header_of(args.workspace)->done, gridDim.x)) return;
  sum[0] = sum[1] = 0;
  for (int64_t i = threadIdx.x; i < gridDim.x; i += LOSS_THREADS) sum[0] += parts[i].loss, sum[1] += parts[i].kept;
  block_sums<LOSS_THREADS>(sum);
  if (threadIdx.x > 0) return;
  *args.loss = sum[1] > 0 ? sum[0] / sum[1] : 0.0;
  *args.kept = (int64_t)sum[1];
  header_of(args.workspace)->scale = (float)(sum[1] > 0 ? args.factor / sum[1] : 0.0);
}
REGISTER_KERNEL(fathom_alignment_loss_sums)

/* Reads 2 elements a channel where a token has a gradient, writes 1. */
extern "C" __global__ void __launch_bounds__(LOSS_THREADS, 4)
    fathom_alignment_loss_gradient(const GRID_CONSTANT fathom_cuda_alignment_loss_args args) {
  const float scale = header_of(args.workspace)->scale;
  const bool aligned = args.channels % 8 == 0;
  for (int k = warp_id(); k < TOKENS; k += WARPS) {
    const int64_t row = (int64_t)blockIdx.x * TOKENS + k;
    if (row >= args.rows) continue;
    const token t = tokens_of(args)[row];
    elem* d = (elem*)args.gradient + row * args.channels;
    if (t.of_student == 0 && t.of_frozen == 0) {
      const float zero[8] = {0, 0, 0, 0, 0, 0, 0, 0};
      for (int64_t i = 8 * lane_id(); aligned && i < args.channels; i += 8 * 32) store_8(d + i, zero);
      for (int64_t i = lane_id(); !aligned && i < args.channels; i += 32) d[i] = from_float<elem>(0.0f);
      continue;
    }
    each_vector(args, row, [&](int64_t i, const float(&x)[8], const float(&y)[8]) {
      float v[8];
#pragma unroll
      for (int j = 0; j < 8; j++) v[j] = scale * (t.of_student * x[j] - t.of_frozen * y[j]);
      if (aligned) {
        store_8(d + i, v);
      } else {
#pragma unroll
        for (int j = 0; j < 8; j++)
          if (i + j < args.channels) d[i + j] = from_float<elem>(v[j]);
      }
    });
  }
}
REGISTER_KERNEL(fathom_alignment_loss_gradient)
