/*
 * The projection on its own, channels reduced to one number for each pixel, and its backward. Bound by
 * memory: one pass over x. Lanes stand for channels, so that the gradient of the weight is summed without
 * moving between lanes; its parts are cut by the number of pixels alone.
 */
#include "internal.h"
#include "simd.h"

/* Pixels of a task. */
#define PIXELS 1024
/* Pixels whose gradient sums are kept apart, so that float sums stay short; parts at most. */
#define PART_PIXELS 4096
#define MOST_PARTS 64

FATHOM_INLINE vf load(const float* p, int64_t n) { return n == W ? v_load(p) : v_load_part(p, n); }

static void project_task(void* argument, int64_t index, int32_t thread) {
  (void)thread;
  const fathom_project_args* a = argument;
  const int64_t channels = a->channels, end = fathom_min((index + 1) * PIXELS, a->pixels);
  for (int64_t p = index * PIXELS; p < end; p += W) {
    const int64_t lanes = fathom_min(W, end - p);
    vf v = {0};
    for (int64_t i = 0; i < lanes; i++) {
      const float* x = a->x + (p + i) * channels;
      vf sum = {0};
      for (int64_t c = 0; c < channels; c += W) {
        const int64_t n = fathom_min(W, channels - c);
        sum += load(x + c, n) * load(a->weight + c, n);
      }
      v[i] = v_sum(sum);
    }
    v += a->bias[0];
    if (a->activation == FATHOM_ACTIVATION_RELU) v = v_relu(v);
    if (a->activation == FATHOM_ACTIVATION_SIGMOID) v = 1.0f / (1.0f + v_exp(-v));
    v *= a->scale;
    if (lanes == W) {
      v_store(a->y + p, v);
    } else {
      v_store_part(a->y + p, v, lanes);
    }
  }
}

fathom_status FN(project)(fathom_context* context, const fathom_project_args* args) {
  fathom_pool_run(context->pool, fathom_ceil_div(args->pixels, PIXELS), project_task, (void*)args);
  return FATHOM_OK;
}

/* ---- backward ---- */

typedef struct {
  const fathom_project_backward_args* args;
  int64_t parts, padded; /* channels in whole vectors */
  float* sums;           /* [parts][padded + W], the bias's sum in the last vector's first lane */
} backward;

/* The gradient of the sum before the activation, of n <= W pixels. */
FATHOM_INLINE vf sum_gradient(const fathom_project_backward_args* a, int64_t pixel, int64_t n) {
  const vf dy = load(a->dy + pixel, n);
  if (a->activation == FATHOM_ACTIVATION_NONE) return dy * a->scale;
  const vf y = load(a->y + pixel, n);
  if (a->activation == FATHOM_ACTIVATION_RELU) {
    const vf sign = v_set(a->scale < 0 ? -1.0f : 1.0f);
    return v_select(y * sign > v_set(0.0f), dy * a->scale, v_set(0.0f));
  }
  /* y = scale * s, and s' = s (1 - s) */
  return dy * y * (1.0f - y * (a->scale == 0 ? 0.0f : 1.0f / a->scale));
}

static void backward_task(void* argument, int64_t part, int32_t thread) {
  (void)thread;
  const backward* b = argument;
  const fathom_project_backward_args* a = b->args;
  const int64_t channels = a->channels, all = fathom_ceil_div(a->pixels, W);
  const int64_t first = all * part / b->parts * W;
  const int64_t end = fathom_min(all * (part + 1) / b->parts * W, a->pixels);
  float* sums = b->sums + part * (b->padded + W);
  memset(sums, 0, (size_t)(b->padded + W) * sizeof *sums);
  vf bias = {0};
  for (int64_t p = first; p < end; p += W) {
    const int64_t lanes = fathom_min(W, end - p);
    vf gradient = sum_gradient(a, p, lanes);
    for (int64_t i = lanes; i < W; i++) gradient[i] = 0;
    bias += gradient;
    for (int64_t c = 0; c < channels; c += W) {
      const int64_t n = fathom_min(W, channels - c);
      const vf weight = a->dx ? load(a->weight + c, n) : v_set(0.0f);
      vf sum = {0};
      for (int64_t i = 0; i < lanes; i++) {
        const int64_t at = (p + i) * channels + c;
        const vf g = v_set(gradient[i]);
        if (a->d_weight) sum += g * load(a->x + at, n);
        if (!a->dx) continue;
        if (n == W) {
          v_store(a->dx + at, g * weight);
        } else {
          v_store_part(a->dx + at, g * weight, n);
        }
      }
      v_store(sums + c, v_load(sums + c) + sum);
    }
  }
  sums[b->padded] = v_sum(bias);
}

