/* Attention against the definition in float64. */
#include "test.h"

/* out and log_sum_exp of one head and query row, straight from the definition. */
static void reference_row(const fathom_attention_args* a, int64_t b, int64_t h, int64_t t,
                          double* scores, double* out, double* log_sum_exp) {
  int64_t d = a->head_dim, width = a->heads * d;
  const float* q = a->qkv + (b * a->tokens + t) * 3 * width + h * d;
  const float* k = a->qkv + b * a->tokens * 3 * width + width + h * d;
  double top = -INFINITY, sum = 0;
  for (int64_t j = 0; j < a->tokens; j++) {
    double s = 0;
    for (int64_t i = 0; i < d; i++) s += (double)q[i] * k[j * 3 * width + i];
    scores[j] = s * a->scale;
    top = fmax(top, scores[j]);
  }
  for (int64_t i = 0; i < d; i++) out[i] = 0;
  for (int64_t j = 0; j < a->tokens; j++) {
    double p = exp(scores[j] - top);
    sum += p;
    for (int64_t i = 0; i < d; i++) out[i] += p * k[j * 3 * width + width + i];
  }
  for (int64_t i = 0; i < d; i++) out[i] /= sum;
  *log_sum_exp = top + log(sum);
}

/* Both outputs of the whole operator; the caller frees them. */
static void reference(const fathom_attention_args* a, double** out, double** log_sum_exp) {
  int64_t d = a->head_dim;
  *out = malloc((size_t)(a->batch * a->tokens * a->heads * d) * sizeof(double));
  *log_sum_exp = malloc((size_t)(a->batch * a->heads * a->tokens) * sizeof(double));
  double* scores = malloc((size_t)a->tokens * sizeof(double));
  if (!*out || !*log_sum_exp || !scores) abort();
  for (int64_t b = 0; b < a->batch; b++)
    for (int64_t h = 0; h < a->heads; h++)
      for (int64_t t = 0; t < a->tokens; t++)
        reference_row(a, b, h, t, scores, *out + ((b * a->tokens + t) * a->heads + h) * d,
                      *log_sum_exp + (b * a->heads + h) * a->tokens + t);
  free(scores);
}

static fathom_attention_args shape(int64_t batch, int64_t tokens, int64_t heads, int64_t head_dim) {
  return (fathom_attention_args){.batch = batch,
                                 .tokens = tokens,
                                 .heads = heads,
                                 .head_dim = head_dim,
                                 .scale = 1.0f / sqrtf((float)head_dim)};
}

static int64_t out_size(const fathom_attention_args* a) {
  return a->batch * a->tokens * a->heads * a->head_dim;
}

/* hashed values times factor; the caller frees them. */
static float* make_qkv(const fathom_attention_args* a, float factor) {
  float* qkv = hashed("attention.qkv", 3 * out_size(a));
  for (int64_t i = 0; i < 3 * out_size(a); i++) qkv[i] *= factor;
  return qkv;
}

static void check(const test_environment* t, fathom_attention_args a, double tolerance) {
  int64_t n = out_size(&a), rows = a.batch * a.heads * a.tokens;
  float *out = guarded_alloc(n), *lse = guarded_alloc(rows);
  a.out = out;
  a.log_sum_exp = lse;
  EXPECT_OK(fathom_attention(t->context, &a));
  EXPECT_GUARDS(out);
  EXPECT_GUARDS(lse);
  double *expected, *expected_lse;
  reference(&a, &expected, &expected_lse);
#define WHAT "B=%ld T=%ld heads=%ld D=%ld", (long)a.batch, (long)a.tokens, (long)a.heads, \
             (long)a.head_dim
  EXPECT_CLOSE(out, expected, n, tolerance, "out " WHAT);
  EXPECT_CLOSE(lse, expected_lse, rows, tolerance, "log_sum_exp " WHAT);

  /* Without log_sum_exp the same bits. */
  float* again = guarded_alloc(n);
  a.out = again;
  a.log_sum_exp = NULL;
  EXPECT_OK(fathom_attention(t->context, &a));
  EXPECT(memcmp(out, again, (size_t)n * sizeof *out) == 0, "another run differs: " WHAT);
  guarded_free(again);
  guarded_free(out);
  guarded_free(lse);
  free(expected);
  free(expected_lse);
}

TEST(attention_is_softmax_of_scores_times_values) {
  static const int64_t shapes[][4] = {{1, 1, 1, 64},   {1, 1, 3, 24},  {2, 13, 3, 64},
                                      {3, 36, 2, 64},  {1, 207, 2, 64}, {2, 257, 2, 64},
                                      {1, 300, 1, 64}, {2, 50, 3, 24},  {1, 207, 2, 80},
                                      {1, 300, 1, 128}, {1, 140, 1, 256}, {2, 37, 2, 1},
                                      {1, 33, 2, 7},   {1, 70, 1, 100}};
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    fathom_attention_args a = shape(shapes[i][0], shapes[i][1], shapes[i][2], shapes[i][3]);
    float* qkv = make_qkv(&a, 2.0f);
    a.qkv = qkv;
    check(t, a, 2e-6);
    free(qkv);
  }
}

