/*
 * Gradient matching: the differences between neighbours of r, the difference of the normalised
 * maps, on the grids of every 1st, 2nd, 4th and 8th pixel.
 *
 * r is stored with a margin, NaN there and where a pixel does not count, so that a difference is NaN
 * exactly when it does not count, and no edge is a special case.
 */
#include "loss.h"

#define SCALES 4
#define LARGEST_STRIDE 8

typedef struct {
  fathom_context* context;
  const loss_maps* maps;
  region* regions;      /* [B,REGIONS], the first of each in use */
  float* r;             /* [B,H,stride], pixel x of a row at margin + x */
  const float* outside; /* a row of NaN */
  int64_t margin, stride;
  int64_t rows, chunks;
  int64_t* valid;     /* [B,chunks,SCALES], pixels of each grid that count */
  double* differences; /* [B,chunks,SCALES] */
  region_sums* sums;   /* [B,chunks] */
  float share[SCALES]; /* 1 / valid pixels of the batch */
  pullback* back;      /* [B] */
  float* gradient;
} matching;

FATHOM_INLINE const float* row_of(const matching* s, int64_t image, int64_t y) {
  if (y < 0 || y >= s->maps->height) return s->outside + s->margin;
  return s->r + (image * s->maps->height + y) * s->stride + s->margin;
}

/* ---- r ---- */

/* index: image * chunks + chunk, here and below. */
static void residual_task(void* argument, int64_t index, int32_t thread __attribute__((unused))) {
  matching* s = argument;
  const loss_maps* m = s->maps;
  int64_t image = index / s->chunks, first = index % s->chunks * s->rows;
  int64_t last = fathom_min(first + s->rows, m->height);
  const region* region = &s->regions[image * REGIONS];
  int64_t* valid = s->valid + index * SCALES;
  memset(valid, 0, SCALES * sizeof *valid);
  for (int64_t y = first; y < last; y++) {
    float* r = (float*)row_of(s, image, y);
    int64_t at = (image * m->height + y) * m->width;
    for (int64_t x = -s->margin; x < s->stride - s->margin; x++) r[x] = NAN;
    if (region->state != REGION_ACTIVE) continue;
    residuals(region, m->prediction + at, m->target[0] + at, m->mask ? m->mask + at : NULL,
              m->width, r);
    for (int k = 0; k < SCALES && y % (1 << k) == 0; k++)
      for (int64_t x = 0; x < m->width; x += 1 << k) valid[k] += r[x] == r[x];
  }
}

/* ---- differences ---- */

/* A row of the grid of one stride: its differences to the right and down, and g += their share. */
FATHOM_INLINE double match_row(const float* r, const float* up, const float* down, int64_t width,
                               int64_t stride, float share, float* g) {
  double total = 0;
  for (int64_t first = 0; first < width; first += BLOCK) {
    int64_t last = fathom_min(first + BLOCK, width);
    float sum = 0;
    for (int64_t x = first; x < last; x += stride) {
      float right = r[x + stride] - r[x], below = down[x] - r[x];
      float left = r[x] - r[x - stride], above = r[x] - up[x];
      sum += right == right ? fabsf(right) : 0.0f;
      sum += below == below ? fabsf(below) : 0.0f;
      if (!g) continue;
      int sign = (left > 0) - (left < 0) + (above > 0) - (above < 0);
      sign -= (right > 0) - (right < 0) + (below > 0) - (below < 0);
      g[x] += share * (float)sign;
    }
    total += sum;
  }
  return total;
}

