/* Backward of the resizes: the transposed of a reference in float64, and of the forward operators. */
#include "test.h"

/* ---- taps in float64; positions are floats, as the operators promise ---- */

static int64_t clamp(int64_t i, int64_t n) { return i < 0 ? 0 : i >= n ? n - 1 : i; }

static int bilinear_taps(int64_t o, int64_t n, int64_t on, int64_t align, int64_t* index,
                         double* weight) {
  const float scale = align ? on > 1 ? (float)(n - 1) / (float)(on - 1) : 0.0f : (float)n / (float)on;
  double position = align ? (float)(scale * (double)o) : (float)(scale * ((double)o + 0.5) - 0.5);
  if (n == on) position = (double)o;
  if (position < 0) position = 0;
  double low = floor(position);
  if (low > (double)(n - 1)) low = position = (double)(n - 1);
  index[0] = (int64_t)low;
  index[1] = clamp((int64_t)low + 1, n);
  weight[1] = position - low;
  weight[0] = 1 - weight[1];
  return 2;
}

static double cubic(double d) {
  const double a = -0.75;
  d = fabs(d);
  if (d <= 1) return (a + 2) * d * d * d - (a + 3) * d * d + 1;
  return d < 2 ? a * d * d * d - 5 * a * d * d + 8 * a * d - 4 * a : 0;
}

static int bicubic_taps(int64_t o, int64_t n, double step, int64_t* index, double* weight) {
  const double position = (float)fmin(((double)o + 0.5) * step - 0.5, (double)n + 2.0);
  const double low = floor(position);
  for (int k = 0; k < 4; k++) {
    index[k] = clamp((int64_t)low - 1 + k, n);
    weight[k] = cubic(position - (low - 1 + k));
  }
  return 4;
}

/* ---- one problem ---- */

typedef struct {
  int64_t batch, height, width, channels, out_height, out_width;
  int64_t align;         /* bilinear: 0 or 1 */
  double step_y, step_x; /* bicubic; 0 for bilinear */
} problem;

static int64_t in_size(const problem* p) {
  return p->batch * p->height * p->width * p->channels;
}
static int64_t out_size(const problem* p) {
  return p->batch * p->out_height * p->out_width * p->channels;
}

static fathom_status run(fathom_context* context, const problem* p, const float* dy,
                         int64_t accumulate, float* dx) {
  if (p->step_y > 0) {
    const fathom_resize_bicubic_backward_args args = {
        p->batch, p->height, p->width, p->channels, p->out_height, p->out_width, p->step_y,
        p->step_x, dy, dx};
    return fathom_resize_bicubic_backward(context, &args);
  }
  const fathom_resize_bilinear_backward_args args = {
      p->batch, p->height, p->width, p->channels, p->out_height, p->out_width, p->align, dy,
      accumulate, dx};
  return fathom_resize_bilinear_backward(context, &args);
}

static double* reference(const problem* p, const float* dy, const float* start) {
  double* dx = calloc((size_t)in_size(p), sizeof *dx);
  if (!dx) abort();
  for (int64_t i = 0; start && i < in_size(p); i++) dx[i] = start[i];
  const float* from = dy;
  for (int64_t b = 0; b < p->batch; b++)
    for (int64_t i = 0; i < p->out_height; i++)
      for (int64_t j = 0; j < p->out_width; j++, from += p->channels) {
        int64_t rows[4], columns[4];
        double v[4], u[4];
        const int taps = p->step_y > 0 ? bicubic_taps(i, p->height, p->step_y, rows, v)
                                       : bilinear_taps(i, p->height, p->out_height, p->align, rows, v);
        if (p->step_y > 0)
          bicubic_taps(j, p->width, p->step_x, columns, u);
        else
          bilinear_taps(j, p->width, p->out_width, p->align, columns, u);
        for (int k = 0; k < taps; k++)
          for (int l = 0; l < taps; l++) {
            double* to = dx + ((b * p->height + rows[k]) * p->width + columns[l]) * p->channels;
            for (int64_t c = 0; c < p->channels; c++) to[c] += v[k] * u[l] * from[c];
          }
      }
  return dx;
}

