/*
 * Backward of the convolutions against float64, written as the definitions: sizes, fusions, every choice of
 * outputs, exact repeatability, bad arguments.
 */
#include "conv_reference.h"

typedef struct {
  int64_t batch, height, width, in, out, kernel, stride;
  int64_t source_height, source_width;
  int relu_input, activated, accumulate;
  int outputs; /* bits: 1 dx, 2 d_weight, 4 d_bias */
} backward_case;

/* Arrays of a case; the outputs are guarded. */
typedef struct {
  fathom_conv2d_backward_args args;
  float *x, *weight, *activated, *dy, *dx, *d_weight, *d_bias;
  int64_t inputs, weights, pixels; /* sizes of x and weight; pixels of dy */
} backward_data;

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

static backward_data make(const backward_case* c) {
  backward_data d = {0};
  const int64_t oh = (c->height + c->stride - 1) / c->stride;
  const int64_t ow = (c->width + c->stride - 1) / c->stride;
  const int64_t sh = c->source_height ? c->source_height : c->height;
  const int64_t sw = c->source_width ? c->source_width : c->width;
  d.inputs = c->batch * sh * sw * c->in;
  d.weights = c->out * c->in * c->kernel * c->kernel;
  d.pixels = c->batch * oh * ow;
  d.x = hashed("x", d.inputs);
  d.weight = hashed("weight", d.weights);
  d.activated = hashed("activated", d.pixels * c->out);
  for (int64_t i = 0; i < d.pixels * c->out; i++)
    if (d.activated[i] < 0) d.activated[i] = 0;
  d.dy = hashed("dy", d.pixels * c->out);
  d.dx = guarded_hashed("dx", d.inputs);
  d.d_weight = guarded_hashed("d_weight", d.weights);
  d.d_bias = guarded_hashed("d_bias", c->out);
  d.args = (fathom_conv2d_backward_args){
      .batch = c->batch,
      .height = c->height,
      .width = c->width,
      .in = c->in,
      .out = c->out,
      .kernel = c->kernel,
      .stride = c->stride,
      .x = c->outputs & 2 || c->relu_input ? d.x : NULL,
      .source_height = c->source_height,
      .source_width = c->source_width,
      .relu_input = c->relu_input,
      .weight = c->outputs & 1 ? d.weight : NULL,
      .activated = c->activated ? d.activated : NULL,
      .dy = d.dy,
      .dx = c->outputs & 1 ? d.dx : NULL,
      .accumulate = c->accumulate,
      .d_weight = c->outputs & 2 ? d.d_weight : NULL,
      .d_bias = c->outputs & 4 ? d.d_bias : NULL,
  };
  return d;
}

static void release(backward_data* d) {
  free(d->x);
  free(d->weight);
  free(d->activated);
  free(d->dy);
  guarded_free(d->dx);
  guarded_free(d->d_weight);
  guarded_free(d->d_bias);
}

/* dx, d_weight and d_bias of a case, added to what the arrays hold (dx: with accumulate). */
typedef struct {
  double *dx, *d_weight, *d_bias;
} expectation;

/* The adjoint of the bilinear resize, map [B,H,W,in] to source. */
static void spread(const fathom_conv2d_args* f, const double* map, double* source) {
  for (int64_t p = 0; p < f->batch * f->height * f->width; p++) {
    const int64_t b = p / f->width / f->height, y = p / f->width % f->height, x = p % f->width;
    const int64_t sh = f->source_height, sw = f->source_width;
    const double fy = f->height > 1 ? (double)(y * (sh - 1)) / (double)(f->height - 1) : 0;
    const double fx = f->width > 1 ? (double)(x * (sw - 1)) / (double)(f->width - 1) : 0;
    for (int corner = 0; corner < 4; corner++) {
      const int64_t row = (int64_t)fy + corner / 2, column = (int64_t)fx + corner % 2;
      if (row >= sh || column >= sw) continue;
      const double share =
          (1 - fabs(fy - (double)row)) * (1 - fabs(fx - (double)column));
      for (int64_t c = 0; c < f->in; c++)
        source[((b * sh + row) * sw + column) * f->in + c] += share * map[p * f->in + c];
    }
  }
}

