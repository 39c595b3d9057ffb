/* Resampling against float64 code that applies the definition pixel by pixel. */
#include "test.h"

/* ---- references ---- */

static int64_t clamp(int64_t i, int64_t n) { return i < 0 ? 0 : i >= n ? n - 1 : i; }

/* The taps at output o: index[k], weight[k]. Positions are floats, as the operators promise. */
static int bilinear_taps(int64_t o, int64_t n, int64_t on, int64_t align, int64_t* index,
                         double* weight) {
  double position;
  if (align) {
    float scale = on > 1 ? (float)(n - 1) / (float)(on - 1) : 0.0f;
    position = (float)(scale * (double)o);
  } else {
    float scale = (float)n / (float)on;
    position = (float)(scale * (o + 0.5) - 0.5);
  }
  if (n == on) position = o;
  if (position < 0) position = 0;
  double low = floor(position);
  if (low > n - 1) low = position = n - 1;
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
  double position = (float)fmin((o + 0.5) * step - 0.5, n + 2.0), low = floor(position);
  for (int k = 0; k < 4; k++) {
    index[k] = clamp((int64_t)low - 1 + k, n);
    weight[k] = cubic(position - (low - 1 + k));
  }
  return 4;
}

/* step 0: bilinear. */
static double* reference(int64_t b, int64_t h, int64_t w, int64_t c, int64_t oh, int64_t ow,
                         int64_t align, double step_y, double step_x, const float* x,
                         const float* add) {
  double* y = malloc((size_t)(b * oh * ow * c) * sizeof *y);
  if (!y) abort();
  int64_t at = 0;
  for (int64_t image = 0; image < b; image++)
    for (int64_t i = 0; i < oh; i++)
      for (int64_t j = 0; j < ow; j++) {
        int64_t rows[4], columns[4];
        double v[4], u[4];
        int taps = step_y > 0 ? bicubic_taps(i, h, step_y, rows, v)
                              : bilinear_taps(i, h, oh, align, rows, v);
        taps = step_x > 0 ? bicubic_taps(j, w, step_x, columns, u)
                          : bilinear_taps(j, w, ow, align, columns, u);
        for (int64_t k = 0; k < c; k++, at++) {
          double sum = add ? add[at] : 0;
          for (int p = 0; p < taps; p++)
            for (int q = 0; q < taps; q++)
              sum += v[p] * u[q] * x[((image * h + rows[p]) * w + columns[q]) * c + k];
          y[at] = sum;
        }
      }
  return y;
}

static double largest_difference(const float* actual, const double* expected, int64_t n) {
  double largest = 0;
  for (int64_t i = 0; i < n; i++) {
    double d = fabs(actual[i] - expected[i]);
    if (!(d <= largest)) largest = isnan(d) ? INFINITY : d;
  }
  return largest;
}

/* ---- bilinear ---- */

static void check_bilinear(const test_environment* t, int64_t b, int64_t h, int64_t w, int64_t c,
                           int64_t oh, int64_t ow) {
  int64_t n = b * oh * ow * c;
  float *x = hashed("bilinear.x", b * h * w * c), *add = hashed("bilinear.add", n);
  for (int64_t align = 0; align < 2; align++)
    for (int mode = 0; mode < 3; mode++) { /* alone, with add, in place */
      float* y = guarded_alloc(n);
      if (mode == 2) memcpy(y, add, (size_t)n * sizeof *y);
      fathom_resize_bilinear_args args = {
          b, h, w, c, oh, ow, align, x, mode == 0 ? NULL : mode == 1 ? add : y, y};
      EXPECT_OK(fathom_resize_bilinear(t->context, &args));
      double* expected = reference(b, h, w, c, oh, ow, align, 0, 0, x, mode ? add : NULL);
      double error = largest_difference(y, expected, n);
      EXPECT(error <= 5e-7, "[%ld,%ld,%ld,%ld] to %ld x %ld, align %ld, mode %d: off by %.3g",
             (long)b, (long)h, (long)w, (long)c, (long)oh, (long)ow, (long)align, mode, error);
      EXPECT_GUARDS(y);
      guarded_free(y);
      free(expected);
    }
  free(x);
  free(add);
}

