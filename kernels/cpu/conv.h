/*
 * What the convolutions share: how the input is read (zero padding, ReLU, bilinear resize) and how sums
 * become output (bias, activation, residuals, projection to one channel).
 */
#ifndef FATHOM_CONV_H
#define FATHOM_CONV_H

#include "gemm.h"
#include "internal.h"
#include "simd.h"

/* v where gate > 0, else 0: the gradient of ReLU, of whose input or result gate is part. */
FATHOM_INLINE vf conv_gate(vf v, vf gate) { return v_select(gate > v_set(0.0f), v, v_set(0.0f)); }

/* ---- which algorithm ---- */

/* A pure function of the layer, so that packing and running agree. */
static inline int conv_uses_winograd(int64_t out, int64_t in, int64_t kernel, int64_t stride,
                                     int64_t algorithm) {
  if (algorithm != FATHOM_CONV_AUTO) return algorithm == FATHOM_CONV_WINOGRAD;
  return kernel == 3 && stride == 1 && in >= 16 && out >= 16;
}

/* ---- output ---- */

typedef struct {
  int64_t out;
  int64_t row_stride;   /* floats between rows of y and of the residuals */
  const float* bias;    /* padded with zeros to whole column blocks of NR; zeros when there is none */
  const float* project; /* padded likewise, or NULL */
  const float* residual;
  const float* residual2;
  const float* gate;    /* like y: sums count where it is > 0, before the residuals; or NULL */
  float floor;          /* ReLU is a maximum with 0, no activation one with -inf */
  float project_bias, project_scale;
  int64_t project_activation;
  float* y;
} conv_output;

FATHOM_INLINE int64_t conv_column_blocks(int64_t out) { return fathom_ceil_div(out, NR); }

/* Floats of shared scratch that conv_output_of needs. */
FATHOM_INLINE int64_t conv_output_floats(int64_t out) { return 2 * NR * conv_column_blocks(out); }

/* bias and project_weight repeat with this period: a transposed convolution's columns do. */
static inline conv_output conv_output_of(const fathom_conv2d_args* a, int64_t row_stride,
                                         int64_t period, float* shared) {
  int64_t padded = NR * conv_column_blocks(a->out);
  float* bias = shared;
  float* project = shared + padded;
  for (int64_t c = 0; c < padded; c++) {
    bias[c] = a->bias && c < a->out ? a->bias[c % period] : 0.0f;
    project[c] = a->project_weight && c < a->out ? a->project_weight[c % period] : 0.0f;
  }
  return (conv_output){
      .out = a->out,
      .row_stride = row_stride,
      .bias = bias,
      .project = a->project_weight ? project : NULL,
      .residual = a->residual ? a->residual : a->residual2,
      .residual2 = a->residual ? a->residual2 : NULL,
      .floor = a->activation == FATHOM_ACTIVATION_RELU ? 0.0f : -INFINITY,
      .project_bias = a->project_bias,
      .project_scale = a->project_scale,
      .project_activation = a->project_activation,
      .y = a->y,
  };
}

FATHOM_INLINE vf conv_load(const float* p, int64_t n) {
  return n == W ? v_load(p) : v_load_part(p, n);
}

/*
 * Finishes `count` pixels in a row, the first of which begins at y + at: n <= W of their channels from
 * c, sums in v. With a projection the pixels' parts of the sum are added to sums[count][W] instead.
 */
FATHOM_INLINE void conv_finish(const conv_output* o, vf* v, int count, int64_t at, int64_t c,
                               int64_t n, float* sums) {
  const vf bias = v_load(o->bias + c), floor = v_set(o->floor);
  const int64_t out = o->out;
  at += c;
  for (int i = 0; i < count; i++) v[i] = v_max(floor, v[i] + bias);
  if (o->gate)
    for (int i = 0; i < count; i++) v[i] = conv_gate(v[i], conv_load(o->gate + at + i * out, n));
  if (o->residual)
    for (int i = 0; i < count; i++) v[i] += conv_load(o->residual + at + i * out, n);
  if (o->residual2)
    for (int i = 0; i < count; i++) v[i] += conv_load(o->residual2 + at + i * out, n);
  if (o->project) {
    const vf weight = v_load(o->project + c);
    for (int i = 0; i < count; i++) {
      if (n < W) { /* lanes past the last channel may hold NaN when x holds infinities */
        float part[W];
        v_store(part, v[i]);
        v[i] = v_load_part(part, n);
      }
      v_store(sums + i * W, v_load(sums + i * W) + v[i] * weight);
    }
  } else if (n == W) {
    for (int i = 0; i < count; i++) v_store(o->y + at + i * out, v[i]);
  } else {
    for (int i = 0; i < count; i++) v_store_part(o->y + at + i * out, v[i], n);
  }
}

/* y[i] = scale * activation(sum of sums[i][W] + bias) for n pixels. */
static inline void conv_project(const conv_output* o, const float* sums, int64_t n, float* y) {
  for (int64_t i = 0; i < n; i += W) {
    int64_t lanes = fathom_min(W, n - i);
    vf v = {0};
    for (int64_t k = 0; k < lanes; k++) v[k] = v_sum(v_load(sums + (i + k) * W));
    v += o->project_bias;
    if (o->project_activation == FATHOM_ACTIVATION_RELU) v = v_relu(v);
    if (o->project_activation == FATHOM_ACTIVATION_SIGMOID) v = 1.0f / (1.0f + v_exp(-v));
    v *= o->project_scale;
    if (lanes == W) {
      v_store(y + i, v);
    } else {
      v_store_part(y + i, v, lanes);
    }
  }
}

