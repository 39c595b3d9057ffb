/*
 * Strong distortion of a batch: colour jitter, greyscale, Gaussian blur, CutMix, normalisation.
 *
 * Three rounds. Contrast blends with the mean of the grey picture at that point, so first the steps
 * before it are done for that sum alone. Then all colour steps at once, a block of pixels in planes
 * at a time, into scratch memory. Last the output rows: blur down, blur across, normalise, for the span
 * inside the box from the picture pasted and for the spans outside from the picture itself.
 */
#include "internal.h"

#include "simd.h"

#define BLOCK 512          /* pixels in planes */
#define CHUNK_PIXELS 16384 /* in a task, rounded to rows */
#define LARGEST_RADIUS 512

typedef struct {
  fathom_context* context;
  const fathom_distort_args* args;
  int64_t rows, chunks;   /* rows in a chunk, chunks in a picture */
  float* coloured;        /* [B,H,W,3] */
  double* grey_sums;      /* [B,chunks] */
  float* grey_means;      /* [steps], where the step is contrast */
  int64_t round;          /* the contrast step, of each picture, that is measured */
  float* taps;            /* [B,LARGEST_RADIUS + 1], from the centre outwards */
  int64_t* radius;        /* [B] */
} distortion;

/* ---- colour ---- */

typedef struct {
  float r[BLOCK], g[BLOCK], b[BLOCK];
} planes;

FATHOM_INLINE vf v_clamp(vf x) { return v_min(v_max(x, v_set(0.0f)), v_set(1.0f)); }
FATHOM_INLINE vf v_grey(vf r, vf g, vf b) { return 0.2989f * r + 0.587f * g + 0.114f * b; }

/* Hue turned by a part of the circle: to hue, saturation, value and back, as torchvision does. */
FATHOM_INLINE void turn_hue(vf* r, vf* g, vf* b, float turn) {
  const vf zero = v_set(0.0f), one = v_set(1.0f);
  vf high = v_max(v_max(*r, *g), *b), low = v_min(v_min(*r, *g), *b);
  vi flat = high == low;
  vf range = high - low;
  vf saturation = range / v_select(flat, one, high);
  vf inverse = 1.0f / v_select(flat, one, range);
  vf rc = (high - *r) * inverse, gc = (high - *g) * inverse, bc = (high - *b) * inverse;
  vf hue = v_select(high == *r, bc - gc, v_select(high == *g, 2.0f + rc - bc, 4.0f + gc - rc));
  hue = hue * (1.0f / 6) + turn;
  hue += v_select(hue < 0, one, zero);
  hue -= v_select(hue >= 1, one, zero);
  hue *= 6.0f;
  vi sector = __builtin_convertvector(hue, vi);
  vf f = hue - __builtin_convertvector(sector, vf);
  sector &= ~(sector == 6); /* rounded up to the whole circle */
  vf p = v_clamp(high * (1.0f - saturation));
  vf q = v_clamp(high * (1.0f - saturation * f));
  vf t = v_clamp(high * (1.0f - saturation * (1.0f - f)));
#define SECTORS(s0, s1, s2, s3, s4, s5)                                                         \
  v_select(sector == 0, s0,                                                                     \
           v_select(sector == 1, s1,                                                            \
                    v_select(sector == 2, s2,                                                   \
                             v_select(sector == 3, s3, v_select(sector == 4, s4, s5)))))
  *r = SECTORS(high, q, p, p, t, high);
  *g = SECTORS(t, high, high, q, p, p);
  *b = SECTORS(p, p, t, high, high, q);
#undef SECTORS
}

#define EACH_VECTOR(x, n, ...)                                           \
  for (int64_t i_ = 0; i_ < (n); i_ += W) {                              \
    vf r = v_load((x)->r + i_), g = v_load((x)->g + i_), b = v_load((x)->b + i_); \
    __VA_ARGS__;                                                         \
    v_store((x)->r + i_, r);                                             \
    v_store((x)->g + i_, g);                                             \
    v_store((x)->b + i_, b);                                             \
  }

