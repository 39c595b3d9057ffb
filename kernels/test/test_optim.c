/* AdamW against its formula in float64. */
#include "test.h"

typedef struct {
  int64_t n;
  float *gradient, *value, *m, *v;
} state;

static float* copy(const char* name, int64_t n, float scale, int positive) {
  float *from = hashed(name, n), *to = guarded_alloc(n);
  for (int64_t i = 0; i < n; i++) to[i] = scale * (positive ? fabsf(from[i]) : from[i]);
  free(from);
  return to;
}

static state make(int64_t n) {
  return (state){n, copy("gradient", n, 0.01f, 0), copy("value", n, 0.5f, 0),
                 copy("m", n, 0.01f, 0), copy("v", n, 1e-4f, 1)};
}

static void release(state* s) {
  guarded_free(s->gradient);
  guarded_free(s->value);
  guarded_free(s->m);
  guarded_free(s->v);
}

static fathom_adamw_args args_of(const state* s, int64_t step) {
  return (fathom_adamw_args){.n = s->n, .value = s->value, .gradient = s->gradient, .m = s->m,
                             .v = s->v, .step = step, .rate = 3e-3, .beta1 = 0.9, .beta2 = 0.999,
                             .eps = 1e-8, .weight_decay = 0.02, .gradient_scale = 0.7};
}

static void check(const test_environment* t, int64_t n, int64_t step) {
  state s = make(n);
  const fathom_adamw_args a = args_of(&s, step);
  double* expected = malloc((size_t)n * 4 * sizeof *expected);
  if (!expected) abort();
  double *value = expected, *m = value + n, *v = m + n, *change = v + n;
  for (int64_t i = 0; i < n; i++) {
    const double g = a.gradient_scale * s.gradient[i];
    m[i] = a.beta1 * s.m[i] + (1 - a.beta1) * g;
    v[i] = a.beta2 * s.v[i] + (1 - a.beta2) * g * g;
    value[i] = s.value[i] * (1 - a.rate * a.weight_decay);
    value[i] -= a.rate / (1 - pow(a.beta1, (double)step)) * m[i] /
                (sqrt(v[i] / (1 - pow(a.beta2, (double)step))) + a.eps);
    change[i] = value[i] - s.value[i];
  }
  float* before = malloc((size_t)n * sizeof *before);
  if (!before) abort();
  memcpy(before, s.value, (size_t)n * sizeof *before);
  EXPECT_OK(fathom_adamw(t->context, &a));
  EXPECT_GUARDS(s.value);
  EXPECT_GUARDS(s.m);
  EXPECT_GUARDS(s.v);
#define WHAT "n=%ld step=%ld", (long)n, (long)step
  EXPECT_CLOSE(s.value, value, n, 1e-7, "value " WHAT);
  EXPECT_CLOSE(s.m, m, n, 2e-7, "m " WHAT);
  EXPECT_CLOSE(s.v, v, n, 2e-7, "v " WHAT);
  for (int64_t i = 0; i < n; i++) before[i] = s.value[i] - before[i];
  /* A value near 0.5 is rounded by up to 3e-8, a change is about 3e-3. */
  EXPECT_CLOSE(before, change, n, 5e-5, "change " WHAT);
  free(before);
  free(expected);
  release(&s);
}

TEST(adamw_is_its_formula) {
  static const int64_t sizes[] = {1, 5, 13, 207, 8192, 8193, 40011};
  for (int i = 0; i < 7; i++) check(t, sizes[i], 1 + 10 * i);
  check(t, 1003, 1000000);
}

/* 5e-6 * 0.01 is below half a unit in the last place of 1: the decay is not lost for all that. */
TEST(adamw_keeps_a_small_decay_exact) {
  const int64_t n = 100;
  state s = make(n);
  fathom_adamw_args a = args_of(&s, 1);
  a.rate = 5e-6;
  a.weight_decay = 0.01;
  a.gradient_scale = 0;
  double* expected = malloc((size_t)n * sizeof *expected);
  if (!expected) abort();
  for (int64_t i = 0; i < n; i++) {
    s.m[i] = 0;
    expected[i] = (float)(s.value[i] * (1 - 5e-8));
  }
  EXPECT_OK(fathom_adamw(t->context, &a));
  EXPECT_CLOSE(s.value, expected, n, 0, "value after decay alone");
  free(expected);
  release(&s);
}

TEST(adamw_gives_the_same_bits_for_any_number_of_threads) {
  state s = make(50021), other = make(50021);
  fathom_context* single;
  EXPECT_OK(fathom_context_create(1, t->isa, &single));
  for (int64_t step = 1; step < 4; step++) {
    const fathom_adamw_args a = args_of(&s, step), b = args_of(&other, step);
    EXPECT_OK(fathom_adamw(t->context, &a));
    EXPECT_OK(fathom_adamw(single, &b));
  }
  const size_t bytes = (size_t)s.n * sizeof(float);
  EXPECT(memcmp(s.value, other.value, bytes) == 0 && memcmp(s.m, other.m, bytes) == 0 &&
             memcmp(s.v, other.v, bytes) == 0,
         "other bits");
  fathom_context_destroy(single);
  release(&s);
  release(&other);
}

TEST(adamw_rejects_bad_arguments) {
  state s = make(16);
  const fathom_adamw_args good = args_of(&s, 1);
  fathom_adamw_args bad;
#define REJECTED(change, text)                                                             \
  bad = good;                                                                              \
  change;                                                                                  \
  EXPECT(fathom_adamw(t->context, &bad) == FATHOM_INVALID_ARGUMENT, #change " was taken"); \
  EXPECT(strstr(fathom_last_error(), text) && strstr(fathom_last_error(), "adamw"),        \
         #change ": %s", fathom_last_error())
  REJECTED(bad.n = -1, "n is -1");
  REJECTED(bad.n = INT64_MAX, "n is");
  REJECTED(bad.step = 0, "step is 0");
  REJECTED(bad.rate = -1, "rate");
  REJECTED(bad.rate = NAN, "rate");
  REJECTED(bad.beta1 = 1, "beta1 is 1");
  REJECTED(bad.beta2 = -0.5, "beta2 -0.5");
  REJECTED(bad.eps = -1e-8, "eps");
  REJECTED(bad.weight_decay = INFINITY, "weight_decay");
  REJECTED(bad.gradient_scale = NAN, "gradient_scale");
  REJECTED(bad.value = NULL, "NULL");
  REJECTED(bad.gradient = NULL, "NULL");
  REJECTED(bad.m = NULL, "NULL");
  REJECTED(bad.v = NULL, "NULL");
  REJECTED(bad.m = bad.v, "overlap");
  REJECTED(bad.gradient = bad.value + 15, "overlap");
#undef REJECTED
  EXPECT(fathom_adamw(NULL, &good) == FATHOM_INVALID_ARGUMENT, "a NULL context");
  EXPECT(fathom_adamw(t->context, NULL) == FATHOM_INVALID_ARGUMENT, "NULL arguments");
  bad = good;
  bad.n = 0;
  EXPECT_OK(fathom_adamw(t->context, &bad));
  release(&s);
}
