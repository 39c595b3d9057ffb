/* Convolutions against float64: sizes, algorithms, every fusion, exact repeatability, bad arguments. */
#include "conv_reference.h"

typedef struct {
  int64_t batch, height, width, in, out, kernel, stride, algorithm;
  int64_t source_height, source_width;
  int relu_input, bias, activation;
  int residuals; /* 0, 1, 2 */
  int in_place;  /* 0: no; 1: y is residual; 2: y is residual2 */
  int project;   /* 0: no; else 1 + FATHOM_ACTIVATION_* */
} conv_case;

/* Arrays of a case; y is guarded. */
typedef struct {
  fathom_conv2d_args args;
  float *x, *weight, *packed, *bias, *residual, *residual2, *project, *y;
  int64_t size;
} conv_data;

static void describe(const conv_case* c, char* text, size_t n) {
  snprintf(text, n,
           "[%ld,%ld,%ld,%ld] -> %ld kernel %ld stride %ld algorithm %ld source %ldx%ld relu %d bias "
           "%d activation %d residuals %d in place %d project %d",
           (long)c->batch, (long)c->height, (long)c->width, (long)c->in, (long)c->out,
           (long)c->kernel, (long)c->stride, (long)c->algorithm, (long)c->source_height,
           (long)c->source_width, c->relu_input, c->bias, c->activation, c->residuals, c->in_place,
           c->project);
}

static conv_data make(fathom_context* context, const conv_case* c) {
  conv_data d = {0};
  int64_t oh = (c->height + c->stride - 1) / c->stride, ow = (c->width + c->stride - 1) / c->stride;
  int64_t outputs = c->batch * oh * ow * c->out;
  int64_t sh = c->source_height ? c->source_height : c->height;
  int64_t sw = c->source_width ? c->source_width : c->width;
  d.x = hashed("x", c->batch * sh * sw * c->in);
  d.weight = hashed("weight", c->out * c->in * c->kernel * c->kernel);
  d.bias = hashed("bias", c->out);
  d.residual = hashed("residual", outputs);
  d.residual2 = hashed("residual2", outputs);
  d.project = hashed("project", c->out);
  d.size = c->project ? c->batch * oh * ow : outputs;
  d.y = guarded_alloc(d.size);
  fathom_conv2d_pack_args pack = {.out = c->out,
                                  .in = c->in,
                                  .kernel = c->kernel,
                                  .stride = c->stride,
                                  .algorithm = c->algorithm,
                                  .weight = d.weight};
  EXPECT_OK(fathom_conv2d_pack(context, &pack));
  d.packed = pack.packed = guarded_alloc(pack.packed_size);
  EXPECT_OK(fathom_conv2d_pack(context, &pack));
  EXPECT_GUARDS(d.packed);
  d.args = (fathom_conv2d_args){
      .batch = c->batch,
      .height = c->height,
      .width = c->width,
      .in = c->in,
      .out = c->out,
      .kernel = c->kernel,
      .stride = c->stride,
      .algorithm = c->algorithm,
      .x = d.x,
      .source_height = c->source_height,
      .source_width = c->source_width,
      .relu_input = c->relu_input,
      .packed = d.packed,
      .bias = c->bias ? d.bias : NULL,
      .activation = c->activation,
      .residual = c->residuals > 0 ? d.residual : NULL,
      .residual2 = c->residuals > 1 ? d.residual2 : NULL,
      .project_weight = c->project ? d.project : NULL,
      .project_bias = 0.25f,
      .project_scale = 1.5f,
      .project_activation = c->project ? c->project - 1 : 0,
      .y = d.y,
  };
  return d;
}

static void release(conv_data* d) {
  free(d->x);
  free(d->weight);
  free(d->bias);
  free(d->residual);
  free(d->residual2);
  free(d->project);
  guarded_free(d->packed);
  guarded_free(d->y);
}

