/*
 * Gradients of linear layers and of SwiGLU.
 *
 * 1. differentiate: dz = dy * activation'(pre_activation) and its sums over blocks of rows. Without
 *    an activation dz is dy and is not copied; scale is left to the products.
 * 2. dx = dz (scale * weight): the weight's rows are copied into panels of columns.
 * 3. G = dz^T x: panels of columns of x; dz^T is packed by columns, without a transposition. What
 *    leaves a tile is d_weight += scale * G and, for d_scale, the tile's part of
 *    sum_k weight[o,k] G[o,k], as sum_r dy[r,o] (x weight^T)[r,o] is the same number.
 * 4. The sums of the blocks and parts, in their order, make d_bias and d_scale.
 *
 * With an input_activation, x is activated again as its panels are made, and what leaves a tile of dx is
 * multiplied by the slope at x.
 *
 * Blocks and parts are cut by the sizes alone, so that threads do not change a bit of the result.
 */
#include "gemm.h"
#include "internal.h"
#include "simd.h"

#define SUM_ROWS 32  /* rows whose sum one task of differentiate makes */
#define COPY_ROWS 32 /* rows that one task copies into panels */

struct job {
  fathom_context* context;
  const fathom_linear_backward_args* args;
  gemm_plan plan;     /* of the product that runs */
  const float* dz;    /* [rows,out], scale left out: dy or stored */
  float* stored;      /* dz, with an activation */
  float* packed;      /* the right-hand side of the product that runs */
  float* block_sums;  /* [ceil(rows / SUM_ROWS)][out], of dz */
  float* scale_parts; /* [panels of in][out], of weight * G */
};

/* ---- activation and sums ---- */

/* One block of rows; activation is a constant in each use. */
FATHOM_INLINE void differentiate_rows(const struct job* job, int64_t activation, int64_t index) {
  const fathom_linear_backward_args* args = job->args;
  const int64_t out = args->out, begin = index * SUM_ROWS;
  const int64_t end = fathom_min(args->rows, begin + SUM_ROWS);
  float* sums = job->block_sums + index * out;
  for (int64_t row = begin; row < end; row++) {
    const float* dy = args->dy + row * out;
    const float* pre = activation ? args->pre_activation + row * out : NULL;
    float* dz = activation ? job->stored + row * out : NULL;
    for (int64_t c = 0; c < out; c += 4 * W) {
      vf slope[4], v[4];
      for (int h = 0; h < 4; h++) v[h] = v_load_some(dy + c + h * W, out - c - h * W);
      if (activation)
        for (int h = 0; h < 4; h++) slope[h] = v_load_some(pre + c + h * W, out - c - h * W);
      /* As torch's: a NaN before the ReLU lets the gradient pass. */
      if (activation == FATHOM_ACTIVATION_RELU)
        for (int h = 0; h < 4; h++) v[h] = v_select(slope[h] <= v_set(0.0f), v_set(0.0f), v[h]);
      if (activation == FATHOM_ACTIVATION_GELU) {
        v_gelu_slope4(slope);
        for (int h = 0; h < 4; h++) v[h] *= slope[h];
      }
      for (int h = 0; h < 4; h++) {
        const int64_t at = c + h * W, n = out - at;
        if (activation) v_store_some(dz + at, v[h], n);
        v_store_some(sums + at, row == begin ? v[h] : v_load_some(sums + at, n) + v[h], n);
      }
    }
  }
}

static void differentiate(void* argument, int64_t index, int32_t thread) {
  (void)thread;
  const struct job* job = argument;
  if (job->args->activation == FATHOM_ACTIVATION_GELU)
    differentiate_rows(job, FATHOM_ACTIVATION_GELU, index);
  else if (job->args->activation == FATHOM_ACTIVATION_RELU)
    differentiate_rows(job, FATHOM_ACTIVATION_RELU, index);
  else
    differentiate_rows(job, FATHOM_ACTIVATION_NONE, index);
}

/* ---- right-hand sides ---- */

struct copy_job {
  const float* from; /* [depth,columns] */
  int64_t stride, depth, columns;
  const float* factors; /* [depth], of the rows, or NULL */
  int64_t activation;   /* of the numbers: NONE or GELU */
  float* packed;
};

/*
 * A few rows into all panels: reads nearly in order, writes stretches of COPY_ROWS * NR. Two rows at a time,
 * of which the second is the first again where there is no other; activation is a constant in each use.
 */
