/*
 * The way back through the resize with which a convolution reads its input: the adjoint of the linear map
 * of conv_read.c, gathered, so that each source pixel has one order of summation.
 */
#include "conv_backward.h"

typedef struct {
  const fathom_conv2d_args* args;
  fathom_context* context;
  float* gradient;
  float* dx;
  int accumulate;
} resize_adjoint;

/* The first position of the large line whose lower source index is at least `source`. */
static int64_t first_at(int64_t source, int64_t sources, int64_t out) {
  if (source <= 0) return 0;
  if (out == 1 || sources == 1) return out;
  return fathom_min(fathom_ceil_div(source * (out - 1), sources - 1), out);
}

/* The share of source `i` in position o of the large line, which reads i - 1 and i, or i and i + 1. */
static float share_of(int64_t i, int64_t o, int64_t sources, int64_t out) {
  const line_position p = line_start(o, sources, out);
  const float f = line_fraction(&p);
  return p.index == i ? 1.0f - f : f;
}

/* to [n] = or += share * from */
static void add_scaled(const float* from, float share, int64_t n, int first, float* to) {
  const vf s = v_set(share);
  int64_t i = 0;
  for (; i + W <= n; i += W) {
    vf v = s * v_load(from + i);
    v_store(to + i, first ? v : v + v_load(to + i));
  }
  if (i == n) return;
  vf v = s * v_load_part(from + i, n - i);
  v_store_part(to + i, first ? v : v + v_load_part(to + i, n - i), n - i);
}

/* Closes the gradient where what ReLU read, the resized x, is not above 0. One row of the map. */
static void gate_task(void* argument, int64_t y, int32_t thread) {
  const resize_adjoint* r = argument;
  fathom_conv2d_args a = *r->args;
  const int64_t in = a.in, groups = conv_groups(in);
  a.relu_input = 0;
  float* row = fathom_local(r->context, thread);
  const conv_window window = {.row = y,
                              .rows = 1,
                              .row_step = 1,
                              .columns = a.width,
                              .to = row,
                              .row_stride = a.width * W,
                              .group_stride = a.width * W,
                              .lines = row + groups * a.width * W};
  FN(conv_read)(&a, &window);
  for (int64_t x = 0; x < a.width; x++) {
    float* pixel = r->gradient + (y * a.width + x) * in;
    for (int64_t g = 0; g < groups; g++) {
      const int64_t n = fathom_min(W, in - g * W);
      vf v = conv_gate(conv_load(pixel + g * W, n), v_load(row + (g * a.width + x) * W));
      if (n == W) {
        v_store(pixel + g * W, v);
      } else {
        v_store_part(pixel + g * W, v, n);
      }
    }
  }
}

/* One row of dx: the rows of the gradient that read it, then their columns. */
static void row_task(void* argument, int64_t y, int32_t thread) {
  const resize_adjoint* r = argument;
  const fathom_conv2d_args* a = r->args;
  const int64_t in = a->in, n = a->width * in;
  float* row = fathom_local(r->context, thread);
  int first = 1;
  const int64_t end = first_at(y + 1, a->source_height, a->height);
  for (int64_t o = first_at(y - 1, a->source_height, a->height); o < end; o++) {
    const float share = share_of(y, o, a->source_height, a->height);
    if (share == 0.0f) continue;
    add_scaled(r->gradient + o * n, share, n, first, row);
    first = 0;
  }
  float* to = r->dx + y * a->source_width * in;
  if (first) {
    if (!r->accumulate) memset(to, 0, (size_t)(a->source_width * in) * sizeof *to);
    return;
  }
  for (int64_t x = 0; x < a->source_width; x++, to += in) {
    const int64_t stop = first_at(x + 1, a->source_width, a->width);
    int fresh = !r->accumulate;
    for (int64_t o = first_at(x - 1, a->source_width, a->width); o < stop; o++) {
      const float share = share_of(x, o, a->source_width, a->width);
      if (share == 0.0f) continue;
      add_scaled(row + o * in, share, in, fresh, to);
      fresh = 0;
    }
    if (fresh) memset(to, 0, (size_t)in * sizeof *to);
  }
}

fathom_status FN(conv_resize_adjoint)(fathom_context* context, const fathom_conv2d_args* args,
                                      float* gradient, float* dx, int accumulate) {
  resize_adjoint r = {args, context, gradient, dx, accumulate};
  const int64_t padded = conv_groups(args->in) * args->width * W;
  fathom_status status =
      fathom_reserve(context, 0, (size_t)(padded + 2 * args->width * args->in) * sizeof(float));
  if (status != FATHOM_OK) return status;
  if (args->relu_input) fathom_pool_run(context->pool, args->height, gate_task, &r);
  fathom_pool_run(context->pool, args->source_height, row_task, &r);
  return FATHOM_OK;
}
