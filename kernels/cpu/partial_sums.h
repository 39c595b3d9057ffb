/*
 * Sums over rows, for gradients of parameters that all rows share. Rows are cut into blocks whose
 * size depends on the problem alone; each block has a partial sum of its own, and these are added
 * in order. So the threads do not change a bit of the result.
 */
#ifndef FATHOM_PARTIAL_SUMS_H
#define FATHOM_PARTIAL_SUMS_H

#include "internal.h"
#include "simd.h"

/* A whole vector when n is W, otherwise its first n floats. */
FATHOM_INLINE vf v_load_first(const float* p, int64_t n) {
  return n == W ? v_load(p) : v_load_part(p, n);
}
FATHOM_INLINE void v_store_first(float* p, vf v, int64_t n) {
  if (n == W)
    v_store(p, v);
  else
    v_store_part(p, v, n);
}

#define PARTIAL_COLUMNS 256 /* columns in a task: whole cache lines */

typedef struct {
  int64_t blocks, columns;
  const float* partial; /* [blocks], block b at partial + b * stride */
  int64_t stride;
  float* sum; /* [columns], added to */
} partial_sums;

static void partial_sums_task(void* argument, int64_t index, int32_t thread) {
  (void)thread;
  const partial_sums* s = argument;
  const int64_t end = fathom_min((index + 1) * PARTIAL_COLUMNS, s->columns);
  for (int64_t c = index * PARTIAL_COLUMNS; c < end; c += W) {
    const int64_t n = fathom_min(W, end - c);
    vf sum = {0};
    for (int64_t b = 0; b < s->blocks; b++)
      sum += v_load_first(s->partial + b * s->stride + c, n);
    v_store_first(s->sum + c, v_load_first(s->sum + c, n) + sum, n);
  }
}

/* sum += the sum of the partial sums. */
FATHOM_INLINE void partial_sums_add(fathom_context* context, partial_sums s) {
  fathom_pool_run(context->pool, fathom_ceil_div(s.columns, PARTIAL_COLUMNS), partial_sums_task,
                  &s);
}

#endif
