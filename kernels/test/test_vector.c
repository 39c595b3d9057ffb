/* Fill, axpby and the sum of squares against float64. */
#include "test.h"

/* Around the vectors, the blocks and the size from which stores bypass the caches. */
static const int64_t sizes[] = {1, 3, 13, 31, 207, 4098, 16384, 16385, 99991, (4 << 20) + 77};
#define SIZES (int)(sizeof sizes / sizeof *sizes)

static fathom_context* single_thread(const test_environment* t) {
  fathom_context* context;
  EXPECT_OK(fathom_context_create(1, t->isa, &context));
  return context;
}

TEST(fill_writes_every_element) {
  for (int s = 0; s < SIZES; s++)
    for (int64_t shift = 0; shift < 2; shift++) {
      const int64_t n = sizes[s];
      if (t->quick && n > 100000) continue;
      float* x = guarded_alloc(n + shift);
      EXPECT_OK(fathom_fill(t->context, n, -2.5f, x + shift));
      EXPECT_GUARDS(x);
      EXPECT(!shift || isnan(x[0]), "written before x");
      int64_t wrong = 0;
      for (int64_t i = 0; i < n; i++) wrong += x[shift + i] != -2.5f;
      EXPECT(wrong == 0, "n=%ld: %ld elements are not -2.5", (long)n, (long)wrong);
      guarded_free(x);
    }
}

static void check_axpby(const test_environment* t, int64_t n, int64_t shift, float a, float b) {
  float *x = hashed("x", n), *start = hashed("y", n);
  float *y = guarded_alloc(n + shift), *other = guarded_alloc(n);
  double* expected = malloc((size_t)n * sizeof *expected);
  if (!expected) abort();
  /* With b = 0, y is left at NaN. */
  if (b != 0) {
    memcpy(y + shift, start, (size_t)n * sizeof *y);
    memcpy(other, start, (size_t)n * sizeof *y);
  }
  for (int64_t i = 0; i < n; i++)
    expected[i] = (double)a * x[i] + (b != 0 ? (double)b * start[i] : 0);
  EXPECT_OK(fathom_axpby(t->context, n, a, x, b, y + shift));
  EXPECT_GUARDS(y);
  EXPECT(!shift || isnan(y[0]), "written before y");
  EXPECT_CLOSE(y + shift, expected, n, 2e-7, "n=%ld, a=%g, b=%g", (long)n, (double)a, (double)b);
  fathom_context* single = single_thread(t);
  EXPECT_OK(fathom_axpby(single, n, a, x, b, other));
  EXPECT(memcmp(other, y + shift, (size_t)n * sizeof *y) == 0, "n=%ld: other bits", (long)n);
  fathom_context_destroy(single);
  free(x);
  free(start);
  free(expected);
  guarded_free(y);
  guarded_free(other);
}

TEST(axpby_is_its_definition) {
  for (int s = 0; s < SIZES; s++) {
    if (t->quick && sizes[s] > 100000) continue;
    check_axpby(t, sizes[s], 0, 0.75f, -1.5f);
    check_axpby(t, sizes[s], 1, 0.75f, 0.0f);
    check_axpby(t, sizes[s], 1, 1.0f, 1.0f);
  }
}

TEST(axpby_in_place) {
  const int64_t n = 1003;
  float *x = hashed("x", n), *y = guarded_alloc(n);
  memcpy(y, x, (size_t)n * sizeof *y);
  EXPECT_OK(fathom_axpby(t->context, n, 0.5f, y, 0.0f, y));
  for (int64_t i = 0; i < n; i++) EXPECT(y[i] == 0.5f * x[i], "b=0: element %ld", (long)i);
  memcpy(y, x, (size_t)n * sizeof *y);
  EXPECT_OK(fathom_axpby(t->context, n, 0.5f, y, 2.0f, y));
  for (int64_t i = 0; i < n; i++) EXPECT(y[i] == 2.5f * x[i], "b=2: element %ld", (long)i);
  EXPECT_GUARDS(y);
  free(x);
  guarded_free(y);
}

