/* LayerNorm against the definition in float64. */
#include "test.h"

typedef struct {
  fathom_layer_norm_args args;
  float *x, *weight, *bias, *y, *mean, *rstd;
} problem;

/* x = hashed * spread + offset, with gap floats between the batches. */
static problem make(int64_t batch, int64_t rows, int64_t channels, int64_t gap, float spread,
                    float offset) {
  int64_t stride = rows * channels + gap;
  problem p = {.x = hashed("norm.x", batch * stride),
               .weight = hashed("norm.weight", channels),
               .bias = hashed("norm.bias", channels),
               .y = guarded_alloc(batch * rows * channels),
               .mean = guarded_alloc(batch * rows),
               .rstd = guarded_alloc(batch * rows)};
  for (int64_t i = 0; i < batch * stride; i++) p.x[i] = p.x[i] * spread + offset;
  p.args = (fathom_layer_norm_args){.batch = batch,
                                    .rows = rows,
                                    .channels = channels,
                                    .x = p.x + gap,
                                    .x_batch_stride = stride,
                                    .weight = p.weight,
                                    .bias = p.bias,
                                    .eps = 1e-6f,
                                    .y = p.y,
                                    .mean = p.mean,
                                    .rstd = p.rstd};
  return p;
}

static void release(problem* p) {
  free(p->x);
  free(p->weight);
  free(p->bias);
  guarded_free(p->y);
  guarded_free(p->mean);
  guarded_free(p->rstd);
}

static void check(const test_environment* t, problem* p, double tolerance) {
  const fathom_layer_norm_args* a = &p->args;
  int64_t rows = a->batch * a->rows, c = a->channels;
  EXPECT_OK(fathom_layer_norm(t->context, a));
  EXPECT_GUARDS(p->y);
  EXPECT_GUARDS(p->mean);
  EXPECT_GUARDS(p->rstd);
  double* y = malloc((size_t)(rows * c) * sizeof *y);
  double *mean = calloc((size_t)rows, sizeof *y), *rstd = calloc((size_t)rows, sizeof *y);
  if (!y || !mean || !rstd) abort();
  for (int64_t r = 0; r < rows; r++) {
    const float* x = a->x + r / a->rows * a->x_batch_stride + r % a->rows * c;
    double variance = 0;
    for (int64_t i = 0; i < c; i++) mean[r] += x[i] / (double)c;
    for (int64_t i = 0; i < c; i++) variance += (x[i] - mean[r]) * (x[i] - mean[r]) / (double)c;
    rstd[r] = 1 / sqrt(variance + a->eps);
    for (int64_t i = 0; i < c; i++)
      y[r * c + i] = (x[i] - mean[r]) * rstd[r] * a->weight[i] + a->bias[i];
  }
#define WHAT "B=%ld rows=%ld C=%ld", (long)a->batch, (long)a->rows, (long)c
  EXPECT_CLOSE(p->y, y, rows * c, tolerance, "y " WHAT);
  EXPECT_CLOSE(p->mean, mean, rows, tolerance, "mean " WHAT);
  EXPECT_CLOSE(p->rstd, rstd, rows, tolerance, "rstd " WHAT);
  free(y);
  free(mean);
  free(rstd);
}

TEST(layer_norm_is_its_definition) {
  static const int64_t shapes[][3] = {{1, 1, 384},  {1, 1370, 384}, {3, 37, 384}, {2, 5, 1024},
                                      {1, 7, 1536}, {2, 50, 64},    {2, 13, 13},  {1, 3, 207},
                                      {1, 9, 5},    {2, 3, 2},      {1, 40, 65},  {1, 1, 40000}};
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    if (t->quick && shapes[i][1] > 1000) continue;
    problem p = make(shapes[i][0], shapes[i][1], shapes[i][2], 0, 3.0f, 0.5f);
    check(t, &p, 1e-6);
    release(&p);
  }
}

/* x points past a leading row of every batch entry. */
TEST(layer_norm_leaves_out_the_class_token) {
  problem p = make(3, 36, 384, 384, 1.0f, 0.0f);
  check(t, &p, 1e-6);
  release(&p);
}

/*
 * A mean of 1e4 times the spread: the inputs are the floats next to the values meant, and from those
 * on nothing may be lost that a float32 mean would lose.
 */
TEST(layer_norm_is_exact_under_a_large_offset) {
  for (int i = 0; i < 2; i++) {
    problem p = make(1, 40, i ? 1000 : 384, 0, 1.0f, 1e4f);
    check(t, &p, 1e-6);
    release(&p);
  }
}

