/* Linear layers and SwiGLU against float64, at sizes off every vector width. */
#include "test.h"

/* float32 sums of n terms in any order, relative to the norm. */
#define TOLERANCE 1e-6

static double gelu(double x) { return 0.5 * x * (1 + erf(x / sqrt(2))); }

/* Packs into memory with guard zones; the caller frees with guarded_free. */
static float* pack(const test_environment* t, int64_t out, int64_t in, const float* weight) {
  fathom_linear_pack_args args = {.out = out, .in = in, .weight = weight};
  EXPECT_OK(fathom_linear_pack(t->context, &args));
  args.packed = guarded_alloc(args.packed_size);
  EXPECT_OK(fathom_linear_pack(t->context, &args));
  EXPECT_GUARDS(args.packed);
  return args.packed;
}

static double input(const fathom_linear_args* args, double x) {
  return args->input_activation == FATHOM_ACTIVATION_GELU ? gelu(x) : x;
}

static void naive(const fathom_linear_args* args, const float* weight, double* y) {
  for (int64_t r = 0; r < args->rows; r++)
    for (int64_t o = 0; o < args->out; o++) {
      double sum = args->bias ? args->bias[o] : 0;
      for (int64_t i = 0; i < args->in; i++)
        sum += input(args, args->x[r * args->x_stride + i]) * weight[o * args->in + i];
      if (args->activation == FATHOM_ACTIVATION_RELU) sum = sum > 0 ? sum : 0;
      if (args->activation == FATHOM_ACTIVATION_GELU) sum = gelu(sum);
      if (args->scale) sum *= args->scale[o];
      if (args->residual) sum += args->residual[r * args->out + o];
      y[r * args->out + o] = sum;
    }
}

/* What an epilogue has; in place means y is the residual. And whether GELU is applied to x. */
enum { BIAS = 1, SCALE = 2, RESIDUAL = 4, IN_PLACE = 8, INPUT = 16 };

static void check(const test_environment* t, int64_t rows, int64_t in, int64_t out, int64_t gap,
                  int64_t activation, int parts) {
  const int64_t stride = in + gap;
  /* x is exactly as long as it may be read: the last row has no gap. */
  const int64_t x_size = rows > 0 ? (rows - 1) * stride + in : 0;
  float* x = hashed("x", x_size);
  float* weight = hashed("weight", out * in);
  float* bias = hashed("bias", out);
  float* scale = hashed("scale", out);
  float* residual = hashed("residual", rows * out);
  float* packed = pack(t, out, in, weight);
  float* y = guarded_alloc(rows * out);
  double* expected = malloc((size_t)(rows * out + 1) * sizeof *expected);

  fathom_linear_args args = {.rows = rows, .in = in, .out = out, .x = x, .x_stride = stride,
                             .packed = packed, .bias = parts & BIAS ? bias : NULL,
                             .activation = activation, .scale = parts & SCALE ? scale : NULL,
                             .residual = parts & (RESIDUAL | IN_PLACE) ? residual : NULL, .y = y,
                             .input_activation = parts & INPUT ? FATHOM_ACTIVATION_GELU
                                                               : FATHOM_ACTIVATION_NONE};
  naive(&args, weight, expected);
  if (parts & IN_PLACE) {
    memcpy(y, residual, (size_t)(rows * out) * sizeof *y);
    args.residual = y;
  }
  EXPECT_OK(fathom_linear(t->context, &args));
  EXPECT_GUARDS(y);
  EXPECT_CLOSE(y, expected, rows * out, TOLERANCE,
               "rows %ld, in %ld, out %ld, gap %ld, activation %ld, parts %d", (long)rows, (long)in,
               (long)out, (long)gap, (long)activation, parts);
  free(x);
  free(weight);
  free(bias);
  free(scale);
  free(residual);
  guarded_free(packed);
  guarded_free(y);
  free(expected);
}

TEST(linear_agrees_at_odd_sizes) {
  static const int64_t rows[] = {1, 6, 13, 14, 15, 31, 85, 207};
  static const int64_t sizes[] = {1, 7, 16, 31, 33, 64, 207};
  const int row_count = sizeof rows / sizeof *rows, size_count = sizeof sizes / sizeof *sizes;
  for (int r = 0; r < (t->quick ? row_count - 2 : row_count); r++)
    for (int i = 0; i < size_count; i++)
      for (int o = 0; o < size_count; o++)
        check(t, rows[r], sizes[i], sizes[o], (r + i + o) % 3, (r + i) % 3,
              (r * 7 + i * 3 + o) % 32);
}