static expectation expect(const backward_data* d) {
  const fathom_conv2d_backward_args* a = &d->args;
  const int64_t in = a->in, out = a->out, k = a->kernel, s = a->stride;
  const int64_t oh = (a->height + s - 1) / s, ow = (a->width + s - 1) / s;
  fathom_conv2d_args f = {.batch = a->batch,
                          .height = a->height,
                          .width = a->width,
                          .in = in,
                          .x = d->x,
                          .source_height = a->source_height,
                          .source_width = a->source_width};
  double* before = conv2d_input_reference(&f);
  f.relu_input = a->relu_input;
  double* map = conv2d_input_reference(&f);
  const int64_t map_size = a->batch * a->height * a->width * in;
  double* d_map = zeros(map_size);
  expectation e = {zeros(d->inputs), zeros(d->weights), zeros(out)};
  for (int64_t p = 0; p < d->pixels; p++) {
    const int64_t b = p / ow / oh, oy = p / ow % oh, ox = p % ow;
    for (int64_t o = 0; o < out; o++) {
      const double g = a->activated && !(a->activated[p * out + o] > 0) ? 0 : d->dy[p * out + o];
      if (g == 0) continue;
      e.d_bias[o] += g;
      for (int64_t tap = 0; tap < k * k; tap++) {
        const int64_t y = oy * s + tap / k - (k - 1) / 2, x = ox * s + tap % k - (k - 1) / 2;
        if (y < 0 || y >= a->height || x < 0 || x >= a->width) continue;
        const int64_t at = ((b * a->height + y) * a->width + x) * in;
        for (int64_t c = 0; c < in; c++) {
          e.d_weight[(o * in + c) * k * k + tap] += g * map[at + c];
          d_map[at + c] += g * d->weight[(o * in + c) * k * k + tap];
        }
      }
    }
  }
  for (int64_t i = 0; i < map_size; i++)
    if (a->relu_input && !(before[i] > 0)) d_map[i] = 0;
  if (a->source_height) {
    spread(&f, d_map, e.dx);
  } else {
    memcpy(e.dx, d_map, (size_t)map_size * sizeof *d_map);
  }
  for (int64_t i = 0; a->accumulate && i < d->inputs; i++) e.dx[i] += d->dx[i];
  for (int64_t i = 0; i < d->weights; i++) e.d_weight[i] += d->d_weight[i];
  for (int64_t i = 0; i < out; i++) e.d_bias[i] += d->d_bias[i];
  free(before);
  free(map);
  free(d_map);
  return e;
}

static void describe(const backward_case* c, char* text, size_t n) {
  snprintf(text, n,
           "[%ld,%ld,%ld,%ld] -> %ld kernel %ld stride %ld source %ldx%ld relu %d activated %d "
           "accumulate %d outputs %d",
           (long)c->batch, (long)c->height, (long)c->width, (long)c->in, (long)c->out,
           (long)c->kernel, (long)c->stride, (long)c->source_height, (long)c->source_width,
           c->relu_input, c->activated, c->accumulate, c->outputs);
}

/* What was not asked for must be as it was. */
static void expect_untouched(const char* text, const char* name, const float* actual, int64_t n) {
  float* before = hashed(name, n);
  EXPECT(memcmp(before, actual, (size_t)n * sizeof *before) == 0, "%s: %s was written", text, name);
  free(before);
}

