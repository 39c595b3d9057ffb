/*
 * The scale-shift-invariant loss, whole and trimmed, and its CutMix pair.
 *
 * Three rounds over the maps: the statistics of every region (a task each), the sums of residuals,
 * and the gradient. Trimming puts a fourth before the sums: the size that the largest residual kept
 * has, by the same radix select.
 */
#include "loss.h"

typedef struct {
  fathom_context* context;
  const loss_maps* maps;
  region* regions;    /* [B,REGIONS] */
  region_sums* sums;  /* [B,chunks,REGIONS] */
  pullback* back;     /* [B,REGIONS] */
  int64_t rows, chunks; /* rows in a chunk, chunks in a picture */
  double trim;
  float* gradient;
} ssi;

/* What residuals of these sizes count: 1, the tie's share, or 0. */
FATHOM_INLINE vf v_weight(const region* r, vf size) {
  return v_select(size < r->threshold, v_set(1.0f),
                  v_select(size == r->threshold, v_set(r->tie), v_set(0.0f)));
}

/* Calls visit for each BLOCK of each span of rows [first,last) of a picture that is active. */
typedef void (*block_visitor)(void* state, const region* r, int which, int64_t at, int64_t n,
                              const float* u);
FATHOM_INLINE void visit_blocks(const ssi* s, int64_t image, int64_t first, int64_t last, int only,
                                block_visitor visit, void* state) {
  const loss_maps* m = s->maps;
  float u[BLOCK];
  for (int64_t y = first; y < last; y++) {
    span spans[3];
    int count = row_spans(m, image, y, spans);
    for (int k = 0; k < count; k++) {
      int which = spans[k].region;
      const region* r = &s->regions[image * REGIONS + which];
      if (r->state != REGION_ACTIVE || (only >= 0 && only != which)) continue;
      for (int64_t x = spans[k].left; x < spans[k].right; x += BLOCK) {
        int64_t at = (image * m->height + y) * m->width + x;
        int64_t n = fathom_min(BLOCK, spans[k].right - x);
        residuals(r, m->prediction + at, m->target[which] + at, m->mask ? m->mask + at : NULL, n,
                  u);
        visit(state, r, which, at, n, u);
      }
    }
  }
}

/* ---- trimming ---- */

typedef struct {
  float* x;
  int64_t n;
} collected;

static void collect_block(void* state, const region* r __attribute__((unused)),
                          int which __attribute__((unused)), int64_t at __attribute__((unused)),
                          int64_t n, const float* u) {
  collected* c = state;
  for (int64_t i = 0; i < n; i += W) {
    vf v = v_load(u + i);
    c->n += v_compact(c->x + c->n, v == v, (vi)v_abs(v));
  }
}

/* index: image * REGIONS + region. */
static void trim_task(void* argument, int64_t index, int32_t thread) {
  const ssi* s = argument;
  region* r = &s->regions[index];
  if (r->state != REGION_ACTIVE) return;
  r->kept = (int64_t)floor((1 - s->trim) * (double)r->of[0].count);
  if (r->kept == 0) {
    r->state = REGION_EMPTY;
    return;
  }
  radix_tables* tables = fathom_local(s->context, thread);
  collected c = {(float*)(tables + 1), 0};
  visit_blocks(s, index / REGIONS, 0, s->maps->height, (int)(index % REGIONS), collect_block, &c);
  uint32_t* keys = (uint32_t*)(c.x + s->maps->height * s->maps->width + W);
  r->threshold = radix_select(c.x, c.n, r->kept - 1, keys, tables);
  int64_t below = 0, equal = 0;
  for (int64_t i = 0; i < c.n; i++) {
    below += c.x[i] < r->threshold;
    equal += c.x[i] == r->threshold;
  }
  r->tie = (float)((double)(r->kept - below) / (double)equal);
}

/* ---- sums ---- */

typedef struct {
  const ssi* s;
  region_sums* sums; /* [REGIONS] */
} summing;

