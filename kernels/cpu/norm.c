/*
 * LayerNorm over the last dimension: mean, then variance by a second pass over the row, which is in
 * the level 1 cache by then, then the output; memory is read once and written once.
 *
 * The second pass also sums x - mean, which is 0 but for the rounding of the mean, and corrects mean
 * and variance by it (the corrected two-pass algorithm: Chan, Golub, LeVeque 1983). An offset that is
 * large against the spread then costs no more accuracy than it must.
 */
#include "internal.h"

#include "simd.h"

#define TASK_FLOATS 16384 /* about 64 KB of x in a task */
#define ROWS 4            /* rows in step */

typedef struct {
  const fathom_layer_norm_args* args;
  int64_t step; /* rows in a task */
} plan;

/* The sum of n floats. */
FATHOM_INLINE float sum_row(const float* x, int64_t n) {
  vf s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};
  int64_t i = 0;
  for (; i + 4 * W <= n; i += 4 * W) {
    s0 += v_load(x + i);
    s1 += v_load(x + i + W);
    s2 += v_load(x + i + 2 * W);
    s3 += v_load(x + i + 3 * W);
  }
  for (; i + W <= n; i += W) s0 += v_load(x + i);
  if (i < n) s1 += v_load_part(x + i, n - i);
  return v_sum((s0 + s1) + (s2 + s3));
}

/* The sums of x - shift and of its square. */
FATHOM_INLINE void sum_deviations(const float* x, int64_t n, float shift, float* sum,
                                  float* squares) {
  vf s0 = {0}, s1 = {0}, q0 = {0}, q1 = {0}, q2 = {0}, q3 = {0};
  int64_t i = 0;
  for (; i + 4 * W <= n; i += 4 * W) {
    vf a = v_load(x + i) - shift, b = v_load(x + i + W) - shift;
    vf c = v_load(x + i + 2 * W) - shift, d = v_load(x + i + 3 * W) - shift;
    s0 += a + b;
    s1 += c + d;
    q0 += a * a;
    q1 += b * b;
    q2 += c * c;
    q3 += d * d;
  }
  for (; i + W <= n; i += W) {
    vf a = v_load(x + i) - shift;
    s0 += a;
    q0 += a * a;
  }
  if (i < n) {
    /* Lanes past the end hold shift, so that they add nothing. */
    float last[W];
    v_store(last, v_set(shift));
    memcpy(last, x + i, (size_t)(n - i) * sizeof(float));
    vf a = v_load(last) - shift;
    s1 += a;
    q1 += a * a;
  }
  *sum = v_sum(s0 + s1);
  *squares = v_sum((q0 + q1) + (q2 + q3));
}

/*
 * y = ((x - shift) * rstd + addend) * weight + bias. Meanwhile the row that takes x's place among the
 * next ROWS is asked for; where it does not exist, nothing happens.
 */
FATHOM_INLINE void write_row(const float* x, int64_t n, float shift, float rstd, float addend,
                             const float* weight, const float* bias, float* y) {
  const uintptr_t next = (uintptr_t)(ROWS * n) * sizeof(float);
  int64_t i = 0;
#pragma GCC unroll 4
  for (; i + W <= n; i += W) {
    vf t = (v_load(x + i) - shift) * rstd + addend;
    __builtin_prefetch((const void*)((uintptr_t)(x + i) + next));
    v_store(y + i, t * v_load(weight + i) + v_load(bias + i));
  }
  if (i < n) {
    int64_t rest = n - i;
    vf t = (v_load_part(x + i, rest) - shift) * rstd + addend;
    t = t * v_load_part(weight + i, rest) + v_load_part(bias + i, rest);
    v_store_part(y + i, t, rest);
  }
}

/*
 * count <= ROWS rows, each pass over all of them before the next: what one row waits for (the sum over
 * a vector, a division, a square root) passes while the others are summed.
 */
FATHOM_INLINE void normalise_rows(const fathom_layer_norm_args* a, const float* const* x,
                                  int64_t row, int64_t count) {
  int64_t n = a->channels;
  float inverse = 1.0f / (float)n;
  float shift[ROWS], rstd[ROWS], addend[ROWS];
  for (int64_t r = 0; r < count; r++) shift[r] = sum_row(x[r], n) * inverse;
  for (int64_t r = 0; r < count; r++) {
    float sum, squares;
    sum_deviations(x[r], n, shift[r], &sum, &squares);
    float correction = sum * inverse;
    float variance = squares * inverse - correction * correction;
    if (variance < 0) variance = 0;
    rstd[r] = 1.0f / sqrtf(variance + a->eps);
    /* (x - shift - correction) * rstd, the correction in the addend. */
    addend[r] = -correction * rstd[r];
    if (a->mean) a->mean[row + r] = shift[r] + correction;
    if (a->rstd) a->rstd[row + r] = rstd[r];
  }
  for (int64_t r = 0; r < count; r++)
    write_row(x[r], n, shift[r], rstd[r], addend[r], a->weight, a->bias, a->y + (row + r) * n);
}