/* Runs the case with y where it asks for. */
static void run(fathom_context* context, const conv_case* c, conv_data* d) {
  fathom_conv2d_args args = d->args;
  if (c->in_place) {
    const float** taken = c->in_place == 1 ? &args.residual : &args.residual2;
    memcpy(d->y, *taken, (size_t)d->size * sizeof *d->y);
    *taken = d->y;
  }
  EXPECT_OK(fathom_conv2d(context, &args));
  EXPECT_GUARDS(d->y);
}

static void check(const test_environment* t, conv_case c) {
  conv_data d = make(t->context, &c);
  run(t->context, &c, &d);
  int64_t size;
  double* expected = conv2d_reference(&d.args, d.weight, &size);
  char text[256];
  describe(&c, text, sizeof text);
  EXPECT(size == d.size, "%s: %ld elements", text, (long)size);
  /* A handful of outputs may happen to be small against their terms. */
  EXPECT_CLOSE(d.y, expected, size, size < 500 ? 1e-5 : 3e-6, "%s", text);
  free(expected);
  release(&d);
}

static const int64_t extents[] = {1, 2, 3, 5, 7, 13, 19, 37};
static const int64_t channels[] = {1, 3, 16, 31, 48, 64, 96};

/* Every kernel, stride and algorithm over odd sizes; width and channels walk in other steps. */
TEST(conv_sizes) {
  int step = 0;
  for (int h = 0; h < (t->quick ? 6 : 8); h++) {
    for (int w = 0; w < (t->quick ? 6 : 8); w++) {
      for (int variant = 0; variant < 5; variant++, step++) {
        if (t->quick && step % 5 != variant) continue;
        if (extents[h] * extents[w] > 300 && (h + w + variant) % 3) continue;
        conv_case c = {.batch = step % 4 == 3 ? 3 : 1, .height = extents[h], .width = extents[w]};
        c.in = channels[step % 7];
        c.out = channels[(step / 2 + 3) % (extents[h] * extents[w] > 300 ? 6 : 7)];
        c.kernel = variant < 3 ? 3 : 1;
        c.stride = variant == 1 || variant == 4 ? 2 : 1;
        c.algorithm = variant == 2 ? FATHOM_CONV_WINOGRAD : FATHOM_CONV_DIRECT;
        c.bias = step % 3 != 0;
        check(t, c);
      }
    }
  }
}

TEST(conv_channels) {
  for (int i = 0; i < 7; i++) {
    for (int o = 0; o < 7; o++) {
      if (t->quick && (i + o) % 4 != t->threads % 4) continue;
      conv_case c = {.batch = 1, .height = 5, .width = 7, .in = channels[i], .out = channels[o]};
      c.kernel = 3;
      c.stride = 1;
      c.algorithm = FATHOM_CONV_DIRECT;
      check(t, c);
      c.algorithm = FATHOM_CONV_WINOGRAD;
      check(t, c);
      c.algorithm = FATHOM_CONV_AUTO;
      c.kernel = 1;
      check(t, c);
    }
  }
}

/* Pixels whose rows would share cache sets are spaced out: another path of the direct algorithm. */
TEST(conv_many_channels) {
  conv_case c = {.batch = 1, .height = 3, .width = 5, .in = 512, .out = 33, .kernel = 3};
  for (c.stride = 1; c.stride <= 2; c.stride++) {
    c.algorithm = FATHOM_CONV_DIRECT;
    check(t, c);
  }
  c.stride = 1;
  c.algorithm = FATHOM_CONV_WINOGRAD;
  check(t, c);
  c.kernel = 1;
  c.in = 1024;
  c.algorithm = FATHOM_CONV_AUTO;
  check(t, c);
}