TEST(linear_agrees_for_every_epilogue) {
  for (int64_t activation = FATHOM_ACTIVATION_NONE; activation <= FATHOM_ACTIVATION_GELU;
       activation++)
    for (int parts = 0; parts < 32; parts++) check(t, 29, 45, 75, 3, activation, parts);
}

/* More than one block of depth: partial sums must not pass through y, which may be the residual. */
TEST(linear_agrees_at_great_depth) {
  static const int64_t depths[] = {511, 513, 1024, 1537, 4099};
  for (int i = 0; i < 5; i++) {
    check(t, 17, depths[i], 67, 5, FATHOM_ACTIVATION_GELU, BIAS | SCALE | IN_PLACE);
    check(t, 1, depths[i], 33, 0, FATHOM_ACTIVATION_NONE, BIAS);
    check(t, 31, depths[i], 33, 3, FATHOM_ACTIVATION_NONE, BIAS | SCALE | RESIDUAL | INPUT);
  }
}

/* Several tasks in both directions. */
TEST(linear_agrees_with_many_tasks) {
  if (t->quick) return;
  check(t, 36, 600, 2100, 0, FATHOM_ACTIVATION_RELU, BIAS | RESIDUAL);
  check(t, 1370, 64, 129, 0, FATHOM_ACTIVATION_NONE, BIAS | SCALE | IN_PLACE);
}

TEST(linear_does_not_depend_on_threads_or_on_the_run) {
  static const int64_t shapes[][3] = {{37, 1100, 200}, {300, 96, 65}, {1, 777, 513}};
  for (int s = 0; s < 3; s++) {
    const int64_t rows = shapes[s][0], in = shapes[s][1], out = shapes[s][2];
    float* x = hashed("x", rows * in);
    float* weight = hashed("weight", out * in);
    float* packed = pack(t, out, in, weight);
    float* first = guarded_alloc(rows * out);
    float* second = guarded_alloc(rows * out);
    fathom_linear_args args = {.rows = rows, .in = in, .out = out, .x = x, .x_stride = in,
                               .packed = packed, .activation = FATHOM_ACTIVATION_GELU, .y = first};
    fathom_context* single;
    EXPECT_OK(fathom_context_create(1, t->isa, &single));
    EXPECT_OK(fathom_linear(single, &args));
    fathom_context_destroy(single);
    args.y = second;
    for (int run = 0; run < 3; run++) {
      memset(second, 0xff, (size_t)(rows * out) * sizeof *second);
      EXPECT_OK(fathom_linear(t->context, &args));
      EXPECT(memcmp(first, second, (size_t)(rows * out) * sizeof *first) == 0,
             "run %d on %d threads differs from one thread", run, t->threads);
    }
    free(x);
    free(weight);
    guarded_free(packed);
    guarded_free(first);
    guarded_free(second);
  }
}

/* A layer [1,1] of weight 1 is the activation itself. */
static void activate(const test_environment* t, int64_t activation, int64_t n, const float* x,
                     float* y) {
  const float one = 1;
  float* packed = pack(t, 1, 1, &one);
  fathom_linear_args args = {.rows = n, .in = 1, .out = 1, .x = x, .x_stride = 1, .packed = packed,
                             .activation = activation, .y = y};
  EXPECT_OK(fathom_linear(t->context, &args));
  guarded_free(packed);
}

/* The bits are those of a layer whose input was activated by the one before it. */
TEST(linear_activates_its_input_as_its_result) {
  static const int64_t shapes[][3] = {{1, 7, 5}, {37, 1100, 200}, {85, 96, 65}};
  for (int s = 0; s < 3; s++) {
    const int64_t rows = shapes[s][0], in = shapes[s][1], out = shapes[s][2];
    float *x = hashed("x", rows * in), *weight = hashed("weight", out * in);
    for (int64_t i = 0; i < rows * in; i++) x[i] *= 7;
    float *activated = guarded_alloc(rows * in), *packed = pack(t, out, in, weight);
    float *expected = guarded_alloc(rows * out), *y = guarded_alloc(rows * out);
    activate(t, FATHOM_ACTIVATION_GELU, rows * in, x, activated);
    fathom_linear_args args = {.rows = rows, .in = in, .out = out, .x = activated, .x_stride = in,
                               .packed = packed, .y = expected};
    EXPECT_OK(fathom_linear(t->context, &args));
    args.x = x;
    args.y = y;
    args.input_activation = FATHOM_ACTIVATION_GELU;
    EXPECT_OK(fathom_linear(t->context, &args));
    EXPECT_GUARDS(y);
    EXPECT(memcmp(y, expected, (size_t)(rows * out) * sizeof *y) == 0, "other bits, shape %d", s);
    free(x);
    free(weight);
    guarded_free(activated);
    guarded_free(packed);
    guarded_free(expected);
    guarded_free(y);
  }
}

