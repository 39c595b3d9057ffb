/* The gradient of attention against the definition in float64. */
#include "test.h"

static fathom_attention_backward_args shape(int64_t batch, int64_t tokens, int64_t heads,
                                            int64_t head_dim) {
  return (fathom_attention_backward_args){.batch = batch,
                                          .tokens = tokens,
                                          .heads = heads,
                                          .head_dim = head_dim,
                                          .scale = 1.0f / sqrtf((float)head_dim)};
}

static int64_t out_size(const fathom_attention_backward_args* a) {
  return a->batch * a->tokens * a->heads * a->head_dim;
}

/* Operands, with out and log_sum_exp from the forward pass, and the result; all owned. */
typedef struct {
  fathom_attention_backward_args args;
  float *qkv, *out, *log_sum_exp, *d_out, *dqkv;
} operands;

static operands make(const test_environment* t, fathom_attention_backward_args a, float factor) {
  const int64_t n = out_size(&a);
  operands o = {.qkv = hashed("attention.qkv", 3 * n),
                .out = guarded_alloc(n),
                .log_sum_exp = guarded_alloc(a.batch * a.heads * a.tokens),
                .d_out = hashed("attention.d_out", n),
                .dqkv = guarded_alloc(3 * n)};
  for (int64_t i = 0; i < 3 * n; i++) o.qkv[i] *= factor;
  a.qkv = o.qkv;
  a.out = o.out;
  a.log_sum_exp = o.log_sum_exp;
  a.d_out = o.d_out;
  a.dqkv = o.dqkv;
  o.args = a;
  fathom_attention_args forward = {.batch = a.batch, .tokens = a.tokens, .heads = a.heads,
                                   .head_dim = a.head_dim, .qkv = o.qkv, .scale = a.scale,
                                   .out = o.out, .log_sum_exp = o.log_sum_exp};
  EXPECT_OK(fathom_attention(t->context, &forward));
  return o;
}

static void release(operands* o) {
  free(o->qkv);
  guarded_free(o->out);
  guarded_free(o->log_sum_exp);
  free(o->d_out);
  guarded_free(o->dqkv);
}

/* Adds one query's part of the gradient; qkv, d_out and sums begin at the batch entry's head. */
static void reference_row(const fathom_attention_backward_args* a, int64_t t, const float* qkv,
                          const float* d_out, double* p, double* sums) {
  const int64_t d = a->head_dim, width = a->heads * d, stride = 3 * width;
  const float* q = qkv + t * stride;
  const float* dy = d_out + t * width;
  double top = -INFINITY, sum = 0, delta = 0;
  for (int64_t j = 0; j < a->tokens; j++) {
    const float* k = qkv + j * stride + width;
    p[j] = 0;
    for (int64_t i = 0; i < d; i++) p[j] += (double)q[i] * k[i];
    p[j] *= a->scale;
    top = fmax(top, p[j]);
  }
  for (int64_t j = 0; j < a->tokens; j++) sum += p[j] = exp(p[j] - top);
  double* dp = p + a->tokens;
  for (int64_t j = 0; j < a->tokens; j++) {
    const float* v = qkv + j * stride + 2 * width;
    p[j] /= sum;
    dp[j] = 0;
    for (int64_t i = 0; i < d; i++) dp[j] += (double)dy[i] * v[i];
    delta += p[j] * dp[j];
  }
  for (int64_t j = 0; j < a->tokens; j++) {
    const double ds = p[j] * (dp[j] - delta) * a->scale;
    for (int64_t i = 0; i < d; i++) {
      sums[t * stride + i] += ds * qkv[j * stride + width + i];
      sums[j * stride + width + i] += ds * q[i];
      sums[j * stride + 2 * width + i] += p[j] * dy[i];
    }
  }
}

/* dqkv from the definition; the caller frees it. */
static double* reference(const fathom_attention_backward_args* a) {
  const int64_t d = a->head_dim, width = a->heads * d;
  double* sums = calloc((size_t)(3 * out_size(a)), sizeof *sums);
  double* p = malloc((size_t)(2 * a->tokens) * sizeof *p);
  if (!sums || !p) abort();
  for (int64_t b = 0; b < a->batch; b++)
    for (int64_t h = 0; h < a->heads; h++)
      for (int64_t t = 0; t < a->tokens; t++)
        reference_row(a, t, a->qkv + b * a->tokens * 3 * width + h * d,
                      a->d_out + b * a->tokens * width + h * d, p,
                      sums + b * a->tokens * 3 * width + h * d);
  free(p);
  return sums;
}

