/* The thread pool and contexts under concurrency; `make test-tsan` uses ThreadSanitizer. */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "../cpu/internal.h"
#include "test.h"

static void pause_for(long nanoseconds) {
  nanosleep(&(struct timespec){0, nanoseconds}, NULL);
}

/* ---- loops ---- */

/* What a loop's task writes: plain memory, so that a missing happens-before is a data race. */
typedef struct {
  int64_t count;
  int64_t* runs;    /* [count] */
  int32_t* thread;  /* [count] */
  int64_t round;
} loop;

static void count_run(void* argument, int64_t index, int32_t thread) {
  loop* l = argument;
  l->runs[index] += l->round;
  l->thread[index] = thread;
}

static loop loop_alloc(int64_t count) {
  loop l = {.count = count, .runs = calloc((size_t)count + 1, sizeof(int64_t)),
            .thread = calloc((size_t)count + 1, sizeof(int32_t))};
  if (!l.runs || !l.thread) abort();
  return l;
}

static void loop_free(loop* l) {
  free(l->runs);
  free(l->thread);
}

/* Runs `rounds` loops over count indices and checks each. */
static void check_loops(fathom_pool* pool, int32_t threads, int64_t count, int rounds,
                        long pause) {
  loop l = loop_alloc(count);
  int64_t expected = 0;
  for (l.round = 1; l.round <= rounds; l.round++) {
    if (pause) pause_for(pause);
    fathom_pool_run(pool, count, count_run, &l);
    expected += l.round;
    for (int64_t i = 0; i < count; i++) {
      EXPECT(l.runs[i] == expected, "loop %ld of %ld: index %ld ran %ld times its weight",
             (long)l.round, (long)count, (long)i, (long)l.runs[i]);
      EXPECT(l.thread[i] >= 0 && l.thread[i] < threads, "thread %d of %d", l.thread[i], threads);
    }
    EXPECT(l.runs[count] == 0, "index %ld ran", (long)count);
  }
  loop_free(&l);
}

TEST(pool_runs_every_index_once) {
  static const int64_t counts[] = {0, 1, 2, 7, 1000};
  for (int i = 0; i < 5; i++)
    check_loops(t->context->pool, t->threads, counts[i], t->quick ? 50 : 300, 0);
}

/* Pauses that end before, around and after the moment when idle workers go to sleep. */
TEST(pool_wakes_sleeping_workers) {
  static const long pauses[] = {1000, 30000, 100000, 2000000};
  for (int i = 0; i < 4; i++)
    check_loops(t->context->pool, t->threads, 7, t->quick ? 5 : 20, pauses[i]);
}

static void slow_last(void* argument, int64_t index, int32_t thread) {
  if (index == 1) pause_for(3000000);
  count_run(argument, index, thread);
}

/* The caller runs out of work first and has to sleep until the last worker is done. */
TEST(pool_waits_for_the_last_worker) {
  loop l = loop_alloc(2);
  l.round = 1;
  for (int64_t i = 1; i <= 5; i++) {
    fathom_pool_run(t->context->pool, 2, slow_last, &l);
    EXPECT(l.runs[0] == i && l.runs[1] == i, "%ld and %ld of %ld", (long)l.runs[0],
           (long)l.runs[1], (long)i);
  }
  loop_free(&l);
}

static void nothing(void* argument, int64_t index, int32_t thread) {
  (void)argument;
  (void)index;
  (void)thread;
}

TEST(pool_takes_many_empty_loops) {
  for (int i = 0; i < (t->quick ? 500 : 20000); i++)
    fathom_pool_run(t->context->pool, 2, nothing, NULL);
}

/* Each thread writes to memory of its own without synchronisation: two at once would race. */
typedef struct {
  int64_t sum[1024];
} per_thread;

static void add_index(void* argument, int64_t index, int32_t thread) {
  ((per_thread*)argument)->sum[thread] += index;
}

TEST(pool_numbers_its_threads) {
  for (int i = 0; i < 20; i++) {
    per_thread p = {{0}};
    fathom_pool_run(t->context->pool, 1000, add_index, &p);
    int64_t sum = 0;
    for (int32_t k = 0; k < 1024; k++) {
      EXPECT(k < t->threads || p.sum[k] == 0, "thread %d of %d worked", k, t->threads);
      sum += p.sum[k];
    }
    EXPECT(sum == 499500, "sum %ld", (long)sum);
  }
}

TEST(pool_with_more_threads_than_cores) {
  fathom_context* context = NULL;
  EXPECT_OK(fathom_context_create(t->quick ? 16 : 40, t->isa, &context));
  if (!context) return;
  check_loops(context->pool, fathom_context_threads(context), 100, 20, 0);
  check_loops(context->pool, fathom_context_threads(context), 2, 20, 200000);
  fathom_context_destroy(context);
}

/* ---- contexts ---- */

