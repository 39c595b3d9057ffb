/* Context, errors, dispatch: what every operator stands on. */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "internal.h"

#ifndef FATHOM_VERSION_TEXT
#define FATHOM_VERSION_TEXT "unversioned"
#endif

static _Thread_local char last_error[512];

fathom_status fathom_fail(fathom_status status, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(last_error, sizeof last_error, format, arguments);
  va_end(arguments);
  return status;
}

const char* fathom_last_error(void) { return last_error; }
int32_t fathom_abi_version(void) { return FATHOM_ABI_VERSION; }
const char* fathom_version(void) { return FATHOM_VERSION_TEXT; }

/* ---- memory ---- */

#define HUGE_PAGE ((size_t)2 << 20)

void* fathom_allocate(int64_t bytes) {
  void* block = NULL;
  if (bytes > 0 && bytes < INT64_MAX - 2 * (int64_t)HUGE_PAGE) {
    size_t alignment = (size_t)bytes >= 2 * HUGE_PAGE ? HUGE_PAGE : 64;
    size_t rounded = ((size_t)bytes + alignment - 1) / alignment * alignment;
    block = aligned_alloc(alignment, rounded);
#ifdef MADV_HUGEPAGE
    /* Fewer page faults and TLB misses; a hint, so its failure means nothing. */
    if (block && alignment == HUGE_PAGE) madvise(block, rounded, MADV_HUGEPAGE);
#endif
  }
  if (!block)
    fathom_fail(FATHOM_OUT_OF_MEMORY, "memory: cannot allocate %lld bytes", (long long)bytes);
  return block;
}

void fathom_free(void* block) { free(block); }

/* ---- instruction sets ---- */

static const fathom_ops* ops_of(int32_t isa) {
  switch (isa) {
    case FATHOM_ISA_PORTABLE:
      return &fathom_portable_ops;
#ifdef __x86_64__
    case FATHOM_ISA_AVX2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &fathom_avx2_ops
                                                                            : NULL;
    case FATHOM_ISA_AVX512:
      return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                     __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
                     __builtin_cpu_supports("fma")
                 ? &fathom_avx512_ops
                 : NULL;
#endif
    default:
      return NULL;
  }
}

int32_t fathom_best_isa(void) {
  if (ops_of(FATHOM_ISA_AVX512)) return FATHOM_ISA_AVX512;
  if (ops_of(FATHOM_ISA_AVX2)) return FATHOM_ISA_AVX2;
  return FATHOM_ISA_PORTABLE;
}

const char* fathom_isa_name(int32_t isa) {
  static const char* const names[] = {"auto", "portable", "avx2", "avx512"};
  return isa >= 0 && isa <= FATHOM_ISA_AVX512 ? names[isa] : "unknown";
}

static char description[256];

static void describe(void) {
  char model[128] = "unknown CPU";
  FILE* file = fopen("/proc/cpuinfo", "r");
  if (file) {
    char line[256];
    while (fgets(line, sizeof line, file)) {
      char* colon = strchr(line, ':');
      if (!colon || strncmp(line, "model name", 10) != 0) continue;
      colon[strcspn(colon, "\n")] = 0;
      snprintf(model, sizeof model, "%s", colon + 2);
      break;
    }
    fclose(file);
  }
#ifdef __x86_64__
  snprintf(description, sizeof description, "%s (x86_64:%s%s%s)", model,
           __builtin_cpu_supports("avx2") ? " avx2" : "",
           __builtin_cpu_supports("fma") ? " fma" : "",
           ops_of(FATHOM_ISA_AVX512) ? " avx512f/dq/bw/vl" : "");
#elif defined(__aarch64__)
  snprintf(description, sizeof description, "%s (aarch64: neon)", model);
#else
  snprintf(description, sizeof description, "%s", model);
#endif
}

const char* fathom_cpu_description(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, describe);
  return description;
}

/* ---- context ---- */

