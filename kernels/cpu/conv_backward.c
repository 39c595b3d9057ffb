/*
 * Backward of the convolutions: conv2d with what is fused before and after it, and transposed
 * convolutions. The work is done by the parts of conv_backward.h; here they are put together.
 */
#include "conv_backward.h"

/* ---- conv2d ---- */

static fathom_status conv2d_weights(fathom_context* context,
                                    const fathom_conv2d_backward_args* args) {
  const conv_weight_gradient_args a = {
      .map = {.batch = args->batch,
              .height = args->height,
              .width = args->width,
              .in = args->in,
              .x = args->x,
              .source_height = args->source_height,
              .source_width = args->source_width,
              .relu_input = args->relu_input},
      .out = args->out,
      .kernel = args->kernel,
      .stride = args->stride,
      .margin = (args->kernel - 1) / 2,
      .out_height = fathom_ceil_div(args->height, args->stride),
      .out_width = fathom_ceil_div(args->width, args->stride),
      .gradient = args->dy,
      .gate = args->activated,
      .d_weight = args->d_weight,
      .d_bias = args->d_bias,
  };
  return FN(conv_weight_gradient)(context, &a);
}

/* dx of a map that was not resized, in one go. */
static fathom_status conv2d_input(fathom_context* context,
                                  const fathom_conv2d_backward_args* args) {
  const conv_input_gradient_args a = {
      .batch = args->batch,
      .height = args->height,
      .width = args->width,
      .in = args->in,
      .out = args->out,
      .kernel = args->kernel,
      .stride = args->stride,
      .dy = args->dy,
      .dy_gate = args->activated,
      .dx_gate = args->relu_input ? args->x : NULL,
      .dx = args->dx,
      .accumulate = (int)args->accumulate,
  };
  const int64_t size = FN(conv_input_gradient_packed_size)(&a);
  fathom_status status = fathom_hold(context, (size_t)size * sizeof(float));
  if (status != FATHOM_OK) return status;
  float* packed = fathom_held(context);
  FN(conv_input_gradient_pack)(context, &a, args->weight, packed);
  return FN(conv_input_gradient)(context, &a, packed);
}

/* dx of a map that was resized: the gradient of one large map at a time, and from there to its source. */
static fathom_status conv2d_source(fathom_context* context,
                                   const fathom_conv2d_backward_args* args) {
  const int64_t out_floats = fathom_ceil_div(args->height, args->stride) *
                             fathom_ceil_div(args->width, args->stride) * args->out;
  const int64_t source_floats = args->source_height * args->source_width * args->in;
  const int64_t map_floats = args->height * args->width * args->in;
  conv_input_gradient_args a = {
      .batch = 1,
      .height = args->height,
      .width = args->width,
      .in = args->in,
      .out = args->out,
      .kernel = args->kernel,
      .stride = args->stride,
  };
  const int64_t size = FN(conv_input_gradient_packed_size)(&a);
  fathom_status status = fathom_hold(context, (size_t)(size + map_floats) * sizeof(float));
  if (status != FATHOM_OK) return status;
  float* packed = fathom_held(context);
  float* map = a.dx = packed + size;
  FN(conv_input_gradient_pack)(context, &a, args->weight, packed);
  for (int64_t b = 0; b < args->batch; b++) {
    a.dy = args->dy + b * out_floats;
    a.dy_gate = args->activated ? args->activated + b * out_floats : NULL;
    status = FN(conv_input_gradient)(context, &a, packed);
    if (status != FATHOM_OK) return status;
    const fathom_conv2d_args resize = {
        .batch = 1,
        .height = args->height,
        .width = args->width,
        .in = args->in,
        .x = args->x + b * source_floats,
        .source_height = args->source_height,
        .source_width = args->source_width,
        .relu_input = args->relu_input,
    };
    status = FN(conv_resize_adjoint)(context, &resize, map, args->dx + b * source_floats,
                                     (int)args->accumulate);
    if (status != FATHOM_OK) return status;
  }
  return FATHOM_OK;
}

fathom_status FN(conv2d_backward)(fathom_context* context,
                                  const fathom_conv2d_backward_args* args) {
  fathom_status status = FATHOM_OK;
  if (args->d_weight || args->d_bias) status = conv2d_weights(context, args);
  if (status != FATHOM_OK || !args->dx) return status;
  return args->source_height ? conv2d_source(context, args) : conv2d_input(context, args);
}

/* ---- transposed ---- */

/*
 * The gradient of the weight is that of a convolution with kernel = stride that reads dy and whose
 * output's gradient is x.
 */
