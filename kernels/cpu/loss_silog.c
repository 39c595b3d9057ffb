/*
 * ZoeDepth's scale-invariant log loss. With g = log((p + eps) / (t + eps)), its mean m and unbiased
 * variance v over n pixels: L = 10 sqrt(v + beta m^2), and
 *
 *   d L / d p_i = 100 / L * ((g_i - m) / (n - 1) + beta m / n) / (p_i + eps)
 */
#include "loss.h"

#define EPSILON 1e-7f

typedef struct {
  double count, sum, squares;
} moments;

typedef struct {
  const fathom_silog_loss_args* args;
  int64_t pixels;
  moments* parts;
  float slope, offset; /* d L / d g = slope g + offset */
} silog;

/*
 * log(x), error below 1e-7 max(1, |log x|); -infinity at 0, NaN below. x = 2^k f with f between
 * sqrt(1/2) and sqrt(2), log f = 2 artanh((f - 1) / (f + 1)) as a series in z^2 <= 0.0295.
 */
FATHOM_INLINE vf v_log(vf x) {
  vf tiny = v_set(FLT_MIN);
  vi small = x < tiny;
  vf scaled = v_select(small, x * 8388608.0f, x); /* 2^23: a subnormal becomes normal */
  vi k = (((vi)scaled - 0x3f3504f3) >> 23);
  vf f = (vf)((vi)scaled - (k << 23));
  vf e = __builtin_convertvector(k - (small & 23), vf);
  vf z = (f - 1.0f) / (f + 1.0f), y = z * z;
  vf p = y * (1.0f / 9.0f) + 1.0f / 7.0f;
  p = p * y + 1.0f / 5.0f;
  p = p * y + 1.0f / 3.0f;
  p = p * y;
  vf v = e * 0.693359375f + (2.0f * z + (2.0f * z * p - e * 2.12194440e-4f));
  v = v_select(x > FLT_MAX, x, v);
  v = v_select(x == 0, v_set(-INFINITY), v);
  return v_select(x >= 0, v, v_nan());
}

FATHOM_INLINE vi counts(const float* mask, int64_t i, int64_t n) {
  vi lanes = {0};
  if (mask) return v_load_upto(mask + i, n) != 0;
  for (int k = 0; k < W; k++) lanes[k] = k < n ? -1 : 0;
  return lanes;
}

FATHOM_INLINE vf log_ratio(const fathom_silog_loss_args* a, int64_t i, int64_t n) {
  vf p = v_load_upto(a->prediction + i, n) + EPSILON, t = v_load_upto(a->target + i, n) + EPSILON;
  return v_log(p / t);
}

/* index: CHUNK_PIXELS pixels of the batch, here and below. */
static void moments_task(void* argument, int64_t index, int32_t thread __attribute__((unused))) {
  const silog* s = argument;
  const fathom_silog_loss_args* a = s->args;
  int64_t end = fathom_min((index + 1) * CHUNK_PIXELS, s->pixels);
  moments total = {0};
  for (int64_t first = index * CHUNK_PIXELS; first < end; first += BLOCK) {
    int64_t last = fathom_min(first + BLOCK, end);
    vf sum = {0}, squares = {0};
    vi valid = {0};
    for (int64_t i = first; i < last; i += W) {
      vi lanes = counts(a->mask, i, s->pixels - i);
      vf g = v_select(lanes, log_ratio(a, i, s->pixels - i), v_set(0.0f));
      valid -= lanes;
      sum += g;
      squares += g * g;
    }
    for (int k = 0; k < W; k++) total.count += valid[k];
    total.sum += (double)v_sum(sum);
    total.squares += (double)v_sum(squares);
  }
  s->parts[index] = total;
}

static void gradient_task(void* argument, int64_t index, int32_t thread __attribute__((unused))) {
  const silog* s = argument;
  const fathom_silog_loss_args* a = s->args;
  int64_t end = fathom_min((index + 1) * CHUNK_PIXELS, s->pixels);
  for (int64_t i = index * CHUNK_PIXELS; i < end; i += W) {
    int64_t n = s->pixels - i;
    vf g = log_ratio(a, i, n);
    vf d = (s->slope * g + s->offset) / (v_load_upto(a->prediction + i, n) + EPSILON);
    v_store_upto(a->gradient + i, v_select(counts(a->mask, i, n), d, v_set(0.0f)), n);
  }
}

fathom_status FN(silog_loss)(fathom_context* context, fathom_silog_loss_args* a) {
  silog s = {.args = a, .pixels = a->batch * a->height * a->width};
  int64_t tasks = fathom_ceil_div(s.pixels, CHUNK_PIXELS);
  fathom_status status = fathom_reserve(context, (size_t)tasks * sizeof(moments), 0);
  if (status != FATHOM_OK) return status;
  s.parts = fathom_shared(context);
  fathom_pool_run(context->pool, tasks, moments_task, &s);
  moments m = {0};
  for (int64_t i = 0; i < tasks; i++) {
    m.count += s.parts[i].count;
    m.sum += s.parts[i].sum;
    m.squares += s.parts[i].squares;
  }
  double n = m.count, mean = n > 0 ? m.sum / n : 0;
  double squares = m.squares - n * mean * mean;
  double variance = n > 1 ? (squares < 0 ? 0 : squares) / (n - 1) : 0;
  a->loss = 10 * sqrt(variance + a->beta * mean * mean);
  if (!a->gradient) return FATHOM_OK;
  double outer = a->loss == 0 ? 0 : 100 * a->factor / a->loss;
  double slope = n > 1 ? outer / (n - 1) : 0;
  s.slope = (float)slope;
  s.offset = (float)(n > 0 ? outer * a->beta * mean / n - slope * mean : 0);
  fathom_pool_run(context->pool, tasks, gradient_task, &s);
  return FATHOM_OK;
}

#ifdef FATHOM_ENTRY

fathom_status fathom_silog_loss(fathom_context* context, fathom_silog_loss_args* a) {
  FATHOM_CHECK(context && a, "silog_loss: the context or the arguments are NULL");
  fathom_status status = loss_check_maps("silog_loss", a->batch, a->height, a->width, a->prediction,
                                         (const float*[3]){a->target, a->mask, NULL}, a->factor,
                                         a->gradient);
  if (status != FATHOM_OK) return status;
  FATHOM_CHECK(a->beta >= 0 && isfinite(a->beta), "silog_loss: beta is %g", a->beta);
  FATHOM_DISPATCH(context, silog_loss, a);
}

#endif
