/* Backward of the patch embedding against float64. */
#include "test.h"

enum { WEIGHT = 1, BIAS = 2, CLS = 4, POSITION = 8, ALL = 15 };

typedef struct {
  fathom_patch_embed_backward_args args;
  int64_t sizes[4]; /* of the gradients */
  float *image, *d_tokens, *gradients[4];
} problem;

static const char* const names[4] = {"weight", "bias", "cls", "position"};

static problem make(int64_t batch, int64_t down, int64_t across, int64_t patch, int64_t channels,
                    int64_t lead, int parts) {
  const int64_t tokens = lead + down * across;
  problem p = {.sizes = {channels * 3 * patch * patch, channels, channels, tokens * channels},
               .image = hashed("image", batch * down * patch * across * patch * 3),
               .d_tokens = hashed("tokens", batch * tokens * channels)};
  for (int i = 0; i < 4; i++) {
    float* from = hashed(names[i], p.sizes[i]);
    p.gradients[i] = guarded_alloc(p.sizes[i]);
    memcpy(p.gradients[i], from, (size_t)p.sizes[i] * sizeof *from);
    free(from);
  }
  p.args = (fathom_patch_embed_backward_args){
      .batch = batch, .height = down * patch, .width = across * patch, .patch = patch,
      .channels = channels, .class_token = lead, .image = p.image, .d_tokens = p.d_tokens,
      .d_weight = parts & WEIGHT ? p.gradients[0] : NULL,
      .d_bias = parts & BIAS ? p.gradients[1] : NULL,
      .d_cls = parts & CLS ? p.gradients[2] : NULL,
      .d_position = parts & POSITION ? p.gradients[3] : NULL};
  return p;
}

static void release(problem* p) {
  free(p->image);
  free(p->d_tokens);
  for (int i = 0; i < 4; i++) guarded_free(p->gradients[i]);
}

/* All four gradients one after the other, added to what is there. */
static double* reference(const problem* p) {
  const fathom_patch_embed_backward_args* a = &p->args;
  const int64_t P = a->patch, across = a->width / P, C = a->channels, lead = a->class_token;
  const int64_t tokens = lead + across * (a->height / P);
  double* out[4];
  out[0] = malloc((size_t)(p->sizes[0] + 2 * C + p->sizes[3]) * sizeof(double));
  if (!out[0]) abort();
  for (int i = 0; i < 4; i++) {
    if (i > 0) out[i] = out[i - 1] + p->sizes[i - 1];
    for (int64_t k = 0; k < p->sizes[i]; k++) out[i][k] = p->gradients[i][k];
  }
  for (int64_t b = 0; b < a->batch; b++)
    for (int64_t t = 0; t < tokens; t++)
      for (int64_t c = 0; c < C; c++) {
        const double d = a->d_tokens[(b * tokens + t) * C + c];
        out[3][t * C + c] += d;
        out[t < lead ? 2 : 1][c] += d;
        if (t < lead) continue;
        const int64_t y = b * a->height + (t - lead) / across * P, x = (t - lead) % across * P;
        for (int64_t colour = 0; colour < 3; colour++)
          for (int64_t i = 0; i < P; i++)
            for (int64_t j = 0; j < P; j++)
              out[0][((c * 3 + colour) * P + i) * P + j] +=
                  d * a->image[((y + i) * a->width + x + j) * 3 + colour];
      }
  return out[0];
}