/* index: step consecutive rows of the batch's rows. */
static void normalise_task(void* argument, int64_t index, int32_t thread __attribute__((unused))) {
  const plan* s = argument;
  const fathom_layer_norm_args* a = s->args;
  int64_t row = index * s->step, end = fathom_min(row + s->step, a->batch * a->rows);
  int64_t batch = row / a->rows, r = row % a->rows;
  while (row < end) {
    const float* x[ROWS];
    int64_t count = fathom_min(ROWS, end - row);
    for (int64_t i = 0; i < count; i++) {
      x[i] = a->x + batch * a->x_batch_stride + r * a->channels;
      if (++r == a->rows) {
        r = 0;
        batch++;
      }
    }
    normalise_rows(a, x, row, count);
    row += count;
  }
}

fathom_status FN(layer_norm)(fathom_context* context, const fathom_layer_norm_args* a) {
  plan s = {a, fathom_max(1, TASK_FLOATS / a->channels)};
  fathom_pool_run(context->pool, fathom_ceil_div(a->batch * a->rows, s.step), normalise_task, &s);
  return FATHOM_OK;
}

#ifdef FATHOM_ENTRY

fathom_status fathom_layer_norm(fathom_context* context, const fathom_layer_norm_args* a) {
  FATHOM_CHECK(context && a, "layer_norm: the context or the arguments are NULL");
#define SHAPE "layer_norm [B=%lld,rows=%lld,C=%lld]"
#define SIZES (long long)a->batch, (long long)a->rows, (long long)a->channels
  FATHOM_CHECK(a->batch >= 1 && a->rows >= 1 && a->channels >= 1,
               SHAPE ": every size must be at least 1", SIZES);
  int64_t in_batch, read, written, bytes;
  FATHOM_CHECK(!__builtin_mul_overflow(a->rows, a->channels, &in_batch), SHAPE ": too large",
               SIZES);
  FATHOM_CHECK(a->x_batch_stride >= in_batch, SHAPE ": x_batch_stride is %lld, below rows * C",
               SIZES, (long long)a->x_batch_stride);
  FATHOM_CHECK(!__builtin_mul_overflow(a->batch, a->x_batch_stride, &read) &&
                   !__builtin_mul_overflow(read, (int64_t)sizeof(float), &bytes),
               SHAPE ": too large", SIZES);
  read -= a->x_batch_stride - in_batch;
  written = a->batch * in_batch;
  FATHOM_CHECK(a->x && a->weight && a->bias && a->y, SHAPE ": x, weight, bias or y is NULL", SIZES);
  FATHOM_CHECK(a->eps >= 0 && isfinite(a->eps), SHAPE ": eps is %g", SIZES, (double)a->eps);
  FATHOM_CHECK(!fathom_overlap(a->y, written, a->x, read) ||
                   (a->y == a->x && (a->batch == 1 || a->x_batch_stride == in_batch)),
               SHAPE ": y overlaps x without being x", SIZES);
  FATHOM_CHECK(!fathom_overlap(a->y, written, a->weight, a->channels) &&
                   !fathom_overlap(a->y, written, a->bias, a->channels),
               SHAPE ": y overlaps weight or bias", SIZES);
  int64_t statistics = a->batch * a->rows;
  const float* outputs[2] = {a->mean, a->rstd};
  for (int i = 0; i < 2; i++)
    FATHOM_CHECK(!fathom_overlap(outputs[i], statistics, a->x, read) &&
                     !fathom_overlap(outputs[i], statistics, a->y, written) &&
                     !fathom_overlap(outputs[i], statistics, a->weight, a->channels) &&
                     !fathom_overlap(outputs[i], statistics, a->bias, a->channels),
                 SHAPE ": mean or rstd overlaps x, y, weight or bias", SIZES);
  FATHOM_CHECK(!fathom_overlap(a->mean, statistics, a->rstd, statistics), SHAPE ": mean overlaps rstd",
               SIZES);
  FATHOM_DISPATCH(context, layer_norm, a);
}

#endif
