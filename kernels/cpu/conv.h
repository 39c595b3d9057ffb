/*
 * What the convolutions share: how the input is read (zero padding, ReLU, bilinear resize) and how sums
 * become output (bias, activation, residuals, projection to one channel).
 */
#ifndef FATHOM_CONV_H
#define FATHOM_CONV_H

#include "internal.h"
#include "simd.h"

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
      .residual = a->residual,
      .residual2 = a->residual2,
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
 * Finishes n <= W channels, from c, of the pixel whose floats start at y + at. With a projection the
 * pixel's part of the sum is added to sums[W] instead.
 */
FATHOM_INLINE void conv_finish(const conv_output* o, vf v, int64_t at, int64_t c, int64_t n,
                               float* sums) {
  v = v_max(v_set(o->floor), v + v_load(o->bias + c));
  if (o->residual) v += conv_load(o->residual + at + c, n);
  if (o->residual2) v += conv_load(o->residual2 + at + c, n);
  if (o->project) {
    if (n < W) { /* lanes past the last channel may hold NaN when x holds infinities */
      float part[W];
      v_store(part, v);
      v = v_load_part(part, n);
    }
    v_store(sums, v_load(sums) + v * v_load(o->project + c));
  } else if (n == W) {
    v_store(o->y + at + c, v);
  } else {
    v_store_part(o->y + at + c, v, n);
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

/* Part of relu?(resize?(x[b])), zero outside of the map, to be written to `to`. */
typedef struct {
  int64_t batch;
  int64_t row, rows, row_step; /* map rows row, row + row_step, ... */
  int64_t column, columns;
  float* to;                   /* pixel (r, c) at to + r * row_stride + c * pixel_stride */
  int64_t row_stride, pixel_stride;
  float* lines;                /* 2 * columns * in floats when x is resized */
} conv_window;

void FN(conv_read)(const fathom_conv2d_args* args, const conv_window* window);

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
fathom_status FN(conv_winograd)(fathom_context* context, const fathom_conv2d_args* args);

#endif
