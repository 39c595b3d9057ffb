/*
 * What the losses on depth maps share: which pixels belong together, the normalisation
 * (d - t) / s of a region, and the way back through it.
 *
 * A region is what is normalised on its own: a picture's valid pixels, or with CutMix those inside
 * the box and those outside. With g the derivative of the loss by the normalised prediction, n pixels,
 * ties of them equal to the median t, and balance the number above t less the number below:
 *
 *   d loss / d p_i = g_i / s - Q / (s n) sign(p_i - t) + [p_i = t] (Q balance / n - G) / (s ties)
 *
 * with G = sum g, Q = sum g (p - t) / s. The median's share is split evenly among its ties.
 *
 * All sums are over a partition that depends on the sizes alone: floats within BLOCK pixels, float64
 * beyond.
 */
#ifndef FATHOM_LOSS_H
#define FATHOM_LOSS_H

#include <float.h>

#include "radix_select.h"

#define BLOCK 1024         /* pixels summed in float */
#define CHUNK_PIXELS 16384 /* pixels in a task, rounded to rows */
#define REGIONS 2          /* of a picture: inside its box, and outside */

/* ---- pixels ---- */

typedef struct {
  int64_t batch, height, width;
  const float* prediction;   /* [B,H,W] */
  const float* target[2];    /* [B,H,W], of the region inside and of that outside */
  const float* mask;         /* [B,H,W] or NULL */
  const int64_t* boxes;      /* [B,4], top, left, bottom, right; NULL: all is inside */
} loss_maps;

/* Neighbouring pixels of one row and one region. */
typedef struct {
  int64_t left, right;
  int region;
} span;

/* The spans of a row, at most three. */
FATHOM_INLINE int row_spans(const loss_maps* m, int64_t image, int64_t row, span spans[3]) {
  const int64_t* box = m->boxes ? m->boxes + 4 * image : NULL;
  if (!box) {
    spans[0] = (span){0, m->width, 0};
    return 1;
  }
  if (row < box[0] || row >= box[2] || box[1] == box[3]) {
    spans[0] = (span){0, m->width, 1};
    return 1;
  }
  int count = 0;
  if (box[1] > 0) spans[count++] = (span){0, box[1], 1};
  spans[count++] = (span){box[1], box[3], 0};
  if (box[3] < m->width) spans[count++] = (span){box[3], m->width, 1};
  return count;
}

FATHOM_INLINE vf v_load_upto(const float* p, int64_t n) {
  return n >= W ? v_load(p) : v_load_part(p, n);
}
FATHOM_INLINE void v_store_upto(float* p, vf v, int64_t n) {
  if (n >= W)
    v_store(p, v);
  else
    v_store_part(p, v, n);
}
/* 1, -1, or 0 for 0 and NaN. */
FATHOM_INLINE vf v_sign(vf x) {
  return v_select(x > 0, v_set(1.0f), v_select(x < 0, v_set(-1.0f), v_set(0.0f)));
}
/* x as it is: keeps the compiler from contracting a product into a multiply-add. */
FATHOM_INLINE vf v_rounded(vf x) {
#ifdef __x86_64__
  __asm__("" : "+v"(x));
#else
  __asm__("" : "+m"(x));
#endif
  return x;
}
/* NaN, told from the data by x == x. */
FATHOM_INLINE vf v_nan(void) { return v_set(NAN); }

/* ---- normalisation ---- */

/* Of one map over one region. */
typedef struct {
  int64_t count, ties, balance;
  float median;
  double scale; /* mean absolute deviation from the median */
} statistics;

enum {
  REGION_EMPTY,    /* no pixel, or nothing to normalise by: adds nothing */
  REGION_ACTIVE,
  REGION_UNDEFINED /* NaN or infinity among its pixels: loss and gradient are NaN */
};

typedef struct {
  statistics of[2]; /* prediction, target */
  int state;
  float inverse[2]; /* 1 / scale */
  /* Of the sizes of the residuals, those below threshold count, those equal to it by `tie`. */
  int64_t kept;
  float threshold, tie;
} region;

