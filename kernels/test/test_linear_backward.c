/* Gradients of linear layers and SwiGLU against float64, at sizes off every vector width. */
#include "test.h"

#define TOLERANCE 2e-6

static double gelu_slope(double z) {
  return 0.5 * (1 + erf(z / sqrt(2))) + z * exp(-z * z / 2) / sqrt(8 * atan(1));
}

static double gelu(double z) { return 0.5 * z * (1 + erf(z / sqrt(2))); }

/* Which gradients are wanted, and what the layer has; INPUT: GELU is applied to x. */
enum {
  DX = 1, D_WEIGHT = 2, D_BIAS = 4, D_SCALE = 8, ACCUMULATE = 16, SCALE = 32, BIAS = 64, INPUT = 128
};

/* A case with its operands and its outputs, all owned. */
typedef struct {
  fathom_linear_backward_args args;
  float *x, *weight, *bias, *scale, *pre, *dy;
  float *dx, *d_weight, *d_bias, *d_scale;
} operands;

/* An output between guard zones, with something in it to add to. */
static float* filled(const char* name, int64_t n) {
  float* from = hashed(name, n);
  float* to = guarded_alloc(n);
  memcpy(to, from, (size_t)n * sizeof *to);
  free(from);
  return to;
}

static operands make(int64_t rows, int64_t in, int64_t out, int64_t gap, int64_t activation,
                     int parts) {
  const int64_t stride = in + gap;
  operands o = {.x = hashed("x", (rows - 1) * stride + in),
                .weight = hashed("weight", out * in),
                .bias = hashed("bias", out),
                .scale = hashed("scale", out),
                .pre = hashed("pre", rows * out),
                .dy = hashed("dy", rows * out),
                .dx = filled("dx", rows * in),
                .d_weight = filled("d_weight", out * in),
                .d_bias = filled("d_bias", out),
                .d_scale = filled("d_scale", out)};
  for (int64_t i = 0; i < rows * out; i++) o.pre[i] *= 4;
  for (int64_t i = 0; parts & INPUT && i < (rows - 1) * stride + in; i++) o.x[i] *= 4;
  const int by_weight = parts & (D_WEIGHT | D_SCALE | (parts & INPUT ? DX : 0));
  o.args = (fathom_linear_backward_args){
      .rows = rows,
      .in = in,
      .out = out,
      .x = by_weight ? o.x : NULL,
      .x_stride = by_weight ? stride : 0,
      .weight = parts & (DX | D_SCALE) ? o.weight : NULL,
      .bias = parts & BIAS ? o.bias : NULL,
      .activation = activation,
      .pre_activation = activation ? o.pre : NULL,
      .scale = parts & SCALE ? o.scale : NULL,
      .dy = o.dy,
      .dx = parts & DX ? o.dx : NULL,
      .accumulate = parts & ACCUMULATE ? 1 : 0,
      .d_weight = parts & D_WEIGHT ? o.d_weight : NULL,
      .d_bias = parts & D_BIAS ? o.d_bias : NULL,
      .d_scale = parts & D_SCALE ? o.d_scale : NULL,
      .input_activation = parts & INPUT ? FATHOM_ACTIVATION_GELU : FATHOM_ACTIVATION_NONE};
  return o;
}

static void release(operands* o) {
  free(o->x);
  free(o->weight);
  free(o->bias);
  free(o->scale);
  free(o->pre);
  free(o->dy);
  guarded_free(o->dx);
  guarded_free(o->d_weight);
  guarded_free(o->d_bias);
  guarded_free(o->d_scale);
}

/* Starts from a copy of what an output holds, if it is added to. */
static double* start(const float* output, int64_t n, int keep) {
  double* sums = calloc((size_t)n, sizeof *sums);
  if (!sums) abort();
  for (int64_t i = 0; keep && i < n; i++) sums[i] = output[i];
  return sums;
}

typedef struct {
  double *dx, *d_weight, *d_bias, *d_scale;
} gradients;

