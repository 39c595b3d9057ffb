/* The projection to one channel and its backward against float64. */
#include "test.h"

typedef struct {
  int64_t pixels, channels, activation;
  float scale;
} project_case;

static double activate(int64_t activation, double v) {
  if (activation == FATHOM_ACTIVATION_RELU) return v > 0 ? v : 0;
  if (activation == FATHOM_ACTIVATION_SIGMOID) return 1 / (1 + exp(-v));
  return v;
}

static double slope(int64_t activation, double v) {
  if (activation == FATHOM_ACTIVATION_RELU) return v > 0;
  if (activation == FATHOM_ACTIVATION_SIGMOID)
    return activate(activation, v) * (1 - activate(activation, v));
  return 1;
}

static float* guarded_hashed(const char* name, int64_t n) {
  float* p = guarded_alloc(n);
  float* from = hashed(name, n);
  memcpy(p, from, (size_t)n * sizeof *p);
  free(from);
  return p;
}

static double* zeros(int64_t n) {
  double* p = calloc((size_t)n, sizeof *p);
  if (!p) abort();
  return p;
}

static void check_close(const float* actual, const double* expected, int64_t n, double tolerance,
                        const project_case* c, const char* what) {
  EXPECT_CLOSE(actual, expected, n, tolerance, "%s of [%ld,%ld] activation %ld scale %g", what,
               (long)c->pixels, (long)c->channels, (long)c->activation, (double)c->scale);
}

/* outputs: bits 1 dx, 2 d_weight, 4 d_bias */
static void check(const test_environment* t, fathom_context* one, project_case c, int outputs) {
  const int64_t size = c.pixels * c.channels;
  float *x = hashed("x", size), *weight = hashed("weight", c.channels), *dy = hashed("dy", c.pixels);
  const float bias = 0.125f;
  float *y = guarded_alloc(c.pixels), *dx = guarded_alloc(size);
  float* d_weight = guarded_hashed("d_weight", c.channels);
  float* d_bias = guarded_hashed("d_bias", 1);
  const fathom_project_args forward = {.pixels = c.pixels,
                                       .channels = c.channels,
                                       .x = x,
                                       .weight = weight,
                                       .bias = &bias,
                                       .activation = c.activation,
                                       .scale = c.scale,
                                       .y = y};
  EXPECT_OK(fathom_project(t->context, &forward));
  EXPECT_GUARDS(y);
  double *ey = zeros(c.pixels), *edx = zeros(size), *ew = zeros(c.channels), eb = d_bias[0];
  for (int64_t i = 0; i < c.channels; i++) ew[i] = d_weight[i];
  for (int64_t p = 0; p < c.pixels; p++) {
    double v = bias;
    for (int64_t i = 0; i < c.channels; i++) v += (double)x[p * c.channels + i] * weight[i];
    ey[p] = c.scale * activate(c.activation, v);
    const double g = dy[p] * c.scale * slope(c.activation, v);
    eb += g;
    for (int64_t i = 0; i < c.channels; i++) {
      ew[i] += g * x[p * c.channels + i];
      edx[p * c.channels + i] = g * weight[i];
    }
  }
  check_close(y, ey, c.pixels, 1e-6, &c, "y");
  const fathom_project_backward_args backward = {
      .pixels = c.pixels,
      .channels = c.channels,
      .x = outputs & 2 ? x : NULL,
      .weight = outputs & 1 ? weight : NULL,
      .activation = c.activation,
      .scale = c.scale,
      .y = c.activation == FATHOM_ACTIVATION_NONE ? NULL : y,
      .dy = dy,
      .dx = outputs & 1 ? dx : NULL,
      .d_weight = outputs & 2 ? d_weight : NULL,
      .d_bias = outputs & 4 ? d_bias : NULL,
  };
  fathom_project_backward_args again = backward;
  float* d_weight1 = guarded_hashed("d_weight", c.channels);
  float* d_bias1 = guarded_hashed("d_bias", 1);
  if (again.d_weight) again.d_weight = d_weight1;
  if (again.d_bias) again.d_bias = d_bias1;
  EXPECT_OK(fathom_project_backward(one, &again));
  EXPECT_OK(fathom_project_backward(t->context, &backward));
  EXPECT_GUARDS(dx);
  EXPECT_GUARDS(d_weight);
  EXPECT_GUARDS(d_bias);
  if (outputs & 1) check_close(dx, edx, size, 2e-6, &c, "dx");
  if (outputs & 2) check_close(d_weight, ew, c.channels, c.channels < 16 ? 2e-5 : 3e-6, &c, "d_weight");
  if (outputs & 4) check_close(d_bias, &eb, 1, 2e-5, &c, "d_bias");
  EXPECT(memcmp(d_weight, d_weight1, (size_t)c.channels * sizeof(float)) == 0 &&
             d_bias[0] == d_bias1[0],
         "[%ld,%ld]: differs from one thread", (long)c.pixels, (long)c.channels);
  free(x);
  free(weight);
  free(dy);
  guarded_free(y);
  guarded_free(dx);
  guarded_free(d_weight);
  guarded_free(d_bias);
  guarded_free(d_weight1);
  guarded_free(d_bias1);
  free(ey);
  free(edx);
  free(ew);
}

