/* Backward of LayerNorm against float64. */
#include "test.h"

enum { DX = 1, WEIGHT = 2, BIAS = 4, ACCUMULATE = 8 };

typedef struct {
  fathom_layer_norm_backward_args args;
  float *x, *weight, *mean, *rstd, *dy; /* in */
  float *dx, *d_weight, *d_bias;        /* out */
} problem;

static float* guarded(const char* name, int64_t n) {
  float *from = hashed(name, n), *to = guarded_alloc(n);
  memcpy(to, from, (size_t)n * sizeof *to);
  free(from);
  return to;
}

static problem make(int64_t batch, int64_t rows, int64_t skip, int64_t channels, int parts) {
  const int64_t tokens = batch * (skip + rows), all = batch * rows;
  problem p = {.x = hashed("x", tokens * channels), .weight = hashed("weight", channels),
               .mean = malloc((size_t)all * sizeof(float)),
               .rstd = malloc((size_t)all * sizeof(float)), .dy = hashed("dy", all * channels),
               .dx = parts & ACCUMULATE ? guarded("dx", tokens * channels)
                                        : guarded_alloc(tokens * channels),
               .d_weight = guarded("dw", channels), .d_bias = guarded("db", channels)};
  if (!p.mean || !p.rstd) abort();
  for (int64_t i = 0; i < tokens * channels; i++) p.x[i] = 2 * p.x[i] + 0.5f;
  for (int64_t r = 0; r < all; r++) {
    const float* x = p.x + ((r / rows + 1) * skip + r) * channels;
    double mean = 0, variance = 0;
    for (int64_t c = 0; c < channels; c++) mean += x[c] / (double)channels;
    for (int64_t c = 0; c < channels; c++)
      variance += (x[c] - mean) * (x[c] - mean) / (double)channels;
    p.mean[r] = (float)mean;
    p.rstd[r] = (float)(1 / sqrt(variance + 1e-6));
  }
  p.args = (fathom_layer_norm_backward_args){
      .batch = batch, .rows = rows, .skip = skip, .channels = channels, .x = p.x,
      .weight = p.weight, .mean = p.mean, .rstd = p.rstd, .dy = p.dy,
      .accumulate = (parts & ACCUMULATE) != 0, .dx = parts & DX ? p.dx : NULL,
      .d_weight = parts & WEIGHT ? p.d_weight : NULL, .d_bias = parts & BIAS ? p.d_bias : NULL};
  return p;
}

static void release(problem* p) {
  free(p->x);
  free(p->weight);
  free(p->mean);
  free(p->rstd);
  free(p->dy);
  guarded_free(p->dx);
  guarded_free(p->d_weight);
  guarded_free(p->d_bias);
}

/* The gradients: dx [B,skip+rows,C], then d_weight and d_bias; statistics as in mean and rstd. */
static double* reference(const problem* p) {
  const fathom_layer_norm_backward_args* a = &p->args;
  const int64_t C = a->channels, size = a->batch * (a->skip + a->rows) * C;
  double* out = calloc((size_t)(size + 2 * C), sizeof *out);
  if (!out) abort();
  if (a->accumulate)
    for (int64_t i = 0; i < size; i++) out[i] = p->dx[i];
  for (int64_t c = 0; c < C; c++) {
    out[size + c] = p->d_weight[c];
    out[size + C + c] = p->d_bias[c];
  }
  for (int64_t r = 0; r < a->batch * a->rows; r++) {
    const int64_t at = ((r / a->rows + 1) * a->skip + r) * C;
    const float* dy = p->dy + r * C;
    const double mean = p->mean[r], rstd = p->rstd[r];
    double sum = 0, product = 0;
    for (int64_t c = 0; c < C; c++) {
      const double n = (p->x[at + c] - mean) * rstd, g = (double)dy[c] * p->weight[c];
      sum += g / (double)C;
      product += g * n / (double)C;
      out[size + c] += dy[c] * n;
      out[size + C + c] += dy[c];
    }
    for (int64_t c = 0; c < C; c++) {
      const double n = (p->x[at + c] - mean) * rstd, g = (double)dy[c] * p->weight[c];
      out[at + c] += rstd * (g - sum - n * product);
    }
  }
  return out;
}

