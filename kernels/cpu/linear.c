/*
 * Linear layers: y = residual + scale * activation(x weight^T + bias), one pass over y.
 *
 * The product is gemm.h's; here are the packing of x and the epilogue, which takes a tile from the L1
 * cache to y. SwiGLU, the giant's gate between two linear layers, is a loop over rows.
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

static void pack_x(const void* operator, int64_t row, int64_t rows, int64_t k, int64_t depth,
                   float* panel) {
  const fathom_linear_args* args = operator;
  const float* x[MR];
  for (int64_t i = 0; i < MR; i++)
    x[i] = args->x + (row + fathom_min(i, rows - 1)) * args->x_stride + k;
  gemm_pack_rows(x, depth, panel);
}

/* One vector of the epilogue; residual may be NULL. */
FATHOM_INLINE vf finish_vector(vf v, vf bias, int64_t activation, vf scale) {
  v += bias;
  if (activation == FATHOM_ACTIVATION_RELU) v = v_relu(v);
  if (activation == FATHOM_ACTIVATION_GELU) v = v_gelu(v);
  return v * scale;
}

/* activation is a constant in each use, so that the loop has no choice left in it. */
FATHOM_INLINE void finish_tile(const fathom_linear_args* args, int64_t activation, int64_t row,
                               int64_t rows, int64_t column, int64_t columns, const float* tile) {
  for (int64_t j = 0; j < columns; j += W) {
    const int64_t n = fathom_min(W, columns - j);
    vf bias = {0}, scale = v_set(1.0f);
    if (n == W) {
      if (args->bias) bias = v_load(args->bias + column + j);
      if (args->scale) scale = v_load(args->scale + column + j);
    } else {
      if (args->bias) bias = v_load_part(args->bias + column + j, n);
      if (args->scale) scale = v_load_part(args->scale + column + j, n);
    }
    for (int64_t i = 0; i < rows; i++) {
      const int64_t at = (row + i) * args->out + column + j;
      vf v = finish_vector(v_load(tile + i * NR + j), bias, activation, scale);
      if (n == W) {
        if (args->residual) v += v_load(args->residual + at);
        v_store(args->y + at, v);
      } else {
        if (args->residual) v += v_load_part(args->residual + at, n);
        v_store_part(args->y + at, v, n);
      }
    }
  }
}

static void finish(const void* operator, int64_t row, int64_t rows, int64_t column, int64_t columns,
                   const float* tile) {
  const fathom_linear_args* args = operator;
  switch (args->activation) {
    case FATHOM_ACTIVATION_RELU:
      finish_tile(args, FATHOM_ACTIVATION_RELU, row, rows, column, columns, tile);
      break;
    case FATHOM_ACTIVATION_GELU:
      finish_tile(args, FATHOM_ACTIVATION_GELU, row, rows, column, columns, tile);
      break;
    default:
      finish_tile(args, FATHOM_ACTIVATION_NONE, row, rows, column, columns, tile);
  }
}

static void linear_task(void* argument, int64_t index, int32_t thread) {
  const struct linear_job* job = argument;
  gemm_block(&job->plan, index, fathom_local(job->context, thread), pack_x, finish, job->args);
}

fathom_status FN(linear)(fathom_context* context, const fathom_linear_args* args) {
  struct linear_job job = {context, args,
                           gemm_plan_make(context->threads, args->rows, args->out, args->in,
                                          args->packed)};
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

int64_t fathom_linear_packed_size(const fathom_context* context, int64_t out, int64_t in) {
  if (!context || out < 1 || in < 1 || packed_overflows(out, in)) {
    fathom_fail(FATHOM_INVALID_ARGUMENT, "linear: no packed size for a weight [%lld,%lld]%s",
                (long long)out, (long long)in, context ? "" : ": the context is NULL");
    return -1;
  }
  return context->ops->linear_packed_size(out, in);
}

fathom_status fathom_linear_pack(fathom_context* context, int64_t out, int64_t in,
                                 const float* weight, float* packed) {
  FATHOM_CHECK(context, "linear: the context is NULL");
  FATHOM_CHECK(out >= 1 && in >= 1 && !packed_overflows(out, in),
               "linear: cannot pack a weight [%lld,%lld]", (long long)out, (long long)in);
  FATHOM_CHECK(weight && packed, "linear: packing a weight [%lld,%lld], %s is NULL", (long long)out,
               (long long)in, weight ? "packed" : "weight");
  fathom_enter(context);
  context->ops->linear_pack(context, out, in, weight, packed);
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