/* Steps [first,last) of the batch's list on n pixels. */
static void apply_steps(const distortion* s, int64_t first, int64_t last, planes* x, int64_t n) {
  for (int64_t k = first; k < last; k++) {
    const float f = s->args->step_factors[k];
    switch (s->args->steps[k]) {
      case FATHOM_COLOR_BRIGHTNESS:
        EACH_VECTOR(x, n, r = v_clamp(r * f); g = v_clamp(g * f); b = v_clamp(b * f));
        break;
      case FATHOM_COLOR_CONTRAST: {
        const float rest = (1 - f) * s->grey_means[k];
        EACH_VECTOR(x, n, r = v_clamp(r * f + rest); g = v_clamp(g * f + rest);
                    b = v_clamp(b * f + rest));
        break;
      }
      case FATHOM_COLOR_SATURATION:
        EACH_VECTOR(x, n, vf grey = (1 - f) * v_grey(r, g, b); r = v_clamp(r * f + grey);
                    g = v_clamp(g * f + grey); b = v_clamp(b * f + grey));
        break;
      default:
        EACH_VECTOR(x, n, turn_hue(&r, &g, &b, f));
        break;
    }
  }
}

FATHOM_INLINE void to_planes(const float* x, int64_t n, planes* p) {
  for (int64_t i = 0; i < n; i++) {
    p->r[i] = x[3 * i];
    p->g[i] = x[3 * i + 1];
    p->b[i] = x[3 * i + 2];
  }
  /* Whole vectors are computed: no stale NaN, nothing uninitialised. */
  for (int64_t i = n; i % W != 0; i++) p->r[i] = p->g[i] = p->b[i] = 0;
}
FATHOM_INLINE void from_planes(const planes* p, int64_t n, float* x) {
  for (int64_t i = 0; i < n; i++) {
    x[3 * i] = p->r[i];
    x[3 * i + 1] = p->g[i];
    x[3 * i + 2] = p->b[i];
  }
}

/* The contrast step number `round` of a picture; -1 if there are fewer. */
FATHOM_INLINE int64_t contrast_step(const fathom_distort_args* a, int64_t image, int64_t round) {
  for (int64_t k = a->step_starts[image]; k < a->step_starts[image + 1]; k++)
    if (a->steps[k] == FATHOM_COLOR_CONTRAST && round-- == 0) return k;
  return -1;
}

/* Pixels [*first,*last) of the batch: a chunk of a picture. */
FATHOM_INLINE int64_t chunk_pixels(const distortion* s, int64_t index, int64_t* first,
                                   int64_t* last) {
  const fathom_distort_args* a = s->args;
  int64_t image = index / s->chunks, row = index % s->chunks * s->rows;
  *first = (image * a->height + row) * a->width;
  *last = (image * a->height + fathom_min(row + s->rows, a->height)) * a->width;
  return image;
}

/* index: image * chunks + chunk, here and below. */
static void grey_task(void* argument, int64_t index, int32_t thread __attribute__((unused))) {
  const distortion* s = argument;
  int64_t first, last, image = chunk_pixels(s, index, &first, &last);
  int64_t step = contrast_step(s->args, image, s->round);
  double sum = 0;
  if (step < 0) return;
  for (; first < last; first += BLOCK) {
    planes x;
    int64_t n = fathom_min(BLOCK, last - first);
    to_planes(s->args->x + first * 3, n, &x);
    apply_steps(s, s->args->step_starts[image], step, &x, n);
    for (int64_t i = n; i % W != 0; i++) x.r[i] = x.g[i] = x.b[i] = 0;
    vf total = {0};
    for (int64_t i = 0; i < n; i += W)
      total += v_grey(v_load(x.r + i), v_load(x.g + i), v_load(x.b + i));
    sum += (double)v_sum(total);
  }
  s->grey_sums[index] = sum;
}

FATHOM_INLINE int is_coloured(const fathom_distort_args* a, int64_t image) {
  return a->step_starts[image] < a->step_starts[image + 1] || a->grey[image];
}

static void color_task(void* argument, int64_t index, int32_t thread __attribute__((unused))) {
  const distortion* s = argument;
  const fathom_distort_args* a = s->args;
  int64_t first, last, image = chunk_pixels(s, index, &first, &last);
  if (!is_coloured(a, image)) return;
  for (; first < last; first += BLOCK) {
    planes x;
    int64_t n = fathom_min(BLOCK, last - first);
    to_planes(a->x + first * 3, n, &x);
    apply_steps(s, a->step_starts[image], a->step_starts[image + 1], &x, n);
    if (a->grey[image]) EACH_VECTOR(&x, n, r = g = b = v_grey(r, g, b));
    from_planes(&x, n, s->coloured + first * 3);
  }
}

/* ---- blur, paste, normalise ---- */

