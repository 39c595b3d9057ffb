/*
 * Backward of LayerNorm. With n = (x - mean) * rstd, the normalised row, and g = dy * weight:
 *
 *     dx = rstd * (g - mean(g) - n * mean(g * n)),  d_weight = sum of dy * n,  d_bias = sum of dy
 *
 * the means over a row, the sums over all rows. x and dy are read from memory once: a first pass
 * over ROWS rows gives the two means, a second one, from the cache, everything else.
 */
#include "internal.h"
#include "partial_sums.h"
#include "simd.h"

#define ROWS 4          /* rows in step */
#define BLOCK_ROWS 32   /* rows in a task, at least */
#define MOST_BLOCKS 512 /* bounds the memory of the partial sums */

typedef struct {
  const fathom_layer_norm_backward_args* args;
  int64_t block;   /* rows in a task, a multiple of ROWS */
  float* partial;  /* [blocks][2][stride]: sums of dy * n and of dy; NULL if nobody wants them */
  int64_t stride;
} job;

/* A row; sum and product are the means of g and of g * n. */
typedef struct {
  const float *x, *dy;
  float* dx;
  float mean, rstd, sum, product;
} line;

FATHOM_INLINE void sum_row(line* l, const float* weight, int64_t channels) {
  const vf rstd = v_set(l->rstd), mean = v_set(l->mean);
  vf s0 = {0}, s1 = {0}, p0 = {0}, p1 = {0};
  int64_t c = 0;
  for (; c + 2 * W <= channels; c += 2 * W) {
    const vf g0 = v_load(l->dy + c) * v_load(weight + c);
    const vf g1 = v_load(l->dy + c + W) * v_load(weight + c + W);
    s0 += g0;
    s1 += g1;
    p0 += g0 * ((v_load(l->x + c) - mean) * rstd);
    p1 += g1 * ((v_load(l->x + c + W) - mean) * rstd);
  }
  for (; c < channels; c += W) {
    const int64_t n = fathom_min(W, channels - c);
    const vf g = v_load_first(l->dy + c, n) * v_load_first(weight + c, n);
    s0 += g;
    p0 += g * ((v_load_first(l->x + c, n) - mean) * rstd);
  }
  l->sum = v_sum(s0 + s1) / (float)channels;
  l->product = v_sum(p0 + p1) / (float)channels;
}

/* Vectors of n channels (W, a constant, but for the last): all outputs, of `count` rows. */
FATHOM_INLINE void write_columns(const line* lines, int64_t count, const float* weight, int64_t c,
                                 int64_t n, int accumulate, int sums, float* d_weight,
                                 float* d_bias, uintptr_t ahead) {
  const vf w = v_load_first(weight + c, n);
  vf dw = {0}, db = {0};
#pragma GCC unroll 4
  for (int64_t r = 0; r < count; r++) {
    const line* l = lines + r;
    const vf normalised = (v_load_first(l->x + c, n) - l->mean) * l->rstd;
    const vf dy = v_load_first(l->dy + c, n);
    __builtin_prefetch((const void*)((uintptr_t)(l->x + c) + ahead));
    __builtin_prefetch((const void*)((uintptr_t)(l->dy + c) + ahead));
    if (l->dx) {
      __builtin_prefetch((const void*)((uintptr_t)(l->dx + c) + ahead), 1);
      vf dx = l->rstd * (dy * w - l->sum - normalised * l->product);
      if (accumulate) dx += v_load_first(l->dx + c, n);
      v_store_first(l->dx + c, dx, n);
    }
    dw += dy * normalised;
    db += dy;
  }
  if (sums) {
    v_store_first(d_weight + c, v_load_first(d_weight + c, n) + dw, n);
    v_store_first(d_bias + c, v_load_first(d_bias + c, n) + db, n);
  }
}

FATHOM_INLINE void write_rows(const line* lines, int64_t count, const float* weight,
                              int64_t channels, int accumulate, int sums, float* d_weight,
                              float* d_bias) {
  /* Meanwhile the rows that come next are asked for; where there are none, nothing happens. */
  const uintptr_t ahead = (uintptr_t)(ROWS * channels) * sizeof(float);
  int64_t c = 0;
  for (; c + W <= channels; c += W)
    write_columns(lines, count, weight, c, W, accumulate, sums, d_weight, d_bias, ahead);
  if (c < channels)
    write_columns(lines, count, weight, c, channels - c, accumulate, sums, d_weight, d_bias,
                  ahead);
}