/* dq, dk and dv one by one: an error in a small one must not hide behind a large one. */
static void expect_parts(const operands* o, const double* expected, double tolerance) {
  static const char* const names[] = {"dq", "dk", "dv"};
  const fathom_attention_backward_args* a = &o->args;
  const int64_t rows = a->batch * a->tokens, width = a->heads * a->head_dim;
  float* part = malloc((size_t)(rows * width) * sizeof *part);
  double* from = malloc((size_t)(rows * width) * sizeof *from);
  for (int which = 0; which < 3; which++) {
    for (int64_t r = 0; r < rows; r++)
      for (int64_t i = 0; i < width; i++) {
        part[r * width + i] = o->dqkv[(3 * r + which) * width + i];
        from[r * width + i] = expected[(3 * r + which) * width + i];
      }
    /* One key: its probability is 1 whatever the score, so dq and dk are 0 up to rounding. */
    if (a->tokens == 1 && which < 2) {
      for (int64_t i = 0; i < width; i++)
        EXPECT(fabs(part[i]) < 1e-4, "%s of one token is %g", names[which], (double)part[i]);
    } else {
      EXPECT_CLOSE(part, from, rows * width, tolerance, "%s B=%ld T=%ld heads=%ld D=%ld",
                   names[which], (long)a->batch, (long)a->tokens, (long)a->heads,
                   (long)a->head_dim);
    }
  }
  free(part);
  free(from);
}

static void check(const test_environment* t, fathom_attention_backward_args a, float factor,
                  double tolerance) {
  operands o = make(t, a, factor);
  double* expected = reference(&o.args);
  EXPECT_OK(fathom_attention_backward(t->context, &o.args));
  EXPECT_GUARDS(o.dqkv);
  expect_parts(&o, expected, tolerance);
  free(expected);
  release(&o);
}

TEST(attention_backward_agrees_with_the_definition) {
  static const int64_t shapes[][4] = {{1, 1, 1, 64},   {1, 1, 3, 24},  {2, 13, 3, 64},
                                      {3, 36, 2, 64},  {1, 207, 2, 64}, {2, 257, 2, 64},
                                      {1, 300, 1, 64}, {2, 50, 3, 24},  {1, 207, 2, 80},
                                      {1, 300, 1, 128}, {1, 310, 1, 256}, {2, 37, 2, 1},
                                      {1, 33, 2, 7},   {1, 70, 1, 100}, {1, 577, 1, 8}};
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
    check(t, shape(shapes[i][0], shapes[i][1], shapes[i][2], shapes[i][3]), 2.0f, 4e-6);
}

TEST(attention_backward_at_the_size_of_the_network) {
  if (t->quick || t->threads == 1) return;
  check(t, shape(1, 1370, 2, 64), 2.0f, 4e-6);
}

/* Most probabilities are next to nothing, a few are next to 1. */
TEST(attention_backward_agrees_for_spread_scores) {
  check(t, shape(1, 300, 2, 64), 8.0f, 2e-5);
}

/* All keys equal: every probability is 1/T, so dv is the mean of d_out and dq is 0. */
TEST(attention_backward_of_equal_keys) {
  fathom_attention_backward_args a = shape(1, 257, 1, 64);
  operands o = make(t, a, 1.0f);
  for (int64_t j = 0; j < a.tokens; j++)
    for (int64_t i = 0; i < 64; i++) o.qkv[j * 192 + 64 + i] = 1.0f;
  fathom_attention_args forward = {.batch = 1, .tokens = 257, .heads = 1, .head_dim = 64,
                                   .qkv = o.qkv, .scale = a.scale, .out = o.out,
                                   .log_sum_exp = o.log_sum_exp};
  EXPECT_OK(fathom_attention(t->context, &forward));
  EXPECT_OK(fathom_attention_backward(t->context, &o.args));
  double mean[64] = {0};
  for (int64_t j = 0; j < a.tokens; j++)
    for (int64_t i = 0; i < 64; i++) mean[i] += o.d_out[j * 64 + i] / (double)a.tokens;
  for (int64_t j = 0; j < a.tokens; j++) {
    EXPECT_CLOSE(o.dqkv + j * 192 + 128, mean, 64, 1e-5, "dv of row %ld", (long)j);
    for (int64_t i = 0; i < 64; i++)
      EXPECT(fabsf(o.dqkv[j * 192 + i]) < 1e-6f, "dq of row %ld is %g", (long)j,
             (double)o.dqkv[j * 192 + i]);
  }
  release(&o);
}

static void expect_same_bits(const test_environment* t, const operands* expected,
                             const operands* actual, int64_t n, const char* what) {
  EXPECT(memcmp(expected->dqkv, actual->dqkv, (size_t)n * sizeof(float)) == 0,
         "%s: other bits on %d threads", what, t->threads);
}

/* 3 and 4 heads of 3 tiles: with 2 threads as tasks, with 5 threads tile by tile. */
TEST(attention_backward_gives_the_same_bits_for_any_number_of_threads) {
  if (t->threads == 1) return;
  fathom_context* single;
  EXPECT_OK(fathom_context_create(1, t->isa, &single));
  static const int64_t shapes[][4] = {
      {2, 257, 3, 64}, {1, 29, 1, 24}, {1, 600, 1, 64}, {1, 700, 3, 64}, {2, 650, 2, 32}};
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    fathom_attention_backward_args a =
        shape(shapes[i][0], shapes[i][1], shapes[i][2], shapes[i][3]);
    operands expected = make(t, a, 4.0f), actual = make(t, a, 4.0f);
    EXPECT_OK(fathom_attention_backward(single, &expected.args));
    for (int run = 0; run < 3; run++) {
      EXPECT_OK(fathom_attention_backward(t->context, &actual.args));
      expect_same_bits(t, &expected, &actual, 3 * out_size(&a), "attention_backward");
    }
    release(&expected);
    release(&actual);
  }
  fathom_context_destroy(single);
}