static void check(const test_environment* t, backward_case c) {
  backward_data d = make(&c);
  expectation e = expect(&d);
  char text[224];
  describe(&c, text, sizeof text);
  if (!c.accumulate && c.outputs & 1)
    for (int64_t i = 0; i < d.inputs; i++) d.dx[i] = NAN;
  EXPECT_OK(fathom_conv2d_backward(t->context, &d.args));
  EXPECT_GUARDS(d.dx);
  EXPECT_GUARDS(d.d_weight);
  EXPECT_GUARDS(d.d_bias);
  if (c.outputs & 1) {
    EXPECT_CLOSE(d.dx, e.dx, d.inputs, d.inputs < 500 ? 1e-5 : 3e-6, "dx of %s", text);
  } else {
    expect_untouched(text, "dx", d.dx, d.inputs);
  }
  if (c.outputs & 2) {
    EXPECT_CLOSE(d.d_weight, e.d_weight, d.weights, d.weights < 100 ? 1e-5 : 3e-6, "d_weight of %s", text);
  } else {
    expect_untouched(text, "d_weight", d.d_weight, d.weights);
  }
  if (c.outputs & 4) {
    /* A handful of sums may happen to be small against their terms. */
    EXPECT_CLOSE(d.d_bias, e.d_bias, c.out, c.out < 16 ? 2e-5 : 3e-6, "d_bias of %s", text);
  } else {
    expect_untouched(text, "d_bias", d.d_bias, c.out);
  }
  free(e.dx);
  free(e.d_weight);
  free(e.d_bias);
  release(&d);
}

static const int64_t extents[] = {1, 2, 3, 5, 7, 13, 19, 37};
static const int64_t channels[] = {1, 3, 16, 31, 48, 64, 33};

/* Every kernel and stride over odd sizes, fusions and choices of outputs in other steps. */
TEST(conv_backward_sizes) {
  int step = 0;
  for (int h = 0; h < (t->quick ? 6 : 8); h++) {
    for (int w = 0; w < (t->quick ? 6 : 8); w++) {
      for (int layer = 0; layer < 4; layer++, step++) {
        backward_case c = {.batch = step % 3 ? 1 : 2, .height = extents[h], .width = extents[w]};
        c.kernel = layer < 2 ? 3 : 1;
        c.stride = layer % 2 + 1;
        c.in = channels[step % 7];
        c.out = channels[(step * 3 + step / 7) % 7];
        if (c.height * c.width > 200) c.out = c.out > 16 ? 17 : c.out;
        c.relu_input = step / 2 % 2;
        c.activated = step / 3 % 2;
        c.accumulate = step / 5 % 2;
        c.outputs = step % 2 ? 7 : 1 + step / 2 % 7;
        check(t, c);
      }
    }
  }
}

TEST(conv_backward_resize) {
  static const int64_t sizes[][4] = {{1, 1, 5, 6},  {5, 6, 1, 1},     {8, 11, 14, 19},
                                     {3, 40, 2, 7}, {9, 9, 9, 9},     {1, 7, 3, 7},
                                     {17, 2, 5, 9}, {2, 30, 37, 61},  {12, 5, 23, 70}};
  for (int i = 0; i < (t->quick ? 7 : 9); i++) {
    for (int variant = 0; variant < 6; variant++) {
      backward_case c = {.batch = 2, .in = variant % 2 ? 11 : 32, .out = 19, .outputs = 7};
      c.source_height = sizes[i][0];
      c.source_width = sizes[i][1];
      c.height = sizes[i][2];
      c.width = sizes[i][3];
      c.kernel = variant < 4 ? 3 : 1;
      c.stride = variant == 2 || variant == 5 ? 2 : 1;
      c.relu_input = variant % 3 == 1;
      c.activated = variant % 2 == 0;
      c.accumulate = variant / 2 % 2;
      check(t, c);
    }
  }
}

/* So many pixels that chunks, parts and tasks differ in size and number; many channels; few. */
TEST(conv_backward_large) {
  if (t->quick) return;
  backward_case c = {.batch = 2, .height = 75, .width = 149, .in = 24, .out = 40, .kernel = 3};
  c.stride = 1;
  c.outputs = 7;
  c.relu_input = c.activated = c.accumulate = 1;
  check(t, c);
  c.stride = 2;
  check(t, c);
  check(t, (backward_case){.batch = 4, .height = 9, .width = 11, .in = 200, .out = 136, .kernel = 3,
                           .stride = 2, .outputs = 7});
  check(t, (backward_case){.batch = 4, .height = 9, .width = 11, .in = 200, .out = 136, .kernel = 3,
                           .stride = 1, .outputs = 7});
  check(t, (backward_case){.batch = 1, .height = 3, .width = 700, .in = 5, .out = 3, .kernel = 3,
                           .stride = 1, .outputs = 7, .activated = 1});
  check(t, (backward_case){.batch = 3, .height = 40, .width = 50, .in = 96, .out = 35, .kernel = 1,
                           .stride = 1, .outputs = 7});
}