TEST(resize_bilinear_matches_float64) {
  check_bilinear(t, 1, 37, 37, 1, 70, 90);
  check_bilinear(t, 2, 31, 43, 1, 14, 11);
  check_bilinear(t, 1, 13, 300, 1, 29, 299);
  check_bilinear(t, 1, 20, 50, 3, 33, 17);
  /* Scales of 1 to 2, where some vectors of outputs reach further than others. */
  check_bilinear(t, 2, 10, 191, 1, 7, 97);
  check_bilinear(t, 1, 10, 120, 1, 7, 65);
  check_bilinear(t, 1, 6, 80, 3, 9, 55);
  check_bilinear(t, 1, 6, 33, 7, 9, 32);
  check_bilinear(t, 2, 9, 12, 5, 20, 31);
  check_bilinear(t, 2, 7, 5, 16, 14, 10);
  check_bilinear(t, 1, 7, 5, 19, 3, 9);
  check_bilinear(t, 3, 6, 4, 64, 11, 8);
  check_bilinear(t, 1, 5, 5, 131, 9, 4);
}

TEST(resize_bilinear_takes_sides_of_one) {
  for (int64_t c = 1; c < 40; c += 18) {
    check_bilinear(t, 1, 1, 1, c, 1, 1);
    check_bilinear(t, 1, 1, 1, c, 3, 40);
    check_bilinear(t, 2, 1, 9, c, 4, 5);
    check_bilinear(t, 2, 9, 1, c, 5, 4);
    check_bilinear(t, 1, 8, 6, c, 1, 1);
    check_bilinear(t, 1, 8, 6, c, 1, 12);
  }
}

TEST(resize_bilinear_of_the_same_size_is_a_copy) {
  for (int64_t c = 1; c < 40; c += 18)
    for (int64_t align = 0; align < 2; align++) {
      int64_t n = 11 * 23 * c;
      float *x = hashed("same", n), *y = guarded_alloc(n);
      fathom_resize_bilinear_args args = {1, 11, 23, c, 11, 23, align, x, NULL, y};
      EXPECT_OK(fathom_resize_bilinear(t->context, &args));
      EXPECT(memcmp(x, y, (size_t)n * sizeof *y) == 0, "%ld channels: not a copy", (long)c);
      guarded_free(y);
      free(x);
    }
}

/* On x[h,w] = w a result is its own position: shows what the float positions cost on wide maps. */
TEST(resize_bilinear_keeps_positions_on_wide_maps) {
  const int64_t sizes[][2] = {{518, 4000}, {12000, 770}, {3000, 12001}};
  for (int i = 0; i < 3; i++)
    for (int64_t align = 0; align < 2; align++) {
      int64_t w = sizes[i][0], ow = sizes[i][1];
      float *x = malloc((size_t)(2 * w) * sizeof *x), *y = guarded_alloc(3 * ow);
      for (int64_t j = 0; j < 2 * w; j++) x[j] = (float)(j % w);
      fathom_resize_bilinear_args args = {1, 2, w, 1, 3, ow, align, x, NULL, y};
      EXPECT_OK(fathom_resize_bilinear(t->context, &args));
      double worst = 0;
      for (int64_t j = 0; j < 3 * ow; j++) {
        double o = (double)(j % ow);
        double position = align ? o * (w - 1) / (ow - 1) : (o + 0.5) * w / ow - 0.5;
        position = fmin(fmax(position, 0), (double)(w - 1));
        worst = fmax(worst, fabs(y[j] - position));
      }
      EXPECT(worst <= 1.5e-7 * (double)w, "%ld to %ld: positions off by %.3g", (long)w, (long)ow,
             worst);
      EXPECT_GUARDS(y);
      guarded_free(y);
      free(x);
    }
}