/* Every combination of the fused parts. */
TEST(conv_fusions) {
  static const int64_t sources[][2] = {{0, 0}, {4, 3}, {20, 1}};
  for (int bits = 0; bits < 3 * 2 * 2 * 2 * 5 * 4 * 3; bits++) {
    int rest = bits;
    conv_case c = {.batch = 2, .height = 6, .width = 9, .in = 17, .out = 35};
#define TAKE(n) rest % (n); rest /= (n)
    int variant = TAKE(3);
    c.relu_input = TAKE(2);
    c.bias = TAKE(2);
    c.activation = TAKE(2);
    int residual = TAKE(5);
    int project = TAKE(4);
    int source = TAKE(3);
#undef TAKE
    c.kernel = variant == 2 ? 1 : 3;
    c.stride = 1;
    c.algorithm = variant == 1 ? FATHOM_CONV_WINOGRAD : FATHOM_CONV_DIRECT;
    c.residuals = (residual + 1) / 2;
    c.in_place = residual == 2 ? 1 : residual == 4 ? 2 : 0;
    static const int projections[] = {FATHOM_ACTIVATION_NONE, FATHOM_ACTIVATION_RELU,
                                      FATHOM_ACTIVATION_SIGMOID};
    c.project = project ? 1 + projections[project - 1] : 0;
    c.source_height = sources[source][0];
    c.source_width = sources[source][1];
    if (c.project && c.in_place) continue;
    if (bits % (t->quick ? 37 : t->threads > 1 ? 7 : 1) != 0) continue;
    check(t, c);
  }
}

/* The shapes of the head's tail, smaller: a resize to 1, up, down, with stride 2. */
TEST(conv_resize) {
  static const int64_t sizes[][4] = {{1, 1, 5, 6},  {5, 6, 1, 1},   {8, 11, 14, 19},
                                     {3, 40, 2, 7}, {9, 9, 9, 9},   {1, 7, 3, 7},
                                     {2, 30, 37, 61}, {12, 5, 23, 70}};
  for (int i = 0; i < (t->quick ? 6 : 8); i++) {
    for (int variant = 0; variant < 4; variant++) {
      conv_case c = {.batch = 2, .in = 32, .out = 32, .kernel = 3, .stride = 1, .bias = 1};
      if (t->quick) c.in = 11;
      c.source_height = sizes[i][0];
      c.source_width = sizes[i][1];
      c.height = sizes[i][2];
      c.width = sizes[i][3];
      c.activation = FATHOM_ACTIVATION_RELU;
      c.project = variant < 2 ? 1 + FATHOM_ACTIVATION_RELU : 0;
      c.algorithm = variant % 2 ? FATHOM_CONV_WINOGRAD : FATHOM_CONV_DIRECT;
      if (variant == 2) c.stride = 2;
      if (variant == 3) c.relu_input = 1;
      check(t, c);
    }
  }
}

/* Larger maps, so that tasks differ in size and number. */
TEST(conv_large) {
  if (t->quick) return;
  conv_case c = {.batch = 1, .height = 75, .width = 149, .in = 24, .out = 40, .kernel = 3};
  c.stride = 1;
  c.algorithm = FATHOM_CONV_DIRECT;
  check(t, c);
  c.algorithm = FATHOM_CONV_WINOGRAD;
  check(t, c);
  c.source_height = 43;
  c.source_width = 86;
  c.project = 1 + FATHOM_ACTIVATION_SIGMOID;
  check(t, c);
  c.algorithm = FATHOM_CONV_DIRECT;
  check(t, c);
}

TEST(conv_accuracy_of_winograd) {
  for (int64_t in = 64; in <= (t->quick ? 64 : 512); in *= 2) {
    conv_case c = {.batch = 1, .height = 8, .width = 12, .in = in, .out = 32, .kernel = 3};
    c.stride = 1;
    c.algorithm = FATHOM_CONV_WINOGRAD;
    check(t, c);
  }
}