TEST(linear_gelu_is_the_exact_one) {
  enum { N = 20001 };
  float* x = malloc(N * sizeof *x);
  float* y = guarded_alloc(N);
  for (int i = 0; i < N; i++) x[i] = (float)(i - N / 2) * (12.0f / (N / 2));
  activate(t, FATHOM_ACTIVATION_GELU, N, x, y);
  EXPECT_GUARDS(y);
  double worst = 0, at = 0;
  for (int i = 0; i < N; i++) {
    double error = fabs(y[i] - gelu(x[i])) / fmax(1, fabs(x[i]));
    if (!(error <= worst)) worst = error, at = x[i];
  }
  EXPECT(worst <= 2e-7, "error %.3g at %g", worst, at);
  EXPECT(y[N / 2] == 0, "gelu(0) is %g", (double)y[N / 2]);
  EXPECT(y[0] == 0 && y[N - 1] == x[N - 1], "gelu(-12) is %g, gelu(12) is %g", (double)y[0],
         (double)y[N - 1]);
  free(x);
  guarded_free(y);
}

TEST(linear_activations_keep_special_values) {
  const float x[] = {NAN, INFINITY, 3e38f, -3e38f, -0.5f, 0.5f};
  float y[6];
  activate(t, FATHOM_ACTIVATION_GELU, 6, x, y);
  EXPECT(isnan(y[0]), "gelu(NaN) is %g", (double)y[0]);
  EXPECT(y[1] == INFINITY, "gelu(inf) is %g", (double)y[1]);
  EXPECT(y[2] == 3e38f && y[3] == 0, "gelu(+-3e38) is %g, %g", (double)y[2], (double)y[3]);
  activate(t, FATHOM_ACTIVATION_RELU, 6, x, y);
  EXPECT(isnan(y[0]), "relu(NaN) is %g", (double)y[0]);
  EXPECT(y[1] == INFINITY && y[3] == 0 && y[4] == 0 && y[5] == 0.5f, "relu");
}

