/* Reading and distorting training pictures against their definitions in float64 (augment_reference.c). */
#include "augment_reference.h"
#include "test.h"

/* ---- reading ---- */

static void check_read(const test_environment* t, int64_t height, int64_t width, double top,
                       double left, double crop_height, double crop_width, int64_t oh, int64_t ow,
                       int64_t flip) {
  int64_t n = oh * ow * 3;
  float* noise = hashed("pixels", height * width * 3);
  uint8_t* pixels = malloc((size_t)(height * width * 3));
  double* expected = malloc((size_t)n * sizeof *expected);
  if (!pixels || !expected) abort();
  for (int64_t i = 0; i < height * width * 3; i++) pixels[i] = (uint8_t)(128 + 127 * noise[i]);
  float* y = guarded_alloc(n);
  fathom_read_picture_args a = {height, width, oh, ow, pixels, top, left, crop_height, crop_width,
                                flip, y};
  reference_read_picture(&a, expected);
  EXPECT_OK(fathom_read_picture(t->context, &a));
  EXPECT_GUARDS(y);
  EXPECT_CLOSE(y, expected, n, 1e-6, "%ld x %ld to %ld x %ld", (long)height, (long)width, (long)oh,
               (long)ow);
  guarded_free(y);
  free(noise);
  free(pixels);
  free(expected);
}

TEST(augment_reads_a_crop_as_defined) {
  check_read(t, 20, 30, 0, 0, 20, 30, 20, 30, 0);
  check_read(t, 20, 30, 3.25, 7.5, 11.5, 13.125, 17, 29, 1);
  check_read(t, 61, 47, 0, 0, 61, 47, 13, 9, 0);
  check_read(t, 61, 47, 10, 5, 40.5, 41.5, 40, 5, 1);
  check_read(t, 1, 1, 0, 0, 1, 1, 5, 7, 0);
  check_read(t, 7, 200, 6.5, 0.1, 0.25, 199.5, 3, 3, 0);
  check_read(t, 90, 3, 0, 1, 90, 1, 1, 1, 1);
}

TEST(augment_reads_a_constant_picture_as_constant) {
  uint8_t pixels[37 * 23 * 3];
  memset(pixels, 255, sizeof pixels);
  float* y = guarded_alloc(14 * 50 * 3);
  fathom_read_picture_args a = {37, 23, 14, 50, pixels, 0, 0, 37, 23, 0, y};
  EXPECT_OK(fathom_read_picture(t->context, &a));
  EXPECT_GUARDS(y);
  for (int i = 0; i < 14 * 50 * 3; i++)
    EXPECT(y[i] <= 1 && y[i] > 1 - 1e-6f, "y[%d] is %.9g", i, (double)y[i]);
  guarded_free(y);
}

TEST(augment_reads_a_map_by_nearest_pixel) {
  int64_t h = 33, w = 21, oh = 14, ow = 40;
  float *x = hashed("map", h * w), *y = guarded_alloc(oh * ow);
  x[5 * w + 7] = NAN;
  for (int64_t flip = 0; flip < 2; flip++) {
    fathom_read_map_args a = {h, w, oh, ow, x, 2.5, 1, 30.5, 20, flip, y};
    EXPECT_OK(fathom_read_map(t->context, &a));
    EXPECT_GUARDS(y);
    for (int64_t i = 0; i < oh * ow; i++) {
      int64_t row = (int64_t)floor(2.5 + ((double)(i / ow) + 0.5) * 30.5 / 14);
      int64_t column = i % ow;
      column = (int64_t)floor(1 + ((double)(flip ? ow - 1 - column : column) + 0.5) * 20 / 40);
      EXPECT(memcmp(&y[i], &x[row * w + column], 4) == 0, "y[%ld] is %g", (long)i, (double)y[i]);
    }
  }
  free(x);
  guarded_free(y);
}

