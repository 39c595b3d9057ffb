/* The patch embedding against a float64 convolution. */
#include "test.h"

enum { BIAS = 1, CLS = 2, POSITION = 4 };

static void naive(const fathom_patch_embed_args* a, const float* weight, double* tokens) {
  const int64_t P = a->patch, down = a->height / P, across = a->width / P, C = a->channels;
  const int64_t lead = a->cls != NULL, rows = lead + down * across;
  for (int64_t b = 0; b < a->batch; b++)
    for (int64_t row = 0; row < rows; row++)
      for (int64_t c = 0; c < C; c++) {
        double sum = row < lead ? a->cls[c] : a->bias ? a->bias[c] : 0;
        const int64_t py = (row - lead) / across, px = (row - lead) % across;
        if (row >= lead)
          for (int64_t colour = 0; colour < 3; colour++)
            for (int64_t i = 0; i < P; i++)
              for (int64_t j = 0; j < P; j++)
                sum += (double)weight[((c * 3 + colour) * P + i) * P + j] *
                       a->image[((b * a->height + py * P + i) * a->width + px * P + j) * 3 +
                                colour];
        if (a->position) sum += a->position[row * C + c];
        tokens[(b * rows + row) * C + c] = sum;
      }
}

static float* pack(const test_environment* t, int64_t channels, int64_t patch,
                   const float* weight) {
  fathom_patch_embed_pack_args args = {.channels = channels, .patch = patch, .weight = weight};
  EXPECT_OK(fathom_patch_embed_pack(t->context, &args));
  args.packed = guarded_alloc(args.packed_size);
  EXPECT_OK(fathom_patch_embed_pack(t->context, &args));
  EXPECT_GUARDS(args.packed);
  return args.packed;
}

static void check(const test_environment* t, int64_t batch, int64_t down, int64_t across,
                  int64_t patch, int64_t channels, int parts) {
  const int64_t rows = (parts & CLS ? 1 : 0) + down * across;
  const int64_t count = batch * rows * channels;
  float* image = hashed("image", batch * down * patch * across * patch * 3);
  float* weight = hashed("weight", channels * 3 * patch * patch);
  float* bias = hashed("bias", channels);
  float* cls = hashed("cls", channels);
  float* position = hashed("position", rows * channels);
  float* packed = pack(t, channels, patch, weight);
  float* tokens = guarded_alloc(count);
  double* expected = malloc((size_t)count * sizeof *expected);
  fathom_patch_embed_args args = {.batch = batch, .height = down * patch, .width = across * patch,
                                  .patch = patch, .channels = channels, .image = image,
                                  .packed = packed, .bias = parts & BIAS ? bias : NULL,
                                  .cls = parts & CLS ? cls : NULL,
                                  .position = parts & POSITION ? position : NULL, .tokens = tokens};
  naive(&args, weight, expected);
  EXPECT_OK(fathom_patch_embed(t->context, &args));
  EXPECT_GUARDS(tokens);
  EXPECT_CLOSE(tokens, expected, count, 1e-6, "[%ld,%ldx%ld patches of %ld] to %ld, parts %d",
               (long)batch, (long)down, (long)across, (long)patch, (long)channels, parts);

  float* single_tokens = guarded_alloc(count);
  fathom_context* single;
  EXPECT_OK(fathom_context_create(1, t->isa, &single));
  args.tokens = single_tokens;
  EXPECT_OK(fathom_patch_embed(single, &args));
  EXPECT(memcmp(tokens, single_tokens, (size_t)count * sizeof *tokens) == 0,
         "%d threads differ from one", t->threads);
  fathom_context_destroy(single);

  free(image);
  free(weight);
  free(bias);
  free(cls);
  free(position);
  guarded_free(packed);
  guarded_free(tokens);
  guarded_free(single_tokens);
  free(expected);
}

TEST(patch_embed_agrees_with_and_without_its_parts) {
  for (int parts = 0; parts < 8; parts++) check(t, 2, 3, 5, 4, 37, parts);
}

