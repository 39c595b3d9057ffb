/*
 * The losses against their definitions in float64 (loss_reference.c), which are themselves checked by
 * finite differences.
 */
#include "loss_reference.h"
#include "test.h"

enum { SSI, CUTMIX, MATCHING, SILOG, KINDS };

/* Inputs and outputs of any loss on maps. */
typedef struct {
  int kind;
  int64_t batch, height, width, n;
  float *prediction, *target, *outside, *mask, *gradient;
  int64_t* boxes;
  double trim, beta, factor, loss;
} problem;

static problem make(int kind, int64_t batch, int64_t height, int64_t width, int masked) {
  int64_t n = batch * height * width;
  problem p = {kind, batch, height, width, n, hashed("loss.pred", n), hashed("loss.target", n),
               hashed("loss.teacher_b", n), NULL, guarded_alloc(n),
               calloc((size_t)batch * 4, sizeof(int64_t)), 0, 0.15, 1, 0};
  if (!p.boxes) abort();
  if (masked) {
    p.mask = hashed("loss.mask", n);
    for (int64_t i = 0; i < n; i++) p.mask[i] = p.mask[i] > -0.5f;
  }
  for (int64_t b = 0; b < batch; b++) {
    int64_t* box = p.boxes + 4 * b;
    box[0] = height * (b % 3) / 7;
    box[1] = width * (b % 2) / 3;
    box[2] = height * (4 + b % 3) / 7;
    box[3] = width * (1 + b % 3) / 3;
  }
  if (kind == SILOG)
    for (int64_t i = 0; i < n; i++) {
      p.prediction[i] = 0.2f + 9 * fabsf(p.prediction[i]);
      p.target[i] = 0.2f + 9 * fabsf(p.target[i]);
    }
  return p;
}

static void release(problem* p) {
  free(p->prediction);
  free(p->target);
  free(p->outside);
  free(p->mask);
  free(p->boxes);
  guarded_free(p->gradient);
}

static fathom_status run(fathom_context* context, problem* p, float* gradient) {
  fathom_status status;
  if (p->kind == SSI) {
    fathom_ssi_loss_args a = {p->batch, p->height, p->width, p->prediction, p->target, p->mask,
                              p->trim, p->factor, gradient, 0};
    status = fathom_ssi_loss(context, &a);
    p->loss = a.loss;
  } else if (p->kind == CUTMIX) {
    fathom_cutmix_loss_args a = {p->batch, p->height, p->width, p->prediction, p->target,
                                 p->outside, p->boxes, p->factor, gradient, 0};
    status = fathom_cutmix_loss(context, &a);
    p->loss = a.loss;
  } else if (p->kind == MATCHING) {
    fathom_gradient_matching_loss_args a = {p->batch, p->height, p->width, p->prediction,
                                            p->target, p->mask, p->factor, gradient, 0};
    status = fathom_gradient_matching_loss(context, &a);
    p->loss = a.loss;
  } else {
    fathom_silog_loss_args a = {p->batch, p->height, p->width, p->prediction, p->target,
                                p->mask, p->beta, p->factor, gradient, 0};
    status = fathom_silog_loss(context, &a);
    p->loss = a.loss;
  }
  return status;
}

static double reference(const problem* p, const double* prediction, double* gradient) {
  loss_problem s = {p->batch, p->height, p->width, p->target, p->outside,
                    p->kind == CUTMIX ? NULL : p->mask, p->kind == CUTMIX ? p->boxes : NULL,
                    p->trim};
  if (p->kind == MATCHING) return reference_gradient_matching(&s, prediction, gradient);
  if (p->kind == SILOG) return reference_silog(&s, p->beta, prediction, gradient);
  return reference_ssi(&s, prediction, gradient);
}

static double* widened(const float* x, int64_t n) {
  double* y = malloc((size_t)n * sizeof *y);
  if (!y) abort();
  for (int64_t i = 0; i < n; i++) y[i] = x[i];
  return y;
}

static const char* const names[KINDS] = {"ssi_loss", "cutmix_loss", "gradient_matching_loss",
                                         "silog_loss"};

