/*
 * Whole arrays as vectors: fill, axpby, sum of squares. All are bound by memory.
 *
 * Arrays are cut into blocks of a fixed size, so that the sums do not depend on the threads. An
 * array that is written but not read, and is too large for the caches, is written past them: an
 * ordinary store first reads the line.
 */
#include "internal.h"
#include "simd.h"

#ifdef __SSE2__
#include <immintrin.h>
#endif

#define BLOCK 16384            /* floats in a task */
#define STREAM_FLOATS (4 << 20) /* from here on an array that is only written bypasses the caches */

/* ---- stores past the caches ---- */

FATHOM_INLINE void v_stream(float* p, vf v) {
#if FATHOM_ISA_LEVEL == 3
  _mm512_stream_ps(p, (__m512)v);
#elif FATHOM_ISA_LEVEL == 2
  _mm256_stream_ps(p, (__m256)v);
#elif defined(__SSE2__)
  _mm_stream_ps(p, (__m128)v);
#else
  v_store(p, v);
#endif
}

/* Such stores are not ordered with others: to be called before a task ends. */
FATHOM_INLINE void stream_end(void) {
#ifdef __SSE2__
  _mm_sfence();
#endif
}

/* The floats, at most n, before the next multiple of a vector's size. */
FATHOM_INLINE int64_t unaligned(const float* p, int64_t n) {
  const int64_t past = (int64_t)((uintptr_t)p / sizeof(float) % W);
  return fathom_min(past ? W - past : 0, n);
}

/* ---- fill and axpby ---- */

typedef struct {
  int64_t n;
  float a, b;
  const float* x;
  float* y;
  int stream;
} job;

/* Of elements [i, i + W), or of the first `count` of them; b 0: y is not read. */
FATHOM_INLINE vf combine(const job* j, int reads_y, int64_t i) {
  vf v = j->a * v_load(j->x + i);
  return reads_y ? v + j->b * v_load(j->y + i) : v;
}
FATHOM_INLINE void combine_part(const job* j, int reads_y, int64_t i, int64_t count) {
  vf v = j->a * v_load_part(j->x + i, count);
  if (reads_y) v += j->b * v_load_part(j->y + i, count);
  v_store_part(j->y + i, v, count);
}

static void axpby_task(void* argument, int64_t index, int32_t thread) {
  (void)thread;
  const job* j = argument;
  int64_t i = index * BLOCK;
  const int64_t end = fathom_min(i + BLOCK, j->n);
  if (j->b != 0) {
    for (; i + W <= end; i += W) v_store(j->y + i, combine(j, 1, i));
    if (i < end) combine_part(j, 1, i, end - i);
    return;
  }
  if (j->stream) {
    const int64_t head = unaligned(j->y + i, end - i);
    if (head > 0) combine_part(j, 0, i, head);
    i += head;
    for (; i + W <= end; i += W) v_stream(j->y + i, combine(j, 0, i));
    stream_end();
  }
  for (; i + W <= end; i += W) v_store(j->y + i, combine(j, 0, i));
  if (i < end) combine_part(j, 0, i, end - i);
}

static void fill_task(void* argument, int64_t index, int32_t thread) {
  (void)thread;
  const job* j = argument;
  const vf v = v_set(j->a);
  int64_t i = index * BLOCK;
  const int64_t end = fathom_min(i + BLOCK, j->n);
  if (j->stream) {
    const int64_t head = unaligned(j->y + i, end - i);
    if (head > 0) v_store_part(j->y + i, v, head);
    i += head;
    for (; i + W <= end; i += W) v_stream(j->y + i, v);
    stream_end();
  }
  for (; i + W <= end; i += W) v_store(j->y + i, v);
  if (i < end) v_store_part(j->y + i, v, end - i);
}

fathom_status FN(fill)(fathom_context* context, int64_t n, float value, float* x) {
  job j = {.n = n, .a = value, .y = x, .stream = n >= STREAM_FLOATS};
  fathom_pool_run(context->pool, fathom_ceil_div(n, BLOCK), fill_task, &j);
  return FATHOM_OK;
}