static void sum_block(void* state, const region* r, int which, int64_t at, int64_t n,
                      const float* u) {
  summing* z = state;
  const float* p = z->s->maps->prediction + at;
  vf loss = {0}, g = {0}, q = {0};
  for (int64_t i = 0; i < n; i += W) {
    vf v = v_load(u + i), size = v_abs(v), weight = v_weight(r, size);
    vf derivative = v_sign(v) * weight;
    vf normalised = (v_load_upto(p + i, n - i) - r->of[0].median) * r->inverse[0];
    loss += v_select(v == v, size * weight, v_set(0.0f));
    g += derivative;
    q += v_select(v == v, derivative * normalised, v_set(0.0f));
  }
  z->sums[which].loss += (double)v_sum(loss);
  z->sums[which].g += (double)v_sum(g);
  z->sums[which].q += (double)v_sum(q);
}

/* index: image * chunks + chunk, here and below. */
static void sum_task(void* argument, int64_t index, int32_t thread __attribute__((unused))) {
  const ssi* s = argument;
  int64_t first = index % s->chunks * s->rows;
  summing z = {s, s->sums + index * REGIONS};
  memset(z.sums, 0, REGIONS * sizeof *z.sums);
  visit_blocks(s, index / s->chunks, first, fathom_min(first + s->rows, s->maps->height), -1,
               sum_block, &z);
}

/* ---- gradient ---- */

static void gradient_block(void* state, const region* r, int which, int64_t at, int64_t n,
                           const float* u) {
  const ssi* s = state;
  const loss_maps* m = s->maps;
  const pullback* b = &s->back[at / (m->height * m->width) * REGIONS + which];
  for (int64_t i = 0; i < n; i += W) {
    vf v = v_load(u + i);
    vf deviation = v_load_upto(m->prediction + at + i, n - i) - r->of[0].median;
    vf d = v_pull_back(b, v_sign(v) * v_weight(r, v_abs(v)), deviation);
    v_store_upto(s->gradient + at + i, v_select(v == v, d, v_set(0.0f)), n - i);
  }
}

static void gradient_task(void* argument, int64_t index, int32_t thread __attribute__((unused))) {
  ssi* s = argument;
  const loss_maps* m = s->maps;
  int64_t image = index / s->chunks, first = index % s->chunks * s->rows;
  int64_t last = fathom_min(first + s->rows, m->height);
  visit_blocks(s, image, first, last, -1, gradient_block, s);
  for (int64_t y = first; y < last; y++) {
    span spans[3];
    int count = row_spans(m, image, y, spans);
    for (int k = 0; k < count; k++) {
      int state = s->regions[image * REGIONS + spans[k].region].state;
      if (state == REGION_ACTIVE) continue;
      int64_t row = (image * m->height + y) * m->width;
      for (int64_t i = row + spans[k].left; i < row + spans[k].right; i++)
        s->gradient[i] = state == REGION_UNDEFINED && (!m->mask || m->mask[i] != 0) ? NAN : 0.0f;
    }
  }
}

/* ---- operators ---- */