/* Value and gradient; an element or two may have a residual of the other sign. */
static void check(const test_environment* t, problem* p) {
  double *x = widened(p->prediction, p->n), *gradient = widened(p->prediction, p->n);
  double value = reference(p, x, gradient);
  for (int64_t i = 0; i < p->n; i++) gradient[i] *= p->factor;
#define WHAT "%s [%ld,%ld,%ld] trim %g", names[p->kind], (long)p->batch, (long)p->height, \
             (long)p->width, p->trim
  EXPECT_OK(run(t->context, p, NULL));
  double alone = p->loss;
  EXPECT_OK(run(t->context, p, p->gradient));
  EXPECT(alone == p->loss, WHAT);
  EXPECT(fabs(p->loss - value) <= 1e-6 * fabs(value), "%s [%ld,%ld,%ld]: %.9g instead of %.9g",
         names[p->kind], (long)p->batch, (long)p->height, (long)p->width, p->loss, value);
  EXPECT_GUARDS(p->gradient);
  EXPECT_CLOSE(p->gradient, gradient, p->n, 2e-4, WHAT);
  free(x);
  free(gradient);
}

TEST(loss_is_its_definition) {
  static const int64_t shapes[][3] = {{1, 5, 7},   {3, 37, 41}, {2, 16, 48},  {1, 1, 40},
                                      {2, 33, 1},  {1, 2, 2},   {5, 9, 17},   {1, 3, 3000},
                                      {2, 70, 518}};
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
    for (int kind = 0; kind < KINDS; kind++)
      for (int masked = 0; masked < 2; masked++) {
        problem p = make(kind, shapes[i][0], shapes[i][1], shapes[i][2], masked);
        p.factor = masked ? 1 : -0.25;
        check(t, &p);
        if (kind == SSI) {
          p.trim = 0.1;
          check(t, &p);
          p.trim = 0.75;
          check(t, &p);
        }
        release(&p);
      }
}

/* The definitions' own gradients: away from kinks a difference quotient in float64 agrees. */
TEST(loss_reference_agrees_with_finite_differences) {
  if (t->threads != 1 || t->isa != FATHOM_ISA_PORTABLE) return;
  for (int kind = 0; kind < KINDS; kind++)
    for (int trimmed = 0; trimmed < (kind == SSI ? 2 : 1); trimmed++) {
      problem p = make(kind, 2, 11, 13, 1);
      p.trim = trimmed ? 0.1 : 0;
      double *x = widened(p.prediction, p.n), *gradient = widened(p.prediction, p.n);
      reference(&p, x, gradient);
      const double step = 1e-8;
      double error = 0, norm = 0;
      for (int64_t i = 0; i < p.n; i++) {
        double before = x[i];
        x[i] = before + step;
        double more = reference(&p, x, NULL);
        x[i] = before - step;
        double less = reference(&p, x, NULL);
        x[i] = before;
        double slope = (more - less) / (2 * step);
        error += (slope - gradient[i]) * (slope - gradient[i]);
        norm += gradient[i] * gradient[i];
      }
      EXPECT(sqrt(error / norm) < 1e-5, "%s: relative error %g", names[kind], sqrt(error / norm));
      release(&p);
      free(x);
      free(gradient);
    }
}

/* Depth maps have large areas of one value, zeros above all. */
TEST(loss_shares_the_medians_gradient_among_ties) {
  for (int kind = SSI; kind <= MATCHING; kind++)
    for (int trimmed = 0; trimmed < (kind == SSI ? 2 : 1); trimmed++) {
      problem p = make(kind, 2, 20, 31, 1);
      p.trim = trimmed ? 0.3 : 0;
      for (int64_t i = 0; i < p.n; i++) {
        p.prediction[i] = fmaxf(0.0f, rintf(4 * p.prediction[i]));
        p.target[i] = rintf(3 * p.target[i]);
      }
      p.prediction[3] = -0.0f;
      check(t, &p);
      release(&p);
    }
}

TEST(loss_of_wide_ranges_of_values) {
  static const float scales[] = {1e-30f, 1e-6f, 1e6f, 1e30f};
  for (int i = 0; i < 4; i++)
    for (int kind = SSI; kind <= MATCHING; kind++) {
      problem p = make(kind, 1, 17, 19, 0);
      for (int64_t k = 0; k < p.n; k++) p.prediction[k] *= scales[i];
      check(t, &p);
      release(&p);
    }
}

