/*
 * What the families share: errors, the context with its thread pool and scratch memory, and the table
 * of kernels that each instruction set fills in.
 *
 * A family's file has three parts: static kernels on vectors (simd.h), FN(...) functions that run one
 * operator, and, compiled once (#ifdef FATHOM_ENTRY), the exported functions that check arguments and
 * dispatch through fathom_context.ops.
 */
#ifndef FATHOM_INTERNAL_H
#define FATHOM_INTERNAL_H

#include <stddef.h>

#include "../include/fathom.h"

/* ---- errors ---- */

/* Sets this thread's last error, printf style, and returns status. */
fathom_status fathom_fail(fathom_status status, const char* format, ...)
    __attribute__((format(printf, 2, 3)));

/* In an exported function: if the condition does not hold, fail with "operator: text". */
#define FATHOM_CHECK(condition, ...)                                             \
  do {                                                                           \
    if (!(condition)) return fathom_fail(FATHOM_INVALID_ARGUMENT, __VA_ARGS__);  \
  } while (0)

/* ---- threads ---- */

typedef struct fathom_pool fathom_pool;
/* One piece of work. thread is 0 for the caller, below the number of threads for all. */
typedef void (*fathom_task)(void* argument, int64_t index, int32_t thread);

fathom_pool* fathom_pool_create(int32_t threads);
void fathom_pool_destroy(fathom_pool* pool);
/* Runs task for every index in [0,count), handed out one by one in rising order, and waits for all. */
void fathom_pool_run(fathom_pool* pool, int64_t count, fathom_task task, void* argument);

/* ---- context ---- */

/* One row per operator; argument checks are done before. */
typedef struct {
  const char* name;
  fathom_status (*measure)(fathom_context*, double* flops, double* bytes);
  int64_t (*linear_packed_size)(int64_t out, int64_t in);
  void (*linear_pack)(fathom_context*, int64_t out, int64_t in, const float* weight, float* packed);
  fathom_status (*linear)(fathom_context*, const fathom_linear_args*);
  fathom_status (*linear_backward)(fathom_context*, const fathom_linear_backward_args*);
  fathom_status (*swiglu)(fathom_context*, const fathom_swiglu_args*);
  fathom_status (*swiglu_backward)(fathom_context*, const fathom_swiglu_backward_args*);
  fathom_status (*attention)(fathom_context*, const fathom_attention_args*);
  fathom_status (*attention_backward)(fathom_context*, const fathom_attention_backward_args*);
  fathom_status (*layer_norm)(fathom_context*, const fathom_layer_norm_args*);
  fathom_status (*layer_norm_backward)(fathom_context*, const fathom_layer_norm_backward_args*);
  int64_t (*patch_embed_packed_size)(int64_t channels, int64_t patch);
  fathom_status (*patch_embed_pack)(fathom_context*, int64_t channels, int64_t patch,
                                    const float* weight, float* packed);
  fathom_status (*patch_embed)(fathom_context*, const fathom_patch_embed_args*);
  fathom_status (*patch_embed_backward)(fathom_context*, const fathom_patch_embed_backward_args*);
  int64_t (*conv2d_packed_size)(int64_t out, int64_t in, int64_t kernel, int64_t stride,
                                int64_t algorithm);
  fathom_status (*conv2d_pack)(fathom_context*, int64_t out, int64_t in, int64_t kernel,
                               int64_t stride, int64_t algorithm, const float* weight,
                               float* packed);
  fathom_status (*conv2d)(fathom_context*, const fathom_conv2d_args*);
  int64_t (*conv_transpose2d_packed_size)(int64_t in, int64_t out, int64_t kernel);
  fathom_status (*conv_transpose2d_pack)(fathom_context*, int64_t in, int64_t out, int64_t kernel,
                                         const float* weight, float* packed);
  fathom_status (*conv_transpose2d)(fathom_context*, const fathom_conv_transpose2d_args*);
  fathom_status (*conv2d_backward)(fathom_context*, const fathom_conv2d_backward_args*);
  fathom_status (*conv_transpose2d_backward)(fathom_context*,
                                             const fathom_conv_transpose2d_backward_args*);
  fathom_status (*project)(fathom_context*, const fathom_project_args*);
  fathom_status (*project_backward)(fathom_context*, const fathom_project_backward_args*);
  fathom_status (*resize_bilinear)(fathom_context*, const fathom_resize_bilinear_args*);
  fathom_status (*resize_bicubic)(fathom_context*, const fathom_resize_bicubic_args*);
  fathom_status (*resize_bilinear_backward)(fathom_context*,
                                            const fathom_resize_bilinear_backward_args*);
  fathom_status (*resize_bicubic_backward)(fathom_context*,
                                           const fathom_resize_bicubic_backward_args*);
  fathom_status (*preprocess)(fathom_context*, const fathom_preprocess_args*);
  fathom_status (*fill)(fathom_context*, int64_t n, float value, float* x);
  fathom_status (*axpby)(fathom_context*, int64_t n, float a, const float* x, float b, float* y);
  fathom_status (*sum_of_squares)(fathom_context*, int64_t n, const float* x, double* sum);
  fathom_status (*adamw)(fathom_context*, const fathom_adamw_args*);
  fathom_status (*ssi_loss)(fathom_context*, fathom_ssi_loss_args*);
  fathom_status (*cutmix_loss)(fathom_context*, fathom_cutmix_loss_args*);
  fathom_status (*gradient_matching_loss)(fathom_context*, fathom_gradient_matching_loss_args*);
  fathom_status (*alignment_loss)(fathom_context*, fathom_alignment_loss_args*);
  fathom_status (*silog_loss)(fathom_context*, fathom_silog_loss_args*);
  fathom_status (*cross_entropy_loss)(fathom_context*, fathom_cross_entropy_loss_args*);
  fathom_status (*read_picture)(fathom_context*, const fathom_read_picture_args*);
  fathom_status (*read_map)(fathom_context*, const fathom_read_map_args*);
  fathom_status (*distort)(fathom_context*, const fathom_distort_args*);
} fathom_ops;