fathom_status fathom_context_create(int32_t threads, int32_t isa, fathom_context** context) {
  FATHOM_CHECK(context, "context: the result pointer is NULL");
  *context = NULL;
  FATHOM_CHECK(threads >= 1 && threads <= 1024, "context: %d threads; 1 to 1024 are possible",
               threads);
  FATHOM_CHECK(isa >= FATHOM_ISA_AUTO && isa <= FATHOM_ISA_AVX512,
               "context: unknown instruction set %d", isa);
  if (isa == FATHOM_ISA_AUTO) isa = fathom_best_isa();
  const fathom_ops* ops = ops_of(isa);
  if (!ops)
    return fathom_fail(FATHOM_UNSUPPORTED, "context: this machine lacks %s (it has %s)",
                       fathom_isa_name(isa), fathom_cpu_description());
  fathom_context* made = calloc(1, sizeof *made);
  pthread_mutex_t* lock = malloc(sizeof *lock);
  fathom_pool* pool = made && lock ? fathom_pool_create(threads) : NULL;
  if (!pool) {
    free(made);
    free(lock);
    return fathom_fail(FATHOM_OUT_OF_MEMORY, "context: cannot start %d threads", threads);
  }
  pthread_mutex_init(lock, NULL);
  *made = (fathom_context){.threads = threads, .isa = isa, .ops = ops, .pool = pool, .lock = lock};
  *context = made;
  return FATHOM_OK;
}

void fathom_context_destroy(fathom_context* context) {
  if (!context) return;
  fathom_enter(context);
  fathom_leave(context);
  fathom_pool_destroy(context->pool);
  pthread_mutex_destroy(context->lock);
  free(context->lock);
  free(context->scratch);
  free(context->held);
  free(context);
}

int32_t fathom_context_threads(const fathom_context* context) { return context->threads; }
int32_t fathom_context_isa(const fathom_context* context) { return context->isa; }

int64_t fathom_context_scratch_bytes(const fathom_context* context) {
  fathom_enter((fathom_context*)context);
  int64_t bytes = (int64_t)(context->scratch_bytes + context->held_bytes);
  fathom_leave((fathom_context*)context);
  return bytes;
}

void fathom_context_trim(fathom_context* context) {
  fathom_enter(context);
  free(context->scratch);
  context->scratch = NULL;
  context->scratch_bytes = 0;
  free(context->held);
  context->held = NULL;
  context->held_bytes = 0;
  fathom_leave(context);
}

void fathom_enter(fathom_context* context) { pthread_mutex_lock(context->lock); }
void fathom_leave(fathom_context* context) { pthread_mutex_unlock(context->lock); }

/* ---- scratch ---- */

static size_t round_up(size_t bytes) { return (bytes + 63) / 64 * 64; }

fathom_status fathom_reserve(fathom_context* context, size_t shared, size_t per_thread) {
  /* No object is larger; twice this does not overflow below. */
  const size_t limit = PTRDIFF_MAX / 2;
  if (shared > limit || per_thread > limit / (size_t)context->threads - 128)
    return fathom_fail(FATHOM_OUT_OF_MEMORY, "scratch: no memory for %zu bytes and %zu per thread",
                       shared, per_thread);
  shared = round_up(shared);
  /* An odd number of lines between threads keeps their buffers off the same cache sets. */
  per_thread = round_up(per_thread) + 64;
  size_t bytes = shared + per_thread * (size_t)context->threads;
  if (bytes > context->scratch_bytes) {
    free(context->scratch);
    context->scratch = aligned_alloc(64, bytes);
    context->scratch_bytes = context->scratch ? bytes : 0;
    if (!context->scratch)
      return fathom_fail(FATHOM_OUT_OF_MEMORY, "scratch: no memory for %zu bytes", bytes);
  }
  context->shared_bytes = shared;
  context->thread_bytes = per_thread;
  return FATHOM_OK;
}

void* fathom_shared(fathom_context* context) { return context->scratch; }

void* fathom_local(fathom_context* context, int32_t thread) {
  return context->scratch + context->shared_bytes + context->thread_bytes * (size_t)thread;
}

fathom_status fathom_hold(fathom_context* context, size_t bytes) {
  if (bytes > PTRDIFF_MAX / 2)
    return fathom_fail(FATHOM_OUT_OF_MEMORY, "scratch: no memory for %zu bytes", bytes);
  bytes = round_up(bytes);
  if (bytes <= context->held_bytes) return FATHOM_OK;
  free(context->held);
  context->held = aligned_alloc(64, bytes);
  context->held_bytes = context->held ? bytes : 0;
  if (!context->held)
    return fathom_fail(FATHOM_OUT_OF_MEMORY, "scratch: no memory for %zu bytes", bytes);
  return FATHOM_OK;
}

void* fathom_held(fathom_context* context) { return context->held; }
