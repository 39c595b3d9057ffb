/*
 * What the machine can do: the multiply-add rate of every thread at once, and the rate of a copy. The
 * figures that benchmarks are held against; measured with the same threads and instruction set.
 */
#include <time.h>

#include "internal.h"
#include "simd.h"

/* Enough chains to hide the latency of a multiply-add (4 cycles x 2 units), few enough for registers. */
#if FATHOM_ISA_LEVEL == 1
#define CHAINS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
#define CHAIN_COUNT 8
#else
#define CHAINS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define CHAIN_COUNT 12
#endif
#define ROUNDS 4000000

static void spin(void* argument, int64_t index, int32_t thread) {
  (void)thread;
  float* sink = argument;
#define DECLARE(i) vf c##i = v_set((float)(i));
  CHAINS(DECLARE)
#undef DECLARE
  vf x = v_set(0.999999f), y = v_set(1e-6f);
  for (int64_t round = 0; round < ROUNDS; round++) {
#define STEP(i) c##i = c##i * x + y;
    CHAINS(STEP)
#undef STEP
    /* Keeps the compiler from folding rounds together. */
    __asm__ volatile("" : "+x"(x));
  }
  vf sum = {0};
#define ADD(i) sum += c##i;
  CHAINS(ADD)
#undef ADD
  sink[index * 16] = v_sum(sum);
}

struct copy {
  const float* from;
  float* to;
  int64_t floats, part;
};

static void copy_part(void* argument, int64_t index, int32_t thread) {
  (void)thread;
  const struct copy* copy = argument;
  int64_t begin = index * copy->part;
  int64_t end = fathom_min(begin + copy->part, copy->floats);
  memcpy(copy->to + begin, copy->from + begin, (size_t)(end - begin) * sizeof(float));
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

fathom_status FN(measure)(fathom_context* context, double* flops, double* bytes) {
  const int64_t floats = (int64_t)32 << 20;
  fathom_status status = fathom_reserve(context, (size_t)floats * 2 * sizeof(float), 64);
  if (status != FATHOM_OK) return status;
  float* memory = fathom_shared(context);
  memset(memory, 0, (size_t)floats * 2 * sizeof(float));

  double begin = seconds();
  fathom_pool_run(context->pool, context->threads, spin, memory);
  *flops = (double)context->threads * ROUNDS * CHAIN_COUNT * W * 2 / (seconds() - begin);

  struct copy copy = {memory, memory + floats, floats, fathom_ceil_div(floats, context->threads)};
  begin = seconds();
  for (int i = 0; i < 4; i++) fathom_pool_run(context->pool, context->threads, copy_part, &copy);
  *bytes = 4.0 * (double)floats * 2 * sizeof(float) / (seconds() - begin);
  return FATHOM_OK;
}

#ifdef FATHOM_ENTRY
fathom_status fathom_measure(fathom_context* context, double* flops_per_second,
                             double* bytes_per_second) {
  FATHOM_CHECK(context && flops_per_second && bytes_per_second, "measure: a pointer is NULL");
  FATHOM_DISPATCH(context, measure, flops_per_second, bytes_per_second);
}
#endif