extern const fathom_ops fathom_portable_ops;
#ifdef __x86_64__
extern const fathom_ops fathom_avx2_ops;
extern const fathom_ops fathom_avx512_ops;
#endif

struct fathom_context {
  int32_t threads;
  int32_t isa;
  const fathom_ops* ops;
  fathom_pool* pool;
  void* lock; /* pthread_mutex_t */
  char* scratch;
  size_t scratch_bytes;
  size_t shared_bytes;
  size_t thread_bytes;
  char* held;
  size_t held_bytes;
};

/*
 * Inside an operator: makes room for `shared` bytes common to all threads and `per_thread` bytes for
 * each, 64-byte aligned. What was there before is gone. Call it once, before the first parallel part.
 */
fathom_status fathom_reserve(fathom_context* context, size_t shared, size_t per_thread);
void* fathom_shared(fathom_context* context);
void* fathom_local(fathom_context* context, int32_t thread);

/*
 * For operators made of others: `bytes` of memory that the reservations of its parts leave alone, 64-byte
 * aligned. What was there before is gone.
 */
fathom_status fathom_hold(fathom_context* context, size_t bytes);
void* fathom_held(fathom_context* context);

/* Exported functions hold the lock while the operator runs. */
void fathom_enter(fathom_context* context);
void fathom_leave(fathom_context* context);

/* Runs one operator through the table: FATHOM_DISPATCH(context, linear, args). */
#define FATHOM_DISPATCH(context, operator, ...)                                       \
  do {                                                                                \
    fathom_enter(context);                                                            \
    fathom_status status_ = (context)->ops->operator((context), __VA_ARGS__);         \
    fathom_leave(context);                                                            \
    return status_;                                                                   \
  } while (0)

/* ---- sizes ---- */

/* The product of n positive sizes, or -1 where its bytes, with room for padding, would not fit. */
static inline int64_t fathom_product(int n, const int64_t* sizes) {
  int64_t result = 1;
  for (int i = 0; i < n; i++)
    if (__builtin_mul_overflow(result, sizes[i], &result) || result > INT64_MAX / 4096) return -1;
  return result;
}
#define FATHOM_PRODUCT(...)                                                          \
  fathom_product((int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]){__VA_ARGS__})

/* Whether a [a_size] and b [b_size] share memory; NULL shares none. */
static inline int fathom_overlap(const float* a, int64_t a_size, const float* b, int64_t b_size) {
  uintptr_t first = (uintptr_t)a, second = (uintptr_t)b;
  return a && b && first < second + (uintptr_t)b_size * sizeof *b &&
         second < first + (uintptr_t)a_size * sizeof *a;
}

static inline int64_t fathom_ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
static inline int64_t fathom_min(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t fathom_max(int64_t a, int64_t b) { return a > b ? a : b; }

#endif