static void check(const test_environment* t, problem p) {
  const int64_t n = in_size(&p);
  const size_t bytes = (size_t)n * sizeof(float);
  float *dy = hashed("dy", out_size(&p)), *start = hashed("start", n);
  for (int64_t accumulate = p.step_y > 0; accumulate < 2; accumulate++) {
    float *dx = guarded_alloc(n), *alone = guarded_alloc(n);
    if (accumulate) {
      memcpy(dx, start, bytes);
      memcpy(alone, start, bytes);
    }
    double* expected = reference(&p, dy, accumulate ? start : NULL);
    EXPECT_OK(run(t->context, &p, dy, accumulate, dx));
    EXPECT_GUARDS(dx);
#define WHAT                                                                                   \
  "[%ld,%ld,%ld,%ld] from %ld x %ld, align %ld, steps %g %g, accumulate %ld", (long)p.batch,   \
      (long)p.height, (long)p.width, (long)p.channels, (long)p.out_height, (long)p.out_width,  \
      (long)p.align, p.step_y, p.step_x, (long)accumulate
    EXPECT_CLOSE(dx, expected, n, 2e-6, WHAT);
    fathom_context* single;
    EXPECT_OK(fathom_context_create(1, t->isa, &single));
    EXPECT_OK(run(single, &p, dy, accumulate, alone));
    fathom_context_destroy(single);
    EXPECT(memcmp(dx, alone, bytes) == 0, "other bits: " WHAT);
    free(expected);
    guarded_free(dx);
    guarded_free(alone);
  }
  free(dy);
  free(start);
}

static void check_bilinear(const test_environment* t, int64_t b, int64_t h, int64_t w, int64_t c,
                           int64_t oh, int64_t ow) {
  for (int64_t align = 0; align < 2; align++)
    check(t, (problem){b, h, w, c, oh, ow, align, 0, 0});
}

TEST(resize_bilinear_backward_is_the_transposed) {
  check_bilinear(t, 1, 37, 37, 1, 70, 90);
  check_bilinear(t, 2, 31, 43, 1, 14, 11);
  check_bilinear(t, 1, 20, 50, 3, 33, 17);
  check_bilinear(t, 2, 9, 12, 5, 20, 31);
  check_bilinear(t, 2, 7, 5, 16, 14, 10);
  check_bilinear(t, 1, 7, 5, 19, 3, 9);
  check_bilinear(t, 3, 6, 4, 64, 11, 8);
  check_bilinear(t, 1, 5, 5, 131, 9, 4);
  check_bilinear(t, 1, 3, 40, 256, 6, 80); /* several tiles */
  check_bilinear(t, 1, 2, 2, 9001, 4, 3);
}

TEST(resize_bilinear_backward_takes_sides_of_one) {
  for (int64_t c = 1; c < 40; c += 18) {
    check_bilinear(t, 1, 1, 1, c, 1, 1);
    check_bilinear(t, 1, 1, 1, c, 3, 40);
    check_bilinear(t, 2, 1, 9, c, 4, 5);
    check_bilinear(t, 2, 9, 1, c, 5, 4);
    check_bilinear(t, 1, 8, 6, c, 1, 1);
    check_bilinear(t, 1, 8, 6, c, 1, 12);
    check_bilinear(t, 1, 8, 6, c, 8, 6);
  }
}

static void check_bicubic(const test_environment* t, int64_t b, int64_t h, int64_t w, int64_t c,
                          int64_t oh, int64_t ow, double step_y, double step_x) {
  check(t, (problem){b, h, w, c, oh, ow, 0, step_y, step_x});
}

TEST(resize_bicubic_backward_is_the_transposed) {
  check_bicubic(t, 1, 37, 37, 64, 16, 17, 37 / 16.1, 37 / 17.1);
  check_bicubic(t, 2, 9, 12, 5, 20, 31, 9.0 / 20, 12.0 / 31);
  check_bicubic(t, 1, 21, 13, 1, 8, 40, 21.0 / 8, 13.0 / 40);
  check_bicubic(t, 1, 5, 7, 33, 5, 7, 1, 1);
}

/* Steps that leave the map, or stay at its first pixel. */
TEST(resize_bicubic_backward_clamps_at_the_edges) {
  for (int64_t c = 1; c < 40; c += 18) {
    check_bicubic(t, 1, 6, 5, c, 9, 11, 4.0, 1e9);
    check_bicubic(t, 1, 6, 5, c, 9, 11, 1e-3, 0.7);
    check_bicubic(t, 2, 1, 1, c, 3, 2, 0.5, 0.5);
    check_bicubic(t, 1, 2, 3, c, 1, 1, 1.0, 3.0);
  }
}