/* by_area: each region weighs as much as it has pixels; otherwise there is one. */
static fathom_status run(fathom_context* context, const loss_maps* m, double trim, int by_area,
                         double factor, float* gradient, double* loss) {
  int64_t pixels = m->height * m->width;
  ssi s = {.context = context, .maps = m, .trim = trim, .gradient = gradient};
  s.rows = fathom_max(1, CHUNK_PIXELS / m->width);
  s.chunks = fathom_ceil_div(m->height, s.rows);
  size_t regions = (size_t)m->batch * REGIONS;
  size_t sums = regions * (size_t)s.chunks;
  fathom_status status = fathom_reserve(
      context, regions * (sizeof(region) + sizeof(pullback)) + sums * sizeof(region_sums),
      normalisation_local_bytes(pixels));
  if (status != FATHOM_OK) return status;
  s.sums = fathom_shared(context);
  s.regions = (region*)(s.sums + sums);
  s.back = (pullback*)(s.regions + regions);

  normalisation n = {context, m, s.regions};
  normalisation_run(&n);
  if (trim > 0) fathom_pool_run(context->pool, (int64_t)regions, trim_task, &s);
  fathom_pool_run(context->pool, m->batch * s.chunks, sum_task, &s);

  double total = 0;
  for (int64_t i = 0; i < (int64_t)regions; i++) {
    const region* r = &s.regions[i];
    double weight = 1.0 / ((double)m->batch * (double)(by_area ? pixels : r->kept));
    region_sums sum = {0};
    for (int64_t c = 0; c < s.chunks; c++) {
      const region_sums* part = &s.sums[(i / REGIONS * s.chunks + c) * REGIONS + i % REGIONS];
      sum.loss += part->loss;
      sum.g += part->g;
      sum.q += part->q;
    }
    if (r->state == REGION_ACTIVE) total += weight * sum.loss;
    if (r->state == REGION_UNDEFINED) total = NAN;
    s.back[i] = pullback_of(r, &sum, weight * factor);
  }
  *loss = total;
  if (gradient) fathom_pool_run(context->pool, m->batch * s.chunks, gradient_task, &s);
  return FATHOM_OK;
}

fathom_status FN(ssi_loss)(fathom_context* context, fathom_ssi_loss_args* a) {
  loss_maps m = {a->batch, a->height, a->width, a->prediction, {a->target, a->target}, a->mask,
                 NULL};
  return run(context, &m, a->trim, 0, a->factor, a->gradient, &a->loss);
}

fathom_status FN(cutmix_loss)(fathom_context* context, fathom_cutmix_loss_args* a) {
  loss_maps m = {a->batch, a->height, a->width, a->prediction, {a->inside, a->outside}, NULL,
                 a->boxes};
  return run(context, &m, 0, 1, a->factor, a->gradient, &a->loss);
}

#ifdef FATHOM_ENTRY

fathom_status fathom_ssi_loss(fathom_context* context, fathom_ssi_loss_args* a) {
  FATHOM_CHECK(context && a, "ssi_loss: the context or the arguments are NULL");
  fathom_status status = loss_check_maps("ssi_loss", a->batch, a->height, a->width, a->prediction,
                                         (const float*[3]){a->target, a->mask, NULL}, a->factor,
                                         a->gradient);
  if (status != FATHOM_OK) return status;
  FATHOM_CHECK(a->trim >= 0 && a->trim < 1, "ssi_loss: trim is %g; 0 <= trim < 1", a->trim);
  FATHOM_DISPATCH(context, ssi_loss, a);
}

fathom_status fathom_cutmix_loss(fathom_context* context, fathom_cutmix_loss_args* a) {
  FATHOM_CHECK(context && a, "cutmix_loss: the context or the arguments are NULL");
  fathom_status status = loss_check_maps("cutmix_loss", a->batch, a->height, a->width,
                                         a->prediction,
                                         (const float*[3]){a->inside, a->outside, NULL}, a->factor,
                                         a->gradient);
  if (status != FATHOM_OK) return status;
  FATHOM_CHECK(a->outside && a->boxes, "cutmix_loss: outside or boxes is NULL");
  for (int64_t b = 0; b < a->batch; b++) {
    const int64_t* box = a->boxes + 4 * b;
    FATHOM_CHECK(0 <= box[0] && box[0] <= box[2] && box[2] <= a->height && 0 <= box[1] &&
                     box[1] <= box[3] && box[3] <= a->width,
                 "cutmix_loss: box %lld is rows %lld..%lld, columns %lld..%lld of a picture of "
                 "%lld x %lld",
                 (long long)b, (long long)box[0], (long long)box[2], (long long)box[1],
                 (long long)box[3], (long long)a->height, (long long)a->width);
  }
  FATHOM_DISPATCH(context, cutmix_loss, a);
}

#endif