TEST(sum_of_squares_is_exact_and_the_same_for_any_number_of_threads) {
  fathom_context* single = single_thread(t);
  for (int s = 0; s < SIZES; s++) {
    const int64_t n = sizes[s];
    if (t->quick && n > 100000) continue;
    float* x = hashed("squares", n);
    if (n > 2) x[2] = 3e30f; /* beyond float32 when squared */
    if (n > 20) x[2] = 1.0f;
    long double expected = 0;
    for (int64_t i = 0; i < n; i++) expected += (long double)x[i] * x[i];
    double sum = NAN, alone = NAN;
    EXPECT_OK(fathom_sum_of_squares(t->context, n, x, &sum));
    EXPECT(fabs((double)(sum / expected - 1)) <= 1e-12, "n=%ld: %.17g, expected %.17Lg", (long)n,
           sum, expected);
    EXPECT_OK(fathom_sum_of_squares(single, n, x, &alone));
    EXPECT(memcmp(&sum, &alone, sizeof sum) == 0, "n=%ld: %.17g, one thread %.17g", (long)n, sum,
           alone);
    free(x);
  }
  fathom_context_destroy(single);
}

TEST(sum_of_squares_shows_every_nan_and_infinity) {
  const int64_t n = 40000;
  float* x = hashed("squares", n);
  for (int64_t i = 0; i < n; i += 4997) {
    const float before = x[i];
    double sum = 0;
    x[i] = NAN;
    EXPECT_OK(fathom_sum_of_squares(t->context, n, x, &sum));
    EXPECT(isnan(sum), "NaN at %ld: %g", (long)i, sum);
    x[i] = -INFINITY;
    EXPECT_OK(fathom_sum_of_squares(t->context, n, x, &sum));
    EXPECT(isinf(sum), "infinity at %ld: %g", (long)i, sum);
    x[i] = before;
  }
  free(x);
}

TEST(vector_operators_take_nothing) {
  double sum = 1;
  EXPECT_OK(fathom_fill(t->context, 0, 1.0f, NULL));
  EXPECT_OK(fathom_axpby(t->context, 0, 1.0f, NULL, 1.0f, NULL));
  EXPECT_OK(fathom_sum_of_squares(t->context, 0, NULL, &sum));
  EXPECT(sum == 0, "the sum of nothing is %g", sum);
}

TEST(vector_operators_reject_bad_arguments) {
  float x[8] = {0};
  double sum;
#define REJECTED(call, text)                                                        \
  EXPECT(fathom_##call == FATHOM_INVALID_ARGUMENT, #call " was taken");             \
  EXPECT(strstr(fathom_last_error(), text), #call ": %s", fathom_last_error())
  REJECTED(fill(NULL, 1, 0.0f, x), "fill: the context");
  REJECTED(fill(t->context, -1, 0.0f, x), "fill: n is -1");
  REJECTED(fill(t->context, 4, 0.0f, NULL), "fill [4]: x is NULL");
  REJECTED(axpby(NULL, 1, 1.0f, x, 1.0f, x), "axpby: the context");
  REJECTED(axpby(t->context, INT64_MAX, 1.0f, x, 1.0f, x), "axpby: n is");
  REJECTED(axpby(t->context, 4, 1.0f, NULL, 1.0f, x), "axpby [4]: x is NULL");
  REJECTED(axpby(t->context, 4, 1.0f, x, 1.0f, NULL), "axpby [4]: y is NULL");
  REJECTED(axpby(t->context, 4, 1.0f, x, 1.0f, x + 1), "overlaps");
  REJECTED(sum_of_squares(NULL, 1, x, &sum), "sum_of_squares: the context");
  REJECTED(sum_of_squares(t->context, -3, x, &sum), "sum_of_squares: n is -3");
  REJECTED(sum_of_squares(t->context, 4, x, NULL), "sum is NULL");
  REJECTED(sum_of_squares(t->context, 4, NULL, &sum), "x is NULL");
#undef REJECTED
}
