/*
 * Arguments of the optimiser's kernels: AdamW on flat arenas, and the norm of the gradients, which decides
 * on the device whether a step is taken. The factors of a step that depend on its number are computed in
 * float64 and rounded once: by the host, or where the host does not know the number, by the norm's kernel.
 */
#ifndef FATHOM_CUDA_ARGS_OPTIM_H
#define FATHOM_CUDA_ARGS_OPTIM_H

#include <stdint.h>

enum {
  FATHOM_CUDA_OPTIM_THREADS = 256,
  FATHOM_CUDA_OPTIM_ELEMENTS = 8,       /* of a thread at a time */
  FATHOM_CUDA_NORM_ELEMENTS = 16384,    /* at least so many in a block of gradient_norm */
  FATHOM_CUDA_NORM_MAX_BLOCKS = 1024,
  FATHOM_CUDA_NORM_HEADER_BYTES = 256
};

/* What gradient_norm finds. */
typedef struct {
  double norm;       /* sqrt of the sum of squares */
  double correction; /* 1 / (1 - beta1^updates), where good */
  int64_t updates;   /* good steps so far, this one included; read and written: 0 before the first */
  float root;        /* 1 / sqrt(1 - beta2^updates), where good */
  float scale;       /* that AdamW multiplies the gradients by: max_norm / norm where that is below 1 */
  int32_t good;      /* 1: norm and losses are finite, and the norm is at most `limit` */
  int32_t reserved;
} fathom_cuda_gradient_norm;

/*
 * fathom_gradient_norm: the norm of a flat arena, what it is clipped by, and whether the step is to be
 * taken; counts the steps that are. blocks = min(max(ceil(n / NORM_ELEMENTS), 1), NORM_MAX_BLOCKS); grid blocks, block
 * OPTIM_THREADS, shared 0 bytes. workspace: NORM_HEADER + 8 blocks bytes, 256-byte aligned; the header is
 * to be 0 before the first launch, and is after each.
 */
typedef struct {
  const float* gradient; /* [n] */
  const double* losses;  /* [loss_count] or NULL: values that must be finite, too */
  fathom_cuda_gradient_norm* result;
  void* workspace;
  int64_t n;
  int64_t loss_count;
  double max_norm; /* 0: no clipping */
  double limit;    /* infinity: every finite norm is good */
  double beta1, beta2;
} fathom_cuda_gradient_norm_args;

/*
 * fathom_adamw: one step, as fathom.h's, on whole arenas; grid ceil(n / (OPTIM_THREADS
 * OPTIM_ELEMENTS)), block OPTIM_THREADS, shared 0 bytes.
 *
 * With `norm`, the gradients are multiplied by norm->scale as well, the corrections are those of
 * norm->updates, and nothing is done unless norm->good.
 */
typedef struct {
  float* value;          /* [n] */
  const float* gradient; /* [n] */
  float* m;              /* [n], first moment */
  float* v;              /* [n], second moment */
  void* copy;            /* elem [n], overwritten with the values, or NULL */
  float* average;        /* [n], = average_decay * it + (1 - average_decay) * value, or NULL */
  const fathom_cuda_gradient_norm* norm; /* or NULL */
  int64_t n;
  double rate;        /* with norm */
  float gradient_scale;
  float keep1, keep2; /* beta1, beta2 */
  float take1, take2; /* 1 - beta1, 1 - beta2 */
  float step;         /* rate / (1 - beta1^step); not read with norm */
  float root;         /* 1 / sqrt(1 - beta2^step); not read with norm */
  float eps;
  float decay;        /* rate * weight_decay */
  float average_decay;
} fathom_cuda_adamw_args;

#endif