TEST(patch_embed_agrees_at_the_published_patch) {
  check(t, 1, 5, 7, 14, 128, BIAS | CLS | POSITION);
  check(t, 2, 3, 4, 14, 65, BIAS | CLS | POSITION);
}

TEST(patch_embed_agrees_at_odd_sizes) {
  check(t, 1, 1, 1, 1, 1, BIAS);
  check(t, 3, 1, 2, 5, 31, CLS);
  check(t, 1, 13, 1, 3, 33, POSITION | CLS);
  if (!t->quick) check(t, 1, 2, 3, 31, 17, BIAS | POSITION);
}

TEST(patch_embed_rejects_bad_arguments) {
  float image[12] = {0}, weight[6] = {0}, tokens[8] = {0};
  float* packed = pack(t, 2, 1, weight);
  const fathom_patch_embed_args good = {.batch = 1, .height = 2, .width = 2, .patch = 1,
                                        .channels = 2, .image = image, .packed = packed,
                                        .tokens = tokens};
  EXPECT_OK(fathom_patch_embed(t->context, &good));
  fathom_patch_embed_args bad;
#define REJECTED(text, ...)                                                                  \
  do {                                                                                       \
    bad = good;                                                                              \
    __VA_ARGS__;                                                                             \
    EXPECT(fathom_patch_embed(t->context, &bad) == FATHOM_INVALID_ARGUMENT,                  \
           #__VA_ARGS__ " was taken");                                                       \
    EXPECT(strstr(fathom_last_error(), "patch_embed: image") &&                              \
               strstr(fathom_last_error(), text),                                            \
           #__VA_ARGS__ " says: %s", fathom_last_error());                                   \
  } while (0)
  REJECTED("[-1,2,2,3]", bad.batch = -1);
  REJECTED("[1,0,2,3]", bad.height = 0);
  REJECTED("[1,2,0,3]", bad.width = 0);
  REJECTED("patch 0", bad.patch = 0);
  REJECTED("0 channels", bad.channels = 0);
  REJECTED("multiples", bad.patch = 2, bad.width = 3);
  REJECTED("overflow", bad.batch = INT64_MAX);
  REJECTED("overflow", bad.height = INT64_MAX);
  REJECTED("overflow", bad.channels = INT64_MAX);
  REJECTED("image is NULL", bad.image = NULL);
  REJECTED("packed is NULL", bad.packed = NULL);
  REJECTED("tokens is NULL", bad.tokens = NULL);
#undef REJECTED
  EXPECT(fathom_patch_embed(NULL, &good) == FATHOM_INVALID_ARGUMENT, "a NULL context was taken");
  EXPECT(fathom_patch_embed(t->context, NULL) == FATHOM_INVALID_ARGUMENT, "NULL was taken");
  bad = good;
  bad.batch = 0;
  EXPECT_OK(fathom_patch_embed(t->context, &bad));
  guarded_free(packed);
}

TEST(patch_embed_pack_rejects_bad_arguments) {
  float value = 1;
#define REJECTED(text, ...)                                                                      \
  {                                                                                              \
    fathom_patch_embed_pack_args bad = {__VA_ARGS__};                                            \
    EXPECT(fathom_patch_embed_pack(t->context, &bad) == FATHOM_INVALID_ARGUMENT, "%s was taken", \
           #__VA_ARGS__);                                                                        \
    EXPECT(strstr(fathom_last_error(), text), "text: %s", fathom_last_error());                  \
  }
  REJECTED("[2,3,0,0]", .channels = 2, .patch = 0)
  REJECTED("cannot pack", .channels = 2, .patch = INT64_MAX / 2)
  REJECTED("[0,3,1,1]", .channels = 0, .patch = 1, .weight = &value, .packed = &value)
  REJECTED("weight is NULL", .channels = 2, .patch = 1, .packed = &value)
#undef REJECTED
  fathom_patch_embed_pack_args args = {.channels = 2, .patch = 1};
  EXPECT(fathom_patch_embed_pack(NULL, &args) == FATHOM_INVALID_ARGUMENT, "no context");
  EXPECT(fathom_patch_embed_pack(t->context, NULL) == FATHOM_INVALID_ARGUMENT, "no arguments");
}
