/*
 * How a training picture and its depth map are read: a crop resized to the batch's size.
 *
 * A picture is resized separably by Keys' cubic, A = -0.75. Where it shrinks the kernel is stretched by
 * the same factor, so that it averages over as many pixels as fall into one; taps beyond the picture
 * repeat its edge. Each source row is resized horizontally once, then the columns.
 */
#include "internal.h"

#include "simd.h"

#define ROWS 8 /* in a task */
/* Beyond 2^24 a float does not tell neighbouring pixels apart. */
#define LARGEST_SIDE ((int64_t)1 << 24)

typedef float f32x4 __attribute__((vector_size(16)));

/* Output o is the sum over k < taps of weight[o * taps + k] * source[first[o] + k]. */
typedef struct {
  int64_t size, taps, low, high; /* sources lie in [low,high) */
  int32_t* first;
  float* weight;
} filter;

FATHOM_INLINE int64_t filter_taps(double scale) { return 2 * (int64_t)ceil(2 * fmax(scale, 1)) + 1; }

FATHOM_INLINE double cubic(double x) {
  const double A = -0.75;
  x = fabs(x);
  if (x <= 1) return ((A + 2) * x - (A + 3)) * x * x + 1;
  return x < 2 ? ((A * x - 5 * A) * x + 8 * A) * x - 4 * A : 0;
}

/* Takes size * (taps + 1) words at *memory, which moves past them. */
static void filter_fill(filter* f, double start, double length, int64_t size, int flip,
                        float** memory) {
  double scale = length / (double)size, stretch = fmax(scale, 1);
  f->size = size;
  f->taps = filter_taps(scale);
  f->first = (int32_t*)*memory;
  f->weight = *memory + size;
  *memory += size * (f->taps + 1);
  f->low = INT32_MAX;
  f->high = INT32_MIN;
  for (int64_t o = 0; o < size; o++) {
    double centre = start + ((double)(flip ? size - 1 - o : o) + 0.5) * scale - 0.5, sum = 0;
    int64_t first = (int64_t)ceil(centre - 2 * stretch);
    float* weight = f->weight + o * f->taps;
    for (int64_t k = 0; k < f->taps; k++) sum += cubic(((double)(first + k) - centre) / stretch);
    for (int64_t k = 0; k < f->taps; k++)
      weight[k] = (float)(cubic(((double)(first + k) - centre) / stretch) / sum);
    f->first[o] = (int32_t)first;
    f->low = fathom_min(f->low, first);
    f->high = fathom_max(f->high, first + f->taps);
  }
}

typedef struct {
  fathom_context* context;
  const fathom_read_picture_args* args;
  filter rows, columns;
  int64_t low, high; /* source rows that exist and are needed */
  float* resized;    /* [high - low,out_width,3] */
} reading;

/* index: a source row from low on. */
static void horizontal_task(void* argument, int64_t index, int32_t thread) {
  const reading* s = argument;
  const fathom_read_picture_args* a = s->args;
  const filter* f = &s->columns;
  const uint8_t* x = a->pixels + (s->low + index) * a->width * 3;
  float* source = fathom_local(s->context, thread);
  int64_t low = fathom_max(f->low, 0), high = fathom_min(f->high, a->width);
  for (int64_t i = f->low; i < low; i++)
    for (int c = 0; c < 3; c++) source[(i - f->low) * 3 + c] = (float)x[c];
  for (int64_t i = low * 3; i < high * 3; i++) source[i - f->low * 3] = (float)x[i];
  for (int64_t i = high; i < f->high; i++)
    for (int c = 0; c < 3; c++)
      source[(i - f->low) * 3 + c] = (float)x[(a->width - 1) * 3 + c];
  float* out = s->resized + index * f->size * 3;
  for (int64_t o = 0; o < f->size; o++) {
    const float* from = source + (f->first[o] - f->low) * 3;
    const float* weight = f->weight + o * f->taps;
    f32x4 sum = {0};
    for (int64_t k = 0; k < f->taps; k++) {
      f32x4 pixel; /* the fourth is the next pixel's or slack */
      memcpy(&pixel, from + 3 * k, sizeof pixel);
      sum += weight[k] * pixel;
    }
    for (int c = 0; c < 3; c++) out[3 * o + c] = sum[c];
  }
}

/* index: ROWS output rows. */
static void vertical_task(void* argument, int64_t index, int32_t thread __attribute__((unused))) {
  const reading* s = argument;
  const fathom_read_picture_args* a = s->args;
  const filter* f = &s->rows;
  int64_t n = a->out_width * 3, end = fathom_min((index + 1) * ROWS, a->out_height);
  for (int64_t o = index * ROWS; o < end; o++)
    for (int64_t j = 0; j < n; j += W) {
      int64_t rest = n - j;
      vf sum = {0};
      for (int64_t k = 0; k < f->taps; k++) {
        int64_t row = fathom_min(fathom_max(f->first[o] + k, 0), a->height - 1) - s->low;
        const float* x = s->resized + row * n + j;
        sum += f->weight[o * f->taps + k] * (rest >= W ? v_load(x) : v_load_part(x, rest));
      }
      vf v = v_min(v_max(sum * (1.0f / 255), v_set(0.0f)), v_set(1.0f));
      if (rest >= W)
        v_store(a->y + o * n + j, v);
      else
        v_store_part(a->y + o * n + j, v, rest);
    }
}

