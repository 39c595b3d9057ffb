#include "conv_reference.h"

static double* zeros(int64_t n) {
  double* p = calloc((size_t)n, sizeof *p);
  if (!p) abort();
  return p;
}

static double activate(int64_t activation, double x) {
  if (activation == FATHOM_ACTIVATION_RELU) return x < 0 ? 0 : x;
  if (activation == FATHOM_ACTIVATION_SIGMOID) return 1 / (1 + exp(-x));
  return x;
}

double* conv2d_input_reference(const fathom_conv2d_args* a) {
  int64_t h = a->height, w = a->width, in = a->in;
  int64_t sh = a->source_height ? a->source_height : h, sw = a->source_width ? a->source_width : w;
  double* result = zeros(a->batch * h * w * in);
  double* to = result;
  for (int64_t b = 0; b < a->batch; b++) {
    for (int64_t y = 0; y < h; y++) {
      for (int64_t x = 0; x < w; x++) {
        double fy = h > 1 ? (double)(y * (sh - 1)) / (double)(h - 1) : 0;
        double fx = w > 1 ? (double)(x * (sw - 1)) / (double)(w - 1) : 0;
        int64_t y0 = (int64_t)fy, x0 = (int64_t)fx;
        int64_t y1 = y0 + 1 < sh ? y0 + 1 : y0, x1 = x0 + 1 < sw ? x0 + 1 : x0;
        fy -= (double)y0;
        fx -= (double)x0;
        const float* from = a->x + b * sh * sw * in;
        for (int64_t c = 0; c < in; c++) {
#define SOURCE(row, column) (double)from[((row) * sw + (column)) * in + c]
          double v = SOURCE(y0, x0);
          if (a->source_height)
            v = (1 - fy) * ((1 - fx) * SOURCE(y0, x0) + fx * SOURCE(y0, x1)) +
                fy * ((1 - fx) * SOURCE(y1, x0) + fx * SOURCE(y1, x1));
#undef SOURCE
          *to++ = a->relu_input && v < 0 ? 0 : v;
        }
      }
    }
  }
  return result;
}

/* sums [out] of the output pixel (b, y, x) */
static void sum_pixel(const fathom_conv2d_args* a, const double* input, const double* weight,
                      int64_t b, int64_t y, int64_t x, double* sums) {
  int64_t k = a->kernel, margin = (k - 1) / 2;
  for (int64_t o = 0; o < a->out; o++) sums[o] = a->bias ? a->bias[o] : 0;
  for (int64_t ky = 0; ky < k; ky++) {
    for (int64_t kx = 0; kx < k; kx++) {
      int64_t iy = y * a->stride + ky - margin, ix = x * a->stride + kx - margin;
      if (iy < 0 || iy >= a->height || ix < 0 || ix >= a->width) continue;
      const double* from = input + ((b * a->height + iy) * a->width + ix) * a->in;
      const double* tap = weight + (ky * k + kx) * a->in * a->out;
      for (int64_t c = 0; c < a->in; c++)
        for (int64_t o = 0; o < a->out; o++) sums[o] += from[c] * tap[c * a->out + o];
    }
  }
}

double* conv2d_reference(const fathom_conv2d_args* a, const float* weight, int64_t* size) {
  int64_t taps = a->kernel * a->kernel;
  int64_t oh = (a->height + a->stride - 1) / a->stride, ow = (a->width + a->stride - 1) / a->stride;
  double* input = conv2d_input_reference(a);
  double* transposed = zeros(taps * a->in * a->out); /* [k*k][in][out] */
  for (int64_t o = 0; o < a->out; o++)
    for (int64_t c = 0; c < a->in; c++)
      for (int64_t t = 0; t < taps; t++)
        transposed[(t * a->in + c) * a->out + o] = weight[(o * a->in + c) * taps + t];
  double* sums = zeros(a->out);
  *size = a->batch * oh * ow * (a->project_weight ? 1 : a->out);
  double* result = zeros(*size);
  for (int64_t pixel = 0; pixel < a->batch * oh * ow; pixel++) {
    sum_pixel(a, input, transposed, pixel / ow / oh, pixel / ow % oh, pixel % ow, sums);
    double projected = a->project_weight ? a->project_bias : 0;
    for (int64_t o = 0; o < a->out; o++) {
      double v = activate(a->activation, sums[o]);
      if (a->residual) v += a->residual[pixel * a->out + o];
      if (a->residual2) v += a->residual2[pixel * a->out + o];
      if (a->project_weight) {
        projected += a->project_weight[o] * v;
      } else {
        result[pixel * a->out + o] = v;
      }
    }
    if (a->project_weight)
      result[pixel] = a->project_scale * activate(a->project_activation, projected);
  }
  free(input);
  free(transposed);
  free(sums);
  return result;
}

double* conv_transpose2d_reference(const fathom_conv_transpose2d_args* a, const float* weight,
                                   int64_t* size) {
  int64_t k = a->kernel, h = k * a->height, w = k * a->width;
  *size = a->batch * h * w * a->out;
  double* result = zeros(*size);
  for (int64_t b = 0; b < a->batch; b++) {
    for (int64_t y = 0; y < h; y++) {
      for (int64_t x = 0; x < w; x++) {
        const float* from = a->x + ((b * a->height + y / k) * a->width + x / k) * a->in;
        double* to = result + ((b * h + y) * w + x) * a->out;
        for (int64_t o = 0; o < a->out; o++) {
          to[o] = a->bias ? a->bias[o] : 0;
          for (int64_t c = 0; c < a->in; c++)
            to[o] += (double)from[c] * weight[((c * a->out + o) * k + y % k) * k + x % k];
        }
      }
    }
  }
  return result;
}