fathom_status FN(project_backward)(fathom_context* context,
                                   const fathom_project_backward_args* args) {
  backward b = {.args = args, .padded = fathom_ceil_div(args->channels, W) * W};
  b.parts = fathom_min(fathom_ceil_div(args->pixels, PART_PIXELS), MOST_PARTS);
  fathom_status status =
      fathom_reserve(context, (size_t)(b.parts * (b.padded + W)) * sizeof(float), 0);
  if (status != FATHOM_OK) return status;
  b.sums = fathom_shared(context);
  fathom_pool_run(context->pool, b.parts, backward_task, &b);
  for (int64_t c = 0; c <= b.padded; c++) {
    float* to = c == b.padded ? args->d_bias
                : c < args->channels && args->d_weight ? args->d_weight + c
                                                       : NULL;
    if (!to) continue;
    double sum = 0;
    for (int64_t part = 0; part < b.parts; part++) sum += b.sums[part * (b.padded + W) + c];
    *to += (float)sum;
  }
  return FATHOM_OK;
}

#ifdef FATHOM_ENTRY

#define CHECK(condition, text)                                                            \
  FATHOM_CHECK(condition, "%s [%lld,%lld]: " text, name, (long long)pixels, (long long)channels)

static fathom_status check(const char* name, int64_t pixels, int64_t channels, int64_t activation) {
  CHECK(pixels > 0 && channels > 0, "sizes must be positive");
  CHECK(FATHOM_PRODUCT(pixels, channels) > 0, "the sizes overflow");
  CHECK(activation == FATHOM_ACTIVATION_NONE || activation == FATHOM_ACTIVATION_RELU ||
            activation == FATHOM_ACTIVATION_SIGMOID,
        "the activation is none, ReLU or sigmoid");
  return FATHOM_OK;
}

fathom_status fathom_project(fathom_context* context, const fathom_project_args* args) {
  const char* name = "project";
  FATHOM_CHECK(context && args, "project: the context or args is NULL");
  const int64_t pixels = args->pixels, channels = args->channels;
  fathom_status status = check(name, pixels, channels, args->activation);
  if (status != FATHOM_OK) return status;
  CHECK(args->x && args->weight && args->bias && args->y, "x, weight, bias or y is NULL");
  CHECK(!fathom_overlap(args->y, pixels, args->x, pixels * channels), "y overlaps x");
  FATHOM_DISPATCH(context, project, args);
}

fathom_status fathom_project_backward(fathom_context* context,
                                      const fathom_project_backward_args* args) {
  const char* name = "project_backward";
  FATHOM_CHECK(context && args, "project_backward: the context or args is NULL");
  const int64_t pixels = args->pixels, channels = args->channels;
  fathom_status status = check(name, pixels, channels, args->activation);
  if (status != FATHOM_OK) return status;
  CHECK(args->dy, "dy is NULL");
  CHECK(args->y || args->activation == FATHOM_ACTIVATION_NONE, "y is NULL");
  CHECK(args->x || !args->d_weight, "x is NULL");
  CHECK(args->weight || !args->dx, "the weight is NULL");
  if (args->dx) {
    const int64_t size = pixels * channels;
    CHECK(!fathom_overlap(args->dx, size, args->dy, pixels), "dx overlaps dy");
    CHECK(!args->y || !fathom_overlap(args->dx, size, args->y, pixels), "dx overlaps y");
    CHECK(!args->x || !fathom_overlap(args->dx, size, args->x, size), "dx overlaps x");
  }
  FATHOM_DISPATCH(context, project_backward, args);
}
#undef CHECK

#endif