FATHOM_INLINE void copy_rows(const struct copy_job* job, int64_t activation, int64_t index) {
  const int64_t begin = index * COPY_ROWS, end = fathom_min(job->depth, begin + COPY_ROWS);
  for (int64_t c = 0; c < job->columns; c += NR) {
    const int64_t left = job->columns - c, right = left - W;
    for (int64_t k = begin; k < end; k += 2) {
      const int64_t second = k + 1 < end;
      const float* from = job->from + k * job->stride + c;
      const float* next = from + second * job->stride;
      /* The next panel's: each row lies on a page of its own, where the hardware does not look ahead. */
      for (int64_t at = NR; at < 2 * NR; at += 16) {
        __builtin_prefetch(from + at, 0, 2);
        __builtin_prefetch(next + at, 0, 2);
      }
      float* to = job->packed + c * job->depth + k * NR;
      vf v[4] = {v_load_some(from, left), v_load_some(from + W, right), v_load_some(next, left),
                 v_load_some(next + W, right)};
      if (activation == FATHOM_ACTIVATION_GELU) v_gelu4(v);
      if (job->factors) {
        const vf factor = v_set(job->factors[k]), other = v_set(job->factors[k + second]);
        v[0] *= factor;
        v[1] *= factor;
        v[2] *= other;
        v[3] *= other;
      }
      v_store(to, v[0]);
      v_store(to + W, v[1]);
      to += second * NR;
      v_store(to, v[2]);
      v_store(to + W, v[3]);
    }
  }
}

static void copy_panels(void* argument, int64_t index, int32_t thread) {
  (void)thread;
  const struct copy_job* job = argument;
  if (job->activation == FATHOM_ACTIVATION_GELU)
    copy_rows(job, FATHOM_ACTIVATION_GELU, index);
  else
    copy_rows(job, FATHOM_ACTIVATION_NONE, index);
}

static void pack_right(const struct job* job, const float* from, int64_t stride, int64_t depth,
                       const float* factors, int64_t activation) {
  struct copy_job copy = {from, stride, depth, job->args->in, factors, activation, job->packed};
  fathom_pool_run(job->context->pool, fathom_ceil_div(depth, COPY_ROWS), copy_panels, &copy);
}

/* ---- dx ---- */

static void pack_dz(const void* operator, int64_t row, int64_t rows, int64_t k, int64_t depth,
                    float* panel) {
  const struct job* job = operator;
  const float* dz[GEMM_PACK_ROWS];
  for (int64_t i = 0; i < GEMM_PACK_ROWS; i++)
    dz[i] = job->dz + (row + fathom_min(i, rows - 1)) * job->args->out + k;
  gemm_pack_rows(MR, dz, depth, panel);
}

/* Two rows at a time, of which the second may be past the last: it is not stored. */
FATHOM_INLINE void finish_dx_rows(const struct job* job, int64_t activation, int64_t row,
                                  int64_t rows, int64_t column, int64_t columns,
                                  const float* tile) {
  const fathom_linear_backward_args* args = job->args;
  const int64_t in = args->in, left = columns, right = columns - W;
  for (int64_t i = 0; i < rows; i += 2, tile += 2 * NR) {
    const int second = i + 1 < rows;
    vf v[4];
    for (int h = 0; h < 4; h++) v[h] = v_load(tile + h * W);
    if (activation == FATHOM_ACTIVATION_GELU) {
      const float* x = args->x + (row + i) * args->x_stride + column;
      const float* next = x + second * args->x_stride;
      vf slope[4] = {v_load_some(x, left), v_load_some(x + W, right), v_load_some(next, left),
                     v_load_some(next + W, right)};
      v_gelu_slope4(slope);
      for (int h = 0; h < 4; h++) v[h] *= slope[h];
    }
    float* dx = args->dx + (row + i) * in + column;
    for (int h = 0; h < 2 + 2 * second; h += 2, dx += in) {
      if (args->accumulate) {
        v[h] += v_load_some(dx, left);
        v[h + 1] += v_load_some(dx + W, right);
      }
      v_store_some(dx, v[h], left);
      v_store_some(dx + W, v[h + 1], right);
    }
  }
}