/* ---- bicubic ---- */

static void check_bicubic(const test_environment* t, int64_t b, int64_t h, int64_t w, int64_t c,
                          int64_t oh, int64_t ow, double step_y, double step_x) {
  int64_t n = b * oh * ow * c;
  float *x = hashed("bicubic.x", b * h * w * c), *y = guarded_alloc(n);
  fathom_resize_bicubic_args args = {b, h, w, c, oh, ow, step_y, step_x, x, y};
  EXPECT_OK(fathom_resize_bicubic(t->context, &args));
  double* expected = reference(b, h, w, c, oh, ow, 0, step_y, step_x, x, NULL);
  double error = largest_difference(y, expected, n);
  EXPECT(error <= 2e-6, "[%ld,%ld,%ld,%ld] to %ld x %ld: off by %.3g", (long)b, (long)h, (long)w,
         (long)c, (long)oh, (long)ow, error);
  EXPECT_GUARDS(y);
  guarded_free(y);
  free(x);
  free(expected);
}

TEST(resize_bicubic_matches_float64) {
  /* DINOv2's position table: the 0.1 shifts the grid. */
  check_bicubic(t, 1, 37, 37, 35, 20, 74, 37 / 20.1, 37 / 74.1);
  check_bicubic(t, 2, 37, 37, 16, 10, 15, 37 / 10.1, 37 / 15.1);
  check_bicubic(t, 2, 40, 30, 3, 17, 63, 40.0 / 17, 30.0 / 63);
  check_bicubic(t, 1, 11, 23, 1, 64, 9, 11.0 / 64, 23.0 / 9);
  check_bicubic(t, 1, 11, 23, 7, 30, 30, 11.0 / 30, 23.0 / 30);
}

TEST(resize_bicubic_takes_sides_of_one_and_any_step) {
  for (int64_t c = 1; c < 40; c += 18) {
    check_bicubic(t, 1, 1, 1, c, 1, 1, 1, 1);
    check_bicubic(t, 1, 1, 1, c, 5, 3, 0.2, 1e300);
    check_bicubic(t, 2, 1, 9, c, 4, 5, 0.25, 9.0 / 5);
    check_bicubic(t, 2, 9, 1, c, 5, 4, 9.0 / 5, 1e-300);
    check_bicubic(t, 1, 3, 4, c, 8, 6, 2, 3); /* runs off the end: the last row and column */
  }
}

/* ---- preprocess ---- */

static void check_preprocess(const test_environment* t, int64_t h, int64_t w, int64_t oh,
                             int64_t ow, int64_t stride, int64_t padding) {
  int64_t row = w * stride + padding, bytes = (h - 1) * row + (w - 1) * stride + 3;
  float* noise = hashed("pixels", h * w * 3);
  /* Exactly as long as needed, so that the sanitizer sees a read past the last colour. */
  uint8_t* pixels = malloc((size_t)bytes);
  float* x = malloc((size_t)(h * w * 3) * sizeof *x);
  memset(pixels, 255, (size_t)bytes);
  for (int64_t i = 0; i < h * w * 3; i++) {
    uint8_t value = (uint8_t)((noise[i] + 1) * 128);
    pixels[i / 3 / w * row + i / 3 % w * stride + i % 3] = value;
    x[i] = value;
  }
  int64_t n = oh * ow * 3;
  float* y = guarded_alloc(n);
  fathom_preprocess_args args = {h, w, oh, ow, pixels, row, stride,
                                 {0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f}, y};
  EXPECT_OK(fathom_preprocess(t->context, &args));
  double* expected =
      reference(1, h, w, 3, oh, ow, 0, (double)h / (double)oh, (double)w / (double)ow, x, NULL);
  for (int64_t i = 0; i < n; i++)
    expected[i] = (expected[i] / 255 - (double)args.mean[i % 3]) / (double)args.std[i % 3];
  double error = largest_difference(y, expected, n);
  EXPECT(error <= 5e-6, "%ld x %ld to %ld x %ld, stride %ld: off by %.3g", (long)h, (long)w,
         (long)oh, (long)ow, (long)stride, error);
  EXPECT_GUARDS(y);
  guarded_free(y);
  free(expected);
  free(noise);
  free(pixels);
  free(x);
}