/* <resize(x), dy> = <x, backward(dy)>, with the forward operators. */
TEST(resize_backward_is_adjoint_to_the_forward_pass) {
  static const problem problems[] = {{2, 9, 12, 19, 20, 31, 1, 0, 0},
                                     {2, 9, 12, 19, 20, 31, 0, 0, 0},
                                     {1, 20, 31, 3, 9, 12, 1, 0, 0},
                                     {1, 37, 37, 8, 16, 17, 0, 37 / 16.1, 37 / 17.1}};
  for (int i = 0; i < 4; i++) {
    const problem* p = problems + i;
    const int64_t n = in_size(p), on = out_size(p);
    float *x = hashed("x", n), *dy = hashed("dy", on), *y = guarded_alloc(on);
    float* dx = calloc((size_t)n, sizeof *dx);
    if (!dx) abort();
    if (p->step_y > 0) {
      const fathom_resize_bicubic_args args = {p->batch, p->height, p->width, p->channels,
                                               p->out_height, p->out_width, p->step_y, p->step_x,
                                               x, y};
      EXPECT_OK(fathom_resize_bicubic(t->context, &args));
    } else {
      const fathom_resize_bilinear_args args = {p->batch, p->height, p->width, p->channels,
                                                p->out_height, p->out_width, p->align, x, NULL, y};
      EXPECT_OK(fathom_resize_bilinear(t->context, &args));
    }
    EXPECT_OK(run(t->context, p, dy, 0, dx));
    double there = 0, back = 0, size = 0;
    for (int64_t k = 0; k < on; k++) there += (double)y[k] * dy[k];
    for (int64_t k = 0; k < on; k++) size += fabs((double)y[k] * dy[k]);
    for (int64_t k = 0; k < n; k++) back += (double)x[k] * dx[k];
    EXPECT(fabs(there - back) <= 1e-7 * size, "problem %d: %.9g and %.9g", i, there, back);
    free(x);
    free(dy);
    free(dx);
    guarded_free(y);
  }
}

TEST(resize_backward_rejects_bad_arguments) {
  float dy[64] = {0}, dx[64] = {0};
  const fathom_resize_bilinear_backward_args linear = {1, 2, 3, 4, 3, 2, 1, dy, 0, dx};
  const fathom_resize_bicubic_backward_args cubic_args = {1, 2, 3, 4, 3, 2, 0.5, 1.5, dy, dx};
  fathom_resize_bilinear_backward_args l;
  fathom_resize_bicubic_backward_args c;
#define REJECTED(name, args, good, change, text)                                                   \
  args = good;                                                                                     \
  change;                                                                                          \
  EXPECT(fathom_##name(t->context, &args) == FATHOM_INVALID_ARGUMENT, #change " was taken");       \
  EXPECT(strstr(fathom_last_error(), text) && strstr(fathom_last_error(), #name), #change ": %s",  \
         fathom_last_error())
#define LINEAR(change, text) REJECTED(resize_bilinear_backward, l, linear, l.change, text)
#define CUBIC(change, text) REJECTED(resize_bicubic_backward, c, cubic_args, c.change, text)
  EXPECT_OK(fathom_resize_bilinear_backward(t->context, &linear));
  EXPECT_OK(fathom_resize_bicubic_backward(t->context, &cubic_args));
  LINEAR(batch = 0, "[0,2,3,4]");
  LINEAR(out_width = 0, "3 x 0");
  LINEAR(height = 1 << 25, "too large");
  LINEAR(channels = INT64_MAX, "too large");
  LINEAR(align_corners = 2, "align_corners is 2");
  LINEAR(accumulate = -1, "accumulate -1");
  LINEAR(dy = NULL, "dy is NULL");
  LINEAR(dx = NULL, "dx is NULL");
  LINEAR(dx = dy + 23, "overlaps");
  CUBIC(width = -1, "[1,2,-1,4]");
  CUBIC(out_height = 1 << 25, "too large");
  CUBIC(step_y = 0, "steps 0");
  CUBIC(step_x = NAN, "steps");
  CUBIC(dx = NULL, "dx is NULL");
  CUBIC(dx = dy, "overlaps");
  EXPECT(fathom_resize_bilinear_backward(NULL, &linear) == FATHOM_INVALID_ARGUMENT, "NULL context");
  EXPECT(fathom_resize_bicubic_backward(t->context, NULL) == FATHOM_INVALID_ARGUMENT, "NULL");
}