static void finish_dx(const void* operator, int64_t row, int64_t rows, int64_t column,
                      int64_t columns, const float* tile) {
  const struct job* job = operator;
  if (job->args->input_activation == FATHOM_ACTIVATION_GELU)
    finish_dx_rows(job, FATHOM_ACTIVATION_GELU, row, rows, column, columns, tile);
  else
    finish_dx_rows(job, FATHOM_ACTIVATION_NONE, row, rows, column, columns, tile);
}

static void dx_task(void* argument, int64_t index, int32_t thread) {
  const struct job* job = argument;
  gemm_block(&job->plan, index, fathom_local(job->context, thread), pack_dz, finish_dx, job);
}

/* ---- d_weight and d_scale ---- */

/* Columns of dz become rows of dz^T: MR neighbours of every row are copied. */
static void pack_dz_columns(const void* operator, int64_t column, int64_t columns, int64_t row,
                            int64_t depth, float* panel) {
  const struct job* job = operator;
  const int64_t out = job->args->out;
  const float* dz = job->dz + row * out + column;
  if (column + GEMM_PACK_ROWS <= out) {
    for (int64_t k = 0; k < depth; k++, dz += out, panel += MR) {
      for (int64_t i = 0; i < MR; i += W) v_store(panel + i, v_load(dz + i));
    }
  } else {
    for (int64_t k = 0; k < depth; k++, dz += out, panel += MR)
      for (int64_t i = 0; i < MR; i += W) v_store(panel + i, v_load_some(dz + i, columns - i));
  }
}

static void finish_weight(const void* operator, int64_t row, int64_t rows, int64_t column,
                          int64_t columns, const float* tile) {
  const struct job* job = operator;
  const fathom_linear_backward_args* args = job->args;
  const int64_t in = args->in, at = row * in + column;
  for (int64_t i = 0; i < rows; i++, tile += NR) {
    const vf left = v_load(tile), right = v_load(tile + W);
    if (args->d_scale) {
      const float* weight = args->weight + at + i * in;
      const vf products =
          left * v_load_some(weight, columns) + right * v_load_some(weight + W, columns - W);
      job->scale_parts[column / NR * args->out + row + i] = v_sum(products);
    }
    if (args->d_weight) {
      const vf scale = v_set(args->scale ? args->scale[row + i] : 1.0f);
      float* to = args->d_weight + at + i * in;
      v_store_some(to, v_load_some(to, columns) + left * scale, columns);
      v_store_some(to + W, v_load_some(to + W, columns - W) + right * scale, columns - W);
    }
  }
}

static void weight_task(void* argument, int64_t index, int32_t thread) {
  const struct job* job = argument;
  gemm_block(&job->plan, index, fathom_local(job->context, thread), pack_dz_columns, finish_weight,
             job);
}

/* ---- vectors ---- */

/* d_bias and d_scale from the sums of all blocks and parts. */
static void add_sums(const struct job* job) {
  const fathom_linear_backward_args* args = job->args;
  const int64_t out = args->out, blocks = fathom_ceil_div(args->rows, SUM_ROWS);
  const int64_t panels = fathom_ceil_div(args->in, NR);
  for (int64_t c = 0; c < out; c += W) {
    const int64_t n = out - c;
    vf sum = {0}, product = {0};
    if (args->d_bias || args->bias)
      for (int64_t b = 0; b < blocks; b++) sum += v_load_some(job->block_sums + b * out + c, n);
    if (args->d_bias) {
      const vf scale = args->scale ? v_load_some(args->scale + c, n) : v_set(1.0f);
      v_store_some(args->d_bias + c, v_load_some(args->d_bias + c, n) + scale * sum, n);
    }
    if (args->d_scale) {
      for (int64_t p = 0; p < panels; p++) product += v_load_some(job->scale_parts + p * out + c, n);
      if (args->bias) product += v_load_some(args->bias + c, n) * sum;
      v_store_some(args->d_scale + c, v_load_some(args->d_scale + c, n) + product, n);
    }
  }
}

/* ---- operator ---- */

/* Floats up to whole cache lines, so that parts of scratch memory begin on one. */
static int64_t lines(int64_t floats) { return fathom_ceil_div(floats, 16) * 16; }

