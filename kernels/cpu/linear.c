/*
 * Linear layers: y = residual + scale * activation(x weight^T + bias), one pass over y.
 *
 * The product is gemm.h's; here are the packing of x and the epilogue, which takes a tile from the
 * L1 cache to y. SwiGLU, the giant's gate between two linear layers, is a loop over rows.
 */
#include "gemm.h"
#include "internal.h"
#include "simd.h"

/* ---- packing ---- */

int64_t FN(linear_packed_size)(int64_t out, int64_t in) { return gemm_packed_size(out, in); }

struct pack_job {
  int64_t out, in;
  const float* weight;
  float* packed;
};

static void pack_panel(void* argument, int64_t index, int32_t thread) {
  (void)thread;
  const struct pack_job* job = argument;
  gemm_pack_columns(job->weight, job->out, job->in, index * NR, job->packed + index * NR * job->in);
}

void FN(linear_pack)(fathom_context* context, int64_t out, int64_t in, const float* weight,
                     float* packed) {
  struct pack_job job = {out, in, weight, packed};
  fathom_pool_run(context->pool, fathom_ceil_div(out, NR), pack_panel, &job);
}

/* ---- product ---- */

struct linear_job {
  fathom_context* context;
  const fathom_linear_args* args;
  gemm_plan plan;
};

/* GELU of n floats that have room for whole vectors behind them. */
static void gelu_panel(float* panel, int64_t n) {
  for (int64_t at = 0; at < n; at += 4 * W) {
    vf v[4];
    for (int i = 0; i < 4; i++) v[i] = at + i * W < n ? v_load(panel + at + i * W) : (vf){0};
    v_gelu4(v);
    for (int i = 0; i < 4 && at + i * W < n; i++) v_store(panel + at + i * W, v[i]);
  }
}

static void pack_x(const void* operator, int64_t row, int64_t rows, int64_t k, int64_t depth,
                   float* panel) {
  const fathom_linear_args* args = operator;
  const float* x[GEMM_PACK_ROWS];
  for (int64_t i = 0; i < GEMM_PACK_ROWS; i++)
    x[i] = args->x + (row + fathom_min(i, rows - 1)) * args->x_stride + k;
  /* A shallow product waits for x: the next tile's rows may arrive while this one is multiplied. */
  if (args->in <= 128 && row + 2 * MR <= args->rows)
    for (int64_t i = 0; i < MR; i++)
      for (int64_t at = 0; at < depth; at += 16)
        __builtin_prefetch(x[i] + MR * args->x_stride + at, 0, 2);
  gemm_pack_rows(MR, x, depth, panel);
  if (args->input_activation == FATHOM_ACTIVATION_GELU) gelu_panel(panel, depth * MR);
}

/*
 * The epilogue, two rows at a time. activation and full (columns == NR) are constants in each use,
 * so that the loop has few choices left in it. MR is even: a row past the last lies within the
 * tile, and is not stored.
 */
FATHOM_INLINE void finish_tile(const fathom_linear_args* args, int64_t activation, int full,
                               int64_t row, int64_t rows, int64_t column, int64_t columns,
                               const float* tile) {
  const int64_t left = full ? W : fathom_min(W, columns), right = full ? W : columns - left;
  vf bias[2] = {{0}, {0}}, scale[2] = {v_set(1.0f), v_set(1.0f)};
  if (args->bias) {
    bias[0] = v_load_some(args->bias + column, left);
    bias[1] = v_load_some(args->bias + column + W, right);
  }
  if (args->scale) {
    scale[0] = v_load_some(args->scale + column, left);
    scale[1] = v_load_some(args->scale + column + W, right);
  }
  const int64_t out = args->out;
  float* y = args->y + row * out + column;
  float* pre = args->pre_activation ? args->pre_activation + row * out + column : NULL;
  const float* residual = args->residual ? args->residual + row * out + column : NULL;
  for (int64_t i = 0; i < rows; i += 2) {
    vf v[4];
    const int second = i + 1 < rows;
    for (int h = 0; h < 4; h++) v[h] = v_load(tile + (i * 2 + h) * W) + bias[h % 2];
    if (pre) {
      v_store_some(pre, v[0], left);
      v_store_some(pre + W, v[1], right);
      if (second) {
        v_store_some(pre + out, v[2], left);
        v_store_some(pre + out + W, v[3], right);
      }
      pre += 2 * out;
    }
    if (activation == FATHOM_ACTIVATION_RELU)
      for (int h = 0; h < 4; h++) v[h] = v_relu(v[h]);
    if (activation == FATHOM_ACTIVATION_GELU) v_gelu4(v);
    for (int h = 0; h < 4; h++) v[h] *= scale[h % 2];
    if (residual) {
      v[0] += v_load_some(residual, left);
      v[1] += v_load_some(residual + W, right);
      if (second) {
        v[2] += v_load_some(residual + out, left);
        v[3] += v_load_some(residual + out + W, right);
      }
      residual += 2 * out;
    }
    v_store_some(y, v[0], left);
    v_store_some(y + W, v[1], right);
    if (second) {
      v_store_some(y + out, v[2], left);
      v_store_some(y + out + W, v[3], right);
    }
    y += 2 * out;
  }
}

