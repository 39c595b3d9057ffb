/*
 * The thread pool: a parallel loop over indices handed out by an atomic counter.
 *
 * A loop begins when the caller opens the gate and ends when it has closed it and the last worker
 * that came in has gone. A worker that comes late finds the gate closed and is not waited for, so a
 * small loop costs no more than the caller's own work when the other cores are busy elsewhere.
 *
 * Operators follow each other within microseconds, so an idle worker first spins, then sleeps on a
 * condition variable; the caller does the same while it waits for the last worker. The mutex is
 * for sleeping only. Who goes to sleep says so (sleepers, waiting) before it looks at the gate once
 * more; who changes the gate looks for sleepers afterwards. Both in sequentially consistent order,
 * so one of the two sees the other.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "internal.h"

/*
 * How long to spin before sleeping: longer than the pause between two operators, about as long as
 * it takes to wake a thread. By the clock, as a pause instruction takes 5 to 60 nanoseconds.
 */
#define SPIN_NANOSECONDS 50000
#define PAUSES_PER_LOOK 64

/* The gate: the loop's number in the upper half, OPEN, and below it how many workers are inside. */
#define LOOP ((uint64_t)1 << 32)
#define OPEN ((uint64_t)1 << 31)
#define INSIDE (OPEN - 1)

struct fathom_pool {
  int32_t threads;
  int32_t started;
  pthread_t* handles;
  struct worker* workers;
  pthread_mutex_t mutex;
  pthread_cond_t wake;
  pthread_cond_t done;
  atomic_int stop;
  /* One loop; written while the gate is closed and nobody is inside. */
  fathom_task task;
  void* argument;
  int64_t count;
  /* On cache lines of their own: what everyone spins on, and what everyone increments. */
  _Alignas(64) _Atomic uint64_t gate;
  atomic_int sleepers; /* workers in wake; changed under mutex */
  atomic_int waiting;  /* the caller is in done */
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

/* What the sides wait for: a loop after number `seen`, or that nobody is inside. */
typedef int (*condition)(uint64_t gate, uint64_t seen);
static int is_new(uint64_t gate, uint64_t seen) { return gate / LOOP != seen; }
static int is_empty(uint64_t gate, uint64_t seen) {
  (void)seen;
  return (gate & INSIDE) == 0;
}

/* Spins until the condition holds, but not for long; whether it does. */
static inline int spin(fathom_pool* pool, condition holds, uint64_t seen) {
  int64_t start = 0;
  for (;;) {
    for (int i = 0; i < PAUSES_PER_LOOK; i++) {
      if (holds(atomic_load_explicit(&pool->gate, memory_order_acquire), seen)) return 1;
      relax();
    }
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    int64_t now = (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
    if (start == 0) start = now;
    if (now - start > SPIN_NANOSECONDS) return 0;
    /* On a crowded machine the one who is waited for may need this very core. */
    sched_yield();
  }
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

/* Waits for a loop after number `seen` or for the end of the pool; returns the gate. */
static uint64_t wait_at_gate(fathom_pool* pool, uint64_t seen) {
  if (spin(pool, is_new, seen)) return atomic_load(&pool->gate);
  pthread_mutex_lock(&pool->mutex);
  atomic_fetch_add(&pool->sleepers, 1);
  uint64_t gate;
  while (!is_new(gate = atomic_load(&pool->gate), seen))
    pthread_cond_wait(&pool->wake, &pool->mutex);
  atomic_fetch_sub(&pool->sleepers, 1);
  pthread_mutex_unlock(&pool->mutex);
  return gate;
}

static void* worker_main(void* pointer) {
  struct worker* self = pointer;
  fathom_pool* pool = self->pool;
  uint64_t seen = 0;
  for (;;) {
    uint64_t gate = wait_at_gate(pool, seen);
    if (atomic_load(&pool->stop)) return NULL;
    while ((gate & OPEN) && !atomic_compare_exchange_weak(&pool->gate, &gate, gate + 1)) continue;
    seen = gate / LOOP;
    if (!(gate & OPEN)) continue;
    work(pool, self->index);
    /* As the last of a closed loop, at a caller that sleeps or is about to. */
    if ((atomic_fetch_sub(&pool->gate, 1) & (OPEN | INSIDE)) == 1 && atomic_load(&pool->waiting)) {
      pthread_mutex_lock(&pool->mutex);
      pthread_cond_signal(&pool->done);
      pthread_mutex_unlock(&pool->mutex);
    }
  }
}

/* Begins the next loop, or with open = 0 only makes the workers look up. */
static void announce(fathom_pool* pool, uint64_t open) {
  uint64_t loop = atomic_load_explicit(&pool->gate, memory_order_relaxed) / LOOP + 1;
  atomic_store(&pool->gate, loop * LOOP | open);
  if (atomic_load(&pool->sleepers) == 0) return;
  pthread_mutex_lock(&pool->mutex);
  pthread_cond_broadcast(&pool->wake);
  pthread_mutex_unlock(&pool->mutex);
}

void fathom_pool_destroy(fathom_pool* pool) {
  if (!pool) return;
  atomic_store(&pool->stop, 1);
  announce(pool, 0);
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
  announce(pool, OPEN);
  work(pool, 0);
  atomic_fetch_and(&pool->gate, ~OPEN);
  if (spin(pool, is_empty, 0)) return;
  pthread_mutex_lock(&pool->mutex);
  atomic_store(&pool->waiting, 1);
  while (!is_empty(atomic_load(&pool->gate), 0)) pthread_cond_wait(&pool->done, &pool->mutex);
  atomic_store(&pool->waiting, 0);
  pthread_mutex_unlock(&pool->mutex);
}
