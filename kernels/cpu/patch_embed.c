/*
 * The patch embedding: a convolution whose stride is its kernel, so a linear layer on patches.
 *
 * A patch is P runs of 3 P consecutive floats of the image. The weight is packed in that order,
 * (row, column, colour), and gemm.h's driver packs patches straight from the image: no matrix of
 * patches is stored. The epilogue adds bias and position and leaves room for the class token.
 */
#include "gemm.h"
#include "internal.h"
#include "simd.h"

#define COLOURS 3

/* ---- packing ---- */

int64_t FN(patch_embed_packed_size)(int64_t channels, int64_t patch) {
  return gemm_packed_size(channels, COLOURS * patch * patch);
}

struct pack_job {
  int64_t channels, patch;
  const float* weight;
  float* packed;
};

static void pack_panel(void* argument, int64_t index, int32_t thread) {
  (void)thread;
  const struct pack_job* job = argument;
  const int64_t area = job->patch * job->patch;
  float* panel = job->packed + index * NR * COLOURS * area;
  for (int64_t j = 0; j < NR; j++) {
    const int64_t channel = index * NR + j;
    const float* weight = job->weight + channel * COLOURS * area;
    for (int64_t pixel = 0; pixel < area; pixel++)
      for (int64_t colour = 0; colour < COLOURS; colour++)
        panel[(pixel * COLOURS + colour) * NR + j] =
            channel < job->channels ? weight[colour * area + pixel] : 0.0f;
  }
}

fathom_status FN(patch_embed_pack)(fathom_context* context, int64_t channels, int64_t patch,
                                   const float* weight, float* packed) {
  struct pack_job job = {channels, patch, weight, packed};
  fathom_pool_run(context->pool, fathom_ceil_div(channels, NR), pack_panel, &job);
  return FATHOM_OK;
}

/* ---- product ---- */

struct patch_job {
  fathom_context* context;
  const fathom_patch_embed_args* args;
  int64_t across;  /* patches in a row of the image */
  int64_t patches; /* in an image */
  gemm_plan plan;
};

static void pack_patches(const void* operator, int64_t row, int64_t rows, int64_t k, int64_t depth,
                         float* panel) {
  const struct patch_job* job = operator;
  const fathom_patch_embed_args* args = job->args;
  const int64_t run = COLOURS * args->patch, line = COLOURS * args->width;
  const float* corners[GEMM_PACK_ROWS];
  for (int64_t i = 0; i < GEMM_PACK_ROWS; i++) {
    const int64_t r = row + fathom_min(i, rows - 1);
    const int64_t image = r / job->patches, place = r % job->patches;
    const int64_t y = image * args->height + place / job->across * args->patch;
    corners[i] = args->image + y * line + place % job->across * run;
  }
  while (depth > 0) {
    const int64_t from = k % run, n = fathom_min(run - from, depth);
    const float* runs[GEMM_PACK_ROWS];
    for (int64_t i = 0; i < GEMM_PACK_ROWS; i++) runs[i] = corners[i] + k / run * line + from;
    gemm_pack_rows(MR, runs, n, panel);
    panel += n * MR;
    k += n;
    depth -= n;
  }
}

static void finish(const void* operator, int64_t row, int64_t rows, int64_t column, int64_t columns,
                   const float* tile) {
  const struct patch_job* job = operator;
  const fathom_patch_embed_args* args = job->args;
  const int64_t lead = args->cls != NULL;
  for (int64_t i = 0; i < rows; i++) {
    const int64_t image = (row + i) / job->patches, place = lead + (row + i) % job->patches;
    float* token = args->tokens + (image * (lead + job->patches) + place) * args->channels + column;
    const float* position =
        args->position ? args->position + place * args->channels + column : NULL;
    for (int64_t j = 0; j < columns; j += W) {
      const int64_t n = fathom_min(W, columns - j);
      vf v = v_load(tile + i * NR + j);
      if (n == W) {
        if (args->bias) v += v_load(args->bias + column + j);
        if (position) v += v_load(position + j);
        v_store(token + j, v);
      } else {
        if (args->bias) v += v_load_part(args->bias + column + j, n);
        if (position) v += v_load_part(position + j, n);
        v_store_part(token + j, v, n);
      }
    }
  }
}

static void patch_task(void* argument, int64_t index, int32_t thread) {
  const struct patch_job* job = argument;
  gemm_block(&job->plan, index, fathom_local(job->context, thread), pack_patches, finish, job);
}