/* The same bits as with one thread. */
TEST(conv_backward_is_the_same_for_any_number_of_threads) {
  static const int64_t sizes[][2] = {{19, 19}, {37, 37}, {7, 150}, {70, 61}};
  fathom_context* one;
  EXPECT_OK(fathom_context_create(1, t->isa, &one));
  for (int i = 0; i < (t->quick ? 1 : 4); i++) {
    for (int variant = 0; variant < 5; variant++) {
      backward_case c = {.batch = 2, .height = sizes[i][0], .width = sizes[i][1], .in = 48};
      c.out = 70;
      c.kernel = variant == 3 ? 1 : 3;
      c.stride = variant == 2 ? 2 : 1;
      c.outputs = 7;
      c.accumulate = c.activated = variant % 2;
      c.relu_input = variant == 0;
      if (variant == 4) c.source_height = 11, c.source_width = 29;
      backward_data expected = make(&c), actual = make(&c);
      EXPECT_OK(fathom_conv2d_backward(one, &expected.args));
      EXPECT_OK(fathom_conv2d_backward(t->context, &actual.args));
      char text[224];
      describe(&c, text, sizeof text);
#define SAME(name, n)                                                                  \
  EXPECT(memcmp(expected.name, actual.name, (size_t)(n) * sizeof(float)) == 0,         \
         "%s: " #name " differs from one thread", text)
      SAME(dx, actual.inputs);
      SAME(d_weight, actual.weights);
      SAME(d_bias, c.out);
#undef SAME
      release(&expected);
      release(&actual);
    }
  }
  fathom_context_destroy(one);
}

TEST(conv_backward_scratch_is_bounded) {
  backward_case c = {.batch = 4, .height = 148, .width = 148, .in = 32, .out = 32, .kernel = 3};
  if (t->quick) c.height = c.width = 40;
  c.stride = 1;
  c.outputs = 7;
  c.source_height = c.source_width = 20;
  backward_data d = make(&c);
  fathom_context_trim(t->context);
  EXPECT_OK(fathom_conv2d_backward(t->context, &d.args));
  const int64_t bytes = fathom_context_scratch_bytes(t->context);
  const int64_t map = c.height * c.width * c.in * (int64_t)sizeof(float);
  EXPECT(bytes < map + (t->threads + 2) * (int64_t)(2 << 20), "%ld bytes of scratch", (long)bytes);
  fathom_context_trim(t->context);
  EXPECT(fathom_context_scratch_bytes(t->context) == 0, "trim left scratch memory");
  release(&d);
}

TEST(conv_backward_rejects_bad_arguments) {
  backward_case c = {.batch = 1, .height = 4, .width = 4, .in = 3, .out = 5, .kernel = 3};
  c.stride = 1;
  c.outputs = 7;
  c.relu_input = 1;
  backward_data d = make(&c);
#define REJECTS(change, text)                                                                   \
  {                                                                                             \
    fathom_conv2d_backward_args a = d.args;                                                     \
    change;                                                                                     \
    EXPECT(fathom_conv2d_backward(t->context, &a) == FATHOM_INVALID_ARGUMENT, "%s was taken",   \
           #change);                                                                            \
    EXPECT(strstr(fathom_last_error(), "conv2d_backward") && strstr(fathom_last_error(), text), \
           "%s: text: %s", #change, fathom_last_error());                                       \
  }
  REJECTS(a.batch = 0, "[0,4,4,3]")
  REJECTS(a.height = -1, "positive")
  REJECTS(a.width = 0, "positive")
  REJECTS(a.in = 0, "positive")
  REJECTS(a.out = -7, "-7")
  REJECTS(a.kernel = 2, "kernel 2")
  REJECTS(a.stride = 3, "stride 3")
  REJECTS(a.relu_input = 2, "relu_input")
  REJECTS(a.accumulate = -1, "accumulate")
  REJECTS(a.dy = NULL, "dy is NULL")
  REJECTS(a.x = NULL, "x is NULL")
  REJECTS(a.x = NULL; a.d_weight = NULL, "x is NULL")
  REJECTS(a.weight = NULL, "weight is NULL")
  REJECTS(a.dx = (float*)a.dy, "overlaps dy")
  REJECTS(a.dx = (float*)a.x, "overlaps x")
  REJECTS(a.activated = a.dx, "overlaps the forward result")
  REJECTS(a.source_height = 3, "source")
  REJECTS(a.source_height = -1; a.source_width = 2, "source")
  REJECTS(a.source_height = INT64_MAX / 2; a.source_width = 2, "overflow")
  REJECTS(a.height = INT64_MAX / 2, "overflow")
  REJECTS(a.in = INT64_MAX / 4; a.out = 1, "overflow")
#undef REJECTS
  EXPECT(fathom_conv2d_backward(NULL, &d.args) == FATHOM_INVALID_ARGUMENT, "a NULL context");
  EXPECT(fathom_conv2d_backward(t->context, NULL) == FATHOM_INVALID_ARGUMENT, "NULL args");
  release(&d);
}

/* ---- transposed ---- */

typedef struct {
  fathom_conv_transpose2d_backward_args args;
  float *x, *weight, *dy, *dx, *d_weight, *d_bias;
  int64_t inputs, weights;
} transpose_data;

static transpose_data make_transpose(int64_t batch, int64_t height, int64_t width, int64_t in,
                                     int64_t out, int64_t kernel, int outputs) {
  transpose_data d = {.inputs = batch * height * width * in, .weights = in * out * kernel * kernel};
  d.x = hashed("x", d.inputs);
  d.weight = hashed("weight", d.weights);
  d.dy = hashed("dy", batch * height * width * kernel * kernel * out);
  d.dx = guarded_hashed("dx", d.inputs);
  d.d_weight = guarded_hashed("d_weight", d.weights);
  d.d_bias = guarded_hashed("d_bias", out);
  d.args = (fathom_conv_transpose2d_backward_args){
      .batch = batch,
      .height = height,
      .width = width,
      .in = in,
      .out = out,
      .kernel = kernel,
      .x = outputs & 2 ? d.x : NULL,
      .weight = outputs & 1 ? d.weight : NULL,
      .dy = d.dy,
      .dx = outputs & 1 ? d.dx : NULL,
      .d_weight = outputs & 2 ? d.d_weight : NULL,
      .d_bias = outputs & 4 ? d.d_bias : NULL,
  };
  return d;
}

static void release_transpose(transpose_data* d) {
  free(d->x);
  free(d->weight);
  free(d->dy);
  guarded_free(d->dx);
  guarded_free(d->d_weight);
  guarded_free(d->d_bias);
}

static expectation expect_transpose(const transpose_data* d) {
  const fathom_conv_transpose2d_backward_args* a = &d->args;
  const int64_t k = a->kernel, in = a->in, out = a->out;
  expectation e = {zeros(d->inputs), zeros(d->weights), zeros(out)};
  for (int64_t i = 0; i < d->weights; i++) e.d_weight[i] = d->d_weight[i];
  for (int64_t i = 0; i < out; i++) e.d_bias[i] = d->d_bias[i];
  for (int64_t p = 0; p < a->batch * a->height * a->width; p++) {
    for (int64_t tap = 0; tap < k * k; tap++) {
      const float* dy = d->dy + ((p / a->width * k + tap / k) * a->width * k + p % a->width * k +
                                 tap % k) * out;
      for (int64_t o = 0; o < out; o++) {
        e.d_bias[o] += dy[o];
        for (int64_t c = 0; c < in; c++) {
          e.d_weight[(c * out + o) * k * k + tap] += (double)d->x[p * in + c] * dy[o];
          e.dx[p * in + c] += (double)d->weight[(c * out + o) * k * k + tap] * dy[o];
        }
      }
    }
  }
  return e;
}

TEST(conv_transpose_backward) {
  fathom_context* one;
  EXPECT_OK(fathom_context_create(1, t->isa, &one));
  for (int64_t kernel = 2; kernel <= 4; kernel += 2) {
    for (int step = 0; step < (t->quick ? 10 : 28); step++) {
      const int64_t height = extents[step % 7], width = extents[(step * 3 + 2) % 7];
      int64_t in = channels[(step + step / 7) % 7];
      const int64_t out = channels[(step * 2 + step / 7) % 7];
      if (height * width > 100) in = in > 16 ? 17 : in; /* the reference is slow */
      const int outputs = step % 2 ? 7 : 1 + step / 2 % 7;
      transpose_data d =
          make_transpose(step % 3 ? 1 : 3, height, width, in, out, kernel, outputs);
      transpose_data first =
          make_transpose(step % 3 ? 1 : 3, height, width, in, out, kernel, outputs);
      expectation e = expect_transpose(&d);
      EXPECT_OK(fathom_conv_transpose2d_backward(t->context, &d.args));
      EXPECT_OK(fathom_conv_transpose2d_backward(one, &first.args));
      EXPECT_GUARDS(d.dx);
      EXPECT_GUARDS(d.d_weight);
      EXPECT_GUARDS(d.d_bias);
      char text[128];
      snprintf(text, sizeof text, "transposed [%ld,%ld,%ld] -> %ld kernel %ld outputs %d",
               (long)height, (long)width, (long)in, (long)out, (long)kernel, outputs);
      if (outputs & 1) {
        EXPECT_CLOSE(d.dx, e.dx, d.inputs, 3e-6, "dx of %s", text);
      } else {
        expect_untouched(text, "dx", d.dx, d.inputs);
      }
      if (outputs & 2) {
        EXPECT_CLOSE(d.d_weight, e.d_weight, d.weights, d.weights < 100 ? 1e-5 : 3e-6, "d_weight of %s", text);
      } else {
        expect_untouched(text, "d_weight", d.d_weight, d.weights);
      }
      if (outputs & 4) {
        EXPECT_CLOSE(d.d_bias, e.d_bias, out, out < 16 ? 2e-5 : 3e-6, "d_bias of %s",
                     text);
      } else {
        expect_untouched(text, "d_bias", d.d_bias, out);
      }
      EXPECT(memcmp(d.dx, first.dx, (size_t)d.inputs * sizeof(float)) == 0 &&
                 memcmp(d.d_weight, first.d_weight, (size_t)d.weights * sizeof(float)) == 0 &&
                 memcmp(d.d_bias, first.d_bias, (size_t)out * sizeof(float)) == 0,
             "%s: differs from one thread", text);
      free(e.dx);
      free(e.d_weight);
      free(e.d_bias);
      release_transpose(&d);
      release_transpose(&first);
    }
  }
  fathom_context_destroy(one);
}

TEST(conv_transpose_backward_rejects_bad_arguments) {
  transpose_data d = make_transpose(1, 2, 3, 4, 5, 2, 7);
#define REJECTS(change, text)                                                              \
  {                                                                                        \
    fathom_conv_transpose2d_backward_args a = d.args;                                      \
    change;                                                                                \
    EXPECT(fathom_conv_transpose2d_backward(t->context, &a) == FATHOM_INVALID_ARGUMENT,    \
           "%s was taken", #change);                                                       \
    EXPECT(strstr(fathom_last_error(), "conv_transpose2d_backward") &&                     \
               strstr(fathom_last_error(), text),                                          \
           "%s: text: %s", #change, fathom_last_error());                                  \
  }
  REJECTS(a.kernel = 3, "kernel 3")
  REJECTS(a.batch = 0, "positive")
  REJECTS(a.height = -2, "positive")
  REJECTS(a.in = 0, "positive")
  REJECTS(a.x = NULL, "x is NULL")
  REJECTS(a.weight = NULL, "weight is NULL")
  REJECTS(a.dy = NULL, "dy is NULL")
  REJECTS(a.dx = (float*)a.dy, "overlaps dy")
  REJECTS(a.width = INT64_MAX / 3, "overflow")
#undef REJECTS
  EXPECT(fathom_conv_transpose2d_backward(t->context, NULL) == FATHOM_INVALID_ARGUMENT, "NULL args");
  EXPECT(fathom_conv_transpose2d_backward(NULL, &d.args) == FATHOM_INVALID_ARGUMENT,
         "a NULL context");
  release_transpose(&d);
}