/* The region's n values of a map one after the other; x has W words of slack. */
static inline int64_t region_gather(const loss_maps* m, const float* map, int64_t image, int which,
                                    float* x) {
  int64_t n = 0;
  for (int64_t y = 0; y < m->height; y++) {
    span spans[3];
    int count = row_spans(m, image, y, spans);
    for (int k = 0; k < count; k++) {
      if (spans[k].region != which) continue;
      int64_t at = (image * m->height + y) * m->width + spans[k].left;
      int64_t length = spans[k].right - spans[k].left;
      if (!m->mask) {
        memcpy(x + n, map + at, (size_t)length * sizeof(float));
        n += length;
        continue;
      }
      for (int64_t i = 0; i < length; i += W) {
        vf valid = v_load_upto(m->mask + at + i, length - i);
        vf value = v_load_upto(map + at + i, length - i);
        n += v_compact(x + n, valid != 0, (vi)value);
      }
    }
  }
  return n;
}

static inline statistics statistics_of(const float* x, int64_t n, uint32_t* keys,
                                       radix_tables* tables) {
  statistics s = {.count = n};
  if (n == 0) return s;
  s.median = radix_select(x, n, (n - 1) / 2, keys, tables);
  const vf median = v_set(s.median);
  double sum = 0;
  int64_t below = 0, above = 0;
  for (int64_t first = 0; first < n; first += BLOCK) {
    int64_t last = fathom_min(first + BLOCK, n);
    vf sums = {0};
    vi lower = {0}, higher = {0};
    int64_t i = first;
    for (; i + W <= last; i += W) {
      vf d = v_load(x + i) - median;
      sums += v_abs(d);
      lower -= d < 0;
      higher -= d > 0;
    }
    float rest = 0;
    for (; i < last; i++) {
      float d = x[i] - s.median;
      rest += fabsf(d);
      below += d < 0;
      above += d > 0;
    }
    sum += (double)v_sum(sums) + rest;
    for (int k = 0; k < W; k++) {
      below += lower[k];
      above += higher[k];
    }
  }
  s.ties = n - below - above;
  s.balance = above - below;
  s.scale = sum / (double)n;
  return s;
}

/* What both statistics mean for the region, of which all residuals are kept. */
static inline void region_finish(region* r) {
  double p = r->of[0].scale, q = r->of[1].scale;
  r->kept = r->of[0].count;
  r->threshold = INFINITY;
  r->tie = 1.0f;
  if (r->kept == 0)
    r->state = REGION_EMPTY;
  else if (!isfinite(p) || !isfinite(q))
    r->state = REGION_UNDEFINED;
  else if (p < FLT_MIN || q < FLT_MIN)
    r->state = REGION_EMPTY;
  else
    r->state = REGION_ACTIVE;
  r->inverse[0] = (float)(1 / p);
  r->inverse[1] = (float)(1 / q);
}

typedef struct {
  fathom_context* context;
  const loss_maps* maps;
  region* regions; /* [B,REGIONS] */
} normalisation;

/* What the statistics take of each thread's memory. */
FATHOM_INLINE size_t normalisation_local_bytes(int64_t pixels) {
  return sizeof(radix_tables) + 2 * (size_t)(pixels + W) * sizeof(float);
}

/* index: ((image * REGIONS) + region) * 2 + map. */
static void statistics_task(void* argument, int64_t index, int32_t thread) {
  const normalisation* s = argument;
  const loss_maps* m = s->maps;
  int64_t image = index / (2 * REGIONS), pixels = m->height * m->width;
  int which = (int)(index / 2 % REGIONS), map = (int)(index % 2);
  const float* values = map ? m->target[which] : m->prediction;
  radix_tables* tables = fathom_local(s->context, thread);
  float* x = (float*)(tables + 1);
  uint32_t* keys = (uint32_t*)(x + pixels + W);
  statistics* out = &s->regions[image * REGIONS + which].of[map];
  if (m->boxes || m->mask)
    *out = statistics_of(x, region_gather(m, values, image, which, x), keys, tables);
  else if (which == 0)
    *out = statistics_of(values + image * pixels, pixels, keys, tables);
  else
    *out = (statistics){0};
}