TEST(project) {
  static const int64_t activations[] = {FATHOM_ACTIVATION_NONE, FATHOM_ACTIVATION_RELU,
                                        FATHOM_ACTIVATION_SIGMOID};
  static const int64_t pixels[] = {1, 2, 15, 17, 100, 1031, 9001, 40000};
  static const int64_t channels[] = {1, 3, 16, 31, 32, 48, 65};
  fathom_context* one;
  EXPECT_OK(fathom_context_create(1, t->isa, &one));
  int step = 0;
  for (int p = 0; p < (t->quick ? 6 : 8); p++)
    for (int c = 0; c < 7; c++)
      for (int k = 0; k < 3; k++, step++)
        check(t, one, (project_case){pixels[p], channels[c], activations[k],
                                     step % 4 == 3 ? -2.0f : 20.0f},
              step % 2 ? 7 : 1 + step / 2 % 7);
  fathom_context_destroy(one);
}

TEST(project_rejects_bad_arguments) {
  float x[6] = {0}, weight[2] = {0}, bias[1] = {0}, y[3], dy[3] = {0}, dx[6];
  const fathom_project_args good = {
      .pixels = 3, .channels = 2, .x = x, .weight = weight, .bias = bias, .scale = 1, .y = y};
  const fathom_project_backward_args good_backward = {
      .pixels = 3, .channels = 2, .x = x,         .weight = weight,     .scale = 1, .y = y,
      .dy = dy,    .dx = dx,      .d_weight = weight, .d_bias = bias};
#define REJECTS(type, function, from, change, text)                                             \
  {                                                                                             \
    type a = from;                                                                              \
    change;                                                                                     \
    EXPECT(function(t->context, &a) == FATHOM_INVALID_ARGUMENT, "%s was taken", #change);       \
    EXPECT(strstr(fathom_last_error(), "project") && strstr(fathom_last_error(), text),         \
           "%s: text: %s", #change, fathom_last_error());                                       \
  }
#define FORWARD(change, text) REJECTS(fathom_project_args, fathom_project, good, change, text)
#define BACKWARD(change, text) \
  REJECTS(fathom_project_backward_args, fathom_project_backward, good_backward, change, text)
  FORWARD(a.pixels = 0, "[0,2]")
  FORWARD(a.channels = -1, "positive")
  FORWARD(a.pixels = INT64_MAX / 2, "overflow")
  FORWARD(a.activation = FATHOM_ACTIVATION_GELU, "activation")
  FORWARD(a.x = NULL, "NULL")
  FORWARD(a.weight = NULL, "NULL")
  FORWARD(a.bias = NULL, "NULL")
  FORWARD(a.y = NULL, "NULL")
  FORWARD(a.y = x + 1, "overlaps")
  BACKWARD(a.pixels = 0, "[0,2]")
  BACKWARD(a.channels = 0, "positive")
  BACKWARD(a.activation = 9, "activation")
  BACKWARD(a.dy = NULL, "dy is NULL")
  BACKWARD(a.activation = FATHOM_ACTIVATION_RELU; a.y = NULL, "y is NULL")
  BACKWARD(a.x = NULL, "x is NULL")
  BACKWARD(a.weight = NULL, "weight is NULL")
  BACKWARD(a.dx = x, "overlaps x")
  BACKWARD(a.dx = dy, "overlaps dy")
#undef FORWARD
#undef BACKWARD
#undef REJECTS
  EXPECT(fathom_project(t->context, NULL) == FATHOM_INVALID_ARGUMENT, "NULL args");
  EXPECT(fathom_project_backward(NULL, &good_backward) == FATHOM_INVALID_ARGUMENT,
         "a NULL context");
}
