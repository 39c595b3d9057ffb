/* Cross-entropy with soft targets, against float64. */
#include "test.h"

static double reference(int64_t rows, int64_t classes, const float* x, const float* p,
                        double factor, double* gradient) {
  double loss = 0;
  int64_t counted = 0;
  for (int64_t i = 0; i < rows; i++) {
    double target = 0;
    for (int64_t k = 0; k < classes; k++) target += p[i * classes + k];
    counted += target != 0;
  }
  for (int64_t i = 0; i < rows; i++) {
    double sum = 0, target = 0;
    for (int64_t k = 0; k < classes; k++) {
      sum += exp((double)x[i * classes + k]);
      target += p[i * classes + k];
    }
    for (int64_t k = 0; k < classes; k++) {
      const int64_t at = i * classes + k;
      loss += p[at] * (log(sum) - x[at]);
      gradient[at] =
          target == 0 ? 0 : factor / (double)counted * (target * exp((double)x[at]) / sum - p[at]);
    }
  }
  return counted ? loss / (double)counted : 0;
}

TEST(cross_entropy_matches_float64) {
  const int64_t sizes[][2] = {{1, 1}, {1, 7}, {65, 13}, {200, 32}};
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    const int64_t rows = sizes[s][0], classes = sizes[s][1], n = rows * classes;
    float *x = hashed("ce.x", n), *p = hashed("ce.p", n), *d = guarded_alloc(n);
    double* expected = malloc((size_t)n * sizeof *expected);
    for (int64_t i = 0; i < rows; i++) {
      double sum = 0;
      for (int64_t k = 0; k < classes; k++) {
        float* at = &p[i * classes + k];
        *at = i % 5 == 3 ? 0 : fabsf(*at); /* every fifth row does not count */
        sum += *at;
      }
      for (int64_t k = 0; k < classes && sum > 0; k++) p[i * classes + k] /= (float)sum;
    }
    for (int64_t i = 0; i < n; i++) x[i] *= 6;
    fathom_cross_entropy_loss_args a = {.rows = rows, .classes = classes, .logits = x, .target = p,
                                        .factor = 0.7, .gradient = d};
    EXPECT_OK(fathom_cross_entropy_loss(t->context, &a));
    const double loss = reference(rows, classes, x, p, 0.7, expected);
    EXPECT(fabs(a.loss - loss) <= 1e-6 * (1 + fabs(loss)), "loss %g instead of %g", a.loss, loss);
    if (classes > 1) EXPECT_CLOSE(d, expected, n, 2e-6, "gradient of %d rows", (int)rows);
    EXPECT_GUARDS(d);
    a.gradient = NULL;
    EXPECT_OK(fathom_cross_entropy_loss(t->context, &a));
    free(x), free(p), free(expected), guarded_free(d);
  }
}

TEST(cross_entropy_of_nothing_is_zero_and_of_nan_is_nan) {
  float x[6] = {1, 2, 3, 1, 2, 3}, p[6] = {0}, d[6];
  fathom_cross_entropy_loss_args a = {.rows = 2, .classes = 3, .logits = x, .target = p,
                                      .factor = 1, .gradient = d};
  EXPECT_OK(fathom_cross_entropy_loss(t->context, &a));
  EXPECT(a.loss == 0 && d[0] == 0 && d[5] == 0, "loss %g", a.loss);
  p[0] = 1;
  x[1] = NAN;
  EXPECT_OK(fathom_cross_entropy_loss(t->context, &a));
  EXPECT(isnan(a.loss), "loss %g of a NaN", a.loss);
  x[1] = 500; /* overflows exp in float and in double */
  x[0] = -400;
  EXPECT_OK(fathom_cross_entropy_loss(t->context, &a));
  EXPECT(fabs(a.loss - 900) < 1e-3, "loss %g of large scores", a.loss);
}

TEST(cross_entropy_refuses_bad_arguments) {
  float x[3] = {0}, d[3];
  fathom_cross_entropy_loss_args a = {.rows = 1, .classes = 3, .logits = x, .target = x,
                                      .factor = NAN, .gradient = d};
  EXPECT(fathom_cross_entropy_loss(t->context, &a) == FATHOM_INVALID_ARGUMENT, "NaN factor");
  a.factor = 1;
  a.rows = 0;
  EXPECT(fathom_cross_entropy_loss(t->context, &a) == FATHOM_INVALID_ARGUMENT, "no rows");
  a.rows = 1;
  a.gradient = x;
  EXPECT(fathom_cross_entropy_loss(t->context, &a) == FATHOM_INVALID_ARGUMENT, "overlap");
  a.gradient = NULL;
  a.logits = NULL;
  EXPECT(fathom_cross_entropy_loss(t->context, &a) == FATHOM_INVALID_ARGUMENT, "no logits");
}