static inline void normalisation_run(normalisation* s) {
  fathom_pool_run(s->context->pool, s->maps->batch * REGIONS * 2, statistics_task, s);
  for (int64_t i = 0; i < s->maps->batch * REGIONS; i++) region_finish(&s->regions[i]);
}

/*
 * u = normalised prediction - normalised target, NaN where a pixel does not count and from n up to
 * the next multiple of W. Both products are rounded, so that equal maps give 0. Not inlined: whoever
 * compares residuals sees the same bits everywhere.
 */
static __attribute__((noinline, unused)) void residuals(const region* r, const float* p,
                                                        const float* q, const float* mask,
                                                        int64_t n, float* u) {
  const vf median_p = v_set(r->of[0].median), inverse_p = v_set(r->inverse[0]);
  const vf median_q = v_set(r->of[1].median), inverse_q = v_set(r->inverse[1]);
  for (int64_t i = 0; i < n; i += W) {
    vf a = (v_load_upto(p + i, n - i) - median_p) * inverse_p;
    vf b = (v_load_upto(q + i, n - i) - median_q) * inverse_q;
    vf v = v_rounded(a) - v_rounded(b);
    if (mask) v = v_select(v_load_upto(mask + i, n - i) != 0, v, v_nan());
    v_store(u + i, v);
  }
  for (int64_t i = n; i % W != 0; i++) u[i] = NAN;
}

/* ---- the way back ---- */

/* Sums over a region: the loss before its weight, G and Q. */
typedef struct {
  double loss, g, q;
} region_sums;

/* d loss / d p = a g + b sign(p - t) + [p = t] c. */
typedef struct {
  float a, b, c;
} pullback;

FATHOM_INLINE pullback pullback_of(const region* r, const region_sums* s, double factor) {
  const statistics* p = &r->of[0];
  if (r->state == REGION_EMPTY) return (pullback){0};
  if (r->state == REGION_UNDEFINED) return (pullback){NAN, NAN, NAN};
  double a = factor / p->scale, n = (double)p->count;
  double c = (s->q * (double)p->balance / n - s->g) / (double)p->ties;
  return (pullback){(float)a, (float)(-a * s->q / n), (float)(a * c)};
}

FATHOM_INLINE vf v_pull_back(const pullback* b, vf g, vf deviation) {
  vf v = b->a * g + b->b * v_sign(deviation);
  return v + v_select(deviation == 0, v_set(b->c), v_set(0.0f));
}

/* ---- checks ---- */

#ifdef FATHOM_ENTRY

static inline __attribute__((unused)) fathom_status loss_check_maps(
    const char* name, int64_t batch, int64_t height, int64_t width, const float* prediction,
    const float* const inputs[3], double factor, const float* gradient) {
#define SHAPE "%s [B=%lld,H=%lld,W=%lld]"
#define SIZES name, (long long)batch, (long long)height, (long long)width
  FATHOM_CHECK(batch >= 1 && height >= 1 && width >= 1, SHAPE ": every size must be at least 1",
               SIZES);
  int64_t pixels, all;
  FATHOM_CHECK(!__builtin_mul_overflow(height, width, &pixels) && pixels <= INT32_MAX &&
                   !__builtin_mul_overflow(batch, pixels, &all) && all <= INT64_MAX / 1024,
               SHAPE ": too large", SIZES);
  FATHOM_CHECK(prediction && inputs[0], SHAPE ": the prediction or a target is NULL", SIZES);
  FATHOM_CHECK(isfinite(factor), SHAPE ": factor is %g", SIZES, factor);
  FATHOM_CHECK(!fathom_overlap(gradient, all, prediction, all),
               SHAPE ": gradient overlaps the prediction", SIZES);
  for (int i = 0; i < 3; i++)
    FATHOM_CHECK(!fathom_overlap(gradient, all, inputs[i], all),
                 SHAPE ": gradient overlaps target or mask", SIZES);
#undef SHAPE
#undef SIZES
  return FATHOM_OK;
}

#endif

#endif