fathom_status FN(linear_backward)(fathom_context* context,
                                  const fathom_linear_backward_args* args) {
  const int64_t rows = args->rows, in = args->in, out = args->out;
  const int product = args->d_weight || args->d_scale;
  struct job job = {.context = context, .args = args};
  gemm_plan to_x = gemm_plan_make(context->threads, rows, in, out, NULL);
  gemm_plan to_weight = gemm_plan_make(context->threads, out, in, rows, NULL);

  const int64_t stored = args->activation ? lines(rows * out) : 0;
  const int64_t packed = fathom_max(args->dx ? gemm_packed_size(in, out) : 0,
                                    product ? gemm_packed_size(in, rows) : 0);
  const int64_t sums = lines(fathom_ceil_div(rows, SUM_ROWS) * out);
  const int64_t parts = args->d_scale ? lines(fathom_ceil_div(in, NR) * out) : 0;
  const size_t local = (size_t)fathom_max(args->dx ? (int64_t)gemm_scratch(&to_x) : 0,
                                          product ? (int64_t)gemm_scratch(&to_weight) : 0);
  fathom_status status = fathom_reserve(
      context, (size_t)(lines(packed) + stored + sums + parts) * sizeof(float), local);
  if (status != FATHOM_OK) return status;
  job.packed = fathom_shared(context);
  job.stored = job.packed + lines(packed);
  job.block_sums = job.stored + stored;
  job.scale_parts = job.block_sums + sums;
  job.dz = args->activation ? job.stored : args->dy;

  if (args->activation || args->d_bias || (args->d_scale && args->bias))
    fathom_pool_run(context->pool, fathom_ceil_div(rows, SUM_ROWS), differentiate, &job);
  if (args->dx) {
    pack_right(&job, args->weight, in, out, args->scale, FATHOM_ACTIVATION_NONE);
    job.plan = to_x;
    job.plan.b = job.packed;
    job.plan.result = args->dx;
    job.plan.result_stride = in;
    if (args->input_activation != FATHOM_ACTIVATION_NONE) job.plan.read = args->x;
    job.plan.read_stride = args->x_stride;
    fathom_pool_run(context->pool, gemm_tasks(&job.plan), dx_task, &job);
  }
  if (product) {
    pack_right(&job, args->x, args->x_stride, rows, NULL, args->input_activation);
    job.plan = to_weight;
    job.plan.b = job.packed;
    job.plan.result = args->d_weight;
    job.plan.result_stride = in;
    if (args->d_scale) job.plan.read = args->weight;
    job.plan.read_stride = in;
    fathom_pool_run(context->pool, gemm_tasks(&job.plan), weight_task, &job);
  }
  if (args->d_bias || args->d_scale) add_sums(&job);
  return FATHOM_OK;
}

/* ---- SwiGLU ---- */

/* Floats of x that one task reads, at least: enough to be worth a hand-over. */
#define SWIGLU_BLOCK 65536

struct swiglu_job {
  const fathom_swiglu_backward_args* args;
  int64_t rows; /* of a task */
};

/* With s = 1 / (1 + exp(-gate)): silu = gate s, and its derivative is s (1 + gate (1 - s)). */
FATHOM_INLINE void swiglu_part(const float* gate, const float* value, const float* dy, float* dx,
                               int64_t channels, int64_t n) {
  const vf g = v_load_some(gate, n), v = v_load_some(value, n), d = v_load_some(dy, n);
  const vf s = 1.0f / (1.0f + v_exp(-g));
  v_store_some(dx, d * v * (s * (1.0f + g * (1.0f - s))), n);
  v_store_some(dx + channels, d * (g * s), n);
}

static void swiglu_task(void* argument, int64_t index, int32_t thread) {
  (void)thread;
  const struct swiglu_job* job = argument;
  const fathom_swiglu_backward_args* args = job->args;
  const int64_t channels = args->channels;
  const int64_t end = fathom_min(args->rows, (index + 1) * job->rows);
  for (int64_t row = index * job->rows; row < end; row++) {
    const float* x = args->x + row * 2 * channels;
    const float* dy = args->dy + row * channels;
    float* dx = args->dx + row * 2 * channels;
    for (int64_t c = 0; c < channels; c += W)
      swiglu_part(x + c, x + channels + c, dy + c, dx + c, channels, channels - c);
  }
}

fathom_status FN(swiglu_backward)(fathom_context* context,
                                  const fathom_swiglu_backward_args* args) {
  struct swiglu_job job = {args, fathom_max(1, SWIGLU_BLOCK / (2 * args->channels))};
  fathom_pool_run(context->pool, fathom_ceil_div(args->rows, job.rows), swiglu_task, &job);
  return FATHOM_OK;
}