static int all_zero(const problem* p) {
  for (int64_t i = 0; i < p->n; i++)
    if (p->gradient[i] != 0) return 0;
  return 1;
}

TEST(loss_without_anything_to_normalise_is_zero) {
  for (int kind = SSI; kind <= MATCHING; kind++)
    for (int variant = 0; variant < 4; variant++) {
      if (kind == CUTMIX && variant == 0) continue;
      problem p = make(kind, 2, variant == 3 ? 1 : 9, variant == 3 ? 1 : 21, 1);
      for (int64_t i = 0; i < p.n; i++) {
        if (variant == 0) p.mask[i] = 0;
        if (variant == 0) p.prediction[i] = NAN;
        if (variant == 1) p.prediction[i] = 0.3f;
        if (variant == 2) p.target[i] = p.outside[i] = 7;
        if (variant == 3) p.mask[i] = 1;
      }
      if (variant == 3) memset(p.boxes, 0, 8 * sizeof *p.boxes);
      EXPECT_OK(run(t->context, &p, p.gradient));
      EXPECT(p.loss == 0 && all_zero(&p), "%s, variant %d: %g", names[kind], variant, p.loss);
      EXPECT_GUARDS(p.gradient);
      release(&p);
    }
}

/* The other picture's part does not change. */
TEST(loss_leaves_out_a_constant_picture) {
  for (int kind = SSI; kind <= MATCHING; kind++) {
    problem p = make(kind, 2, 12, 13, 0);
    for (int64_t i = 0; i < p.n / 2; i++) p.prediction[i] = 2;
    check(t, &p);
    release(&p);
  }
}

TEST(loss_of_empty_and_whole_boxes) {
  for (int variant = 0; variant < 4; variant++) {
    problem p = make(CUTMIX, 2, 12, 13, 0), whole = make(SSI, 2, 12, 13, 0);
    static const int64_t boxes[][4] = {{0, 0, 0, 0}, {5, 4, 5, 9}, {3, 6, 9, 6}, {0, 0, 12, 13}};
    for (int64_t b = 0; b < 2; b++) memcpy(p.boxes + 4 * b, boxes[variant], sizeof boxes[0]);
    check(t, &p);
    if (variant < 3) memcpy(whole.target, p.outside, (size_t)p.n * sizeof(float));
    EXPECT_OK(run(t->context, &whole, whole.gradient));
    EXPECT(fabs(whole.loss - p.loss) <= 1e-12, "box %d: %.17g and %.17g", variant, p.loss,
           whole.loss);
    release(&p);
    release(&whole);
  }
}

/* Of a region that has one; other pictures and regions keep their gradient, masked pixels have none. */
TEST(loss_with_nan_is_nan) {
  static const float values[] = {NAN, -NAN, INFINITY, -INFINITY};
  for (int kind = SSI; kind <= MATCHING; kind++)
    for (int v = 0; v < 4; v++)
      for (int in_target = 0; in_target < 2; in_target++)
        for (int trimmed = 0; trimmed < (kind == SSI ? 2 : 1); trimmed++) {
          problem p = make(kind, 2, 14, 19, 1);
          p.trim = trimmed ? 0.1 : 0;
          int64_t at = 14 * 19 + 14 * 19 - 1;
          p.mask[at] = 1;
          (in_target ? kind == CUTMIX ? p.outside : p.target : p.prediction)[at] = values[v];
          EXPECT_OK(run(t->context, &p, p.gradient));
          EXPECT(isnan(p.loss), "%s: loss %g with %g", names[kind], p.loss, (double)values[v]);
          EXPECT_GUARDS(p.gradient);
          const int64_t* box = p.boxes + 4;
          for (int64_t i = 0; i < p.n; i++) {
            int64_t y = i % 266 / 19, x = i % 19;
            int same = i >= 266 && (kind != CUTMIX || y < box[0] || y >= box[2] || x < box[1] ||
                                    x >= box[3]);
            if (kind != CUTMIX && p.mask[i] == 0) same = 0;
            if (same != isnan(p.gradient[i])) {
              EXPECT(0, "%s: gradient[%ld] is %g", names[kind], (long)i, (double)p.gradient[i]);
              break;
            }
          }
          release(&p);
        }
}