static void check(const test_environment* t, int64_t batch, int64_t down, int64_t across,
                  int64_t patch, int64_t channels, int64_t lead, int parts) {
  problem p = make(batch, down, across, patch, channels, lead, parts);
  problem alone = make(batch, down, across, patch, channels, lead, parts);
  double* expected = reference(&p);
  EXPECT_OK(fathom_patch_embed_backward(t->context, &p.args));
  fathom_context* single;
  EXPECT_OK(fathom_context_create(1, t->isa, &single));
  EXPECT_OK(fathom_patch_embed_backward(single, &alone.args));
  fathom_context_destroy(single);
  const double* from = expected;
  for (int i = 0; i < 4; i++) {
    const size_t bytes = (size_t)p.sizes[i] * sizeof(float);
#define WHAT                                                                                       \
  "d_%s of [%ld,%ldx%ld patches of %ld] to %ld, %ld leading, parts %d", names[i], (long)batch,     \
      (long)down, (long)across, (long)patch, (long)channels, (long)lead, parts
    EXPECT_GUARDS(p.gradients[i]);
    if (parts & 1 << i) {
      EXPECT_CLOSE(p.gradients[i], from, p.sizes[i], 2e-6, WHAT);
    } else {
      float* before = hashed(names[i], p.sizes[i]);
      EXPECT(memcmp(before, p.gradients[i], bytes) == 0, WHAT);
      free(before);
    }
    EXPECT(memcmp(p.gradients[i], alone.gradients[i], bytes) == 0, "other bits: " WHAT);
    from += p.sizes[i];
  }
  free(expected);
  release(&p);
  release(&alone);
}

TEST(patch_embed_backward_with_and_without_its_parts) {
  for (int parts = 0; parts <= ALL; parts++) check(t, 2, 3, 5, 4, 37, 1, parts);
  check(t, 2, 3, 5, 4, 37, 0, ALL & ~CLS);
}

TEST(patch_embed_backward_at_the_published_patch) {
  check(t, 1, 5, 7, 14, 128, 1, ALL);
  check(t, 2, 3, 4, 14, 65, 1, ALL);
}

TEST(patch_embed_backward_at_odd_sizes) {
  check(t, 1, 1, 1, 1, 1, 1, ALL);
  check(t, 3, 1, 2, 5, 31, 0, WEIGHT | BIAS);
  check(t, 1, 13, 1, 3, 33, 1, ALL);
  check(t, 2, 2, 3, 11, 17, 1, ALL);
}

/* More patches than one product takes, and a product that ends within an image. */
TEST(patch_embed_backward_takes_many_patches) {
  check(t, 3, 37, 37, 2, 19, 1, ALL);
}

TEST(patch_embed_backward_rejects_bad_arguments) {
  problem p = make(1, 2, 2, 2, 3, 1, ALL);
  fathom_patch_embed_backward_args bad;
#define REJECTED(text, ...)                                                          \
  do {                                                                               \
    bad = p.args;                                                                    \
    __VA_ARGS__;                                                                     \
    EXPECT(fathom_patch_embed_backward(t->context, &bad) == FATHOM_INVALID_ARGUMENT, \
           #__VA_ARGS__ " was taken");                                               \
    EXPECT(strstr(fathom_last_error(), "patch_embed_backward: image") &&             \
               strstr(fathom_last_error(), text),                                    \
           #__VA_ARGS__ " says: %s", fathom_last_error());                           \
  } while (0)
  REJECTED("[-1,4,4,3]", bad.batch = -1);
  REJECTED("[1,0,4,3]", bad.height = 0);
  REJECTED("[1,4,0,3]", bad.width = 0);
  REJECTED("patch 0", bad.patch = 0);
  REJECTED("0 channels", bad.channels = 0);
  REJECTED("multiples", bad.width = 3);
  REJECTED("class_token must", bad.class_token = 2);
  REJECTED("d_cls without", bad.class_token = 0);
  REJECTED("overflow", bad.batch = INT64_MAX);
  REJECTED("overflow", bad.height = INT64_MAX - 1);
  REJECTED("overflow", bad.channels = INT64_MAX);
  REJECTED("image is NULL", bad.image = NULL);
  REJECTED("d_tokens is NULL", bad.d_tokens = NULL);
#undef REJECTED
  EXPECT(fathom_patch_embed_backward(NULL, &p.args) == FATHOM_INVALID_ARGUMENT, "a NULL context");
  EXPECT(fathom_patch_embed_backward(t->context, NULL) == FATHOM_INVALID_ARGUMENT, "NULL");
  bad = p.args;
  bad.batch = 0;
  EXPECT_OK(fathom_patch_embed_backward(t->context, &bad));
  release(&p);
}