TEST(augment_read_rejects_bad_arguments) {
  uint8_t pixels[48] = {0};
  float x[16] = {0}, y[48];
  fathom_read_picture_args a = {4, 4, 4, 4, pixels, 0, 0, 4, 4, 0, y};
  fathom_read_map_args m = {4, 4, 4, 4, x, 0, 0, 4, 4, 0, y};
#define EXPECT_BOTH_REJECTED(change, text)                                                       \
  {                                                                                              \
    fathom_read_picture_args p = a;                                                              \
    fathom_read_map_args q = m;                                                                  \
    p.change;                                                                                    \
    q.change;                                                                                    \
    EXPECT(fathom_read_picture(t->context, &p) == FATHOM_INVALID_ARGUMENT, #change);             \
    EXPECT(strstr(fathom_last_error(), text), #change ": %s", fathom_last_error());              \
    EXPECT(fathom_read_map(t->context, &q) == FATHOM_INVALID_ARGUMENT, #change);                 \
    EXPECT(strstr(fathom_last_error(), text), #change ": %s", fathom_last_error());              \
  }
  EXPECT_BOTH_REJECTED(height = 0, "at least 1");
  EXPECT_BOTH_REJECTED(out_width = -3, "at least 1");
  EXPECT_BOTH_REJECTED(out_height = INT64_C(1) << 40, "too large");
  EXPECT_BOTH_REJECTED(crop_top = -0.5, "crop");
  EXPECT_BOTH_REJECTED(crop_left = 0.5, "crop");
  EXPECT_BOTH_REJECTED(crop_height = 0, "crop");
  EXPECT_BOTH_REJECTED(crop_width = NAN, "crop");
  EXPECT_BOTH_REJECTED(crop_top = INFINITY, "crop");
  EXPECT_BOTH_REJECTED(flip = 2, "flip");
  EXPECT_BOTH_REJECTED(y = NULL, "NULL");
  EXPECT(fathom_read_picture(t->context, NULL) == FATHOM_INVALID_ARGUMENT, "NULL arguments");
  EXPECT(fathom_read_map(NULL, &m) == FATHOM_INVALID_ARGUMENT, "a NULL context");
}

/* ---- distorting ---- */

#define MAX_BATCH 4
typedef struct {
  int64_t starts[MAX_BATCH + 1], steps[16], grey[MAX_BATCH], partners[MAX_BATCH];
  int64_t boxes[MAX_BATCH * 4];
  float factors[16], sigmas[MAX_BATCH];
  fathom_distort_args args;
  int64_t n;
  float *x, *y;
} problem;

/* Every operation, in different orders; contrast twice, three times or never. */
static void make(problem* p, int64_t batch, int64_t height, int64_t width) {
  static const problem parts = {
      .starts = {0, 4, 8, 8, 13},
      .steps = {0, 1, 2, 3, 3, 1, 0, 1, 1, 1, 2, 0, 1},
      .factors = {1.3f, 0.6f, 1.45f, -0.21f, 0.5f, 1.4f, 0.55f, 0.7f, 1.5f, 0.5f, 0.0f, 1.2f, 0.9f},
      .grey = {0, 0, 1, 0},
      .sigmas = {2.0f, 0.0f, 0.1f, 1.1f},
      .partners = {1, 0, 3, 3}};
  *p = parts;
  p->n = batch * height * width * 3;
  p->x = hashed("augment", p->n);
  p->y = guarded_alloc(p->n);
  for (int64_t i = 0; i < p->n; i++) p->x[i] = fabsf(p->x[i]);
  /* Flat pixels, black and white, and two channels alike. */
  for (int64_t i = 0; i + 3 <= p->n; i += 33) p->x[i] = p->x[i + 1] = p->x[i + 2];
  for (int64_t i = 3; i + 3 <= p->n; i += 45) p->x[i] = p->x[i + 1] = p->x[i + 2] = (float)(i % 2);
  for (int64_t i = 6; i + 3 <= p->n; i += 51) p->x[i + 1] = p->x[i + i % 2 * 2];
  for (int64_t b = 0; b < batch; b++) {
    p->boxes[4 * b] = height * b / 5;
    p->boxes[4 * b + 1] = b == 2 ? 0 : width / 3;
    p->boxes[4 * b + 2] = b == 1 ? height / 5 : height;
    p->boxes[4 * b + 3] = b == 3 ? width : width * 2 / 3;
  }
  p->args = (fathom_distort_args){.batch = batch, .height = height, .width = width, .x = p->x,
                                  .step_starts = p->starts, .steps = p->steps,
                                  .step_factors = p->factors, .grey = p->grey,
                                  .blur_sigmas = p->sigmas, .partners = p->partners,
                                  .boxes = p->boxes, .mean = {0.485f, 0.456f, 0.406f},
                                  .std = {0.229f, 0.224f, 0.225f}, .y = p->y};
}

static void release(problem* p) {
  free(p->x);
  guarded_free(p->y);
}

static void check(const test_environment* t, problem* p, const char* what) {
  const fathom_distort_args* a = &p->args;
  double* expected = malloc((size_t)p->n * sizeof *expected);
  if (!expected) abort();
  reference_distort(a, expected);
  EXPECT_OK(fathom_distort(t->context, a));
  EXPECT_GUARDS(p->y);
  /* A sum of a thousand taps in float loses a little more. */
  double widest = 0;
  for (int64_t b = 0; b < a->batch; b++) widest = fmax(widest, a->blur_sigmas[b]);
  EXPECT_CLOSE(p->y, expected, p->n, 2e-6 * (1 + widest / 50), "%s [%ld,%ld,%ld]", what, (long)a->batch,
               (long)a->height, (long)a->width);
  free(expected);
}

TEST(augment_distorts_as_defined) {
  static const int64_t sizes[][2] = {{40, 52}, {1, 1}, {3, 5}, {17, 1}, {2, 40}, {33, 518}, {60, 7}};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    problem p;
    make(&p, 4, sizes[i][0], sizes[i][1]);
    check(t, &p, "everything");
    p.args.partners = p.args.boxes = NULL;
    check(t, &p, "no CutMix");
    for (int b = 0; b < 4; b++) p.sigmas[b] = 0;
    check(t, &p, "no blur");
    memset(p.starts, 0, sizeof p.starts);
    p.grey[2] = 0;
    p.args.steps = NULL;
    p.args.step_factors = NULL;
    check(t, &p, "nothing but normalisation");
    release(&p);
  }
}

/* A blur wider than the picture is reflected more than once. */
TEST(augment_blurs_by_any_sigma) {
  static const float sigmas[] = {0.01f, 0.4f, 3.0f, 9.5f, 170.0f};
  for (int i = 0; i < 5; i++) {
    problem p;
    make(&p, 2, i == 4 ? 4 : 13, 37);
    memset(p.starts, 0, sizeof p.starts);
    p.sigmas[0] = p.sigmas[1] = sigmas[i];
    check(t, &p, "blur");
    release(&p);
  }
}

/* Both boxes of different pictures mixed, at every edge, without a seam where nothing is distorted. */
TEST(augment_pastes_boxes_at_every_edge) {
  static const int64_t boxes[][4] = {{0, 0, 0, 0}, {4, 5, 9, 5}, {0, 0, 21, 33}, {0, 3, 4, 33},
                                     {20, 0, 21, 1}, {5, 32, 6, 33}};
  for (size_t i = 0; i < sizeof boxes / sizeof *boxes; i++) {
    problem p;
    make(&p, 2, 21, 33);
    for (int b = 0; b < 2; b++) memcpy(p.boxes + 4 * b, boxes[i], sizeof boxes[i]);
    p.sigmas[1] = 0.8f;
    check(t, &p, "box");
    release(&p);
  }
}

TEST(augment_gives_the_same_bits_for_any_number_of_threads) {
  if (t->threads == 1) return;
  fathom_context* single;
  EXPECT_OK(fathom_context_create(1, t->isa, &single));
  problem p;
  make(&p, 4, 90, 411);
  size_t bytes = (size_t)p.n * sizeof(float);
  float* first = malloc(bytes);
  if (!first) abort();
  EXPECT_OK(fathom_distort(single, &p.args));
  memcpy(first, p.y, bytes);
  for (int i = 0; i < 3; i++) {
    EXPECT_OK(fathom_distort(t->context, &p.args));
    EXPECT(memcmp(first, p.y, bytes) == 0, "run %d: other bits", i);
  }
  fathom_read_picture_args a = {300, 400, 90, 411, (const uint8_t*)p.x, 1, 2, 290, 395, 1, p.y};
  EXPECT_OK(fathom_read_picture(single, &a));
  memcpy(first, p.y, 90 * 411 * 3 * sizeof(float));
  EXPECT_OK(fathom_read_picture(t->context, &a));
  EXPECT(memcmp(first, p.y, 90 * 411 * 3 * sizeof(float)) == 0, "reading: other bits");
  fathom_context_destroy(single);
  free(first);
  release(&p);
}

TEST(augment_distort_rejects_bad_arguments) {
  problem p;
  make(&p, 2, 6, 7);
  problem q;
#define EXPECT_REJECTED(change, text)                                                    \
  q = p;                                                                                 \
  q.args.step_starts = q.starts;                                                         \
  q.args.steps = q.steps;                                                                \
  q.args.step_factors = q.factors;                                                       \
  q.args.blur_sigmas = q.sigmas;                                                         \
  q.args.partners = q.partners;                                                          \
  q.args.boxes = q.boxes;                                                                \
  change;                                                                                \
  EXPECT(fathom_distort(t->context, &q.args) == FATHOM_INVALID_ARGUMENT, #change);       \
  EXPECT(strstr(fathom_last_error(), text), #change ": %s", fathom_last_error());
  EXPECT_REJECTED(q.args.batch = 0, "B=0");
  EXPECT_REJECTED(q.args.width = -1, "W=-1");
  EXPECT_REJECTED(q.args.height = q.args.width = INT64_C(1) << 40, "too large");
  EXPECT_REJECTED(q.args.x = NULL, "NULL");
  EXPECT_REJECTED(q.args.grey = NULL, "NULL");
  EXPECT_REJECTED(q.args.steps = NULL, "NULL");
  EXPECT_REJECTED(q.args.boxes = NULL, "partners");
  EXPECT_REJECTED(q.args.partners = NULL, "partners");
  EXPECT_REJECTED(q.args.y = q.x, "overlaps");
  EXPECT_REJECTED(q.args.std[1] = 0, "std");
  EXPECT_REJECTED(q.starts[0] = 1, "step_starts");
  EXPECT_REJECTED(q.starts[1] = 9, "steps of picture 1");
  EXPECT_REJECTED(q.steps[2] = 4, "FATHOM_COLOR");
  EXPECT_REJECTED(q.factors[3] = 0.6f, "hue");
  EXPECT_REJECTED(q.factors[0] = NAN, "factor");
  EXPECT_REJECTED(q.factors[0] = -1, "factor");
  EXPECT_REJECTED(q.sigmas[1] = -1, "sigma");
  EXPECT_REJECTED(q.sigmas[1] = 171, "sigma");
  EXPECT_REJECTED(q.sigmas[1] = NAN, "sigma");
  EXPECT_REJECTED(q.partners[1] = 2, "partner 2");
  EXPECT_REJECTED(q.boxes[7] = 8, "box 1");
  EXPECT_REJECTED(q.boxes[0] = -1, "box 0");
  EXPECT(fathom_distort(t->context, NULL) == FATHOM_INVALID_ARGUMENT, "NULL arguments");
  EXPECT(fathom_distort(NULL, &p.args) == FATHOM_INVALID_ARGUMENT, "a NULL context");
  release(&p);
}