/* Mirrored at the edges, which are not repeated. */
FATHOM_INLINE int64_t reflect(int64_t i, int64_t n) {
  if (n == 1) return 0;
  while (i < 0 || i >= n) i = i < 0 ? -i : 2 * (n - 1) - i;
  return i;
}

static void blur_taps(const distortion* s, int64_t image) {
  float* taps = s->taps + image * (LARGEST_RADIUS + 1);
  double sigma = (double)s->args->blur_sigmas[image], sum = 0;
  int64_t radius = (int64_t)ceil(3 * sigma);
  s->radius[image] = radius;
  for (int64_t pass = 0; pass < 2 && radius > 0; pass++)
    for (int64_t k = -radius; k <= radius; k++) {
      double weight = exp(-0.5 * (double)(k * k) / (sigma * sigma));
      if (pass == 0) sum += weight;
      else if (k >= 0) taps[k] = (float)(weight / sum);
    }
}

/* out[0,n) = weighted sum of the floats at -radius * step .. radius * step around each of x. */
FATHOM_INLINE void blur_along(const float* x, int64_t step, const float* taps, int64_t radius,
                              int64_t n, float* out) {
  int64_t i = 0;
  for (; i + 2 * W <= n; i += 2 * W) {
    vf a = taps[0] * v_load(x + i), b = taps[0] * v_load(x + i + W);
    for (int64_t k = 1; k <= radius; k++) {
      const float *left = x + i - k * step, *right = x + i + k * step;
      a += taps[k] * (v_load(left) + v_load(right));
      b += taps[k] * (v_load(left + W) + v_load(right + W));
    }
    v_store(out + i, a);
    v_store(out + i + W, b);
  }
  for (; i < n; i++) {
    float sum = taps[0] * x[i];
    for (int64_t k = 1; k <= radius; k++) sum += taps[k] * (x[i - k * step] + x[i + k * step]);
    out[i] = sum;
  }
}

/* The same across rows: rows[radius + k] is the row at distance k. */
FATHOM_INLINE void blur_down(const float* const* rows, const float* taps, int64_t radius,
                             int64_t first, int64_t last, float* out) {
  int64_t i = first;
  for (; i + 2 * W <= last; i += 2 * W) {
    vf a = taps[0] * v_load(rows[radius] + i), b = taps[0] * v_load(rows[radius] + i + W);
    for (int64_t k = 1; k <= radius; k++) {
      const float *up = rows[radius - k] + i, *down = rows[radius + k] + i;
      a += taps[k] * (v_load(up) + v_load(down));
      b += taps[k] * (v_load(up + W) + v_load(down + W));
    }
    v_store(out + i, a);
    v_store(out + i + W, b);
  }
  for (; i < last; i++) {
    float sum = taps[0] * rows[radius][i];
    for (int64_t k = 1; k <= radius; k++) sum += taps[k] * (rows[radius - k][i] + rows[radius + k][i]);
    out[i] = sum;
  }
}

FATHOM_INLINE void normalise(const fathom_distort_args* a, const float* x, int64_t pixels,
                             float* y) {
  float scale[3], shift[3];
  for (int c = 0; c < 3; c++) {
    scale[c] = (float)(1.0 / (double)a->std[c]);
    shift[c] = (float)(-(double)a->mean[c] / (double)a->std[c]);
  }
  vf scales[3], shifts[3];
  for (int i = 0; i < 3 * W; i++) {
    scales[i / W][i % W] = scale[i % 3];
    shifts[i / W][i % W] = shift[i % 3];
  }
  int64_t i = 0;
  for (; i + 3 * W <= 3 * pixels; i += 3 * W)
    for (int k = 0; k < 3; k++)
      v_store(y + i + k * W, v_load(x + i + k * W) * scales[k] + shifts[k]);
  for (; i < 3 * pixels; i++) y[i] = x[i] * scale[i % 3] + shift[i % 3];
}