static fathom_status transpose_weights(fathom_context* context,
                                       const fathom_conv_transpose2d_backward_args* args) {
  const conv_weight_gradient_args a = {
      .map = {.batch = args->batch,
              .height = args->kernel * args->height,
              .width = args->kernel * args->width,
              .in = args->out,
              .x = args->dy},
      .out = args->in,
      .kernel = args->kernel,
      .stride = args->kernel,
      .out_height = args->height,
      .out_width = args->width,
      .gradient = args->x,
      .d_weight = args->d_weight,
  };
  return FN(conv_weight_gradient)(context, &a);
}

/* The sum of dy over all pixels, as that of a 1x1 convolution's output. */
static fathom_status transpose_bias(fathom_context* context,
                                    const fathom_conv_transpose2d_backward_args* args) {
  const conv_weight_gradient_args a = {
      .map = {.batch = args->batch, .in = 1},
      .out = args->out,
      .kernel = 1,
      .stride = 1,
      .out_height = args->kernel * args->height,
      .out_width = args->kernel * args->width,
      .gradient = args->dy,
      .d_bias = args->d_bias,
  };
  return FN(conv_weight_gradient)(context, &a);
}

/*
 * dx [pixels,in] = dy [pixels,k*k*out] weight^T: a pixel's part of dy are k stretches of k * out floats,
 * one in each of k rows.
 */
typedef struct {
  fathom_context* context;
  const fathom_conv_transpose2d_backward_args* args;
  float* packed;
  gemm_plan plan;
} transpose_input;

/* B's panel of NR input channels, [k*k*out][NR]. */
static void pack_transposed(void* argument, int64_t panel, int32_t thread __attribute__((unused))) {
  const transpose_input* t = argument;
  const int64_t in = t->args->in, out = t->args->out, taps = t->args->kernel * t->args->kernel;
  float* to = t->packed + panel * NR * taps * out;
  for (int64_t j = 0; j < NR; j++) {
    const int64_t c = panel * NR + j;
    for (int64_t o = 0; o < out; o++)
      for (int64_t tap = 0; tap < taps; tap++)
        to[(tap * out + o) * NR + j] = c < in ? t->args->weight[(c * out + o) * taps + tap] : 0.0f;
  }
}

static void pack_dy(const void* operator, int64_t row, int64_t rows, int64_t k, int64_t depth,
                    float* panel) {
  const fathom_conv_transpose2d_backward_args* a = operator;
  const int64_t stretch = a->kernel * a->out, line = a->width * stretch;
  while (depth > 0) {
    const int64_t i = k / stretch, at = k % stretch, n = fathom_min(depth, stretch - at);
    const float* from[GEMM_PACK_ROWS];
    for (int64_t r = 0; r < GEMM_PACK_ROWS; r++) {
      const int64_t pixel = row + fathom_min(r, rows - 1);
      from[r] = a->dy + (pixel / a->width * a->kernel + i) * line + pixel % a->width * stretch + at;
    }
    gemm_pack_rows(MR, from, n, panel);
    panel += n * MR;
    k += n;
    depth -= n;
  }
}

static void finish_dx(const void* operator, int64_t row, int64_t rows, int64_t column,
                      int64_t columns, const float* tile) {
  const fathom_conv_transpose2d_backward_args* a = operator;
  for (int64_t i = 0; i < rows; i++) {
    float* to = a->dx + (row + i) * a->in + column;
    for (int64_t j = 0; j < columns; j += W) {
      const vf v = v_load(tile + i * NR + j);
      if (columns - j >= W) {
        v_store(to + j, v);
      } else {
        v_store_part(to + j, v, columns - j);
      }
    }
  }
}

static void transpose_task(void* argument, int64_t index, int32_t thread) {
  const transpose_input* t = argument;
  gemm_block(&t->plan, index, fathom_local(t->context, thread), pack_dy, finish_dx, t->args);
}

static fathom_status transpose_dx(fathom_context* context,
                                  const fathom_conv_transpose2d_backward_args* args) {
  const int64_t depth = args->kernel * args->kernel * args->out;
  transpose_input t = {.context = context, .args = args};
  t.plan = gemm_plan_make(context->threads, args->batch * args->height * args->width, args->in,
                          depth, NULL);
  fathom_status status =
      fathom_reserve(context, (size_t)gemm_packed_size(args->in, depth) * sizeof(float),
                     gemm_scratch(&t.plan));
  if (status != FATHOM_OK) return status;
  t.plan.b = t.packed = fathom_shared(context);
  fathom_pool_run(context->pool, fathom_ceil_div(args->in, NR), pack_transposed, &t);
  fathom_pool_run(context->pool, gemm_tasks(&t.plan), transpose_task, &t);
  return FATHOM_OK;
}

fathom_status FN(conv_transpose2d_backward)(fathom_context* context,
                                            const fathom_conv_transpose2d_backward_args* args) {
  fathom_status status = FATHOM_OK;
  if (args->d_weight) status = transpose_weights(context, args);
  if (status == FATHOM_OK && args->d_bias) status = transpose_bias(context, args);
  if (status == FATHOM_OK && args->dx) status = transpose_dx(context, args);
  return status;
}