/* The same for stride 1, on vectors; g, if wanted, is written. */
FATHOM_INLINE double match_dense(const float* r, const float* up, const float* down, int64_t width,
                                 float share, float* g) {
  double total = 0;
  for (int64_t first = 0; first < width; first += BLOCK) {
    int64_t last = fathom_min(first + BLOCK, width);
    vf sum = {0};
    for (int64_t x = first; x < last; x += W) {
      vf here = v_load(r + x);
      vf right = v_load(r + x + 1) - here, below = v_load(down + x) - here;
      sum += v_select(right == right, v_abs(right), v_set(0.0f));
      sum += v_select(below == below, v_abs(below), v_set(0.0f));
      if (!g) continue;
      vf sign = v_sign(here - v_load(r + x - 1)) + v_sign(here - v_load(up + x));
      sign -= v_sign(right) + v_sign(below);
      v_store_upto(g + x, share * sign, width - x);
    }
    total += (double)v_sum(sum);
  }
  return total;
}

/* G and Q of a row. */
FATHOM_INLINE void add_sums(const region* region, const float* r, const float* p, const float* g,
                            int64_t width, region_sums* sums) {
  for (int64_t first = 0; first < width; first += BLOCK) {
    vf total = {0}, moment = {0};
    for (int64_t x = first; x < fathom_min(first + BLOCK, width); x += W) {
      vf here = v_load(r + x), derivative = v_load_upto(g + x, width - x);
      vf normalised =
          (v_load_upto(p + x, width - x) - region->of[0].median) * region->inverse[0];
      total += derivative;
      moment += v_select(here == here, derivative * normalised, v_set(0.0f));
    }
    sums->g += (double)v_sum(total);
    sums->q += (double)v_sum(moment);
  }
}

static void match_task(void* argument, int64_t index, int32_t thread __attribute__((unused))) {
  const matching* s = argument;
  const loss_maps* m = s->maps;
  int64_t image = index / s->chunks, first = index % s->chunks * s->rows;
  int64_t last = fathom_min(first + s->rows, m->height);
  const region* region = &s->regions[image * REGIONS];
  double* differences = s->differences + index * SCALES;
  memset(differences, 0, SCALES * sizeof *differences);
  s->sums[index] = (region_sums){0};
  if (region->state != REGION_ACTIVE) return;
  for (int64_t y = first; y < last; y++) {
    const float* r = row_of(s, image, y);
    int64_t at = (image * m->height + y) * m->width;
    float* g = s->gradient ? s->gradient + at : NULL;
    differences[0] += match_dense(r, row_of(s, image, y - 1), row_of(s, image, y + 1), m->width,
                                  s->share[0], g);
    for (int k = 1; k < SCALES && y % (1 << k) == 0; k++)
      differences[k] += match_row(r, row_of(s, image, y - (1 << k)), row_of(s, image, y + (1 << k)),
                                  m->width, 1 << k, s->share[k], g);
    if (g) add_sums(region, r, m->prediction + at, g, m->width, &s->sums[index]);
  }
}

/* ---- gradient ---- */

static void pull_back_task(void* argument, int64_t index, int32_t thread __attribute__((unused))) {
  const matching* s = argument;
  const loss_maps* m = s->maps;
  int64_t image = index / s->chunks, first = index % s->chunks * s->rows;
  int64_t last = fathom_min(first + s->rows, m->height);
  const region* region = &s->regions[image * REGIONS];
  for (int64_t y = first; y < last; y++) {
    int64_t at = (image * m->height + y) * m->width;
    float* d = s->gradient + at;
    const float *r = row_of(s, image, y), *p = m->prediction + at;
    if (region->state != REGION_ACTIVE) {
      int undefined = region->state == REGION_UNDEFINED;
      for (int64_t x = 0; x < m->width; x++)
        d[x] = undefined && (!m->mask || m->mask[at + x] != 0) ? NAN : 0.0f;
      continue;
    }
    for (int64_t x = 0; x < m->width; x += W) {
      vf here = v_load(r + x), deviation = v_load_upto(p + x, m->width - x) - region->of[0].median;
      vf v = v_pull_back(&s->back[image], v_load_upto(d + x, m->width - x), deviation);
      v_store_upto(d + x, v_select(here == here, v, v_set(0.0f)), m->width - x);
    }
  }
}