/* Columns [left,right) of a row of the picture `from`, blurred and normalised, to y. */
static void write_span(const distortion* s, int64_t from, int64_t row, int64_t left, int64_t right,
                       float* y, int32_t thread) {
  const fathom_distort_args* a = s->args;
  const float* picture =
      (is_coloured(a, from) ? s->coloured : a->x) + from * a->height * a->width * 3;
  int64_t radius = s->radius[from], n = a->width * 3;
  if (radius == 0) return normalise(a, picture + row * n + left * 3, right - left, y);
  const float** rows = fathom_local(s->context, thread);
  float* down = (float*)(rows + 2 * LARGEST_RADIUS + 1) + 3 * LARGEST_RADIUS;
  float* across = down + n + 3 * LARGEST_RADIUS;
  const float* taps = s->taps + from * (LARGEST_RADIUS + 1);
  for (int64_t k = -radius; k <= radius; k++)
    rows[radius + k] = picture + reflect(row + k, a->height) * n;
  /* Near an edge the whole row, as the reflection may come from anywhere in a narrow picture. */
  int64_t first = left - radius, last = right + radius;
  if (first < 0 || last > a->width) {
    blur_down(rows, taps, radius, 0, n, down);
    for (int64_t i = first; i < 0; i++)
      memcpy(down + 3 * i, down + 3 * reflect(i, a->width), 3 * sizeof(float));
    for (int64_t i = a->width; i < last; i++)
      memcpy(down + 3 * i, down + 3 * reflect(i, a->width), 3 * sizeof(float));
  } else {
    blur_down(rows, taps, radius, 3 * first, 3 * last, down);
  }
  blur_along(down + 3 * left, 3, taps, radius, 3 * (right - left), across);
  normalise(a, across, right - left, y);
}

static void output_task(void* argument, int64_t index, int32_t thread) {
  const distortion* s = argument;
  const fathom_distort_args* a = s->args;
  int64_t image = index / s->chunks, first = index % s->chunks * s->rows;
  int64_t last = fathom_min(first + s->rows, a->height);
  const int64_t* box = a->boxes ? a->boxes + 4 * image : NULL;
  for (int64_t row = first; row < last; row++) {
    float* y = a->y + (image * a->height + row) * a->width * 3;
    if (!box || row < box[0] || row >= box[2] || box[1] == box[3]) {
      write_span(s, image, row, 0, a->width, y, thread);
      continue;
    }
    int64_t left = box[1], right = box[3];
    if (left > 0) write_span(s, image, row, 0, left, y, thread);
    write_span(s, a->partners[image], row, left, right, y + 3 * left, thread);
    if (right < a->width) write_span(s, image, row, right, a->width, y + 3 * right, thread);
  }
}

fathom_status FN(distort)(fathom_context* context, const fathom_distort_args* a) {
  distortion s = {.context = context, .args = a};
  s.rows = fathom_max(1, CHUNK_PIXELS / a->width);
  s.chunks = fathom_ceil_div(a->height, s.rows);
  int64_t tasks = a->batch * s.chunks, pixels = a->height * a->width;
  int64_t steps = a->step_starts[a->batch], coloured = 0;
  for (int64_t b = 0; b < a->batch; b++) coloured |= is_coloured(a, b);
  size_t floats = (size_t)(coloured ? a->batch * pixels * 3 : 0) + (size_t)steps +
                  (size_t)a->batch * (LARGEST_RADIUS + 1);
  size_t local = (2 * LARGEST_RADIUS + 1) * sizeof(float*) +
                 (size_t)(2 * a->width * 3 + 6 * LARGEST_RADIUS) * sizeof(float);
  fathom_status status = fathom_reserve(
      context, (size_t)tasks * sizeof(double) + (size_t)a->batch * sizeof(int64_t) +
                   floats * sizeof(float), local);
  if (status != FATHOM_OK) return status;
  s.grey_sums = fathom_shared(context);
  s.radius = (int64_t*)(s.grey_sums + tasks);
  s.taps = (float*)(s.radius + a->batch);
  s.grey_means = s.taps + a->batch * (LARGEST_RADIUS + 1);
  s.coloured = s.grey_means + steps;
  for (int64_t b = 0; b < a->batch; b++) blur_taps(&s, b);

  for (int64_t more = 1; more; s.round++) {
    more = 0;
    for (int64_t b = 0; b < a->batch; b++) more |= contrast_step(a, b, s.round) >= 0;
    if (!more) break;
    fathom_pool_run(context->pool, tasks, grey_task, &s);
    for (int64_t b = 0; b < a->batch; b++) {
      int64_t step = contrast_step(a, b, s.round);
      double sum = 0;
      for (int64_t c = 0; step >= 0 && c < s.chunks; c++) sum += s.grey_sums[b * s.chunks + c];
      if (step >= 0) s.grey_means[step] = (float)(sum / (double)pixels);
    }
  }
  if (coloured) fathom_pool_run(context->pool, tasks, color_task, &s);
  fathom_pool_run(context->pool, tasks, output_task, &s);
  return FATHOM_OK;
}

#ifdef FATHOM_ENTRY