/* More shares of dq than are held at a time, and a picture's gradient whatever batch it is in. */
TEST(attention_backward_does_not_depend_on_the_batch) {
  if (t->quick || t->threads == 1) return;
  fathom_attention_backward_args a = shape(9, 1370, 1, 64);
  operands all = make(t, a, 2.0f);
  a.batch = 1;
  operands one = make(t, a, 2.0f);
  const int64_t n = out_size(&a);
  EXPECT_OK(fathom_attention_backward(t->context, &all.args));
  for (int64_t b = 0; b < 9; b += 4) {
    one.args.qkv = all.qkv + b * 3 * n;
    one.args.out = all.out + b * n;
    one.args.log_sum_exp = all.log_sum_exp + b * a.tokens;
    one.args.d_out = all.d_out + b * n;
    EXPECT_OK(fathom_attention_backward(t->context, &one.args));
    EXPECT(memcmp(one.dqkv, all.dqkv + b * 3 * n, (size_t)(3 * n) * sizeof(float)) == 0,
           "picture %ld of the batch differs", (long)b);
  }
  release(&all);
  release(&one);
}

/* A NaN in one head's gradient stays in that head. */
TEST(attention_backward_keeps_nan_where_it_belongs) {
  fathom_attention_backward_args a = shape(2, 50, 2, 64);
  operands clean = make(t, a, 2.0f), hit = make(t, a, 2.0f);
  EXPECT_OK(fathom_attention_backward(t->context, &clean.args));
  hit.d_out[17 * 128 + 64 + 5] = NAN;
  EXPECT_OK(fathom_attention_backward(t->context, &hit.args));
  int hits = 0;
  for (int64_t i = 0; i < 3 * out_size(&a); i++) {
    const int64_t row = i / 384, head = i / 64 % 2;
    if (row < 50 && head == 1)
      hits += isnan(hit.dqkv[i]);
    else
      EXPECT(memcmp(&hit.dqkv[i], &clean.dqkv[i], sizeof(float)) == 0, "row %ld head %ld is %g",
             (long)row, (long)head, (double)hit.dqkv[i]);
  }
  /* Channel 5 of every dv, the query's dq and every dk. */
  EXPECT(hits == 50 + 64 + 50 * 64, "%d NaN", hits);
  release(&clean);
  release(&hit);
}

TEST(attention_backward_rejects_bad_arguments) {
  float memory[1024] = {0};
  fathom_attention_backward_args good = shape(1, 2, 1, 16);
  good.qkv = memory;
  good.out = memory + 128;
  good.log_sum_exp = memory + 192;
  good.d_out = memory + 256;
  good.dqkv = memory + 512;
  EXPECT_OK(fathom_attention_backward(t->context, &good));
  fathom_attention_backward_args bad;
#define EXPECT_REJECTED(change, text)                                                       \
  bad = good;                                                                               \
  change;                                                                                   \
  EXPECT(fathom_attention_backward(t->context, &bad) == FATHOM_INVALID_ARGUMENT,            \
         #change " was taken");                                                             \
  EXPECT(strstr(fathom_last_error(), text) && strstr(fathom_last_error(), "attention_backward"), \
         #change ": %s", fathom_last_error());
  EXPECT_REJECTED(bad.batch = 0, "B=0");
  EXPECT_REJECTED(bad.tokens = -3, "T=-3");
  EXPECT_REJECTED(bad.heads = 0, "heads=0");
  EXPECT_REJECTED(bad.head_dim = 0, "D=0");
  EXPECT_REJECTED(bad.qkv = NULL, "qkv is NULL");
  EXPECT_REJECTED(bad.out = NULL, "out is NULL");
  EXPECT_REJECTED(bad.log_sum_exp = NULL, "log_sum_exp is NULL");
  EXPECT_REJECTED(bad.d_out = NULL, "d_out is NULL");
  EXPECT_REJECTED(bad.dqkv = NULL, "dqkv is NULL");
  EXPECT_REJECTED(bad.dqkv = memory + 95, "overlaps");
  EXPECT_REJECTED(bad.dqkv = memory + 192, "overlaps");
  EXPECT_REJECTED(bad.d_out = memory + 607, "overlaps");
  EXPECT_REJECTED(bad.out = memory + 481, "overlaps");
  EXPECT_REJECTED(bad.scale = NAN, "scale");
  EXPECT_REJECTED(bad.batch = INT64_MAX / 4, "too large");
  EXPECT_REJECTED((bad.tokens = bad.heads = INT64_C(1) << 32), "too large");
  EXPECT(fathom_attention_backward(t->context, NULL) == FATHOM_INVALID_ARGUMENT, "NULL arguments");
  EXPECT(fathom_attention_backward(NULL, &good) == FATHOM_INVALID_ARGUMENT, "a NULL context");
}