/* Workers that have just started, that spin, that sleep: destroy ends all of them. */
TEST(context_comes_and_goes) {
  for (int i = 0; i < (t->quick ? 10 : 60); i++) {
    fathom_context* context = NULL;
    EXPECT_OK(fathom_context_create(t->threads, t->isa, &context));
    if (!context) return;
    if (i % 3 > 0) check_loops(context->pool, t->threads, 7, 2, 0);
    if (i % 3 > 1) pause_for(1000000);
    fathom_context_destroy(context);
  }
}

TEST(context_destroys_nothing_when_there_is_none) { fathom_context_destroy(NULL); }

TEST(context_trims_its_scratch_memory) {
  fathom_context* context = NULL;
  EXPECT_OK(fathom_context_create(t->threads, t->isa, &context));
  if (!context) return;
  EXPECT(fathom_context_scratch_bytes(context) == 0, "a new context holds memory");
  fathom_enter(context);
  EXPECT_OK(fathom_reserve(context, 100, 1000));
  char* end = fathom_shared(context);
  EXPECT((uintptr_t)end % 64 == 0, "shared memory is not aligned");
  end += 100;
  for (int32_t i = 0; i < t->threads; i++) {
    char* local = fathom_local(context, i);
    EXPECT((uintptr_t)local % 64 == 0 && local >= end, "thread %d: overlap or not aligned", i);
    memset(local, i, 1000);
    end = local + 1000;
  }
  fathom_leave(context);
  EXPECT(fathom_context_scratch_bytes(context) >= 100 + 1000 * t->threads, "too little");
  fathom_context_trim(context);
  EXPECT(fathom_context_scratch_bytes(context) == 0, "trim kept memory");
  fathom_enter(context);
  EXPECT(fathom_reserve(context, SIZE_MAX / 2, 0) == FATHOM_OUT_OF_MEMORY, "half of all memory");
  EXPECT(fathom_reserve(context, SIZE_MAX, 0) == FATHOM_OUT_OF_MEMORY, "all memory");
  EXPECT(fathom_reserve(context, 0, SIZE_MAX / 2) == FATHOM_OUT_OF_MEMORY, "half per thread");
  EXPECT_OK(fathom_reserve(context, 64, 64));
  fathom_leave(context);
  fathom_context_destroy(context);
}

/* ---- several callers ---- */

typedef struct {
  fathom_context* context;
  int repeats;
  int64_t channels;
  int wrong;
} caller;

/* Resizes a map again and again; every result has to equal the first one. */
static void* resize_repeatedly(void* argument) {
  caller* c = argument;
  int64_t n = 2 * 33 * 21 * c->channels;
  float* x = hashed("callers", 2 * 17 * 13 * c->channels);
  float *first = malloc((size_t)n * sizeof *first), *again = malloc((size_t)n * sizeof *again);
  fathom_resize_bilinear_args args = {2, 17, 13, c->channels, 33, 21, 1, x, NULL, first};
  if (!first || !again || fathom_resize_bilinear(c->context, &args) != FATHOM_OK) c->wrong++;
  args.y = again;
  for (int i = 0; i < c->repeats && !c->wrong; i++) {
    memset(again, 0xff, (size_t)n * sizeof *again);
    if (fathom_resize_bilinear(c->context, &args) != FATHOM_OK ||
        memcmp(first, again, (size_t)n * sizeof *first) != 0)
      c->wrong++;
    if (i % 16 == 0) fathom_context_trim(c->context);
  }
  free(x);
  free(first);
  free(again);
  return NULL;
}

static void check_callers(const test_environment* t, fathom_context* a, fathom_context* b) {
  caller callers[2] = {{a, t->quick ? 20 : 100, 1, 0}, {b, t->quick ? 20 : 100, 20, 0}};
  pthread_t threads[2];
  for (int i = 0; i < 2; i++)
    if (pthread_create(&threads[i], NULL, resize_repeatedly, &callers[i]) != 0) abort();
  for (int i = 0; i < 2; i++) {
    pthread_join(threads[i], NULL);
    EXPECT(callers[i].wrong == 0, "caller %d: wrong result", i);
  }
}

TEST(context_serialises_concurrent_callers) { check_callers(t, t->context, t->context); }

TEST(contexts_are_independent) {
  fathom_context* other = NULL;
  EXPECT_OK(fathom_context_create(t->threads, t->isa, &other));
  if (!other) return;
  check_callers(t, t->context, other);
  fathom_context_destroy(other);
}

/* ---- errors ---- */

static void* fail_elsewhere(void* argument) {
  char* text = argument;
  snprintf(text, 16, "%s", fathom_last_error());
  fathom_context* context;
  fathom_context_create(-7, FATHOM_ISA_AUTO, &context);
  return NULL;
}

TEST(last_error_belongs_to_its_thread) {
  fathom_context* context;
  char text[16] = "untouched";
  EXPECT(fathom_context_create(-3, FATHOM_ISA_AUTO, &context) != FATHOM_OK, "-3 threads");
  pthread_t thread;
  if (pthread_create(&thread, NULL, fail_elsewhere, text) != 0) abort();
  pthread_join(thread, NULL);
  EXPECT(text[0] == 0, "a new thread began with the error '%s'", text);
  EXPECT(strstr(fathom_last_error(), "-3 threads"), "lost: %s", fathom_last_error());
}