fathom_status FN(patch_embed)(fathom_context* context, const fathom_patch_embed_args* args) {
  const int64_t across = args->width / args->patch, down = args->height / args->patch;
  struct patch_job job = {context, args, across, across * down,
                          gemm_plan_make(context->threads, args->batch * across * down,
                                         args->channels, COLOURS * args->patch * args->patch,
                                         args->packed)};
  job.plan.result = args->tokens + (args->cls ? args->channels : 0);
  job.plan.result_stride = args->channels;
  fathom_status status = fathom_reserve(context, 0, gemm_scratch(&job.plan));
  if (status != FATHOM_OK) return status;
  fathom_pool_run(context->pool, gemm_tasks(&job.plan), patch_task, &job);
  if (args->cls)
    for (int64_t b = 0; b < args->batch; b++)
      for (int64_t c = 0; c < args->channels; c++)
        args->tokens[b * (1 + job.patches) * args->channels + c] =
            args->position ? args->cls[c] + args->position[c] : args->cls[c];
  return FATHOM_OK;
}

/* ---- exported functions ---- */

#ifdef FATHOM_ENTRY

/* a * b, or -1 when a factor is -1 or the product's floats are more than can be addressed. */
static int64_t product(int64_t a, int64_t b) {
  int64_t c;
  return a < 0 || b < 0 || __builtin_mul_overflow(a, b, &c) || c > INT64_MAX / 8 ? -1 : c;
}

/* A packed weight is wider than the weight by less than 64 channels. */
static int weight_fits(int64_t channels, int64_t patch) {
  return channels >= 1 && channels <= INT64_MAX / 8 && patch >= 1 &&
         product(channels + 64, product(COLOURS, product(patch, patch))) >= 0;
}

fathom_status fathom_patch_embed_pack(fathom_context* context,
                                      fathom_patch_embed_pack_args* args) {
  FATHOM_CHECK(context, "patch_embed: the context is NULL");
  FATHOM_CHECK(args, "patch_embed: the arguments are NULL");
  int64_t channels = args->channels, patch = args->patch;
  FATHOM_CHECK(weight_fits(channels, patch), "patch_embed: cannot pack a weight [%lld,3,%lld,%lld]",
               (long long)channels, (long long)patch, (long long)patch);
  args->packed_size = context->ops->patch_embed_packed_size(channels, patch);
  if (!args->packed) return FATHOM_OK;
  FATHOM_CHECK(args->weight, "patch_embed: packing a weight [%lld,3,%lld,%lld], weight is NULL",
               (long long)channels, (long long)patch, (long long)patch);
  FATHOM_DISPATCH(context, patch_embed_pack, channels, patch, args->weight, args->packed);
}

static fathom_status fail(const fathom_patch_embed_args* args, const char* text) {
  return fathom_fail(FATHOM_INVALID_ARGUMENT,
                     "patch_embed: image [%lld,%lld,%lld,3], patch %lld, %lld channels: %s",
                     (long long)args->batch, (long long)args->height, (long long)args->width,
                     (long long)args->patch, (long long)args->channels, text);
}

#define PATCH_CHECK(condition, text)             \
  do {                                           \
    if (!(condition)) return fail(args, text);   \
  } while (0)

fathom_status fathom_patch_embed(fathom_context* context, const fathom_patch_embed_args* args) {
  FATHOM_CHECK(context, "patch_embed: the context is NULL");
  FATHOM_CHECK(args, "patch_embed: the arguments are NULL");
  PATCH_CHECK(args->batch >= 0 && args->height >= 1 && args->width >= 1 && args->patch >= 1 &&
                  args->channels >= 1,
              "batch must not be negative, the other sizes must be positive");
  PATCH_CHECK(args->height % args->patch == 0 && args->width % args->patch == 0,
              "height and width must be multiples of the patch");
  const int64_t patches = product(args->height / args->patch, args->width / args->patch);
  PATCH_CHECK(weight_fits(args->channels, args->patch) &&
                  product(args->batch, product(COLOURS, product(args->height, args->width))) >= 0 &&
                  product(args->batch, product(1 + patches, args->channels)) >= 0,
              "the sizes overflow");
  if (args->batch == 0) return FATHOM_OK;
  PATCH_CHECK(args->image, "image is NULL");
  PATCH_CHECK(args->packed, "packed is NULL");
  PATCH_CHECK(args->tokens, "tokens is NULL");
  FATHOM_DISPATCH(context, patch_embed, args);
}

#endif