fathom_status FN(read_picture)(fathom_context* context, const fathom_read_picture_args* a) {
  reading s = {.context = context, .args = a};
  int64_t tap_rows = filter_taps(a->crop_height / (double)a->out_height);
  int64_t tap_columns = filter_taps(a->crop_width / (double)a->out_width);
  /* Rows from the first to the last that a filter reaches, and one for rounding. */
  int64_t rows = fathom_min(a->height, (int64_t)a->crop_height + tap_rows + 2);
  int64_t columns = (int64_t)a->crop_width + tap_columns + 2;
  size_t floats = (size_t)(a->out_height * (tap_rows + 1) + a->out_width * (tap_columns + 1) +
                           rows * a->out_width * 3);
  fathom_status status =
      fathom_reserve(context, floats * sizeof(float), (size_t)(columns * 3 + 4) * sizeof(float));
  if (status != FATHOM_OK) return status;
  float* memory = fathom_shared(context);
  filter_fill(&s.rows, a->crop_top, a->crop_height, a->out_height, 0, &memory);
  filter_fill(&s.columns, a->crop_left, a->crop_width, a->out_width, a->flip != 0, &memory);
  s.resized = memory;
  s.low = fathom_min(fathom_max(s.rows.low, 0), a->height - 1);
  s.high = fathom_max(fathom_min(s.rows.high, a->height), s.low + 1);
  fathom_pool_run(context->pool, s.high - s.low, horizontal_task, &s);
  fathom_pool_run(context->pool, fathom_ceil_div(a->out_height, ROWS), vertical_task, &s);
  return FATHOM_OK;
}

/* ---- maps ---- */

/* The pixel that the centre of output o falls into. */
FATHOM_INLINE int64_t nearest(double start, double length, int64_t size, int64_t source,
                              int64_t o) {
  int64_t i = (int64_t)floor(start + ((double)o + 0.5) * length / (double)size);
  return fathom_min(fathom_max(i, 0), source - 1);
}

static void map_task(void* argument, int64_t index, int32_t thread __attribute__((unused))) {
  const fathom_read_map_args* a = argument;
  int64_t end = fathom_min((index + 1) * ROWS, a->out_height);
  for (int64_t o = index * ROWS; o < end; o++) {
    const float* x =
        a->x + nearest(a->crop_top, a->crop_height, a->out_height, a->height, o) * a->width;
    float* y = a->y + o * a->out_width;
    for (int64_t j = 0; j < a->out_width; j++)
      y[a->flip ? a->out_width - 1 - j : j] =
          x[nearest(a->crop_left, a->crop_width, a->out_width, a->width, j)];
  }
}

fathom_status FN(read_map)(fathom_context* context, const fathom_read_map_args* a) {
  fathom_pool_run(context->pool, fathom_ceil_div(a->out_height, ROWS), map_task, (void*)a);
  return FATHOM_OK;
}

#ifdef FATHOM_ENTRY

static fathom_status check(const char* name, int64_t height, int64_t width, int64_t out_height,
                           int64_t out_width, double top, double left, double crop_height,
                           double crop_width, int64_t flip) {
  const double slack = 1e-6; /* what rounding may add to a crop that ends at the edge */
  FATHOM_CHECK(height >= 1 && width >= 1 && out_height >= 1 && out_width >= 1,
               "%s: every size must be at least 1, got %lld x %lld to %lld x %lld", name,
               (long long)height, (long long)width, (long long)out_height, (long long)out_width);
  FATHOM_CHECK(height <= LARGEST_SIDE && width <= LARGEST_SIDE && out_height <= LARGEST_SIDE &&
                   out_width <= LARGEST_SIDE,
               "%s: %lld x %lld to %lld x %lld is too large", name, (long long)height,
               (long long)width, (long long)out_height, (long long)out_width);
  FATHOM_CHECK(crop_height > 0 && crop_width > 0 && top >= 0 && left >= 0 &&
                   top + crop_height <= (double)height + slack &&
                   left + crop_width <= (double)width + slack,
               "%s: crop %g x %g at row %g, column %g is not within %lld x %lld", name, crop_height,
               crop_width, top, left, (long long)height, (long long)width);
  FATHOM_CHECK(flip == 0 || flip == 1, "%s: flip is %lld; 0 or 1 are possible", name,
               (long long)flip);
  return FATHOM_OK;
}

fathom_status fathom_read_picture(fathom_context* context, const fathom_read_picture_args* a) {
  FATHOM_CHECK(context && a, "read_picture: the context or the arguments are NULL");
  FATHOM_CHECK(a->pixels && a->y, "read_picture: %s is NULL", a->pixels ? "y" : "pixels");
  fathom_status status =
      check("read_picture", a->height, a->width, a->out_height, a->out_width, a->crop_top,
            a->crop_left, a->crop_height, a->crop_width, a->flip);
  if (status != FATHOM_OK) return status;
  FATHOM_DISPATCH(context, read_picture, a);
}

fathom_status fathom_read_map(fathom_context* context, const fathom_read_map_args* a) {
  FATHOM_CHECK(context && a, "read_map: the context or the arguments are NULL");
  FATHOM_CHECK(a->x && a->y && a->x != a->y, "read_map: x or y is NULL, or they are the same");
  fathom_status status = check("read_map", a->height, a->width, a->out_height, a->out_width,
                               a->crop_top, a->crop_left, a->crop_height, a->crop_width, a->flip);
  if (status != FATHOM_OK) return status;
  FATHOM_DISPATCH(context, read_map, a);
}

#endif