TEST(attention_at_the_size_of_the_network) {
  if (t->quick || t->threads == 1) return;
  fathom_attention_args a = shape(1, 1370, 2, 64);
  float* qkv = make_qkv(&a, 2.0f);
  a.qkv = qkv;
  check(t, a, 2e-6);
  free(qkv);
}

/* More packed keys and values than are held at a time, so that heads are taken in groups. */
TEST(attention_takes_heads_in_groups) {
  if (t->quick || t->threads == 1) return;
  fathom_attention_args a = shape(40, 300, 6, 64);
  float* qkv = make_qkv(&a, 2.0f);
  a.qkv = qkv;
  float *out = guarded_alloc(out_size(&a)), *one = guarded_alloc(out_size(&a) / a.batch);
  a.out = out;
  fathom_context_trim(t->context);
  EXPECT_OK(fathom_attention(t->context, &a));
  EXPECT(fathom_context_scratch_bytes(t->context) < 40 << 20, "%ld bytes of scratch memory",
         (long)fathom_context_scratch_bytes(t->context));
  EXPECT_GUARDS(out);
  /* A picture's result does not depend on the batch that it is in. */
  a.batch = 1;
  a.out = one;
  for (int64_t b = 0; b < 40; b++) {
    a.qkv = qkv + b * 3 * out_size(&a);
    EXPECT_OK(fathom_attention(t->context, &a));
    EXPECT(memcmp(one, out + b * out_size(&a), (size_t)out_size(&a) * sizeof *one) == 0,
           "picture %ld of the batch differs", (long)b);
  }
  guarded_free(one);
  guarded_free(out);
  free(qkv);
}

/* The maximum of a row grows while the keys are seen: every new one forces a rescale. */
TEST(attention_rescales_when_the_maximum_grows) {
  fathom_attention_args a = shape(1, 300, 2, 64);
  float* qkv = make_qkv(&a, 1.0f);
  for (int64_t j = 0; j < a.tokens; j++) {
    for (int64_t h = 0; h < a.heads; h++) {
      float* q = qkv + j * 3 * 128 + h * 64;
      q[0] = (float)(j % 5) - 2.0f;
      q[128] = 2.0f * (float)j;
    }
  }
  a.qkv = qkv;
  check(t, a, 2e-5);
  free(qkv);
}

/* Scores of about +-1e4: in float32 they are good to 1e-3, and so are the probabilities. */
TEST(attention_is_stable_for_large_scores) {
  for (int sign = -1; sign <= 1; sign++) {
    fathom_attention_args a = shape(1, 207, 2, 64);
    float* qkv = make_qkv(&a, 50.0f);
    /* sign: all scores near -1e4 or near 1e4, else around 0. */
    for (int64_t j = 0; sign != 0 && j < a.tokens; j++) {
      for (int64_t h = 0; h < a.heads; h++) {
        qkv[j * 3 * 128 + h * 64] = 300.0f;
        qkv[j * 3 * 128 + 128 + h * 64] = 270.0f * (float)sign;
      }
    }
    a.qkv = qkv;
    check(t, a, 2e-3);
    free(qkv);
  }
}

/* All keys equal: the mean of the values, whatever the score. */
TEST(attention_of_equal_keys_is_the_mean) {
  fathom_attention_args a = shape(1, 257, 1, 64);
  float* qkv = hashed("attention.mean", 3 * out_size(&a));
  double mean[64] = {0};
  for (int64_t j = 0; j < a.tokens; j++) {
    for (int64_t i = 0; i < 64; i++) {
      qkv[j * 192 + 64 + i] = 1000.0f;
      mean[i] += qkv[j * 192 + 128 + i] / (double)a.tokens;
    }
  }
  float* out = guarded_alloc(out_size(&a));
  a.qkv = qkv;
  a.out = out;
  EXPECT_OK(fathom_attention(t->context, &a));
  for (int64_t j = 0; j < a.tokens; j++)
    EXPECT_CLOSE(out + j * 64, mean, 64, 3e-6, "row %ld", (long)j);
  guarded_free(out);
  free(qkv);
}