static fathom_status check_picture(const fathom_distort_args* a, int64_t b) {
  FATHOM_CHECK(a->step_starts[b] >= 0 && a->step_starts[b] <= a->step_starts[b + 1],
               "distort: the steps of picture %lld begin at %lld and end at %lld", (long long)b,
               (long long)a->step_starts[b], (long long)a->step_starts[b + 1]);
  for (int64_t k = a->step_starts[b]; k < a->step_starts[b + 1]; k++) {
    FATHOM_CHECK(a->steps && a->step_factors, "distort: steps or step_factors is NULL");
    int64_t op = a->steps[k];
    double f = (double)a->step_factors[k];
    FATHOM_CHECK(op >= FATHOM_COLOR_BRIGHTNESS && op <= FATHOM_COLOR_HUE,
                 "distort: step %lld is no FATHOM_COLOR_*", (long long)op);
    FATHOM_CHECK(op == FATHOM_COLOR_HUE ? f >= -0.5 && f <= 0.5 : f >= 0 && isfinite(f),
                 "distort: factor %g of a step; hue takes -0.5 to 0.5, others 0 or more", f);
  }
  FATHOM_CHECK(a->blur_sigmas[b] >= 0 && 3 * a->blur_sigmas[b] <= LARGEST_RADIUS,
               "distort: blur sigma %g of picture %lld; 0 to %d are possible",
               (double)a->blur_sigmas[b], (long long)b, LARGEST_RADIUS / 3);
  if (!a->boxes) return FATHOM_OK;
  const int64_t* box = a->boxes + 4 * b;
  FATHOM_CHECK(0 <= box[0] && box[0] <= box[2] && box[2] <= a->height && 0 <= box[1] &&
                   box[1] <= box[3] && box[3] <= a->width,
               "distort: box %lld is rows %lld..%lld, columns %lld..%lld of a picture of "
               "%lld x %lld",
               (long long)b, (long long)box[0], (long long)box[2], (long long)box[1],
               (long long)box[3], (long long)a->height, (long long)a->width);
  FATHOM_CHECK(a->partners[b] >= 0 && a->partners[b] < a->batch,
               "distort: partner %lld of picture %lld in a batch of %lld",
               (long long)a->partners[b], (long long)b, (long long)a->batch);
  return FATHOM_OK;
}

fathom_status fathom_distort(fathom_context* context, const fathom_distort_args* a) {
  FATHOM_CHECK(context && a, "distort: the context or the arguments are NULL");
#define SHAPE "distort [B=%lld,H=%lld,W=%lld,3]"
#define SIZES (long long)a->batch, (long long)a->height, (long long)a->width
  FATHOM_CHECK(a->batch >= 1 && a->height >= 1 && a->width >= 1,
               SHAPE ": every size must be at least 1", SIZES);
  int64_t pixels, all;
  FATHOM_CHECK(!__builtin_mul_overflow(a->height, a->width, &pixels) && pixels <= INT32_MAX &&
                   !__builtin_mul_overflow(a->batch, pixels, &all) && all <= INT64_MAX / 1024,
               SHAPE ": too large", SIZES);
  FATHOM_CHECK(a->x && a->y, SHAPE ": x or y is NULL", SIZES);
  FATHOM_CHECK(a->step_starts && a->grey && a->blur_sigmas,
               SHAPE ": step_starts, grey or blur_sigmas is NULL", SIZES);
  FATHOM_CHECK(!a->boxes == !a->partners, SHAPE ": boxes without partners, or the reverse", SIZES);
  uintptr_t x = (uintptr_t)a->x, y = (uintptr_t)a->y, bytes = (uintptr_t)all * 3 * sizeof(float);
  FATHOM_CHECK(x >= y + bytes || y >= x + bytes, SHAPE ": y overlaps x", SIZES);
  for (int c = 0; c < 3; c++)
    FATHOM_CHECK(isfinite(a->mean[c]) && isfinite(a->std[c]) && a->std[c] > 0,
                 "distort: mean %g, std %g of channel %d; both must be finite and std > 0",
                 (double)a->mean[c], (double)a->std[c], c);
  FATHOM_CHECK(a->step_starts[0] == 0, "distort: step_starts begins with %lld, not 0",
               (long long)a->step_starts[0]);
  for (int64_t b = 0; b < a->batch; b++) {
    fathom_status status = check_picture(a, b);
    if (status != FATHOM_OK) return status;
  }
  FATHOM_DISPATCH(context, distort, a);
}

#endif