static int untouched(const char* name, const float* p, int64_t n) {
  float* from = hashed(name, n);
  const int same = memcmp(from, p, (size_t)n * sizeof *p) == 0;
  free(from);
  return same;
}

static void check(const test_environment* t, int64_t batch, int64_t rows, int64_t skip,
                  int64_t channels, int parts) {
  problem p = make(batch, rows, skip, channels, parts);
  problem alone = make(batch, rows, skip, channels, parts);
  const int64_t size = batch * (skip + rows) * channels;
  double* expected = reference(&p);
  EXPECT_OK(fathom_layer_norm_backward(t->context, &p.args));
  EXPECT_GUARDS(p.dx);
  EXPECT_GUARDS(p.d_weight);
  EXPECT_GUARDS(p.d_bias);
#define WHAT                                                                                \
  "B=%ld rows=%ld skip=%ld C=%ld parts=%d", (long)batch, (long)rows, (long)skip, (long)channels, \
      parts
  if (parts & DX) EXPECT_CLOSE(p.dx, expected, size, 2e-6, "dx " WHAT);
  if (parts & WEIGHT)
    EXPECT_CLOSE(p.d_weight, expected + size, channels, 2e-6, "d_weight " WHAT);
  else
    EXPECT(untouched("dw", p.d_weight, channels), "d_weight was written");
  if (parts & BIAS)
    EXPECT_CLOSE(p.d_bias, expected + size + channels, channels, 2e-6, "d_bias " WHAT);
  else
    EXPECT(untouched("db", p.d_bias, channels), "d_bias was written");

  fathom_context* single;
  EXPECT_OK(fathom_context_create(1, t->isa, &single));
  EXPECT_OK(fathom_layer_norm_backward(single, &alone.args));
  EXPECT((!(parts & DX) || memcmp(p.dx, alone.dx, (size_t)size * sizeof(float)) == 0) &&
             memcmp(p.d_weight, alone.d_weight, (size_t)channels * sizeof(float)) == 0 &&
             memcmp(p.d_bias, alone.d_bias, (size_t)channels * sizeof(float)) == 0,
         "other bits than one thread's: " WHAT);
  fathom_context_destroy(single);
  free(expected);
  release(&p);
  release(&alone);
}

TEST(layer_norm_backward_is_the_derivative) {
  static const int64_t shapes[][4] = {{1, 1, 0, 384}, {2, 37, 1, 384}, {3, 65, 0, 64},
                                      {2, 5, 1, 1024}, {1, 7, 3, 1536}, {2, 13, 0, 13},
                                      {1, 3, 2, 207}, {1, 9, 0, 7},    {2, 40, 1, 4},
                                      {5, 31, 1, 33}, {1, 2, 0, 5000}};
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    check(t, shapes[i][0], shapes[i][1], shapes[i][2], shapes[i][3], DX | WEIGHT | BIAS);
    check(t, shapes[i][0], shapes[i][1], shapes[i][2], shapes[i][3],
          DX | WEIGHT | BIAS | ACCUMULATE);
  }
}

TEST(layer_norm_backward_with_and_without_its_parts) {
  for (int parts = 0; parts < 16; parts++) check(t, 2, 35, 1, 69, parts);
}

/* A mean of 1e4 times the spread: x - mean loses nothing. */
TEST(layer_norm_backward_is_exact_under_a_large_offset) {
  problem p = make(1, 40, 0, 384, DX | WEIGHT | BIAS);
  for (int64_t i = 0; i < 40 * 384; i++) p.x[i] += 1e4f;
  for (int64_t r = 0; r < 40; r++) p.mean[r] = (float)(p.mean[r] + 1e4);
  double* expected = reference(&p);
  EXPECT_OK(fathom_layer_norm_backward(t->context, &p.args));
  EXPECT_CLOSE(p.dx, expected, 40 * 384, 2e-6, "dx");
  EXPECT_CLOSE(p.d_weight, expected + 40 * 384, 384, 2e-6, "d_weight");
  free(expected);
  release(&p);
}

