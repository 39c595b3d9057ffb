/*
 * Backward of the patch embedding, for its parameters.
 *
 * d_weight is a product over all patches, [C, patches] x [patches, 3 P P]: A is d_tokens
 * transposed, which needs no shuffling, since a step of k in gemm.h's panel of A is a stretch of a
 * token. B, the patches, is packed DEPTH patches at a time, so that memory does not grow with the batch.
 *
 * The other gradients are sums over d_tokens, read once for all of them.
 */
#include "gemm.h"
#include "internal.h"
#include "partial_sums.h"
#include "simd.h"

#define COLOURS 3
#define DEPTH 3072       /* patches in a product: 8 blocks of k */
#define PATCHES 16       /* patches that a task packs */
#define BLOCK_TOKENS 16  /* tokens in a task of the sums */

typedef struct {
  fathom_context* context;
  const fathom_patch_embed_backward_args* args;
  int64_t across;  /* patches in a row of the image */
  int64_t patches; /* in an image */
  int64_t columns; /* 3 P P */
  int64_t first;   /* of the product's patches, counted over the batch */
  gemm_plan plan;
  float* packed;  /* B: [columns / NR][depth][NR] */
  float* partial; /* [blocks][C]: sums of d_tokens over the blocks' patches */
} job;

FATHOM_INLINE const float* token_of(const job* j, int64_t patch) {
  const fathom_patch_embed_backward_args* a = j->args;
  const int64_t image = patch / j->patches, place = a->class_token + patch % j->patches;
  return a->d_tokens + (image * (a->class_token + j->patches) + place) * a->channels;
}

/* ---- d_weight ---- */

/* Packs PATCHES patches of the image, each in the order (row, column, colour). */
static void pack_images(void* argument, int64_t index, int32_t thread) {
  const job* j = argument;
  const fathom_patch_embed_backward_args* a = j->args;
  const int64_t depth = j->plan.depth, run = COLOURS * a->patch, line = COLOURS * a->width;
  const int64_t panels = fathom_ceil_div(j->columns, NR);
  float* patch = fathom_local(j->context, thread);
  memset(patch + j->columns, 0, (size_t)(panels * NR - j->columns) * sizeof(float));
  const int64_t end = fathom_min((index + 1) * PATCHES, depth);
  for (int64_t k = index * PATCHES; k < end; k++) {
    const int64_t image = (j->first + k) / j->patches, place = (j->first + k) % j->patches;
    const int64_t y = image * a->height + place / j->across * a->patch;
    const float* corner = a->image + y * line + place % j->across * run;
    for (int64_t i = 0; i < a->patch; i++)
      memcpy(patch + i * run, corner + i * line, (size_t)run * sizeof(float));
    float* to = j->packed + k * NR;
    for (int64_t p = 0; p < panels; p++, to += depth * NR) {
      v_store(to, v_load(patch + p * NR));
      v_store(to + W, v_load(patch + p * NR + W));
    }
  }
}

/* A's rows are channels, its columns patches. */
static void pack_tokens(const void* operator, int64_t row, int64_t rows, int64_t k, int64_t depth,
                        float* panel) {
  const job* j = operator;
  const int64_t here = fathom_min(j->args->channels - row, GEMM_PACK_ROWS);
  (void)rows;
  for (int64_t i = 0; i < depth; i++, panel += MR) {
    const float* token = token_of(j, j->first + k + i) + row;
    /* Whole vectors: what they write past MR is overwritten or not used. */
    for (int64_t c = 0; c < GEMM_PACK_ROWS; c += W)
      v_store(panel + c, here >= c + W ? v_load(token + c)
                                       : v_load_part(token + c, fathom_max(here - c, 0)));
  }
}

static void add_weight(const void* operator, int64_t row, int64_t rows, int64_t column,
                       int64_t columns, const float* tile) {
  const job* j = operator;
  const int64_t area = j->columns / COLOURS;
  for (int64_t i = 0; i < rows; i++, tile += NR) {
    float* weight = j->args->d_weight + (row + i) * j->columns;
    for (int64_t k = 0; k < columns; k++)
      weight[(column + k) % COLOURS * area + (column + k) / COLOURS] += tile[k];
  }
}

static void weight_task(void* argument, int64_t index, int32_t thread) {
  const job* j = argument;
  gemm_block(&j->plan, index, fathom_local(j->context, thread), pack_tokens, add_weight, j);
}

/* Fills in plan, packed and scratch memory for a product over patches [first, first + depth). */
static fathom_status weight_gradient(job* j) {
  fathom_context* context = j->context;
  const fathom_patch_embed_backward_args* a = j->args;
  const int64_t patches = a->batch * j->patches;
  for (j->first = 0; j->first < patches; j->first += DEPTH) {
    const int64_t depth = fathom_min(DEPTH, patches - j->first);
    j->plan = gemm_plan_make(context->threads, a->channels, j->columns, depth, NULL);
    const size_t padded = (size_t)fathom_ceil_div(j->columns, NR) * NR * sizeof(float);
    const size_t local = gemm_scratch(&j->plan);
    fathom_status status =
        fathom_reserve(context, padded * (size_t)depth, local > padded ? local : padded);
    if (status != FATHOM_OK) return status;
    j->plan.b = j->packed = fathom_shared(context);
    fathom_pool_run(context->pool, fathom_ceil_div(depth, PATCHES), pack_images, j);
    fathom_pool_run(context->pool, gemm_tasks(&j->plan), weight_task, j);
  }
  return FATHOM_OK;
}