#ifdef FATHOM_ENTRY

fathom_status fathom_conv2d_backward(fathom_context* context,
                                     const fathom_conv2d_backward_args* args) {
  FATHOM_CHECK(context && args, "conv2d_backward: the context or args is NULL");
  const fathom_conv2d_backward_args* a = args;
#define CHECK(condition, text)                                                                   \
  FATHOM_CHECK(condition,                                                                        \
               "conv2d_backward [%lld,%lld,%lld,%lld] -> %lld, kernel %lld, stride %lld: " text,  \
               (long long)a->batch, (long long)a->height, (long long)a->width, (long long)a->in, \
               (long long)a->out, (long long)a->kernel, (long long)a->stride)
  CHECK(a->batch > 0 && a->height > 0 && a->width > 0 && a->in > 0 && a->out > 0,
        "sizes must be positive");
  CHECK(a->kernel == 1 || a->kernel == 3, "the kernel is 1 or 3");
  CHECK(a->stride == 1 || a->stride == 2, "the stride is 1 or 2");
  const int64_t oh = (a->height - 1) / a->stride + 1, ow = (a->width - 1) / a->stride + 1;
  const int64_t map = FATHOM_PRODUCT(a->batch, a->height, a->width, a->in);
  const int64_t outputs = FATHOM_PRODUCT(a->batch, oh, ow, a->out);
  const int64_t weights = FATHOM_PRODUCT(a->out, a->in, a->kernel, a->kernel, 4);
  CHECK(map > 0 && outputs > 0 && weights > 0, "the sizes overflow");
  CHECK(a->relu_input == 0 || a->relu_input == 1, "relu_input is 0 or 1");
  CHECK(a->accumulate == 0 || a->accumulate == 1, "accumulate is 0 or 1");
  int64_t inputs = map;
  if (a->source_height || a->source_width) {
    CHECK(a->source_height > 0 && a->source_width > 0, "the source's sizes must be positive");
    inputs = FATHOM_PRODUCT(a->batch, a->source_height, a->source_width, a->in);
    CHECK(inputs > 0 && FATHOM_PRODUCT(a->source_height, a->height) > 0 &&
              FATHOM_PRODUCT(a->source_width, a->width) > 0,
          "the sizes overflow");
  }
  CHECK(a->dy, "dy is NULL");
  CHECK(a->x || !(a->d_weight || (a->dx && a->relu_input)), "x is NULL");
  CHECK(a->weight || !a->dx, "the weight is NULL");
  if (a->dx) {
    CHECK(!fathom_overlap(a->dx, inputs, a->dy, outputs), "dx overlaps dy");
    CHECK(!a->activated || !fathom_overlap(a->dx, inputs, a->activated, outputs),
          "dx overlaps the forward result");
    CHECK(!a->x || !fathom_overlap(a->dx, inputs, a->x, inputs), "dx overlaps x");
  }
#undef CHECK
  FATHOM_DISPATCH(context, conv2d_backward, args);
}

fathom_status fathom_conv_transpose2d_backward(fathom_context* context,
                                               const fathom_conv_transpose2d_backward_args* args) {
  FATHOM_CHECK(context && args, "conv_transpose2d_backward: the context or args is NULL");
  const fathom_conv_transpose2d_backward_args* a = args;
#define CHECK(condition, text)                                                                    \
  FATHOM_CHECK(condition,                                                                         \
               "conv_transpose2d_backward [%lld,%lld,%lld,%lld] -> %lld, kernel %lld: " text,     \
               (long long)a->batch, (long long)a->height, (long long)a->width, (long long)a->in,  \
               (long long)a->out, (long long)a->kernel)
  CHECK(a->batch > 0 && a->height > 0 && a->width > 0 && a->in > 0 && a->out > 0,
        "sizes must be positive");
  CHECK(a->kernel == 2 || a->kernel == 4, "the kernel is 2 or 4");
  const int64_t inputs = FATHOM_PRODUCT(a->batch, a->height, a->width, a->in);
  const int64_t outputs =
      FATHOM_PRODUCT(a->batch, a->height, a->width, a->out, a->kernel, a->kernel);
  const int64_t weights = FATHOM_PRODUCT(a->in, a->out, a->kernel, a->kernel);
  CHECK(inputs > 0 && outputs > 0 && weights > 0, "the sizes overflow");
  CHECK(a->dy, "dy is NULL");
  CHECK(a->x || !a->d_weight, "x is NULL");
  CHECK(a->weight || !a->dx, "the weight is NULL");
  CHECK(!a->dx || !fathom_overlap(a->dx, inputs, a->dy, outputs), "dx overlaps dy");
#undef CHECK
  FATHOM_DISPATCH(context, conv_transpose2d_backward, args);
}

#endif