TEST(layer_norm_of_equal_values_is_the_bias) {
  problem p = make(1, 5, 384, 0, 0.0f, 1.0f / 3.0f);
  EXPECT_OK(fathom_layer_norm(t->context, &p.args));
  for (int64_t i = 0; i < 5 * 384; i++) {
    /* What rounding of the mean leaves is far below eps. */
    if (!(fabsf(p.y[i] - p.bias[i % 384]) < 1e-4f)) {
      EXPECT(0, "y[%ld] is %g, bias %g", (long)i, (double)p.y[i], (double)p.bias[i % 384]);
      break;
    }
  }
  release(&p);
}

TEST(layer_norm_in_place_and_without_statistics) {
  problem p = make(2, 31, 207, 0, 2.0f, -1.0f);
  size_t bytes = (size_t)(2 * 31 * 207) * sizeof(float);
  EXPECT_OK(fathom_layer_norm(t->context, &p.args));
  p.args.y = p.x;
  p.args.mean = p.args.rstd = NULL;
  EXPECT_OK(fathom_layer_norm(t->context, &p.args));
  EXPECT(memcmp(p.x, p.y, bytes) == 0, "in place: other values");
  release(&p);
}

TEST(layer_norm_keeps_nan_and_infinity_in_their_row) {
  static const float values[] = {NAN, INFINITY, -INFINITY};
  for (int i = 0; i < 3; i++) {
    problem p = make(1, 3, 70, 0, 1.0f, 0.0f);
    p.x[70 + 69] = values[i];
    EXPECT_OK(fathom_layer_norm(t->context, &p.args));
    for (int64_t k = 0; k < 210; k++)
      EXPECT(k / 70 == 1 ? isnan(p.y[k]) : isfinite(p.y[k]), "x %g: y[%ld] is %g",
             (double)values[i], (long)k, (double)p.y[k]);
    release(&p);
  }
}

TEST(layer_norm_gives_the_same_bits_for_any_number_of_threads) {
  if (t->threads == 1) return;
  problem p = make(3, 300, 384, 384, 1.0f, 2.0f);
  size_t n = 3 * 300 * 384;
  float* y = malloc(n * sizeof *y);
  if (!y) abort();
  fathom_context* single;
  EXPECT_OK(fathom_context_create(1, t->isa, &single));
  EXPECT_OK(fathom_layer_norm(single, &p.args));
  memcpy(y, p.y, n * sizeof *y);
  for (int run = 0; run < 3; run++) {
    EXPECT_OK(fathom_layer_norm(t->context, &p.args));
    EXPECT(memcmp(y, p.y, n * sizeof *y) == 0, "run %d: other bits", run);
  }
  fathom_context_destroy(single);
  free(y);
  release(&p);
}

TEST(layer_norm_rejects_bad_arguments) {
  problem p = make(2, 3, 16, 16, 1.0f, 0.0f);
  fathom_layer_norm_args bad;
#define EXPECT_REJECTED(change, text)                                                           \
  bad = p.args;                                                                                 \
  change;                                                                                       \
  EXPECT(fathom_layer_norm(t->context, &bad) == FATHOM_INVALID_ARGUMENT, #change " was taken"); \
  EXPECT(strstr(fathom_last_error(), text) && strstr(fathom_last_error(), "layer_norm"),        \
         #change ": %s", fathom_last_error());
  EXPECT_REJECTED(bad.batch = 0, "B=0");
  EXPECT_REJECTED(bad.rows = -1, "rows=-1");
  EXPECT_REJECTED(bad.channels = 0, "C=0");
  EXPECT_REJECTED(bad.x = NULL, "NULL");
  EXPECT_REJECTED(bad.weight = NULL, "NULL");
  EXPECT_REJECTED(bad.bias = NULL, "NULL");
  EXPECT_REJECTED(bad.y = NULL, "NULL");
  EXPECT_REJECTED(bad.x_batch_stride = 47, "x_batch_stride is 47");
  EXPECT_REJECTED(bad.eps = -1.0f, "eps");
  EXPECT_REJECTED(bad.eps = NAN, "eps");
  EXPECT_REJECTED(bad.y = p.x + 1, "overlaps");
  /* x and y drift apart where x has a gap between batches. */
  EXPECT_REJECTED(bad.y = p.x + 16, "overlaps");
  EXPECT_REJECTED(bad.y = p.weight, "overlaps");
  EXPECT_REJECTED(bad.mean = p.y + 3, "overlaps");
  EXPECT_REJECTED(bad.rstd = p.mean, "overlaps");
  EXPECT_REJECTED((bad.rows = bad.channels = INT64_C(1) << 40), "too large");
  EXPECT_REJECTED((bad.batch = bad.x_batch_stride = INT64_C(1) << 40), "too large");
  EXPECT(fathom_layer_norm(t->context, NULL) == FATHOM_INVALID_ARGUMENT, "NULL arguments");
  EXPECT(fathom_layer_norm(NULL, &p.args) == FATHOM_INVALID_ARGUMENT, "a NULL context");
  release(&p);
}