/* ---- input ---- */

/*
 * Channels are taken W at a time: scratch memory holds them as [in/W][pixels][W], zeros in the last
 * group's rest. The rows of a register tile's A then lie W floats apart, a constant that folds into the
 * addresses, whatever `in` is, and never a power of two that would share cache sets.
 */
FATHOM_INLINE int64_t conv_groups(int64_t in) { return fathom_ceil_div(in, W); }

/* Position o of `out` to source: index + fraction, align_corners. Exact, in integers. */
typedef struct {
  int64_t index, remainder, denominator, whole, part;
  double unit; /* 1 / denominator */
} line_position;

static inline line_position line_start(int64_t o, int64_t source, int64_t out) {
  int64_t denominator = out > 1 ? out - 1 : 1;
  int64_t numerator = out > 1 ? source - 1 : 0;
  return (line_position){o * numerator / denominator, o * numerator % denominator, denominator,
                         numerator / denominator, numerator % denominator,
                         1.0 / (double)denominator};
}
static inline void line_next(line_position* p) {
  p->index += p->whole;
  p->remainder += p->part;
  if (p->remainder >= p->denominator) {
    p->remainder -= p->denominator;
    p->index++;
  }
}
static inline float line_fraction(const line_position* p) {
  return (float)((double)p->remainder * p->unit);
}

/*
 * Part of relu?(resize?(x[b])), zero outside of the map and where gate, like x, is not > 0, to be written
 * to `to`.
 */
typedef struct {
  int64_t batch;
  int64_t row, rows, row_step; /* map rows row, row + row_step, ... */
  int64_t column, columns;
  float* to;                   /* (r, c), group g: to + g * group_stride + r * row_stride + c * W */
  int64_t row_stride, group_stride;
  float* lines;                /* 2 * columns * in floats when x is resized */
  const float* gate;           /* or NULL, as always when x is resized */
} conv_window;

void FN(conv_read)(const fathom_conv2d_args* args, const conv_window* window);

/* ---- products ---- */

/*
 * c [MR][NR] = or += the sum over runs r and steps k < W of a[offsets[r] + i * W * stride + k] *
 * b[(r * W + k) * NR + j]; stride is a constant. B is asked for ahead of time: it comes from L2.
 */
FATHOM_INLINE void conv_tile(int64_t runs, const int64_t* restrict offsets, const float* restrict a,
                             int64_t stride, const float* restrict b, float* restrict c,
                             int accumulate) {
#define DECLARE(i) vf l##i = {0}, r##i = {0};
  FATHOM_ROWS(DECLARE)
#undef DECLARE
  for (int64_t run = 0; run < runs; run++) {
    const float* from = a + offsets[run];
#pragma GCC unroll 4
    for (int64_t k = 0; k < W; k++) {
      vf bl = v_load(b), br = v_load(b + W);
      __builtin_prefetch(b + 16 * NR);
      if (W == 16) __builtin_prefetch(b + 16 * NR + W);
#define STEP(i)                              \
  {                                          \
    vf s = v_set(from[(i)*W * stride + k]);  \
    l##i += s * bl;                          \
    r##i += s * br;                          \
  }
      FATHOM_ROWS(STEP)
#undef STEP
      b += NR;
    }
  }
  if (accumulate) {
#define ADD(i)              \
  l##i += v_load(c + (i)*NR); \
  r##i += v_load(c + (i)*NR + W);
    FATHOM_ROWS(ADD)
#undef ADD
  }
#define STORE(i)             \
  v_store(c + (i)*NR, l##i); \
  v_store(c + (i)*NR + W, r##i);
  FATHOM_ROWS(STORE)
#undef STORE
}

/* ---- the parts, one file each ---- */

int64_t FN(conv_direct_packed_size)(int64_t out, int64_t in, int64_t kernel);
void FN(conv_direct_pack)(int64_t out, int64_t in, int64_t kernel, const float* weight,
                          float* packed);
/* Output rows are y_row_stride floats apart; bias has bias_period elements. */
fathom_status FN(conv_direct)(fathom_context* context, const fathom_conv2d_args* args,
                              int64_t y_row_stride, int64_t bias_period);

int64_t FN(conv_winograd_packed_size)(int64_t out, int64_t in);
fathom_status FN(conv_winograd_pack)(fathom_context* context, int64_t out, int64_t in,
                                     const float* weight, float* packed);
/* Packs the weight [in,out,3,3] of a convolution out -> in for its adjoint, in -> out. */
void FN(conv_winograd_pack_adjoint)(fathom_context* context, int64_t out, int64_t in,
                                    const float* weight, float* packed);
/*
 * x_gate, like x, or NULL: x counts where it is > 0. y_gate, like y, or NULL: sums count where it is > 0.
 * A backward pass has them; x must not be resized then.
 */
fathom_status FN(conv_winograd)(fathom_context* context, const fathom_conv2d_args* args,
                                const float* x_gate, const float* y_gate);

#endif
