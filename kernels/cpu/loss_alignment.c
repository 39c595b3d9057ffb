/*
 * Feature alignment: 1 - cosine between the tokens of two encoders, and its gradient
 * (cosine s / |s|^2 - f / (|s| |f|)) / kept.
 */
#include "loss.h"

#define TOKENS 32 /* in a task */

typedef struct {
  double cosine, student, both; /* 1 / |s|^2, 1 / (|s| |f|); 0, 0 where the token has no gradient */
} token;

typedef struct {
  const fathom_alignment_loss_args* args;
  token* tokens; /* [rows] */
  double share;
} alignment;

/* Dot products of a token's two vectors, in float within BLOCK channels. */
FATHOM_INLINE void dot_products(const float* x, const float* y, int64_t n, double* xy, double* xx,
                                double* yy) {
  *xy = *xx = *yy = 0;
  for (int64_t first = 0; first < n; first += BLOCK) {
    int64_t last = fathom_min(first + BLOCK, n);
    vf both = {0}, left = {0}, right = {0};
    for (int64_t i = first; i < last; i += W) {
      vf a = v_load_upto(x + i, n - i), b = v_load_upto(y + i, n - i);
      both += a * b;
      left += a * a;
      right += b * b;
    }
    *xy += (double)v_sum(both);
    *xx += (double)v_sum(left);
    *yy += (double)v_sum(right);
  }
}

static void cosine_task(void* argument, int64_t index, int32_t thread __attribute__((unused))) {
  const alignment* s = argument;
  const fathom_alignment_loss_args* a = s->args;
  int64_t first = index * TOKENS, last = fathom_min(first + TOKENS, a->rows);
  for (int64_t i = first; i < last; i++) {
    double xy, xx, yy;
    dot_products(a->student + i * a->channels, a->frozen + i * a->channels, a->channels, &xy, &xx,
                 &yy);
    double norms = sqrt(xx) * sqrt(yy);
    if (norms == 0)
      s->tokens[i] = (token){0};
    else
      s->tokens[i] = (token){xy / norms, 1 / xx, 1 / norms};
  }
}

static void gradient_task(void* argument, int64_t index, int32_t thread __attribute__((unused))) {
  const alignment* s = argument;
  const fathom_alignment_loss_args* a = s->args;
  int64_t first = index * TOKENS, last = fathom_min(first + TOKENS, a->rows);
  for (int64_t i = first; i < last; i++) {
    const token* t = &s->tokens[i];
    const float *x = a->student + i * a->channels, *y = a->frozen + i * a->channels;
    float* d = a->gradient + i * a->channels;
    if (t->cosine >= a->margin || t->both == 0) {
      memset(d, 0, (size_t)a->channels * sizeof *d);
      continue;
    }
    vf of_x = v_set((float)(s->share * t->cosine * t->student));
    vf of_y = v_set((float)(s->share * t->both));
    for (int64_t c = 0; c < a->channels; c += W) {
      int64_t n = a->channels - c;
      v_store_upto(d + c, of_x * v_load_upto(x + c, n) - of_y * v_load_upto(y + c, n), n);
    }
  }
}

fathom_status FN(alignment_loss)(fathom_context* context, fathom_alignment_loss_args* a) {
  fathom_status status = fathom_reserve(context, (size_t)a->rows * sizeof(token), 0);
  if (status != FATHOM_OK) return status;
  alignment s = {.args = a, .tokens = fathom_shared(context)};
  int64_t tasks = fathom_ceil_div(a->rows, TOKENS);
  fathom_pool_run(context->pool, tasks, cosine_task, &s);
  double sum = 0;
  a->kept = 0;
  for (int64_t i = 0; i < a->rows; i++) {
    if (s.tokens[i].cosine >= a->margin) continue;
    sum += 1 - s.tokens[i].cosine;
    a->kept++;
  }
  a->loss = a->kept ? sum / (double)a->kept : 0;
  s.share = a->kept ? a->factor / (double)a->kept : 0;
  if (a->gradient) fathom_pool_run(context->pool, tasks, gradient_task, &s);
  return FATHOM_OK;
}

#ifdef FATHOM_ENTRY

fathom_status fathom_alignment_loss(fathom_context* context, fathom_alignment_loss_args* a) {
  FATHOM_CHECK(context && a, "alignment_loss: the context or the arguments are NULL");
#define SHAPE "alignment_loss [rows=%lld,C=%lld]"
#define SIZES (long long)a->rows, (long long)a->channels
  FATHOM_CHECK(a->rows >= 1 && a->channels >= 1, SHAPE ": every size must be at least 1", SIZES);
  int64_t all;
  FATHOM_CHECK(!__builtin_mul_overflow(a->rows, a->channels, &all) && all <= INT64_MAX / 1024,
               SHAPE ": too large", SIZES);
  FATHOM_CHECK(a->student && a->frozen, SHAPE ": student or frozen is NULL", SIZES);
  FATHOM_CHECK(!isnan(a->margin), SHAPE ": margin is NaN", SIZES);
  FATHOM_CHECK(isfinite(a->factor), SHAPE ": factor is %g", SIZES, a->factor);
  FATHOM_CHECK(
      !fathom_overlap(a->gradient, all, a->student, all) &&
          !fathom_overlap(a->gradient, all, a->frozen, all),
      SHAPE ": gradient overlaps student or frozen", SIZES);
  FATHOM_DISPATCH(context, alignment_loss, a);
}

#endif