static void rows_task(void* argument, int64_t index, int32_t thread) {
  (void)thread;
  const job* j = argument;
  const fathom_layer_norm_backward_args* a = j->args;
  const int64_t n = a->channels;
  const int64_t end = fathom_min((index + 1) * j->block, a->batch * a->rows);
  float* d_weight = j->partial ? j->partial + index * 2 * j->stride : NULL;
  float* d_bias = d_weight ? d_weight + j->stride : NULL;
  if (d_weight) memset(d_weight, 0, (size_t)(2 * j->stride) * sizeof(float));
  for (int64_t row = index * j->block; row < end; row += ROWS) {
    line lines[ROWS];
    const int64_t count = fathom_min(ROWS, end - row);
    for (int64_t r = 0; r < count; r++) {
      const int64_t at = row + r;
      const int64_t token = (at / a->rows + 1) * a->skip + at; /* of [B,skip+rows] */
      lines[r] = (line){.x = a->x + token * n, .dy = a->dy + at * n,
                        .dx = a->dx ? a->dx + token * n : NULL, .mean = a->mean[at],
                        .rstd = a->rstd[at]};
    }
    if (a->dx)
      for (int64_t r = 0; r < count; r++) sum_row(lines + r, a->weight, n);
    if (count == ROWS && a->accumulate)
      write_rows(lines, ROWS, a->weight, n, 1, d_weight != NULL, d_weight, d_bias);
    else if (count == ROWS)
      write_rows(lines, ROWS, a->weight, n, 0, d_weight != NULL, d_weight, d_bias);
    else
      write_rows(lines, count, a->weight, n, a->accumulate != 0, d_weight != NULL, d_weight,
                 d_bias);
  }
}

fathom_status FN(layer_norm_backward)(fathom_context* context,
                                      const fathom_layer_norm_backward_args* a) {
  const int64_t rows = a->batch * a->rows;
  const int sums = a->d_weight || a->d_bias;
  job j = {.args = a, .stride = fathom_ceil_div(a->channels, 16) * 16};
  j.block = fathom_max(BLOCK_ROWS, fathom_ceil_div(rows, MOST_BLOCKS * ROWS) * ROWS);
  const int64_t blocks = fathom_ceil_div(rows, j.block);
  if (sums) {
    fathom_status status =
        fathom_reserve(context, (size_t)(blocks * 2 * j.stride) * sizeof(float), 0);
    if (status != FATHOM_OK) return status;
    j.partial = fathom_shared(context);
  }
  fathom_pool_run(context->pool, blocks, rows_task, &j);
  const partial_sums weight = {blocks, a->channels, j.partial, 2 * j.stride, a->d_weight};
  if (a->d_weight) partial_sums_add(context, weight);
  const partial_sums bias = {blocks, a->channels, j.partial + j.stride, 2 * j.stride, a->d_bias};
  if (a->d_bias) partial_sums_add(context, bias);
  if (a->dx && !a->accumulate && a->skip > 0)
    for (int64_t b = 0; b < a->batch; b++)
      memset(a->dx + b * (a->skip + a->rows) * a->channels, 0,
             (size_t)(a->skip * a->channels) * sizeof(float));
  return FATHOM_OK;
}

/* ---- exported function ---- */

#ifdef FATHOM_ENTRY

typedef struct {
  const float* data;
  int64_t size;
} array;

/* Whether the arrays share memory; NULL shares none. */
static int overlap(array a, array b) {
  return fathom_overlap(a.data, a.size, b.data, b.size);
}

fathom_status fathom_layer_norm_backward(fathom_context* context,
                                         const fathom_layer_norm_backward_args* a) {
  FATHOM_CHECK(context && a, "layer_norm_backward: the context or the arguments are NULL");
#define SHAPE "layer_norm_backward [B=%lld,rows=%lld,skip=%lld,C=%lld]"
#define SIZES (long long)a->batch, (long long)a->rows, (long long)a->skip, (long long)a->channels
  FATHOM_CHECK(a->batch >= 1 && a->rows >= 1 && a->channels >= 1 && a->skip >= 0,
               SHAPE ": skip must not be negative, every other size must be at least 1", SIZES);
  int64_t tokens, all;
  FATHOM_CHECK(!__builtin_add_overflow(a->rows, a->skip, &tokens) &&
                   !__builtin_mul_overflow(tokens, a->batch, &tokens) &&
                   !__builtin_mul_overflow(tokens, a->channels, &all) && all <= INT64_MAX / 64,
               SHAPE ": too large", SIZES);
  FATHOM_CHECK(a->x && a->weight && a->mean && a->rstd && a->dy,
               SHAPE ": x, weight, mean, rstd or dy is NULL", SIZES);
  FATHOM_CHECK(a->accumulate == 0 || a->accumulate == 1,
               SHAPE ": accumulate is %lld; 0 or 1 are possible", SIZES, (long long)a->accumulate);
  const int64_t rows = a->batch * a->rows;
  const array arrays[] = {{a->dx, all},          {a->d_weight, a->channels},
                          {a->d_bias, a->channels}, {a->x, all},
                          {a->weight, a->channels}, {a->mean, rows},
                          {a->rstd, rows},       {a->dy, rows * a->channels}};
  for (int i = 0; i < 3; i++)
    for (int k = i + 1; k < 8; k++)
      FATHOM_CHECK(!overlap(arrays[i], arrays[k]),
                   SHAPE ": an output overlaps another output or an input", SIZES);
  FATHOM_DISPATCH(context, layer_norm_backward, a);
}

#endif