/* What must come out; from the definitions, d_scale from the product itself. */
static gradients naive(const operands* o) {
  const fathom_linear_backward_args* a = &o->args;
  gradients g = {start(o->dx, a->rows * a->in, (int)a->accumulate || !a->dx),
                 start(o->d_weight, a->out * a->in, 1), start(o->d_bias, a->out, 1),
                 start(o->d_scale, a->out, 1)};
  for (int64_t r = 0; r < a->rows; r++)
    for (int64_t c = 0; c < a->out; c++) {
      const double dy = a->dy[r * a->out + c];
      double dz = dy * (a->scale ? a->scale[c] : 1);
      if (a->activation == FATHOM_ACTIVATION_RELU) dz *= a->pre_activation[r * a->out + c] > 0;
      if (a->activation == FATHOM_ACTIVATION_GELU)
        dz *= gelu_slope(a->pre_activation[r * a->out + c]);
      double product = a->bias ? a->bias[c] : 0;
      for (int64_t i = 0; i < a->in; i++) {
        double x = a->x ? a->x[r * a->x_stride + i] : 0, slope = 1;
        if (a->input_activation == FATHOM_ACTIVATION_GELU) {
          slope = gelu_slope(x);
          x = gelu(x);
        }
        if (a->dx) g.dx[r * a->in + i] += dz * a->weight[c * a->in + i] * slope;
        if (a->d_weight) g.d_weight[c * a->in + i] += dz * x;
        if (a->d_scale) product += x * a->weight[c * a->in + i];
      }
      if (a->d_bias) g.d_bias[c] += dz;
      if (a->d_scale) g.d_scale[c] += dy * product;
    }
  return g;
}

static void check(const test_environment* t, int64_t rows, int64_t in, int64_t out, int64_t gap,
                  int64_t activation, int parts) {
  operands o = make(rows, in, out, gap, activation, parts);
  gradients g = naive(&o);
  EXPECT_OK(fathom_linear_backward(t->context, &o.args));
  /* A gradient that nobody wants stays as it was, which is what start kept. */
#define CHECK(name, n)                                                                            \
  EXPECT_GUARDS(o.name);                                                                          \
  EXPECT_CLOSE(o.name, g.name, n, TOLERANCE, #name ": rows %ld, in %ld, out %ld, gap %ld, "       \
               "activation %ld, parts %d", (long)rows, (long)in, (long)out, (long)gap,            \
               (long)activation, parts);                                                          \
  free(g.name);
  CHECK(dx, rows * in)
  CHECK(d_weight, out * in)
  CHECK(d_bias, out)
  CHECK(d_scale, out)
#undef CHECK
  release(&o);
}

TEST(linear_backward_agrees_at_odd_sizes) {
  static const int64_t rows[] = {1, 7, 14, 37, 207};
  static const int64_t sizes[] = {1, 7, 16, 31, 33, 64, 129};
  for (int r = 0; r < (t->quick ? 4 : 5); r++)
    for (int i = 0; i < 7; i++)
      for (int o = 0; o < 7; o++) {
        const int with_scale = (r + i + o) % 2;
        check(t, rows[r], sizes[i], sizes[o], (r + i) % 3, with_scale ? 0 : (r + 2 * i + o) % 3,
              DX | D_WEIGHT | D_BIAS | (with_scale ? SCALE | D_SCALE : 0) |
                  (i % 2 ? ACCUMULATE : 0) | (o % 2 ? BIAS : 0) | ((r + o) % 2 ? INPUT : 0));
      }
}

TEST(linear_backward_agrees_for_every_choice_of_gradients) {
  for (int parts = 0; parts < 256; parts++) {
    if ((parts & D_SCALE) && !(parts & SCALE)) continue;
    for (int64_t activation = 0; activation <= (parts & SCALE ? 0 : 2); activation++)
      check(t, 37, 45, 75, 3, activation, parts);
  }
}

/* More than one block of depth in both products, and several tasks. */
TEST(linear_backward_agrees_at_great_depth) {
  check(t, 37, 33, 1100, 0, FATHOM_ACTIVATION_GELU, DX | D_WEIGHT | D_BIAS | ACCUMULATE);
  check(t, 1028, 67, 35, 5, FATHOM_ACTIVATION_RELU, DX | D_WEIGHT | D_BIAS);
  check(t, 1028, 67, 35, 5, FATHOM_ACTIVATION_NONE, DX | D_WEIGHT | D_SCALE | SCALE | INPUT);
  if (t->quick) return;
  check(t, 777, 1100, 130, 0, FATHOM_ACTIVATION_NONE,
        DX | D_WEIGHT | D_BIAS | D_SCALE | SCALE | BIAS);
}

static void copy_outputs(const operands* from, operands* to) {
  const fathom_linear_backward_args* a = &from->args;
  memcpy(to->dx, from->dx, (size_t)(a->rows * a->in) * sizeof(float));
  memcpy(to->d_weight, from->d_weight, (size_t)(a->out * a->in) * sizeof(float));
  memcpy(to->d_bias, from->d_bias, (size_t)a->out * sizeof(float));
  memcpy(to->d_scale, from->d_scale, (size_t)a->out * sizeof(float));
}