/* ---- operator ---- */

fathom_status FN(gradient_matching_loss)(fathom_context* context,
                                         fathom_gradient_matching_loss_args* a) {
  loss_maps m = {a->batch, a->height, a->width, a->prediction, {a->target, a->target}, a->mask,
                 NULL};
  matching s = {.context = context, .maps = &m, .gradient = a->gradient};
  s.margin = W > LARGEST_STRIDE ? W : LARGEST_STRIDE;
  s.stride = fathom_ceil_div(a->width, W) * W + 2 * s.margin;
  s.rows = fathom_max(1, CHUNK_PIXELS / a->width);
  s.chunks = fathom_ceil_div(a->height, s.rows);
  size_t images = (size_t)a->batch, parts = images * (size_t)s.chunks;
  size_t floats = (images * (size_t)a->height + 1) * (size_t)s.stride;
  fathom_status status = fathom_reserve(
      context,
      parts * (SCALES * (sizeof(int64_t) + sizeof(double)) + sizeof(region_sums)) +
          images * (REGIONS * sizeof(region) + sizeof(pullback)) + floats * sizeof(float),
      normalisation_local_bytes(a->height * a->width));
  if (status != FATHOM_OK) return status;
  s.valid = fathom_shared(context);
  s.differences = (double*)(s.valid + parts * SCALES);
  s.sums = (region_sums*)(s.differences + parts * SCALES);
  s.regions = (region*)(s.sums + parts);
  s.back = (pullback*)(s.regions + images * REGIONS);
  float* outside = (float*)(s.back + images);
  s.outside = outside;
  s.r = outside + s.stride;
  for (int64_t x = 0; x < s.stride; x++) outside[x] = NAN;

  normalisation n = {context, &m, s.regions};
  normalisation_run(&n);
  fathom_pool_run(context->pool, (int64_t)parts, residual_task, &s);
  for (int k = 0; k < SCALES; k++) {
    int64_t valid = 0;
    for (size_t i = 0; i < parts; i++) valid += s.valid[i * SCALES + k];
    s.share[k] = valid > 0 ? (float)(1.0 / (double)valid) : 0.0f;
  }
  fathom_pool_run(context->pool, (int64_t)parts, match_task, &s);

  double total = 0;
  for (int k = 0; k < SCALES; k++) {
    double sum = 0;
    int64_t valid = 0;
    for (size_t i = 0; i < parts; i++) {
      sum += s.differences[i * SCALES + k];
      valid += s.valid[i * SCALES + k];
    }
    if (valid > 0) total += sum / (double)valid;
  }
  for (int64_t b = 0; b < a->batch; b++) {
    const region* region = &s.regions[b * REGIONS];
    region_sums sum = {0};
    for (int64_t c = 0; c < s.chunks; c++) {
      sum.g += s.sums[b * s.chunks + c].g;
      sum.q += s.sums[b * s.chunks + c].q;
    }
    if (region->state == REGION_UNDEFINED) total = NAN;
    s.back[b] = pullback_of(region, &sum, a->factor);
  }
  a->loss = total;
  if (a->gradient) fathom_pool_run(context->pool, (int64_t)parts, pull_back_task, &s);
  return FATHOM_OK;
}

#ifdef FATHOM_ENTRY

fathom_status fathom_gradient_matching_loss(fathom_context* context,
                                            fathom_gradient_matching_loss_args* a) {
  FATHOM_CHECK(context && a, "gradient_matching_loss: the context or the arguments are NULL");
  fathom_status status = loss_check_maps("gradient_matching_loss", a->batch, a->height, a->width,
                                         a->prediction, (const float*[3]){a->target, a->mask, NULL},
                                         a->factor, a->gradient);
  if (status != FATHOM_OK) return status;
  FATHOM_DISPATCH(context, gradient_matching_loss, a);
}

#endif