TEST(loss_does_not_look_at_masked_pixels) {
  for (int kind = 0; kind < KINDS; kind++) {
    if (kind == CUTMIX) continue;
    problem p = make(kind, 3, 14, 19, 1), q = make(kind, 3, 14, 19, 1);
    for (int64_t i = 0; i < p.n; i++)
      if (p.mask[i] == 0) p.prediction[i] = p.target[i] = i % 2 ? NAN : INFINITY;
    EXPECT_OK(run(t->context, &p, p.gradient));
    EXPECT_OK(run(t->context, &q, q.gradient));
    EXPECT(p.loss == q.loss, "%s: %g and %g", names[kind], p.loss, q.loss);
    for (int64_t i = 0; i < p.n; i++)
      EXPECT(p.gradient[i] == q.gradient[i] && (p.mask[i] != 0 || p.gradient[i] == 0),
             "%s: gradient[%ld]", names[kind], (long)i);
    release(&p);
    release(&q);
  }
}

TEST(loss_silog_of_few_and_of_wrong_pixels) {
  problem p = make(SILOG, 1, 4, 5, 1);
  for (int64_t i = 0; i < p.n; i++) p.mask[i] = 0;
  EXPECT_OK(run(t->context, &p, p.gradient));
  EXPECT(p.loss == 0 && all_zero(&p), "no pixel: %g", p.loss);
  p.mask[7] = 1;
  check(t, &p);
  p.prediction[7] = p.target[7];
  EXPECT_OK(run(t->context, &p, p.gradient));
  EXPECT(p.loss == 0 && all_zero(&p), "a perfect pixel: %g", p.loss);
  p.prediction[7] = -1;
  EXPECT_OK(run(t->context, &p, p.gradient));
  EXPECT(isnan(p.loss), "a negative number: %g", p.loss);
  release(&p);
  /* Over all magnitudes of a float. */
  p = make(SILOG, 1, 30, 41, 0);
  for (int64_t i = 0; i < p.n; i++) {
    p.prediction[i] = powf(10, (float)(i % 68) - 38);
    p.target[i] = powf(10, (float)(i % 31) - 6);
  }
  check(t, &p);
  release(&p);
}

TEST(loss_gives_the_same_bits_for_any_number_of_threads) {
  if (t->threads == 1) return;
  fathom_context* single;
  EXPECT_OK(fathom_context_create(1, t->isa, &single));
  for (int kind = 0; kind < KINDS; kind++) {
    problem p = make(kind, 3, 150, 323, 1);
    p.trim = 0.1;
    EXPECT_OK(run(single, &p, p.gradient));
    float* first = malloc((size_t)p.n * sizeof *first);
    if (!first) abort();
    memcpy(first, p.gradient, (size_t)p.n * sizeof *first);
    double loss = p.loss;
    for (int i = 0; i < 3; i++) {
      EXPECT_OK(run(t->context, &p, p.gradient));
      EXPECT(loss == p.loss && memcmp(first, p.gradient, (size_t)p.n * sizeof *first) == 0,
             "%s: other bits", names[kind]);
    }
    free(first);
    release(&p);
  }
  fathom_context_destroy(single);
}