TEST(linear_backward_does_not_depend_on_threads_or_on_the_run) {
  static const int64_t shapes[][3] = {{37, 300, 1100}, {500, 96, 65}, {777, 513, 200}, {1, 40, 9}};
  fathom_context* single;
  EXPECT_OK(fathom_context_create(1, t->isa, &single));
  for (int s = 0; s < 8; s++) {
    const int64_t* n = shapes[s / 2];
    const int parts =
        DX | D_WEIGHT | D_BIAS | ACCUMULATE | (s % 2 ? SCALE | D_SCALE | BIAS | INPUT : 0);
    const int64_t activation = s % 2 ? FATHOM_ACTIVATION_NONE : FATHOM_ACTIVATION_GELU;
    operands before = make(n[0], n[1], n[2], 0, activation, parts);
    operands first = make(n[0], n[1], n[2], 0, activation, parts);
    operands second = make(n[0], n[1], n[2], 0, activation, parts);
    EXPECT_OK(fathom_linear_backward(single, &first.args));
    for (int run = 0; run < 3; run++) {
      copy_outputs(&before, &second);
      EXPECT_OK(fathom_linear_backward(t->context, &second.args));
#define SAME(name, size)                                                          \
  EXPECT(memcmp(first.name, second.name, (size_t)(size) * sizeof(float)) == 0,    \
         #name ", shape %d: run %d on %d threads differs from one thread", s, run, t->threads);
      SAME(dx, n[0] * n[1])
      SAME(d_weight, n[2] * n[1])
      SAME(d_bias, n[2])
      SAME(d_scale, n[2])
#undef SAME
    }
    release(&before);
    release(&first);
    release(&second);
  }
  fathom_context_destroy(single);
}

/* With one input and a weight of 1, dx is the derivative of the activation. */
static void slopes(const test_environment* t, int64_t activation, int64_t n, const float* z,
                   float* slope) {
  const float one = 1;
  float* dy = malloc((size_t)n * sizeof *dy);
  for (int64_t i = 0; i < n; i++) dy[i] = 1;
  fathom_linear_backward_args args = {.rows = n, .in = 1, .out = 1, .weight = &one, .dy = dy,
                                      .activation = activation, .pre_activation = z, .dx = slope};
  EXPECT_OK(fathom_linear_backward(t->context, &args));
  free(dy);
}

TEST(linear_backward_has_the_exact_slope_of_gelu) {
  enum { N = 20001 };
  float* z = malloc(N * sizeof *z);
  float* slope = guarded_alloc(N);
  for (int i = 0; i < N; i++) z[i] = (float)(i - N / 2) * (15.0f / (N / 2));
  slopes(t, FATHOM_ACTIVATION_GELU, N, z, slope);
  EXPECT_GUARDS(slope);
  double worst = 0, at = 0;
  for (int i = 0; i < N; i++) {
    const double error = fabs(slope[i] - gelu_slope(z[i]));
    if (!(error <= worst)) worst = error, at = z[i];
  }
  EXPECT(worst <= 4e-7, "error %.3g at %g", worst, at);
  EXPECT(slope[N / 2] == 0.5f, "the slope at 0 is %g", (double)slope[N / 2]);
  free(z);
  guarded_free(slope);
}

TEST(linear_backward_keeps_special_values) {
  const float z[] = {NAN, INFINITY, -INFINITY, 3e38f, -3e38f, 0.0f};
  float slope[6];
  slopes(t, FATHOM_ACTIVATION_GELU, 6, z, slope);
  EXPECT(isnan(slope[0]), "gelu'(NaN) is %g", (double)slope[0]);
  EXPECT(slope[1] == 1 && slope[2] == 0, "gelu'(+-inf) is %g, %g", (double)slope[1],
         (double)slope[2]);
  EXPECT(slope[3] == 1 && slope[4] == 0, "gelu'(+-3e38) is %g, %g", (double)slope[3],
         (double)slope[4]);
  slopes(t, FATHOM_ACTIVATION_RELU, 6, z, slope);
  EXPECT(slope[0] == 1 && slope[1] == 1 && slope[2] == 0 && slope[5] == 0, "relu'");
}

/* A forward pass with pre_activation, and its bits without it. */
TEST(linear_keeps_what_comes_before_the_activation) {
  static const int64_t shapes[][3] = {{1, 7, 5}, {37, 45, 75}, {29, 500, 64}};
  for (int s = 0; s < 3; s++) {
    const int64_t rows = shapes[s][0], in = shapes[s][1], out = shapes[s][2];
    float *x = hashed("x", rows * in), *weight = hashed("weight", out * in);
    float *bias = hashed("bias", out);
    fathom_linear_pack_args pack = {.out = out, .in = in, .weight = weight};
    EXPECT_OK(fathom_linear_pack(t->context, &pack));
    float* packed = pack.packed = guarded_alloc(pack.packed_size);
    float *y = guarded_alloc(rows * out), *pre = guarded_alloc(rows * out);
    float* without = guarded_alloc(rows * out);
    double* expected = malloc((size_t)(rows * out) * sizeof *expected);
    for (int64_t r = 0; r < rows; r++)
      for (int64_t c = 0; c < out; c++) {
        double sum = bias[c];
        for (int64_t i = 0; i < in; i++) sum += (double)x[r * in + i] * weight[c * in + i];
        expected[r * out + c] = sum;
      }
    EXPECT_OK(fathom_linear_pack(t->context, &pack));
    fathom_linear_args args = {.rows = rows, .in = in, .out = out, .x = x, .x_stride = in,
                               .packed = packed, .bias = bias,
                               .activation = FATHOM_ACTIVATION_GELU, .y = without};
    EXPECT_OK(fathom_linear(t->context, &args));
    args.y = y;
    args.pre_activation = pre;
    EXPECT_OK(fathom_linear(t->context, &args));
    EXPECT_GUARDS(y);
    EXPECT_GUARDS(pre);
    EXPECT_CLOSE(pre, expected, rows * out, 1e-6, "rows %ld, in %ld, out %ld", (long)rows, (long)in,
                 (long)out);
    EXPECT(memcmp(y, without, (size_t)(rows * out) * sizeof *y) == 0, "y has other bits with it");
    free(x);
    free(weight);
    free(bias);
    guarded_free(packed);
    guarded_free(y);
    guarded_free(pre);
    guarded_free(without);
    free(expected);
  }
}

TEST(linear_backward_rejects_bad_arguments) {
  float x[6] = {0}, weight[9] = {0}, vector[3] = {0}, dy[6] = {0}, out[6], square[9] = {0};
  const fathom_linear_backward_args good = {
      .rows = 2, .in = 3, .out = 3, .x = x, .x_stride = 3, .weight = weight, .bias = vector,
      .scale = vector, .dy = dy, .dx = out, .d_weight = square, .d_bias = vector,
      .d_scale = vector};
  EXPECT_OK(fathom_linear_backward(t->context, &good));
  fathom_linear_backward_args bad;
#define REJECTED(text, ...)                                                                     \
  do {                                                                                          \
    bad = good;                                                                                 \
    __VA_ARGS__;                                                                                \
    EXPECT(fathom_linear_backward(t->context, &bad) == FATHOM_INVALID_ARGUMENT,                 \
           #__VA_ARGS__ " was taken");                                                          \
    EXPECT(strstr(fathom_last_error(), "linear_backward") && strstr(fathom_last_error(), text), \
           #__VA_ARGS__ " says: %s", fathom_last_error());                                      \
  } while (0)
  REJECTED("[-1,3]", bad.rows = -1);
  REJECTED("[2,0]", bad.in = 0);
  REJECTED("[2,-4]", bad.out = -4);
  REJECTED("x_stride is 2", bad.x_stride = 2);
  REJECTED("activation 3", bad.activation = FATHOM_ACTIVATION_SIGMOID, bad.scale = NULL);
  REJECTED("activation 2 with a scale", bad.activation = FATHOM_ACTIVATION_GELU);
  REJECTED("accumulate is 2", bad.accumulate = 2);
  REJECTED("input activation 1", bad.input_activation = FATHOM_ACTIVATION_RELU);
  REJECTED("x is NULL", bad.input_activation = FATHOM_ACTIVATION_GELU, bad.x = NULL,
           bad.d_weight = bad.d_scale = NULL);
  REJECTED("without scale", bad.scale = NULL);
  REJECTED("dy is NULL", bad.dy = NULL);
  REJECTED("x is NULL", bad.x = NULL);
  REJECTED("x is NULL", bad.x = NULL, bad.d_weight = NULL);
  REJECTED("weight is NULL", bad.weight = NULL);
  REJECTED("pre_activation is NULL", bad.activation = FATHOM_ACTIVATION_RELU, bad.scale = NULL,
           bad.d_scale = NULL);
  REJECTED("too large", bad.out = INT64_MAX);
  REJECTED("too large", bad.in = INT64_MAX / 4, bad.x_stride = INT64_MAX / 4);
  REJECTED("too large", bad.rows = INT64_MAX);
  REJECTED("too large", bad.x_stride = INT64_MAX);
#undef REJECTED
  EXPECT(fathom_linear_backward(NULL, &good) == FATHOM_INVALID_ARGUMENT, "a NULL context");
  EXPECT(fathom_linear_backward(t->context, NULL) == FATHOM_INVALID_ARGUMENT, "NULL arguments");
  bad = good;
  bad.rows = 0;
  bad.x = bad.dy = bad.weight = NULL;
  EXPECT_OK(fathom_linear_backward(t->context, &bad));
}

TEST(swiglu_backward_agrees) {
  static const int64_t shapes[][2] = {{1, 1}, {3, 15}, {2, 16}, {5, 207}, {700, 100}};
  for (int s = 0; s < (t->quick ? 4 : 5); s++) {
    const int64_t rows = shapes[s][0], channels = shapes[s][1];
    float* x = hashed("x", rows * 2 * channels);
    float* dy = hashed("dy", rows * channels);
    float *dx = guarded_alloc(rows * 2 * channels), *in_place = guarded_alloc(rows * 2 * channels);
    double* expected = malloc((size_t)(rows * 2 * channels) * sizeof *expected);
    for (int64_t r = 0; r < rows; r++)
      for (int64_t c = 0; c < channels; c++) {
        float* gate = &x[r * 2 * channels + c];
        *gate *= 20;
        const double g = *gate, v = gate[channels], d = dy[r * channels + c];
        const double sigmoid = 1 / (1 + exp(-g));
        expected[r * 2 * channels + c] = d * v * sigmoid * (1 + g * (1 - sigmoid));
        expected[r * 2 * channels + channels + c] = d * g * sigmoid;
      }
    fathom_swiglu_backward_args args = {
        .rows = rows, .channels = channels, .x = x, .dy = dy, .dx = dx};
    EXPECT_OK(fathom_swiglu_backward(t->context, &args));
    EXPECT_GUARDS(dx);
    EXPECT_CLOSE(dx, expected, rows * 2 * channels, TOLERANCE, "rows %ld, channels %ld",
                 (long)rows, (long)channels);
    memcpy(in_place, x, (size_t)(rows * 2 * channels) * sizeof *x);
    args.x = args.dx = in_place;
    EXPECT_OK(fathom_swiglu_backward(t->context, &args));
    EXPECT(memcmp(dx, in_place, (size_t)(rows * 2 * channels) * sizeof *dx) == 0,
           "other bits in place");
    free(x);
    free(dy);
    guarded_free(dx);
    guarded_free(in_place);
    free(expected);
  }
}

TEST(swiglu_backward_rejects_bad_arguments) {
  float x[4] = {0}, dy[2] = {0}, dx[4];
  const fathom_swiglu_backward_args good = {.rows = 1, .channels = 2, .x = x, .dy = dy, .dx = dx};
  fathom_swiglu_backward_args bad;
#define REJECTED(...)                                                                           \
  do {                                                                                          \
    bad = good;                                                                                 \
    __VA_ARGS__;                                                                                \
    EXPECT(fathom_swiglu_backward(t->context, &bad) == FATHOM_INVALID_ARGUMENT,                 \
           #__VA_ARGS__ " was taken");                                                          \
    EXPECT(strstr(fathom_last_error(), "swiglu_backward"), "text: %s", fathom_last_error());    \
  } while (0)
  REJECTED(bad.rows = -1);
  REJECTED(bad.channels = 0);
  REJECTED(bad.channels = INT64_MAX);
  REJECTED(bad.rows = INT64_MAX);
  REJECTED(bad.x = NULL);
  REJECTED(bad.dy = NULL);
  REJECTED(bad.dx = NULL);
#undef REJECTED
  EXPECT(fathom_swiglu_backward(NULL, &good) == FATHOM_INVALID_ARGUMENT, "a NULL context");
  EXPECT(fathom_swiglu_backward(t->context, NULL) == FATHOM_INVALID_ARGUMENT, "NULL arguments");
  bad = good;
  bad.rows = 0;
  bad.x = bad.dy = bad.dx = NULL;
  EXPECT_OK(fathom_swiglu_backward(t->context, &bad));
}
