/*
 * The thread pool: a parallel loop over indices handed out by an atomic counter.
 *
 * Operators follow each other within microseconds, so an idle worker first spins, then sleeps on a
 * condition variable; the caller does the same while it waits for the last worker. Every worker
 * acknowledges every loop, so that a loop's state is never read after fathom_pool_run returned.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "internal.h"

/* About 30 to 100 microseconds; longer would steal the processor from others for nothing. */
#define SPINS 1500

struct fathom_pool {
  int32_t threads;
  int32_t started;
  pthread_t* handles;
  struct worker* workers;
  pthread_mutex_t mutex;
  pthread_cond_t wake;
  pthread_cond_t done;
  int32_t sleepers;   /* workers in wake, under mutex */
  int32_t waiting;    /* the caller is in done, under mutex */
  atomic_uint generation;
  atomic_int busy;    /* workers that have not finished this loop */
  atomic_int stop;
  fathom_task task;
  void* argument;
  int64_t count;
  _Alignas(64) atomic_llong next;
};

struct worker {
  fathom_pool* pool;
  int32_t index;
};

static inline void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static void work(fathom_pool* pool, int32_t thread) {
  fathom_task task = pool->task;
  void* argument = pool->argument;
  int64_t count = pool->count;
  for (;;) {
    int64_t index = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
    if (index >= count) return;
    task(argument, index, thread);
  }
}

static unsigned wait_for_work(fathom_pool* pool, unsigned seen) {
  for (int i = 0; i < SPINS; i++) {
    unsigned now = atomic_load_explicit(&pool->generation, memory_order_acquire);
    if (now != seen) return now;
    relax();
  }
  pthread_mutex_lock(&pool->mutex);
  pool->sleepers++;
  unsigned now;
  while ((now = atomic_load_explicit(&pool->generation, memory_order_acquire)) == seen)
    pthread_cond_wait(&pool->wake, &pool->mutex);
  pool->sleepers--;
  pthread_mutex_unlock(&pool->mutex);
  return now;
}

static void* worker_main(void* pointer) {
  struct worker* self = pointer;
  fathom_pool* pool = self->pool;
  unsigned seen = 0;
  for (;;) {
    seen = wait_for_work(pool, seen);
    if (atomic_load_explicit(&pool->stop, memory_order_acquire)) return NULL;
    work(pool, self->index);
    if (atomic_fetch_sub_explicit(&pool->busy, 1, memory_order_acq_rel) == 1) {
      pthread_mutex_lock(&pool->mutex);
      if (pool->waiting) pthread_cond_signal(&pool->done);
      pthread_mutex_unlock(&pool->mutex);
    }
  }
}

static void announce(fathom_pool* pool) {
  pthread_mutex_lock(&pool->mutex);
  atomic_fetch_add_explicit(&pool->generation, 1, memory_order_release);
  if (pool->sleepers > 0) pthread_cond_broadcast(&pool->wake);
  pthread_mutex_unlock(&pool->mutex);
}

void fathom_pool_destroy(fathom_pool* pool) {
  if (!pool) return;
  atomic_store(&pool->stop, 1);
  announce(pool);
  for (int32_t i = 0; i < pool->started; i++) pthread_join(pool->handles[i], NULL);
  pthread_mutex_destroy(&pool->mutex);
  pthread_cond_destroy(&pool->wake);
  pthread_cond_destroy(&pool->done);
  free(pool->handles);
  free(pool->workers);
  free(pool);
}

fathom_pool* fathom_pool_create(int32_t threads) {
  fathom_pool* pool = aligned_alloc(64, (sizeof *pool + 63) / 64 * 64);
  if (!pool) return NULL;
  *pool = (fathom_pool){.threads = threads};
  pthread_mutex_init(&pool->mutex, NULL);
  pthread_cond_init(&pool->wake, NULL);
  pthread_cond_init(&pool->done, NULL);
  pool->handles = calloc((size_t)threads, sizeof *pool->handles);
  pool->workers = calloc((size_t)threads, sizeof *pool->workers);
  if (!pool->handles || !pool->workers) goto fail;
  for (int32_t i = 1; i < threads; i++) {
    struct worker* worker = &pool->workers[i - 1];
    *worker = (struct worker){pool, i};
    if (pthread_create(&pool->handles[i - 1], NULL, worker_main, worker) != 0) goto fail;
    pool->started++;
  }
  return pool;
fail:
  fathom_pool_destroy(pool);
  return NULL;
}

void fathom_pool_run(fathom_pool* pool, int64_t count, fathom_task task, void* argument) {
  if (pool->threads == 1 || count <= 1) {
    for (int64_t i = 0; i < count; i++) task(argument, i, 0);
    return;
  }
  pool->task = task;
  pool->argument = argument;
  pool->count = count;
  atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
  atomic_store_explicit(&pool->busy, pool->started, memory_order_relaxed);
  announce(pool);
  work(pool, 0);
  for (int i = 0; i < SPINS; i++) {
    if (atomic_load_explicit(&pool->busy, memory_order_acquire) == 0) return;
    relax();
  }
  pthread_mutex_lock(&pool->mutex);
  pool->waiting = 1;
  while (atomic_load_explicit(&pool->busy, memory_order_acquire) != 0)
    pthread_cond_wait(&pool->done, &pool->mutex);
  pool->waiting = 0;
  pthread_mutex_unlock(&pool->mutex);
}