fathom_status FN(axpby)(fathom_context* context, int64_t n, float a, const float* x, float b,
                        float* y) {
  /* In place, the lines of y are in the cache anyway. */
  job j = {.n = n, .a = a, .b = b, .x = x, .y = y, .stream = n >= STREAM_FLOATS && x != y};
  fathom_pool_run(context->pool, fathom_ceil_div(n, BLOCK), axpby_task, &j);
  return FATHOM_OK;
}

/* ---- sum of squares ---- */

/* Half a vector's floats, and as many doubles. */
typedef float vh __attribute__((vector_size(2 * W)));
typedef float vh_any __attribute__((vector_size(2 * W), aligned(4), may_alias));
typedef double vd __attribute__((vector_size(4 * W)));

typedef struct {
  int64_t n;
  const float* x;
  double* partial; /* [blocks] */
} squares_job;

FATHOM_INLINE vd square(const float* p) {
  vd v = __builtin_convertvector((vh) * (const vh_any*)p, vd);
  return v * v;
}

static void squares_task(void* argument, int64_t index, int32_t thread) {
  (void)thread;
  const squares_job* j = argument;
  const float* x = j->x + index * BLOCK;
  const int64_t n = fathom_min(BLOCK, j->n - index * BLOCK), half = W / 2;
  vd s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};
  int64_t i = 0;
  for (; i + 2 * W <= n; i += 2 * W) {
    s0 += square(x + i);
    s1 += square(x + i + half);
    s2 += square(x + i + 2 * half);
    s3 += square(x + i + 3 * half);
  }
  for (; i + half <= n; i += half) s0 += square(x + i);
  s0 = (s0 + s1) + (s2 + s3);
  double sum = 0;
  for (; i < n; i++) sum += (double)x[i] * (double)x[i];
  for (int64_t k = 0; k < half; k++) sum += s0[k];
  j->partial[index] = sum;
}

fathom_status FN(sum_of_squares)(fathom_context* context, int64_t n, const float* x, double* sum) {
  const int64_t blocks = fathom_ceil_div(n, BLOCK);
  fathom_status status = fathom_reserve(context, (size_t)blocks * sizeof(double), 0);
  if (status != FATHOM_OK) return status;
  squares_job j = {n, x, fathom_shared(context)};
  fathom_pool_run(context->pool, blocks, squares_task, &j);
  double total = 0;
  for (int64_t i = 0; i < blocks; i++) total += j.partial[i];
  *sum = total;
  return FATHOM_OK;
}

/* ---- exported functions ---- */

#ifdef FATHOM_ENTRY

#define CHECK_SIZE(name, n)                                                                  \
  FATHOM_CHECK((n) >= 0 && (n) <= INT64_MAX / 8, name ": n is %lld; 0 to 2^60 - 1 are possible", \
               (long long)(n))

fathom_status fathom_fill(fathom_context* context, int64_t n, float value, float* x) {
  FATHOM_CHECK(context, "fill: the context is NULL");
  CHECK_SIZE("fill", n);
  if (n == 0) return FATHOM_OK;
  FATHOM_CHECK(x, "fill [%lld]: x is NULL", (long long)n);
  FATHOM_DISPATCH(context, fill, n, value, x);
}

fathom_status fathom_axpby(fathom_context* context, int64_t n, float a, const float* x, float b,
                           float* y) {
  FATHOM_CHECK(context, "axpby: the context is NULL");
  CHECK_SIZE("axpby", n);
  if (n == 0) return FATHOM_OK;
  FATHOM_CHECK(x && y, "axpby [%lld]: %s is NULL", (long long)n, x ? "y" : "x");
  FATHOM_CHECK(x == y || x + n <= y || y + n <= x, "axpby [%lld]: y overlaps x without being x",
               (long long)n);
  FATHOM_DISPATCH(context, axpby, n, a, x, b, y);
}

fathom_status fathom_sum_of_squares(fathom_context* context, int64_t n, const float* x,
                                    double* sum) {
  FATHOM_CHECK(context, "sum_of_squares: the context is NULL");
  CHECK_SIZE("sum_of_squares", n);
  FATHOM_CHECK(sum, "sum_of_squares [%lld]: sum is NULL", (long long)n);
  *sum = 0;
  if (n == 0) return FATHOM_OK;
  FATHOM_CHECK(x, "sum_of_squares [%lld]: x is NULL", (long long)n);
  FATHOM_DISPATCH(context, sum_of_squares, n, x, sum);
}

#endif