static void finish(const void* operator, int64_t row, int64_t rows, int64_t column, int64_t columns,
                   const float* tile) {
  const fathom_linear_args* args = operator;
#define CASE(name)                                                           \
  case FATHOM_ACTIVATION_##name:                                             \
    if (columns == NR)                                                       \
      finish_tile(args, FATHOM_ACTIVATION_##name, 1, row, rows, column, columns, tile); \
    else                                                                     \
      finish_tile(args, FATHOM_ACTIVATION_##name, 0, row, rows, column, columns, tile); \
    break;
  switch (args->activation) {
    CASE(NONE)
    CASE(RELU)
    CASE(GELU)
  }
#undef CASE
}

static void linear_task(void* argument, int64_t index, int32_t thread) {
  const struct linear_job* job = argument;
  gemm_block(&job->plan, index, fathom_local(job->context, thread), pack_x, finish, job->args);
}

fathom_status FN(linear)(fathom_context* context, const fathom_linear_args* args) {
  struct linear_job job = {context, args,
                           gemm_plan_make(context->threads, args->rows, args->out, args->in,
                                          args->packed)};
  job.plan.result = args->y;
  job.plan.result_stride = args->out;
  if (args->residual != args->y) job.plan.read = args->residual;
  job.plan.read_stride = args->out;
  fathom_status status = fathom_reserve(context, 0, gemm_scratch(&job.plan));
  if (status != FATHOM_OK) return status;
  fathom_pool_run(context->pool, gemm_tasks(&job.plan), linear_task, &job);
  return FATHOM_OK;
}

/* ---- SwiGLU ---- */

/* Floats of x that one task reads, at least: enough to be worth a hand-over. */
#define SWIGLU_BLOCK 65536

struct swiglu_job {
  const fathom_swiglu_args* args;
  int64_t rows; /* of a task */
};

FATHOM_INLINE vf silu(vf x) { return x / (1.0f + v_exp(-x)); }

static void swiglu_task(void* argument, int64_t index, int32_t thread) {
  (void)thread;
  const struct swiglu_job* job = argument;
  const int64_t channels = job->args->channels;
  const int64_t end = fathom_min(job->args->rows, (index + 1) * job->rows);
  for (int64_t row = index * job->rows; row < end; row++) {
    const float* gate = job->args->x + row * 2 * channels;
    const float* value = gate + channels;
    float* y = job->args->y + row * channels;
    int64_t c = 0;
    for (; c + W <= channels; c += W) v_store(y + c, silu(v_load(gate + c)) * v_load(value + c));
    const int64_t n = channels - c;
    if (n > 0)
      v_store_part(y + c, silu(v_load_part(gate + c, n)) * v_load_part(value + c, n), n);
  }
}

fathom_status FN(swiglu)(fathom_context* context, const fathom_swiglu_args* args) {
  struct swiglu_job job = {args, fathom_max(1, SWIGLU_BLOCK / (2 * args->channels))};
  fathom_pool_run(context->pool, fathom_ceil_div(args->rows, job.rows), swiglu_task, &job);
  return FATHOM_OK;
}

/* ---- exported functions ---- */

#ifdef FATHOM_ENTRY

#define PRODUCT_OVERFLOWS(a, b) \
  (__builtin_mul_overflow((int64_t)(a), (int64_t)(b), &(int64_t){0}) || (a) * (b) > INT64_MAX / 8)

/* A weight's panels, which are wider than the weight by less than 64 columns. */
static int packed_overflows(int64_t out, int64_t in) {
  return out > INT64_MAX / 8 || PRODUCT_OVERFLOWS(out + 64, in);
}

fathom_status fathom_linear_pack(fathom_context* context, fathom_linear_pack_args* args) {
  FATHOM_CHECK(context, "linear: the context is NULL");
  FATHOM_CHECK(args, "linear: the arguments are NULL");
  FATHOM_CHECK(args->out >= 1 && args->in >= 1 && !packed_overflows(args->out, args->in),
               "linear: cannot pack a weight [%lld,%lld]", (long long)args->out,
               (long long)args->in);
  args->packed_size = context->ops->linear_packed_size(args->out, args->in);
  if (!args->packed) return FATHOM_OK;
  FATHOM_CHECK(args->weight, "linear: packing a weight [%lld,%lld], weight is NULL",
               (long long)args->out, (long long)args->in);
  fathom_enter(context);
  context->ops->linear_pack(context, args->out, args->in, args->weight, args->packed);
  fathom_leave(context);
  return FATHOM_OK;
}

#define LINEAR_CHECK(condition, format, ...)                                                  \
  FATHOM_CHECK(condition, "linear: x [%lld,%lld] to [%lld,%lld]: " format,                    \
               (long long)args->rows, (long long)args->in, (long long)args->rows,             \
               (long long)args->out, __VA_ARGS__)

fathom_status fathom_linear(fathom_context* context, const fathom_linear_args* args) {
  FATHOM_CHECK(context, "linear: the context is NULL");
  FATHOM_CHECK(args, "linear: the arguments are NULL");
  LINEAR_CHECK(args->rows >= 0 && args->in >= 1 && args->out >= 1, "%s",
               "rows must not be negative, the other sizes must be positive");
  LINEAR_CHECK(!packed_overflows(args->out, args->in), "%s", "the weight is too large");
  LINEAR_CHECK(args->x_stride >= args->in, "rows of x overlap, x_stride is %lld",
               (long long)args->x_stride);
  LINEAR_CHECK(!PRODUCT_OVERFLOWS(args->rows, args->x_stride) &&
                   !PRODUCT_OVERFLOWS(args->rows, args->out),
               "the sizes overflow, x_stride is %lld", (long long)args->x_stride);
  LINEAR_CHECK(args->activation == FATHOM_ACTIVATION_NONE ||
                   args->activation == FATHOM_ACTIVATION_RELU ||
                   args->activation == FATHOM_ACTIVATION_GELU,
               "activation %lld is not NONE, RELU or GELU", (long long)args->activation);
  LINEAR_CHECK(args->input_activation == FATHOM_ACTIVATION_NONE ||
                   args->input_activation == FATHOM_ACTIVATION_GELU,
               "input activation %lld is not NONE or GELU", (long long)args->input_activation);
  if (args->rows == 0) return FATHOM_OK;
  LINEAR_CHECK(args->x && args->packed && args->y, "%s is NULL",
               !args->x ? "x" : !args->packed ? "packed" : "y");
  FATHOM_DISPATCH(context, linear, args);
}

#define SWIGLU_CHECK(condition, text)                                                       \
  FATHOM_CHECK(condition, "swiglu: x [%lld,2*%lld]: " text, (long long)args->rows,          \
               (long long)args->channels)

fathom_status fathom_swiglu(fathom_context* context, const fathom_swiglu_args* args) {
  FATHOM_CHECK(context, "swiglu: the context is NULL");
  FATHOM_CHECK(args, "swiglu: the arguments are NULL");
  SWIGLU_CHECK(args->rows >= 0 && args->channels >= 1,
               "rows must not be negative, channels must be positive");
  SWIGLU_CHECK(args->channels <= INT64_MAX / 16 &&
                   !PRODUCT_OVERFLOWS(args->rows, 2 * args->channels),
               "the sizes overflow");
  if (args->rows == 0) return FATHOM_OK;
  SWIGLU_CHECK(args->x && args->y, "x or y is NULL");
  FATHOM_DISPATCH(context, swiglu, args);
}

#endif