/* The same bits as with one thread, wherever tasks begin and end. */
TEST(conv_is_the_same_for_any_number_of_threads) {
  static const int64_t sizes[][2] = {{19, 19}, {37, 37}, {7, 150}};
  fathom_context* one;
  EXPECT_OK(fathom_context_create(1, t->isa, &one));
  for (int i = 0; i < (t->quick ? 1 : 3); i++) {
    for (int variant = 0; variant < 6; variant++) {
      conv_case c = {.batch = 1, .height = sizes[i][0], .width = sizes[i][1], .in = 48, .out = 96};
      c.kernel = variant == 5 ? 1 : 3;
      c.stride = variant == 4 ? 2 : 1;
      c.algorithm = variant % 2 ? FATHOM_CONV_AUTO : FATHOM_CONV_DIRECT;
      c.bias = 1;
      if (variant == 2 || variant == 3) {
        c.source_height = 11;
        c.source_width = 29;
        c.project = 1 + FATHOM_ACTIVATION_SIGMOID;
      }
      conv_data expected = make(one, &c), actual = make(t->context, &c);
      run(one, &c, &expected);
      run(t->context, &c, &actual);
      char text[256];
      describe(&c, text, sizeof text);
      EXPECT(memcmp(expected.y, actual.y, (size_t)actual.size * sizeof(float)) == 0,
             "%s: differs from one thread", text);
      release(&expected);
      release(&actual);
    }
  }
  fathom_context_destroy(one);
}

/* A NaN reaches the outputs around it and no others, with Winograd those of the tiles it is read by. */
TEST(conv_keeps_nan_local) {
  for (int variant = 0; variant < 8; variant++) {
    conv_case c = {.batch = 1, .height = 16, .width = 16, .in = 5, .out = 7, .kernel = 3};
    c.stride = 1;
    c.algorithm = variant & 1 ? FATHOM_CONV_WINOGRAD : FATHOM_CONV_DIRECT;
    c.relu_input = (variant >> 1) & 1;
    c.project = variant & 4 ? 1 + FATHOM_ACTIVATION_NONE : 0;
    conv_data d = make(t->context, &c);
    d.x[(5 * 16 + 6) * 5 + 2] = NAN;
    d.x[(14 * 16 + 14) * 5 + 3] = INFINITY;
    run(t->context, &c, &d);
    int64_t n = c.project ? 1 : c.out;
    EXPECT(isnan(d.y[(5 * 16 + 6) * n]), "variant %d: NaN was lost", variant);
    EXPECT(!isfinite(d.y[(15 * 16 + 15) * n]), "variant %d: infinity was lost", variant);
    for (int64_t y = 0; y < 16; y++)
      for (int64_t x = 0; x < 16; x++)
        if ((y > 7 || x > 7) && (y < 12 || x < 12))
          for (int64_t o = 0; o < n; o++)
            EXPECT(isfinite(d.y[(y * 16 + x) * n + o]), "variant %d: (%ld,%ld) is not finite",
                   variant, (long)y, (long)x);
    release(&d);
  }
}

TEST(conv_transpose) {
  for (int64_t kernel = 2; kernel <= 4; kernel += 2) {
    for (int step = 0; step < (t->quick ? 10 : 28); step++) {
      fathom_conv_transpose2d_args a = {.batch = step % 3 ? 1 : 3, .kernel = kernel};
      a.height = extents[step % 7];
      a.width = extents[(step * 3 + 2) % 7];
      a.in = channels[(step + step / 7) % 7];
      a.out = channels[(step * 2 + step / 7) % 7];
      if (a.height * a.width > 100) a.in = a.in > 16 ? 16 : a.in; /* the reference is slow */
      float* x = hashed("x", a.batch * a.height * a.width * a.in);
      float* weight = hashed("weight", a.in * a.out * kernel * kernel);
      float* bias = hashed("bias", a.out);
      fathom_conv_transpose2d_pack_args pack = {
          .in = a.in, .out = a.out, .kernel = kernel, .weight = weight};
      EXPECT_OK(fathom_conv_transpose2d_pack(t->context, &pack));
      float* packed = pack.packed = guarded_alloc(pack.packed_size);
      EXPECT_OK(fathom_conv_transpose2d_pack(t->context, &pack));
      EXPECT_GUARDS(packed);
      float* y = guarded_alloc(a.batch * a.height * a.width * kernel * kernel * a.out);
      a.x = x;
      a.packed = packed;
      a.bias = step % 2 ? bias : NULL;
      a.y = y;
      EXPECT_OK(fathom_conv_transpose2d(t->context, &a));
      EXPECT_GUARDS(y);
      int64_t size;
      double* expected = conv_transpose2d_reference(&a, weight, &size);
      EXPECT_CLOSE(y, expected, size, 2e-6, "transposed [%ld,%ld,%ld,%ld] -> %ld kernel %ld",
                   (long)a.batch, (long)a.height, (long)a.width, (long)a.in, (long)a.out,
                   (long)kernel);
      free(expected);
      free(x);
      free(weight);
      free(bias);
      guarded_free(packed);
      guarded_free(y);
    }
  }
}

