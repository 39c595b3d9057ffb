#include "augment_reference.h"

#include <math.h>
#include <stdlib.h>

/* ---- reading ---- */

static double cubic(double x) {
  const double a = -0.75;
  x = fabs(x);
  if (x <= 1) return (a + 2) * x * x * x - (a + 3) * x * x + 1;
  return x < 2 ? a * x * x * x - 5 * a * x * x + 8 * a * x - 4 * a : 0;
}

/* The stretched cubic around `centre`, of every pixel of an axis whose ends are repeated. */
static double* axis_weights(double centre, double scale, int64_t size) {
  double stretch = fmax(scale, 1), sum = 0;
  double* w = calloc((size_t)size, sizeof *w);
  if (!w) abort();
  int64_t reach = (int64_t)ceil(2 * stretch) + 1;
  for (int64_t i = (int64_t)floor(centre) - reach; i <= (int64_t)ceil(centre) + reach; i++) {
    double weight = cubic(((double)i - centre) / stretch);
    w[i < 0 ? 0 : i >= size ? size - 1 : i] += weight;
    sum += weight;
  }
  for (int64_t i = 0; i < size; i++) w[i] /= sum;
  return w;
}

void reference_read_picture(const fathom_read_picture_args* a, double* expected) {
  int64_t oh = a->out_height, ow = a->out_width;
  for (int64_t o = 0; o < oh; o++) {
    double* rows = axis_weights(a->crop_top + ((double)o + 0.5) * a->crop_height / (double)oh - 0.5,
                                a->crop_height / (double)oh, a->height);
    for (int64_t p = 0; p < ow; p++) {
      double* columns =
          axis_weights(a->crop_left + ((double)p + 0.5) * a->crop_width / (double)ow - 0.5,
                       a->crop_width / (double)ow, a->width);
      for (int c = 0; c < 3; c++) {
        double sum = 0;
        for (int64_t y = 0; y < a->height; y++)
          for (int64_t x = 0; rows[y] != 0 && x < a->width; x++)
            sum += rows[y] * columns[x] * a->pixels[(y * a->width + x) * 3 + c];
        expected[(o * ow + (a->flip ? ow - 1 - p : p)) * 3 + c] = fmin(fmax(sum / 255, 0), 1);
      }
      free(columns);
    }
    free(rows);
  }
}

/* ---- distorting ---- */

static double unit(double x) { return fmin(fmax(x, 0), 1); }
static double grey_of(const double* x) { return 0.2989 * x[0] + 0.587 * x[1] + 0.114 * x[2]; }

static void turn_hue(double* x, double turn) {
  double high = fmax(fmax(x[0], x[1]), x[2]), low = fmin(fmin(x[0], x[1]), x[2]);
  double range = high - low, hue = 0;
  if (range > 0 && high == x[0])
    hue = (x[1] - x[2]) / range;
  else if (range > 0 && high == x[1])
    hue = 2 + (x[2] - x[0]) / range;
  else if (range > 0)
    hue = 4 + (x[0] - x[1]) / range;
  double saturation = range > 0 ? range / high : 0;
  hue = 6 * (hue / 6 + turn - floor(hue / 6 + turn));
  /* Channel k is high less what it is away from its third of the circle. */
  for (int k = 0; k < 3; k++) {
    double at = fmod(hue + (k == 0 ? 5 : k == 1 ? 3 : 1), 6);
    x[k] = high - high * saturation * fmax(0, fmin(fmin(at, 4 - at), 1));
  }
}

static int64_t reflect(int64_t i, int64_t n) {
  int64_t period = n > 1 ? 2 * (n - 1) : 1;
  i = ((i % period) + period) % period;
  return i < n ? i : period - i;
}

/* Picture b, distorted but not pasted or normalised. */
static double* reference_picture(const fathom_distort_args* a, int64_t b) {
  int64_t pixels = a->height * a->width;
  double* x = malloc((size_t)(2 * pixels * 3) * sizeof *x);
  if (!x) abort();
  for (int64_t i = 0; i < pixels * 3; i++) x[i] = a->x[b * pixels * 3 + i];
  for (int64_t k = a->step_starts[b]; k < a->step_starts[b + 1]; k++) {
    double f = a->step_factors[k], mean = 0;
    for (int64_t i = 0; i < pixels; i++) mean += grey_of(x + 3 * i) / (double)pixels;
    for (int64_t i = 0; i < pixels; i++) {
      double grey = grey_of(x + 3 * i);
      if (a->steps[k] == FATHOM_COLOR_HUE) turn_hue(x + 3 * i, f);
      for (int c = 0; c < 3 && a->steps[k] != FATHOM_COLOR_HUE; c++) {
        double other = a->steps[k] == FATHOM_COLOR_BRIGHTNESS ? 0
                       : a->steps[k] == FATHOM_COLOR_CONTRAST ? mean
                                                              : grey;
        x[3 * i + c] = unit(f * x[3 * i + c] + (1 - f) * other);
      }
    }
  }
  for (int64_t i = 0; a->grey[b] && i < pixels; i++)
    x[3 * i] = x[3 * i + 1] = x[3 * i + 2] = grey_of(x + 3 * i);
  double sigma = a->blur_sigmas[b], *from = x, *to = x + pixels * 3;
  int64_t radius = (int64_t)ceil(3 * sigma);
  for (int pass = 0; pass < 2 && radius > 0; pass++) {
    for (int64_t i = 0; i < pixels * 3; i++) {
      int64_t row = i / 3 / a->width, column = i / 3 % a->width;
      double sum = 0, weights = 0;
      for (int64_t k = -radius; k <= radius; k++) {
        int64_t r = pass ? row : reflect(row + k, a->height);
        int64_t c = pass ? reflect(column + k, a->width) : column;
        double weight = exp(-0.5 * (double)(k * k) / (sigma * sigma));
        sum += weight * from[(r * a->width + c) * 3 + i % 3];
        weights += weight;
      }
      to[i] = sum / weights;
    }
    double* swap = from;
    from = to;
    to = swap;
  }
  return x;
}

void reference_distort(const fathom_distort_args* a, double* expected) {
  int64_t pixels = a->height * a->width, n = a->batch * pixels * 3;
  double** pictures = malloc((size_t)a->batch * sizeof *pictures);
  if (!pictures) abort();
  for (int64_t b = 0; b < a->batch; b++) pictures[b] = reference_picture(a, b);
  for (int64_t i = 0; i < n; i++) {
    int64_t b = i / (pixels * 3), row = i / 3 % pixels / a->width, column = i / 3 % a->width;
    const int64_t* box = a->boxes ? a->boxes + 4 * b : NULL;
    if (box && row >= box[0] && row < box[2] && column >= box[1] && column < box[3])
      b = a->partners[b];
    expected[i] = (pictures[b][i % (pixels * 3)] - a->mean[i % 3]) / a->std[i % 3];
  }
  for (int64_t b = 0; b < a->batch; b++) free(pictures[b]);
  free(pictures);
}