/* ---- the sums ---- */

/* BLOCK_TOKENS tokens of every image. */
static void tokens_task(void* argument, int64_t index, int32_t thread) {
  (void)thread;
  const job* j = argument;
  const fathom_patch_embed_backward_args* a = j->args;
  const int64_t channels = a->channels, tokens = a->class_token + j->patches;
  const int64_t end = fathom_min((index + 1) * BLOCK_TOKENS, tokens);
  float* partial = j->partial ? j->partial + index * channels : NULL;
  if (partial) memset(partial, 0, (size_t)channels * sizeof(float));
  for (int64_t t = index * BLOCK_TOKENS; t < end; t++) {
    float* sums[2] = {a->d_position ? a->d_position + t * channels : NULL,
                      t < a->class_token ? a->d_cls : partial};
    if (!sums[0] && !sums[1]) continue;
    for (int64_t c = 0; c < channels; c += W) {
      const int64_t n = fathom_min(W, channels - c);
      vf sum = {0};
      for (int64_t b = 0; b < a->batch; b++) {
        const float* token = a->d_tokens + (b * tokens + t) * channels + c;
        sum += v_load_first(token, n);
      }
      for (int s = 0; s < 2; s++)
        if (sums[s]) v_store_first(sums[s] + c, v_load_first(sums[s] + c, n) + sum, n);
    }
  }
}

static fathom_status token_sums(job* j) {
  fathom_context* context = j->context;
  const fathom_patch_embed_backward_args* a = j->args;
  const int64_t blocks = fathom_ceil_div(a->class_token + j->patches, BLOCK_TOKENS);
  if (a->d_bias) {
    const size_t bytes = (size_t)(blocks * a->channels) * sizeof(float);
    fathom_status status = fathom_reserve(context, bytes, 0);
    if (status != FATHOM_OK) return status;
    j->partial = fathom_shared(context);
  }
  fathom_pool_run(context->pool, blocks, tokens_task, j);
  const partial_sums bias = {blocks, a->channels, j->partial, a->channels, a->d_bias};
  if (a->d_bias) partial_sums_add(context, bias);
  return FATHOM_OK;
}

fathom_status FN(patch_embed_backward)(fathom_context* context,
                                       const fathom_patch_embed_backward_args* a) {
  const int64_t across = a->width / a->patch, down = a->height / a->patch;
  job j = {.context = context, .args = a, .across = across, .patches = across * down,
           .columns = COLOURS * a->patch * a->patch};
  if (a->d_weight) {
    fathom_status status = weight_gradient(&j);
    if (status != FATHOM_OK) return status;
  }
  return a->d_bias || a->d_cls || a->d_position ? token_sums(&j) : FATHOM_OK;
}

/* ---- exported function ---- */

#ifdef FATHOM_ENTRY

/* a * b, or -1 when a factor is -1 or the product's floats are more than can be addressed. */
static int64_t product(int64_t a, int64_t b) {
  int64_t c;
  return a < 0 || b < 0 || __builtin_mul_overflow(a, b, &c) || c > INT64_MAX / 64 ? -1 : c;
}

static fathom_status fail(const fathom_patch_embed_backward_args* args, const char* text) {
  return fathom_fail(FATHOM_INVALID_ARGUMENT,
                     "patch_embed_backward: image [%lld,%lld,%lld,3], patch %lld, %lld channels: %s",
                     (long long)args->batch, (long long)args->height, (long long)args->width,
                     (long long)args->patch, (long long)args->channels, text);
}

#define PATCH_CHECK(condition, text)             \
  do {                                           \
    if (!(condition)) return fail(args, text);   \
  } while (0)

fathom_status fathom_patch_embed_backward(fathom_context* context,
                                          const fathom_patch_embed_backward_args* args) {
  FATHOM_CHECK(context, "patch_embed_backward: the context is NULL");
  FATHOM_CHECK(args, "patch_embed_backward: the arguments are NULL");
  PATCH_CHECK(args->batch >= 0 && args->height >= 1 && args->width >= 1 && args->patch >= 1 &&
                  args->channels >= 1,
              "batch must not be negative, the other sizes must be positive");
  PATCH_CHECK(args->class_token == 0 || args->class_token == 1, "class_token must be 0 or 1");
  PATCH_CHECK(args->height % args->patch == 0 && args->width % args->patch == 0,
              "height and width must be multiples of the patch");
  const int64_t patches = product(args->height / args->patch, args->width / args->patch);
  /* A packed patch is wider than a patch by less than 64 floats. */
  const int64_t area = product(COLOURS, product(args->patch, args->patch));
  PATCH_CHECK(patches >= 0 && area >= 0 &&
                  product(args->batch, product(COLOURS, product(args->height, args->width))) >= 0 &&
                  product(args->batch, product(1 + patches, args->channels)) >= 0 &&
                  product(args->channels, area) >= 0 && product(area + 64, DEPTH) >= 0,
              "the sizes overflow");
  if (args->batch == 0) return FATHOM_OK;
  PATCH_CHECK(args->image, "image is NULL");
  PATCH_CHECK(args->d_tokens, "d_tokens is NULL");
  PATCH_CHECK(args->class_token || !args->d_cls, "d_cls without class_token");
  FATHOM_DISPATCH(context, patch_embed_backward, args);
}

#endif