TEST(linear_rejects_bad_arguments) {
  float x[6] = {0}, weight[9] = {0}, y[6] = {0};
  float* packed = pack(t, 3, 3, weight);
  const fathom_linear_args good = {.rows = 2, .in = 3, .out = 3, .x = x, .x_stride = 3,
                                   .packed = packed, .y = y};
  EXPECT_OK(fathom_linear(t->context, &good));
  fathom_linear_args bad;
#define REJECTED(text, ...)                                                              \
  do {                                                                                   \
    bad = good;                                                                          \
    __VA_ARGS__;                                                                         \
    EXPECT(fathom_linear(t->context, &bad) == FATHOM_INVALID_ARGUMENT, #__VA_ARGS__ " was taken"); \
    EXPECT(strstr(fathom_last_error(), "linear") && strstr(fathom_last_error(), text),   \
           #__VA_ARGS__ " says: %s", fathom_last_error());                               \
  } while (0)
  REJECTED("[-1,3]", bad.rows = -1);
  REJECTED("[2,0]", bad.in = 0);
  REJECTED("[2,-4]", bad.out = -4);
  REJECTED("x_stride is 2", bad.x_stride = 2);
  REJECTED("activation 3", bad.activation = FATHOM_ACTIVATION_SIGMOID);
  REJECTED("activation -1", bad.activation = -1);
  REJECTED("input activation 1", bad.input_activation = FATHOM_ACTIVATION_RELU);
  REJECTED("x is NULL", bad.x = NULL);
  REJECTED("packed is NULL", bad.packed = NULL);
  REJECTED("y is NULL", bad.y = NULL);
  REJECTED("too large", bad.out = INT64_MAX);
  REJECTED("too large", bad.in = INT64_MAX / 4, bad.x_stride = INT64_MAX / 4);
  REJECTED("overflow", bad.rows = INT64_MAX);
  REJECTED("overflow", bad.x_stride = INT64_MAX);
#undef REJECTED
  EXPECT(fathom_linear(NULL, &good) == FATHOM_INVALID_ARGUMENT, "a NULL context was taken");
  EXPECT(fathom_linear(t->context, NULL) == FATHOM_INVALID_ARGUMENT, "NULL was taken");

  bad = good;
  bad.rows = 0;
  bad.x = bad.packed = bad.y = NULL;
  EXPECT_OK(fathom_linear(t->context, &bad));

  guarded_free(packed);
}

TEST(linear_pack_rejects_bad_arguments) {
  float value = 1;
#define REJECTED(text, ...)                                                                 \
  {                                                                                         \
    fathom_linear_pack_args bad = {__VA_ARGS__};                                            \
    EXPECT(fathom_linear_pack(t->context, &bad) == FATHOM_INVALID_ARGUMENT, "%s was taken", \
           #__VA_ARGS__);                                                                   \
    EXPECT(strstr(fathom_last_error(), text), "text: %s", fathom_last_error());             \
  }
  REJECTED("[0,3]", .out = 0, .in = 3)
  REJECTED("[3,9223372036854775807]", .out = 3, .in = INT64_MAX)
  REJECTED("[0,3]", .out = 0, .in = 3, .weight = &value, .packed = &value)
  REJECTED("weight is NULL", .out = 1, .in = 1, .packed = &value)
#undef REJECTED
  fathom_linear_pack_args args = {.out = 3, .in = 3};
  EXPECT(fathom_linear_pack(NULL, &args) == FATHOM_INVALID_ARGUMENT, "no context");
  EXPECT(fathom_linear_pack(t->context, NULL) == FATHOM_INVALID_ARGUMENT, "no arguments");
}

TEST(swiglu_agrees) {
  static const int64_t shapes[][2] = {{1, 1}, {3, 15}, {2, 16}, {5, 207}, {700, 100}};
  for (int s = 0; s < (t->quick ? 4 : 5); s++) {
    const int64_t rows = shapes[s][0], channels = shapes[s][1];
    float* x = hashed("x", rows * 2 * channels);
    float* y = guarded_alloc(rows * channels);
    double* expected = malloc((size_t)(rows * channels) * sizeof *expected);
    for (int64_t r = 0; r < rows; r++)
      for (int64_t c = 0; c < channels; c++) {
        float* gate = &x[r * 2 * channels + c];
        *gate *= 20;
        expected[r * channels + c] = *gate / (1 + exp(-(double)*gate)) * gate[channels];
      }
    fathom_swiglu_args args = {.rows = rows, .channels = channels, .x = x, .y = y};
    EXPECT_OK(fathom_swiglu(t->context, &args));
    EXPECT_GUARDS(y);
    EXPECT_CLOSE(y, expected, rows * channels, TOLERANCE, "rows %ld, channels %ld", (long)rows,
                 (long)channels);
    free(x);
    guarded_free(y);
    free(expected);
  }
}

TEST(swiglu_rejects_bad_arguments) {
  float x[4] = {0}, y[2];
  const fathom_swiglu_args good = {.rows = 1, .channels = 2, .x = x, .y = y};
  fathom_swiglu_args bad;
#define REJECTED(...)                                                                    \
  do {                                                                                   \
    bad = good;                                                                          \
    __VA_ARGS__;                                                                         \
    EXPECT(fathom_swiglu(t->context, &bad) == FATHOM_INVALID_ARGUMENT, #__VA_ARGS__ " was taken"); \
    EXPECT(strstr(fathom_last_error(), "swiglu"), "text: %s", fathom_last_error());      \
  } while (0)
  REJECTED(bad.rows = -1);
  REJECTED(bad.channels = 0);
  REJECTED(bad.channels = INT64_MAX);
  REJECTED(bad.rows = INT64_MAX);
  REJECTED(bad.x = NULL);
  REJECTED(bad.y = NULL);
#undef REJECTED
  EXPECT(fathom_swiglu(NULL, &good) == FATHOM_INVALID_ARGUMENT, "a NULL context was taken");
  EXPECT(fathom_swiglu(t->context, NULL) == FATHOM_INVALID_ARGUMENT, "NULL was taken");
  bad = good;
  bad.rows = 0;
  bad.x = bad.y = NULL;
  EXPECT_OK(fathom_swiglu(t->context, &bad));
}