TEST(loss_rejects_bad_arguments) {
  for (int kind = 0; kind < KINDS; kind++) {
    problem p = make(kind, 2, 6, 7, 1), q = p;
#define EXPECT_REJECTED(change, text)                                                          \
  q = p;                                                                                       \
  change;                                                                                      \
  EXPECT(run(t->context, &q, q.gradient) == FATHOM_INVALID_ARGUMENT, #change " was taken");    \
  EXPECT(strstr(fathom_last_error(), text) && strstr(fathom_last_error(), names[kind]),        \
         #change ": %s", fathom_last_error());
    EXPECT_REJECTED(q.batch = 0, "B=0");
    EXPECT_REJECTED(q.height = -1, "H=-1");
    EXPECT_REJECTED(q.width = 0, "W=0");
    EXPECT_REJECTED(q.height = q.width = INT64_C(1) << 40, "too large");
    EXPECT_REJECTED(q.batch = INT64_C(1) << 60, "too large");
    EXPECT_REJECTED(q.prediction = NULL, "NULL");
    EXPECT_REJECTED(q.target = NULL, "NULL");
    EXPECT_REJECTED(q.factor = NAN, "factor");
    EXPECT_REJECTED(q.gradient = p.prediction, "overlaps");
    EXPECT_REJECTED(q.gradient = p.target + 3, "overlaps");
    if (kind == CUTMIX) {
      EXPECT_REJECTED(q.boxes = NULL, "NULL");
      EXPECT_REJECTED(q.outside = NULL, "NULL");
      int64_t boxes[][8] = {{0, 0, 1, 1, 0, 0, 7, 1}, {0, 0, 1, 8}, {-1, 0, 1, 1}, {3, 0, 2, 1}};
      EXPECT_REJECTED(q.boxes = boxes[0], "box 1");
      EXPECT_REJECTED(q.boxes = boxes[1], "box 0");
      EXPECT_REJECTED(q.boxes = boxes[2], "box 0");
      EXPECT_REJECTED(q.boxes = boxes[3], "box 0");
    } else {
      EXPECT_REJECTED(q.gradient = p.mask, "overlaps");
    }
    if (kind == SSI) {
      EXPECT_REJECTED(q.trim = 1, "trim");
      EXPECT_REJECTED(q.trim = NAN, "trim");
    }
    if (kind == SILOG) {
      EXPECT_REJECTED(q.beta = -1, "beta");
    }
    EXPECT(run(NULL, &p, p.gradient) == FATHOM_INVALID_ARGUMENT, "a NULL context");
    release(&p);
  }
  EXPECT(fathom_ssi_loss(t->context, NULL) == FATHOM_INVALID_ARGUMENT, "NULL arguments");
  EXPECT(fathom_cutmix_loss(t->context, NULL) == FATHOM_INVALID_ARGUMENT, "NULL arguments");
  EXPECT(fathom_silog_loss(t->context, NULL) == FATHOM_INVALID_ARGUMENT, "NULL arguments");
  EXPECT(fathom_alignment_loss(t->context, NULL) == FATHOM_INVALID_ARGUMENT, "NULL arguments");
  EXPECT(fathom_gradient_matching_loss(t->context, NULL) == FATHOM_INVALID_ARGUMENT,
         "NULL arguments");
}

/* ---- alignment ---- */

static void check_alignment(const test_environment* t, int64_t rows, int64_t channels,
                            double margin) {
  int64_t n = rows * channels, kept;
  float *student = hashed("loss.feature", n), *frozen = hashed("loss.feature_frozen", n);
  for (int64_t i = 0; i < n; i++)
    frozen[i] = 0.5f * frozen[i] + student[i] * (float)(i / channels) / (float)rows;
  /* A token of zeros has no direction. */
  if (rows > 3) memset(student + channels, 0, (size_t)channels * sizeof *student);
  if (rows > 3) memset(frozen + 2 * channels, 0, (size_t)channels * sizeof *frozen);
  double *x = widened(student, n), *expected = widened(student, n);
  double value = reference_alignment(x, frozen, rows, channels, margin, &kept, expected);
  fathom_alignment_loss_args a = {rows, channels, student, frozen, margin, 1, guarded_alloc(n), -1,
                                  -1};
  EXPECT_OK(fathom_alignment_loss(t->context, &a));
  EXPECT(fabs(a.loss - value) <= 1e-6 * fmax(value, 0.1) && a.kept == kept,
         "[%ld,%ld]: %.9g of %ld tokens instead of %.9g of %ld", (long)rows, (long)channels, a.loss,
         (long)a.kept, value, (long)kept);
  EXPECT_GUARDS(a.gradient);
  EXPECT_CLOSE(a.gradient, expected, n, 1e-5, "[%ld,%ld]", (long)rows, (long)channels);

  if (t->threads == 1 && t->isa == FATHOM_ISA_PORTABLE && n < 1000)
    for (int64_t i = 0; i < n; i++) {
      double before = x[i];
      if (i / channels == 1 && rows > 3) continue;
      x[i] = before + 1e-6;
      double more = reference_alignment(x, frozen, rows, channels, margin, &kept, NULL);
      x[i] = before - 1e-6;
      double less = reference_alignment(x, frozen, rows, channels, margin, &kept, NULL);
      x[i] = before;
      EXPECT(fabs((more - less) / 2e-6 - expected[i]) < 1e-6, "element %ld", (long)i);
    }
  guarded_free(a.gradient);
  free(student);
  free(frozen);
  free(x);
  free(expected);
}

TEST(loss_alignment_is_its_definition) {
  check_alignment(t, 70, 64, 0.85);
  check_alignment(t, 9, 13, 0.85);
  check_alignment(t, 1, 1, 2);
  check_alignment(t, 131, 1029, 0.85);
  check_alignment(t, 5, 16, -1);
}

TEST(loss_alignment_edge_cases) {
  float *student = hashed("s", 3 * 20), *frozen = hashed("f", 3 * 20);
  float* gradient = guarded_alloc(3 * 20);
  fathom_alignment_loss_args a = {3, 20, student, student, 0.85, 1, gradient, -1, -1};
  /* Tokens that agree are left out. */
  EXPECT_OK(fathom_alignment_loss(t->context, &a));
  EXPECT(a.loss == 0 && a.kept == 0, "%g of %ld tokens", a.loss, (long)a.kept);
  for (int i = 0; i < 60; i++) EXPECT(gradient[i] == 0, "gradient[%d]", i);
  a.frozen = frozen;
  student[25] = NAN;
  EXPECT_OK(fathom_alignment_loss(t->context, &a));
  EXPECT(isnan(a.loss) && a.kept == 3, "%g of %ld tokens", a.loss, (long)a.kept);
  for (int i = 0; i < 60; i++) EXPECT(isnan(gradient[i]) == (i / 20 == 1), "gradient[%d]", i);
  EXPECT_GUARDS(gradient);
#define EXPECT_ALIGNMENT_REJECTED(change, text)                                                 \
  {                                                                                             \
    fathom_alignment_loss_args bad = a;                                                         \
    bad.change;                                                                                 \
    EXPECT(fathom_alignment_loss(t->context, &bad) == FATHOM_INVALID_ARGUMENT, "%s", #change);  \
    EXPECT(strstr(fathom_last_error(), text), #change ": %s", fathom_last_error());             \
  }
  EXPECT_ALIGNMENT_REJECTED(rows = 0, "rows=0");
  EXPECT_ALIGNMENT_REJECTED(channels = -1, "C=-1");
  EXPECT_ALIGNMENT_REJECTED(rows = INT64_MAX / 4, "too large");
  EXPECT_ALIGNMENT_REJECTED(student = NULL, "NULL");
  EXPECT_ALIGNMENT_REJECTED(frozen = NULL, "NULL");
  EXPECT_ALIGNMENT_REJECTED(margin = NAN, "margin");
  EXPECT_ALIGNMENT_REJECTED(factor = INFINITY, "factor");
  EXPECT_ALIGNMENT_REJECTED(gradient = student + 1, "overlaps");
  free(student);
  free(frozen);
  guarded_free(gradient);
}

TEST(loss_alignment_gives_the_same_bits_for_any_number_of_threads) {
  if (t->threads == 1) return;
  int64_t rows = 500, channels = 100, n = rows * channels;
  float *student = hashed("s", n), *frozen = hashed("f", n), *gradient = guarded_alloc(2 * n);
  fathom_alignment_loss_args a = {rows, channels, student, frozen, 0.05, 1, gradient, 0, 0};
  fathom_alignment_loss_args b = a;
  b.gradient = gradient + n;
  fathom_context* single;
  EXPECT_OK(fathom_context_create(1, t->isa, &single));
  EXPECT_OK(fathom_alignment_loss(single, &a));
  EXPECT_OK(fathom_alignment_loss(t->context, &b));
  EXPECT(a.loss == b.loss && a.kept == b.kept, "%g and %g", a.loss, b.loss);
  EXPECT(memcmp(gradient, b.gradient, (size_t)n * sizeof(float)) == 0, "other bits");
  fathom_context_destroy(single);
  free(student);
  free(frozen);
  guarded_free(gradient);
}
