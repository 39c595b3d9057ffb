/*
 * Cross-entropy with soft targets p: log sum exp x - p.x per row, and its gradient softmax(x) - p.
 * A classifier's rows are short, so float64 and libm's exp cost nothing beside the layer before.
 */
#include "loss.h"

#define ROWS 64 /* in a task */

typedef struct {
  const fathom_cross_entropy_loss_args* args;
  double* losses; /* [rows]; NaN-free 0 for rows that do not count */
  char* counts;   /* [rows] */
  double share;
} cross_entropy;

static void value_task(void* argument, int64_t index, int32_t thread __attribute__((unused))) {
  const cross_entropy* s = argument;
  const fathom_cross_entropy_loss_args* a = s->args;
  const int64_t last = fathom_min((index + 1) * ROWS, a->rows);
  for (int64_t i = index * ROWS; i < last; i++) {
    const float *x = a->logits + i * a->classes, *p = a->target + i * a->classes;
    double largest = -INFINITY, target = 0, product = 0, sum = 0;
    for (int64_t k = 0; k < a->classes; k++) {
      largest = x[k] > largest || isnan(x[k]) ? x[k] : largest;
      target += p[k];
      product += (double)p[k] * x[k];
    }
    s->counts[i] = target != 0;
    for (int64_t k = 0; k < a->classes; k++) sum += exp(x[k] - largest);
    s->losses[i] = target != 0 ? target * (largest + log(sum)) - product : 0;
  }
}

static void gradient_task(void* argument, int64_t index, int32_t thread __attribute__((unused))) {
  const cross_entropy* s = argument;
  const fathom_cross_entropy_loss_args* a = s->args;
  const int64_t last = fathom_min((index + 1) * ROWS, a->rows);
  for (int64_t i = index * ROWS; i < last; i++) {
    const float *x = a->logits + i * a->classes, *p = a->target + i * a->classes;
    float* d = a->gradient + i * a->classes;
    if (!s->counts[i]) {
      memset(d, 0, (size_t)a->classes * sizeof *d);
      continue;
    }
    double largest = -INFINITY, sum = 0, target = 0;
    for (int64_t k = 0; k < a->classes; k++) {
      largest = x[k] > largest || isnan(x[k]) ? x[k] : largest;
      target += p[k];
    }
    for (int64_t k = 0; k < a->classes; k++) sum += exp(x[k] - largest);
    for (int64_t k = 0; k < a->classes; k++)
      d[k] = (float)(s->share * (target * exp(x[k] - largest) / sum - p[k]));
  }
}

fathom_status FN(cross_entropy_loss)(fathom_context* context, fathom_cross_entropy_loss_args* a) {
  fathom_status status =
      fathom_reserve(context, (size_t)a->rows * (sizeof(double) + sizeof(char)), 0);
  if (status != FATHOM_OK) return status;
  cross_entropy s = {.args = a, .losses = fathom_shared(context)};
  s.counts = (char*)(s.losses + a->rows);
  const int64_t tasks = fathom_ceil_div(a->rows, ROWS);
  fathom_pool_run(context->pool, tasks, value_task, &s);
  double sum = 0;
  int64_t counted = 0;
  for (int64_t i = 0; i < a->rows; i++) {
    sum += s.losses[i];
    counted += s.counts[i];
  }
  a->loss = counted ? sum / (double)counted : 0;
  s.share = counted ? a->factor / (double)counted : 0;
  if (a->gradient) fathom_pool_run(context->pool, tasks, gradient_task, &s);
  return FATHOM_OK;
}

#ifdef FATHOM_ENTRY

fathom_status fathom_cross_entropy_loss(fathom_context* context,
                                        fathom_cross_entropy_loss_args* a) {
  FATHOM_CHECK(context && a, "cross_entropy_loss: the context or the arguments are NULL");
#define SHAPE "cross_entropy_loss [rows=%lld,classes=%lld]"
#define SIZES (long long)a->rows, (long long)a->classes
  FATHOM_CHECK(a->rows >= 1 && a->classes >= 1, SHAPE ": every size must be at least 1", SIZES);
  int64_t all;
  FATHOM_CHECK(!__builtin_mul_overflow(a->rows, a->classes, &all) && all <= INT64_MAX / 1024,
               SHAPE ": too large", SIZES);
  FATHOM_CHECK(a->logits && a->target, SHAPE ": logits or target is NULL", SIZES);
  FATHOM_CHECK(isfinite(a->factor), SHAPE ": factor is %g", SIZES, a->factor);
  FATHOM_CHECK(
      !fathom_overlap(a->gradient, all, a->logits, all) &&
          !fathom_overlap(a->gradient, all, a->target, all),
      SHAPE ": gradient overlaps logits or target", SIZES);
  FATHOM_DISPATCH(context, cross_entropy_loss, a);
}

#endif