/* NaN in a query stays in its row, NaN in a key reaches every row of its head and no other head. */
TEST(attention_keeps_nan_where_it_belongs) {
  fathom_attention_args a = shape(2, 50, 2, 64);
  float* clean = make_qkv(&a, 2.0f);
  float *out = guarded_alloc(out_size(&a)), *expected = guarded_alloc(out_size(&a));
  a.qkv = clean;
  a.out = expected;
  EXPECT_OK(fathom_attention(t->context, &a));
  uint32_t bits = 0x7fc12345u; /* a NaN whose payload reaches into the low bits */
  float odd_nan;
  memcpy(&odd_nan, &bits, sizeof odd_nan);
  for (int key = 0; key < 2; key++) {
    float* qkv = make_qkv(&a, 2.0f);
    int64_t token = 17, head = 1;
    qkv[token * 384 + key * 128 + head * 64 + 5] = odd_nan;
    a.qkv = qkv;
    a.out = out;
    EXPECT_OK(fathom_attention(t->context, &a));
    EXPECT_GUARDS(out);
    for (int64_t i = 0; i < out_size(&a); i++) {
      int64_t row = i / 128, h = i / 64 % 2;
      int hit = h == head && (key ? row < a.tokens : row == token);
      if (hit ? !isnan(out[i]) : memcmp(&out[i], &expected[i], sizeof *out) != 0) {
        EXPECT(0, "NaN in a %s: row %ld head %ld is %g", key ? "key" : "query", (long)row, (long)h,
               (double)out[i]);
        break;
      }
    }
    free(qkv);
  }
  guarded_free(out);
  guarded_free(expected);
  free(clean);
}

TEST(attention_survives_infinities) {
  for (int where = 0; where < 6; where++) {
    fathom_attention_args a = shape(1, 70, 1, 64);
    float* qkv = make_qkv(&a, 2.0f);
    qkv[40 * 192 + where / 2 * 64 + 3] = where % 2 ? INFINITY : -INFINITY;
    float* out = guarded_alloc(out_size(&a));
    a.qkv = qkv;
    a.out = out;
    EXPECT_OK(fathom_attention(t->context, &a));
    EXPECT_GUARDS(out);
    /* Only row 40 has an infinite query; the others are untouched by it. */
    if (where < 2) EXPECT(isfinite(out[0]), "row 0 is %g", (double)out[0]);
    guarded_free(out);
    free(qkv);
  }
}

TEST(attention_gives_the_same_bits_for_any_number_of_threads) {
  if (t->threads == 1) return;
  fathom_context* single;
  EXPECT_OK(fathom_context_create(1, t->isa, &single));
  static const int64_t shapes[][4] = {{2, 300, 3, 64}, {1, 29, 1, 24}, {1, 600, 1, 64}};
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    fathom_attention_args a = shape(shapes[i][0], shapes[i][1], shapes[i][2], shapes[i][3]);
    size_t bytes = (size_t)out_size(&a) * sizeof(float);
    float* qkv = make_qkv(&a, 8.0f);
    float *expected = guarded_alloc(out_size(&a)), *out = guarded_alloc(out_size(&a));
    a.qkv = qkv;
    a.out = expected;
    EXPECT_OK(fathom_attention(single, &a));
    a.out = out;
    for (int run = 0; run < 3; run++) {
      EXPECT_OK(fathom_attention(t->context, &a));
      EXPECT(memcmp(out, expected, bytes) == 0, "shape %zu run %d: other bits", i, run);
    }
    guarded_free(out);
    guarded_free(expected);
    free(qkv);
  }
  fathom_context_destroy(single);
}

TEST(attention_rejects_bad_arguments) {
  float memory[512] = {0};
  fathom_attention_args good = shape(1, 2, 1, 16);
  good.qkv = memory;
  good.out = memory + 256;
  EXPECT_OK(fathom_attention(t->context, &good));
  fathom_attention_args bad;
#define EXPECT_REJECTED(change, text)                                                     \
  bad = good;                                                                             \
  change;                                                                                 \
  EXPECT(fathom_attention(t->context, &bad) == FATHOM_INVALID_ARGUMENT, #change " was taken"); \
  EXPECT(strstr(fathom_last_error(), text) && strstr(fathom_last_error(), "attention"),   \
         #change ": %s", fathom_last_error());
  EXPECT_REJECTED(bad.batch = 0, "B=0");
  EXPECT_REJECTED(bad.tokens = -3, "T=-3");
  EXPECT_REJECTED(bad.heads = 0, "heads=0");
  EXPECT_REJECTED(bad.head_dim = 0, "D=0");
  EXPECT_REJECTED(bad.qkv = NULL, "NULL");
  EXPECT_REJECTED(bad.out = NULL, "NULL");
  EXPECT_REJECTED(bad.out = memory + 95, "overlaps");
  EXPECT_REJECTED(bad.log_sum_exp = memory + 4, "overlaps");
  EXPECT_REJECTED(bad.log_sum_exp = memory + 255, "overlaps");
  EXPECT_REJECTED(bad.scale = NAN, "scale");
  EXPECT_REJECTED(bad.batch = INT64_MAX / 4, "too large");
  EXPECT_REJECTED((bad.tokens = bad.heads = INT64_C(1) << 32), "too large");
  EXPECT(fathom_attention(t->context, NULL) == FATHOM_INVALID_ARGUMENT, "NULL arguments");
  EXPECT(fathom_attention(NULL, &good) == FATHOM_INVALID_ARGUMENT, "a NULL context");
}