/* ---- exported functions ---- */

#ifdef FATHOM_ENTRY

/* Whether [a,b], rounded up to panels, has a size in bytes. */
static int fits(int64_t a, int64_t b) {
  int64_t floats;
  return a <= INT64_MAX / 64 - 64 && b <= INT64_MAX / 64 - 64 &&
         !__builtin_mul_overflow(a + 64, b + 64, &floats) && floats <= INT64_MAX / 64;
}

#define LINEAR_CHECK(condition, format, ...)                                                \
  FATHOM_CHECK(condition, "linear_backward: x [%lld,%lld], dy [%lld,%lld]: " format,        \
               (long long)args->rows, (long long)args->in, (long long)args->rows,           \
               (long long)args->out, __VA_ARGS__)

fathom_status fathom_linear_backward(fathom_context* context,
                                     const fathom_linear_backward_args* args) {
  FATHOM_CHECK(context, "linear_backward: the context is NULL");
  FATHOM_CHECK(args, "linear_backward: the arguments are NULL");
  LINEAR_CHECK(args->rows >= 0 && args->in >= 1 && args->out >= 1, "%s",
               "rows must not be negative, the other sizes must be positive");
  const int product = args->d_weight || args->d_scale;
  const int activated = args->input_activation != FATHOM_ACTIVATION_NONE;
  const int reads_x = product || (activated && args->dx);
  LINEAR_CHECK(fits(args->out, args->in) && fits(args->rows, args->in) &&
                   fits(args->rows, args->out) && (!reads_x || fits(args->rows, args->x_stride)),
               "%s", "too large");
  LINEAR_CHECK(args->activation == FATHOM_ACTIVATION_NONE ||
                   args->activation == FATHOM_ACTIVATION_RELU ||
                   args->activation == FATHOM_ACTIVATION_GELU,
               "activation %lld is not NONE, RELU or GELU", (long long)args->activation);
  LINEAR_CHECK(!args->scale || args->activation == FATHOM_ACTIVATION_NONE,
               "activation %lld with a scale", (long long)args->activation);
  LINEAR_CHECK(args->accumulate == 0 || args->accumulate == 1, "accumulate is %lld",
               (long long)args->accumulate);
  LINEAR_CHECK(!args->d_scale || args->scale, "%s", "d_scale without scale");
  LINEAR_CHECK(!activated || args->input_activation == FATHOM_ACTIVATION_GELU,
               "input activation %lld is not NONE or GELU", (long long)args->input_activation);
  LINEAR_CHECK(!reads_x || !args->x || args->x_stride >= args->in,
               "rows of x overlap, x_stride is %lld", (long long)args->x_stride);
  if (args->rows == 0) return FATHOM_OK;
  LINEAR_CHECK(args->dy, "%s", "dy is NULL");
  LINEAR_CHECK(!product || args->x, "%s", "x is NULL, which d_weight and d_scale need");
  LINEAR_CHECK(!reads_x || args->x, "%s", "x is NULL, which the input activation needs");
  LINEAR_CHECK(args->weight || !(args->dx || args->d_scale), "%s",
               "weight is NULL, which dx and d_scale need");
  LINEAR_CHECK(args->activation == FATHOM_ACTIVATION_NONE || args->pre_activation, "%s",
               "pre_activation is NULL, which the activation needs");
  FATHOM_DISPATCH(context, linear_backward, args);
}

#define SWIGLU_CHECK(condition, text)                                                         \
  FATHOM_CHECK(condition, "swiglu_backward: x [%lld,2*%lld]: " text, (long long)args->rows,   \
               (long long)args->channels)

fathom_status fathom_swiglu_backward(fathom_context* context,
                                     const fathom_swiglu_backward_args* args) {
  FATHOM_CHECK(context, "swiglu_backward: the context is NULL");
  FATHOM_CHECK(args, "swiglu_backward: the arguments are NULL");
  SWIGLU_CHECK(args->rows >= 0 && args->channels >= 1,
               "rows must not be negative, channels must be positive");
  SWIGLU_CHECK(fits(args->rows, args->channels) && fits(2, args->channels), "too large");
  if (args->rows == 0) return FATHOM_OK;
  SWIGLU_CHECK(args->x && args->dy && args->dx, "x, dy or dx is NULL");
  FATHOM_DISPATCH(context, swiglu_backward, args);
}

#endif