/* More rows than blocks of the least size. */
TEST(layer_norm_backward_takes_many_rows) {
  if (!t->quick) check(t, 3, 6000, 1, 20, DX | WEIGHT | BIAS);
}

/* Against differences of the forward pass itself, so that the definition has two witnesses. */
TEST(layer_norm_backward_agrees_with_the_forward_pass) {
  const int64_t C = 20, rows = 3;
  problem p = make(1, rows, 0, C, DX | WEIGHT | BIAS);
  float *bias = hashed("bias", C), y[2][60];
  EXPECT_OK(fathom_layer_norm_backward(t->context, &p.args));
  for (int64_t i = 0; i < rows * C; i++) {
    const float h = 1e-2f, at = p.x[i];
    for (int side = 0; side < 2; side++) {
      p.x[i] = side ? at + h : at - h;
      const fathom_layer_norm_args forward = {.batch = 1, .rows = rows, .channels = C, .x = p.x,
                                              .x_batch_stride = rows * C, .weight = p.weight,
                                              .bias = bias, .eps = 1e-6f, .y = y[side]};
      EXPECT_OK(fathom_layer_norm(t->context, &forward));
    }
    p.x[i] = at;
    double slope = 0;
    for (int64_t k = 0; k < rows * C; k++)
      slope += ((double)y[1][k] - y[0][k]) / (2.0 * h) * p.dy[k];
    EXPECT(fabs(slope - p.dx[i]) < 2e-3, "dx[%ld] is %g, the differences give %g", (long)i,
           (double)p.dx[i], slope);
  }
  free(bias);
  release(&p);
}

TEST(layer_norm_backward_rejects_bad_arguments) {
  problem p = make(2, 3, 1, 16, DX | WEIGHT | BIAS);
  fathom_layer_norm_backward_args bad;
#define REJECTED(change, text)                                                               \
  bad = p.args;                                                                              \
  change;                                                                                    \
  EXPECT(fathom_layer_norm_backward(t->context, &bad) == FATHOM_INVALID_ARGUMENT,            \
         #change " was taken");                                                              \
  EXPECT(strstr(fathom_last_error(), text) && strstr(fathom_last_error(), "layer_norm_backward"), \
         #change ": %s", fathom_last_error())
  REJECTED(bad.batch = 0, "B=0");
  REJECTED(bad.rows = 0, "rows=0");
  REJECTED(bad.skip = -1, "skip=-1");
  REJECTED(bad.channels = -2, "C=-2");
  REJECTED(bad.channels = INT64_MAX / 4, "too large");
  REJECTED(bad.skip = INT64_MAX, "too large");
  REJECTED(bad.accumulate = 2, "accumulate is 2");
  REJECTED(bad.x = NULL, "NULL");
  REJECTED(bad.weight = NULL, "NULL");
  REJECTED(bad.mean = NULL, "NULL");
  REJECTED(bad.rstd = NULL, "NULL");
  REJECTED(bad.dy = NULL, "NULL");
  REJECTED(bad.dx = p.x, "overlaps");
  REJECTED(bad.dx = p.dy, "overlaps");
  REJECTED(bad.d_weight = p.weight, "overlaps");
  REJECTED(bad.d_weight = p.d_bias, "overlaps");
  REJECTED(bad.d_bias = p.dx + 127, "overlaps");
#undef REJECTED
  EXPECT(fathom_layer_norm_backward(NULL, &p.args) == FATHOM_INVALID_ARGUMENT, "a NULL context");
  EXPECT(fathom_layer_norm_backward(t->context, NULL) == FATHOM_INVALID_ARGUMENT, "NULL");
  release(&p);
}
