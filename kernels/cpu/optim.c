/*
 * AdamW (Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019) in one pass: four
 * arrays are read and three of them written, which bounds its speed.
 *
 * Decay and step are summed before they meet the value: 1 - rate * weight_decay is next to 1, where
 * a float has no digits left for it (5e-6 * 0.01 is below half a unit in the last place).
 */
#include "internal.h"
#include "simd.h"

#define BLOCK 8192 /* floats in a task */

/* Factors of one step, each computed in float64 and rounded once. */
typedef struct {
  const fathom_adamw_args* args;
  float scale;        /* of the gradient */
  float keep1, keep2; /* beta */
  float take1, take2; /* 1 - beta */
  float root;         /* 1 / sqrt(1 - beta2^step) */
  float step;         /* rate / (1 - beta1^step) */
  float eps, decay;   /* decay: rate * weight_decay */
} factors;

FATHOM_INLINE vf square_root(vf v) {
#if FATHOM_ISA_LEVEL == 3
  return (vf)_mm512_sqrt_ps((__m512)v);
#elif FATHOM_ISA_LEVEL == 2
  return (vf)_mm256_sqrt_ps((__m256)v);
#else
  for (int i = 0; i < W; i++) v[i] = sqrtf(v[i]);
  return v;
#endif
}

FATHOM_INLINE void update(const factors* f, vf gradient, vf* value, vf* m, vf* v) {
  const vf g = gradient * f->scale;
  *m = f->keep1 * *m + f->take1 * g;
  *v = f->keep2 * *v + f->take2 * (g * g);
  const vf step = f->step * *m / (square_root(*v) * f->root + f->eps);
  *value -= f->decay * *value + step;
}

static void adamw_task(void* argument, int64_t index, int32_t thread) {
  (void)thread;
  const factors f = *(const factors*)argument;
  const fathom_adamw_args* a = f.args;
  int64_t i = index * BLOCK;
  const int64_t end = fathom_min(i + BLOCK, a->n);
  for (; i + W <= end; i += W) {
    vf value = v_load(a->value + i), m = v_load(a->m + i), v = v_load(a->v + i);
    update(&f, v_load(a->gradient + i), &value, &m, &v);
    v_store(a->value + i, value);
    v_store(a->m + i, m);
    v_store(a->v + i, v);
  }
  if (i == end) return;
  const int64_t rest = end - i;
  vf value = v_load_part(a->value + i, rest), m = v_load_part(a->m + i, rest);
  vf v = v_load_part(a->v + i, rest);
  update(&f, v_load_part(a->gradient + i, rest), &value, &m, &v);
  v_store_part(a->value + i, value, rest);
  v_store_part(a->m + i, m, rest);
  v_store_part(a->v + i, v, rest);
}

fathom_status FN(adamw)(fathom_context* context, const fathom_adamw_args* a) {
  const double step = (double)a->step;
  factors f = {.args = a,
               .scale = (float)a->gradient_scale,
               .keep1 = (float)a->beta1,
               .keep2 = (float)a->beta2,
               .take1 = (float)(1 - a->beta1),
               .take2 = (float)(1 - a->beta2),
               .root = (float)(1 / sqrt(1 - pow(a->beta2, step))),
               .step = (float)(a->rate / (1 - pow(a->beta1, step))),
               .eps = (float)a->eps,
               .decay = (float)(a->rate * a->weight_decay)};
  fathom_pool_run(context->pool, fathom_ceil_div(a->n, BLOCK), adamw_task, &f);
  return FATHOM_OK;
}

/* ---- exported function ---- */

#ifdef FATHOM_ENTRY

fathom_status fathom_adamw(fathom_context* context, const fathom_adamw_args* a) {
  FATHOM_CHECK(context && a, "adamw: the context or the arguments are NULL");
  const long long n = a->n;
  FATHOM_CHECK(n >= 0 && n <= INT64_MAX / 8, "adamw: n is %lld; 0 to 2^60 - 1 are possible", n);
  FATHOM_CHECK(a->step >= 1, "adamw [%lld]: step is %lld; steps count from 1", n,
               (long long)a->step);
  FATHOM_CHECK(a->beta1 >= 0 && a->beta1 < 1 && a->beta2 >= 0 && a->beta2 < 1,
               "adamw [%lld]: beta1 is %g, beta2 %g; both must be in [0,1)", n, a->beta1, a->beta2);
  FATHOM_CHECK(a->rate >= 0 && isfinite(a->rate) && a->eps >= 0 && isfinite(a->eps) &&
                   a->weight_decay >= 0 && isfinite(a->weight_decay),
               "adamw [%lld]: rate is %g, eps %g, weight_decay %g; all must be finite and not negative",
               n, a->rate, a->eps, a->weight_decay);
  FATHOM_CHECK(isfinite(a->gradient_scale), "adamw [%lld]: gradient_scale is %g", n,
               a->gradient_scale);
  if (n == 0) return FATHOM_OK;
  FATHOM_CHECK(a->value && a->gradient && a->m && a->v,
               "adamw [%lld]: value, gradient, m or v is NULL", n);
  const float* arrays[4] = {a->value, a->m, a->v, a->gradient};
  for (int i = 0; i < 4; i++)
    for (int k = 0; k < i; k++)
      FATHOM_CHECK(arrays[i] + n <= arrays[k] || arrays[k] + n <= arrays[i],
                   "adamw [%lld]: value, gradient, m and v overlap", n);
  FATHOM_DISPATCH(context, adamw, a);
}

#endif