TEST(preprocess_matches_float64) {
  for (int64_t stride = 3; stride < 5; stride++)
    for (int64_t padding = 0; padding < 6; padding += 5) {
      check_preprocess(t, 53, 80, 28, 42, stride, padding);
      check_preprocess(t, 30, 41, 70, 98, stride, padding);
      check_preprocess(t, 14, 14, 14, 14, stride, padding);
      check_preprocess(t, 1, 50, 14, 28, stride, padding);
      check_preprocess(t, 50, 1, 28, 14, stride, padding);
      check_preprocess(t, 1, 1, 14, 14, stride, padding);
      check_preprocess(t, 9, 7, 1, 1, stride, padding);
    }
}

/* A flat picture has a flat, exactly known result: the taps' weights add up to 1. */
TEST(preprocess_of_a_flat_picture) {
  uint8_t pixels[7 * 9 * 3];
  memset(pixels, 255, sizeof pixels);
  float* y = guarded_alloc(28 * 42 * 3);
  fathom_preprocess_args args = {7, 9, 28, 42, pixels, 27, 3, {0.5f, 0.25f, 0}, {1, 0.5f, 2}, y};
  EXPECT_OK(fathom_preprocess(t->context, &args));
  const float expected[3] = {0.5f, 1.5f, 0.5f};
  for (int64_t i = 0; i < 28 * 42 * 3; i++)
    EXPECT(fabsf(y[i] - expected[i % 3]) <= 1e-6f, "%ld: %g", (long)i, (double)y[i]);
  EXPECT_GUARDS(y);
  guarded_free(y);
}

/* ---- all ---- */

TEST(resample_is_the_same_for_any_number_of_threads) {
  fathom_context* single = NULL;
  EXPECT_OK(fathom_context_create(1, t->isa, &single));
  if (!single) return;
  for (int64_t c = 1; c < 40; c += 18) {
    float* x = hashed("threads", 2 * 31 * 29 * c);
    int64_t n = 2 * 57 * 44 * c;
    float *y = guarded_alloc(n), *z = guarded_alloc(n);
    fathom_resize_bilinear_args bilinear = {2, 31, 29, c, 57, 44, 0, x, NULL, y};
    EXPECT_OK(fathom_resize_bilinear(t->context, &bilinear));
    bilinear.y = z;
    EXPECT_OK(fathom_resize_bilinear(single, &bilinear));
    EXPECT(memcmp(y, z, (size_t)n * sizeof *y) == 0, "bilinear, %ld channels", (long)c);
    fathom_resize_bicubic_args bicubic = {2, 31, 29, c, 57, 44, 0.5, 0.7, x, y};
    EXPECT_OK(fathom_resize_bicubic(t->context, &bicubic));
    bicubic.y = z;
    EXPECT_OK(fathom_resize_bicubic(single, &bicubic));
    EXPECT(memcmp(y, z, (size_t)n * sizeof *y) == 0, "bicubic, %ld channels", (long)c);
    guarded_free(y);
    guarded_free(z);
    free(x);
  }
  fathom_context_destroy(single);
}