TEST(conv_scratch_is_bounded) {
  conv_case c = {.batch = 1, .height = 148, .width = 148, .in = 64, .out = 64, .kernel = 3};
  if (t->quick) c.height = c.width = 40;
  c.stride = 1;
  for (c.algorithm = FATHOM_CONV_DIRECT; c.algorithm <= FATHOM_CONV_WINOGRAD; c.algorithm++) {
    conv_data d = make(t->context, &c);
    fathom_context_trim(t->context);
    run(t->context, &c, &d);
    int64_t bytes = fathom_context_scratch_bytes(t->context);
    EXPECT(bytes < t->threads * (int64_t)(2 << 20), "algorithm %ld: %ld bytes of scratch",
           (long)c.algorithm, (long)bytes);
    release(&d);
  }
}

TEST(conv_rejects_bad_arguments) {
  conv_case c = {.batch = 1, .height = 4, .width = 4, .in = 3, .out = 5, .kernel = 3};
  c.stride = 1;
  c.algorithm = FATHOM_CONV_DIRECT;
  conv_data d = make(t->context, &c);
#define REJECTS(change, text)                                                             \
  {                                                                                       \
    fathom_conv2d_args a = d.args;                                                        \
    change;                                                                               \
    EXPECT(fathom_conv2d(t->context, &a) == FATHOM_INVALID_ARGUMENT, "%s was taken", #change); \
    EXPECT(strstr(fathom_last_error(), "conv2d") && strstr(fathom_last_error(), text),    \
           "%s: text: %s", #change, fathom_last_error());                                 \
  }
  REJECTS(a.batch = 0, "[0,4,4,3]")
  REJECTS(a.height = -1, "positive")
  REJECTS(a.width = 0, "positive")
  REJECTS(a.in = 0, "positive")
  REJECTS(a.out = -7, "-7")
  REJECTS(a.kernel = 2, "kernel 2")
  REJECTS(a.stride = 3, "stride 3")
  REJECTS(a.algorithm = 3, "algorithm 3")
  REJECTS(a.algorithm = FATHOM_CONV_WINOGRAD; a.stride = 2, "Winograd")
  REJECTS(a.algorithm = FATHOM_CONV_WINOGRAD; a.kernel = 1, "Winograd")
  REJECTS(a.x = NULL, "NULL")
  REJECTS(a.packed = NULL, "NULL")
  REJECTS(a.y = NULL, "NULL")
  REJECTS(a.y = (float*)a.x, "overlaps")
  REJECTS(a.activation = FATHOM_ACTIVATION_GELU, "activation")
  REJECTS(a.relu_input = 2, "relu_input")
  REJECTS(a.source_height = 3, "3x0")
  REJECTS(a.source_height = -1; a.source_width = 2, "-1x2")
  REJECTS(a.source_height = INT64_MAX / 2; a.source_width = 2, "resize")
  REJECTS(a.height = INT64_MAX / 2, "overflow")
  REJECTS(a.batch = INT64_C(1) << 31; a.height = INT64_C(1) << 31, "overflow")
  REJECTS(a.in = INT64_MAX / 4; a.out = 1, "overflow")
  REJECTS(a.project_weight = d.project; a.project_activation = FATHOM_ACTIVATION_GELU, "projection")
  REJECTS(a.project_weight = d.project; a.residual = a.y, "residual")
  REJECTS(a.project_weight = d.project; a.residual2 = a.y, "residual")
#undef REJECTS
  EXPECT(fathom_conv2d(NULL, &d.args) == FATHOM_INVALID_ARGUMENT, "a NULL context was taken");
  EXPECT(fathom_conv2d(t->context, NULL) == FATHOM_INVALID_ARGUMENT, "NULL args were taken");
  fathom_conv2d_pack_args pack = {.out = 5, .in = 3, .kernel = 3, .stride = 1, .packed = d.packed};
  EXPECT(fathom_conv2d_pack(NULL, &pack) == FATHOM_INVALID_ARGUMENT, "no context");
  EXPECT(fathom_conv2d_pack(t->context, NULL) == FATHOM_INVALID_ARGUMENT, "no arguments");
  EXPECT(fathom_conv2d_pack(t->context, &pack) == FATHOM_INVALID_ARGUMENT, "no weight");
  pack.weight = d.weight;
  pack.stride = 2;
  pack.algorithm = FATHOM_CONV_WINOGRAD;
  EXPECT(fathom_conv2d_pack(t->context, &pack) == FATHOM_INVALID_ARGUMENT,
         "Winograd with stride 2 was packed");
  pack = (fathom_conv2d_pack_args){.out = 5, .in = 3, .kernel = 5, .stride = 1};
  EXPECT(fathom_conv2d_pack(t->context, &pack) == FATHOM_INVALID_ARGUMENT, "kernel 5");
  release(&d);
}

TEST(conv_transpose_rejects_bad_arguments) {
  float x[8] = {0}, packed[1] = {0}, y[64];
  const fathom_conv_transpose2d_args good = {
      .batch = 1, .height = 2, .width = 2, .in = 2, .out = 2, .kernel = 2,
      .x = x,     .packed = packed, .y = y};
#define REJECTS(change, text)                                                                 \
  {                                                                                           \
    fathom_conv_transpose2d_args a = good;                                                    \
    change;                                                                                   \
    EXPECT(fathom_conv_transpose2d(t->context, &a) == FATHOM_INVALID_ARGUMENT, "%s was taken", \
           #change);                                                                          \
    EXPECT(strstr(fathom_last_error(), "conv_transpose2d") && strstr(fathom_last_error(), text), \
           "%s: text: %s", #change, fathom_last_error());                                     \
  }
  REJECTS(a.kernel = 3, "kernel 3")
  REJECTS(a.batch = 0, "positive")
  REJECTS(a.height = -2, "positive")
  REJECTS(a.in = 0, "positive")
  REJECTS(a.x = NULL, "NULL")
  REJECTS(a.packed = NULL, "NULL")
  REJECTS(a.y = NULL, "NULL")
  REJECTS(a.y = x, "overlaps")
  REJECTS(a.width = INT64_MAX / 3, "overflow")
#undef REJECTS
  EXPECT(fathom_conv_transpose2d(t->context, NULL) == FATHOM_INVALID_ARGUMENT, "NULL args");
  EXPECT(fathom_conv_transpose2d(NULL, &good) == FATHOM_INVALID_ARGUMENT, "a NULL context");
  fathom_conv_transpose2d_pack_args pack = {.in = 2, .out = 2, .kernel = 2, .packed = y};
  EXPECT(fathom_conv_transpose2d_pack(NULL, &pack) == FATHOM_INVALID_ARGUMENT, "no context");
  EXPECT(fathom_conv_transpose2d_pack(t->context, NULL) == FATHOM_INVALID_ARGUMENT, "no arguments");
  EXPECT(fathom_conv_transpose2d_pack(t->context, &pack) == FATHOM_INVALID_ARGUMENT, "no weight");
  pack = (fathom_conv_transpose2d_pack_args){.in = 2, .out = 2, .kernel = 5};
  EXPECT(fathom_conv_transpose2d_pack(t->context, &pack) == FATHOM_INVALID_ARGUMENT, "kernel 5");
}