#define EXPECT_REJECTED(call, text)                                                           \
  do {                                                                                        \
    EXPECT((call) == FATHOM_INVALID_ARGUMENT, "%s was taken", #call);                         \
    EXPECT(strstr(fathom_last_error(), text), "no '%s' in: %s", text, fathom_last_error());   \
  } while (0)

TEST(resize_bilinear_rejects_bad_arguments) {
  float x[4] = {0}, y[4];
  const fathom_resize_bilinear_args good = {1, 2, 2, 1, 2, 2, 0, x, NULL, y};
  fathom_resize_bilinear_args a;
#define WITH(change, text) \
  a = good;                \
  change;                  \
  EXPECT_REJECTED(fathom_resize_bilinear(t->context, &a), text)
  EXPECT_REJECTED(fathom_resize_bilinear(NULL, &good), "resize_bilinear: the context is NULL");
  EXPECT_REJECTED(fathom_resize_bilinear(t->context, NULL), "resize_bilinear: args is NULL");
  WITH(a.x = NULL, "x is NULL");
  WITH(a.y = NULL, "y is NULL");
  WITH(a.batch = 0, "[0,2,2,1] to 2 x 2");
  WITH(a.height = -1, "[1,-1,2,1]");
  WITH(a.width = 0, "at least 1");
  WITH(a.channels = 0, "at least 1");
  WITH(a.out_height = 0, "to 0 x 2");
  WITH(a.out_width = INT64_MIN, "at least 1");
  WITH(a.align_corners = 2, "align_corners is 2");
  WITH(a.width = ((int64_t)1 << 24) + 1, "too large");
  WITH(a.channels = INT64_MAX / 2, "too large");
  WITH(a.batch = (int64_t)1 << 62, "too large");
  WITH((a.out_height = a.out_width = 1 << 24, a.channels = 1 << 20), "too large");
#undef WITH
}

TEST(resize_bicubic_rejects_bad_arguments) {
  float x[4] = {0}, y[4];
  const fathom_resize_bicubic_args good = {1, 2, 2, 1, 2, 2, 1, 1, x, y};
  fathom_resize_bicubic_args a;
#define WITH(change, text) \
  a = good;                \
  change;                  \
  EXPECT_REJECTED(fathom_resize_bicubic(t->context, &a), text)
  EXPECT_REJECTED(fathom_resize_bicubic(NULL, &good), "resize_bicubic: the context is NULL");
  EXPECT_REJECTED(fathom_resize_bicubic(t->context, NULL), "resize_bicubic: args is NULL");
  WITH(a.x = NULL, "x is NULL");
  WITH(a.y = NULL, "y is NULL");
  WITH(a.height = 0, "[1,0,2,1] to 2 x 2");
  WITH(a.step_y = 0, "steps 0 and 1");
  WITH(a.step_x = -1, "steps 1 and -1");
  WITH(a.step_x = INFINITY, "finite");
  WITH(a.step_y = NAN, "finite");
  WITH(a.channels = INT64_MAX / 4, "too large");
#undef WITH
}

TEST(preprocess_rejects_bad_arguments) {
  uint8_t pixels[12] = {0};
  float y[12];
  const fathom_preprocess_args good = {2, 2, 2, 2, pixels, 6, 3, {0, 0, 0}, {1, 1, 1}, y};
  fathom_preprocess_args a;
#define WITH(change, text) \
  a = good;                \
  change;                  \
  EXPECT_REJECTED(fathom_preprocess(t->context, &a), text)
  EXPECT_REJECTED(fathom_preprocess(NULL, &good), "preprocess: the context is NULL");
  EXPECT_REJECTED(fathom_preprocess(t->context, NULL), "preprocess: args is NULL");
  WITH(a.pixels = NULL, "pixels is NULL");
  WITH(a.y = NULL, "y is NULL");
  WITH(a.out_width = 0, "to 2 x 0");
  WITH(a.pixel_stride = 2, "pixel_stride is 2");
  WITH(a.row_stride = 5, "row_stride 5 is too small for 2 pixels of 3 bytes");
  WITH(a.row_stride = INT64_MAX, "too large");
  WITH(a.std[1] = 0, "channel 1");
  WITH(a.mean[2] = NAN, "channel 2");
#undef WITH
}
