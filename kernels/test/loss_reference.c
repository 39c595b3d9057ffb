#include "loss_reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double* numbers(int64_t n) {
  double* x = calloc((size_t)(n > 0 ? n : 1), sizeof *x);
  if (!x) abort();
  return x;
}

static int rising(const void* a, const void* b) {
  double x = *(const double*)a, y = *(const double*)b;
  return (x > y) - (x < y);
}

static double sign(double x) { return (x > 0) - (x < 0); }

/* Element k of n in rising order. */
static double ranked(const double* x, int64_t n, int64_t k) {
  double* sorted = numbers(n);
  memcpy(sorted, x, (size_t)n * sizeof *x);
  qsort(sorted, (size_t)n, sizeof *x, rising);
  double value = sorted[k];
  free(sorted);
  return value;
}

/* ---- one region: n values and where they come from ---- */

typedef struct {
  int64_t n;
  int64_t* at;
  double *p, *q;             /* values, then normalised ones */
  double *from;              /* the prediction before that */
  double median, scale[2];
} region;

static double normalise(double* x, int64_t n, double* median) {
  double scale = 0;
  *median = n ? ranked(x, n, (n - 1) / 2) : 0;
  for (int64_t i = 0; i < n; i++) scale += fabs(x[i] - *median) / (double)n;
  for (int64_t i = 0; i < n; i++) x[i] = (x[i] - *median) / scale;
  return scale;
}

/* which: 0 for all or inside the box, 1 outside. */
static region region_of(const loss_problem* s, const double* prediction, int64_t b, int which) {
  int64_t pixels = s->height * s->width;
  region r = {.at = malloc((size_t)pixels * sizeof *r.at), .p = numbers(pixels),
              .q = numbers(pixels), .from = numbers(pixels)};
  if (!r.at) abort();
  for (int64_t i = 0; i < pixels; i++) {
    int64_t y = i / s->width, x = i % s->width, at = b * pixels + i;
    int outside = 0;
    if (s->boxes) {
      const int64_t* box = s->boxes + 4 * b;
      outside = !(y >= box[0] && x >= box[1] && y < box[2] && x < box[3]);
    }
    if (outside != which || (s->mask && s->mask[at] == 0)) continue;
    r.at[r.n] = at;
    r.from[r.n] = r.p[r.n] = prediction[at];
    r.q[r.n++] = which ? s->outside[at] : s->target[at];
  }
  double ignored;
  r.scale[0] = normalise(r.p, r.n, &r.median);
  r.scale[1] = normalise(r.q, r.n, &ignored);
  return r;
}

static int counts(const region* r) { return r->n > 0 && r->scale[0] > 0 && r->scale[1] > 0; }

static void release(region* r) {
  free(r->at);
  free(r->p);
  free(r->q);
  free(r->from);
}

/* g: the derivative by the normalised prediction. Adds that by the prediction. */
static void pull_back(const region* r, const double* g, double* gradient) {
  double sum = 0, moment = 0, balance = 0, ties = 0, n = (double)r->n;
  for (int64_t i = 0; i < r->n; i++) {
    sum += g[i];
    moment += g[i] * r->p[i];
    balance += sign(r->from[i] - r->median);
    ties += r->from[i] == r->median;
  }
  for (int64_t i = 0; i < r->n; i++) {
    double d = g[i] - moment / n * sign(r->from[i] - r->median);
    if (r->from[i] == r->median) d += (moment * balance / n - sum) / ties;
    gradient[r->at[i]] += d / r->scale[0];
  }
}

/* ---- losses ---- */

double reference_ssi(const loss_problem* s, const double* prediction, double* gradient) {
  int64_t pixels = s->height * s->width;
  double total = 0;
  if (gradient) memset(gradient, 0, (size_t)(s->batch * pixels) * sizeof *gradient);
  for (int64_t i = 0; i < s->batch * (s->boxes ? 2 : 1); i++) {
    region r = region_of(s, prediction, s->boxes ? i / 2 : i, s->boxes ? (int)(i % 2) : 0);
    int64_t kept = (int64_t)floor((1 - s->trim) * (double)r.n);
    if (counts(&r) && kept > 0) {
      double *g = numbers(r.n), *size = numbers(r.n);
      for (int64_t k = 0; k < r.n; k++) size[k] = fabs(r.p[k] - r.q[k]);
      double largest = ranked(size, r.n, kept - 1), below = 0, equal = 0, sum = 0;
      for (int64_t k = 0; k < r.n; k++) {
        below += size[k] < largest;
        equal += size[k] == largest;
      }
      double weight = 1 / ((double)s->batch * (double)(s->boxes ? pixels : kept));
      for (int64_t k = 0; k < r.n; k++) {
        double part = size[k] < largest ? 1 : size[k] == largest ? ((double)kept - below) / equal : 0;
        sum += part * size[k];
        g[k] = weight * part * sign(r.p[k] - r.q[k]);
      }
      total += weight * sum;
      if (gradient) pull_back(&r, g, gradient);
      free(g);
      free(size);
    }
    release(&r);
  }
  return total;
}

double reference_gradient_matching(const loss_problem* s, const double* prediction,
                                   double* gradient) {
  int64_t pixels = s->height * s->width, all = s->batch * pixels;
  double *r = numbers(all), *g = numbers(all), total = 0;
  region* regions = calloc((size_t)s->batch, sizeof *regions);
  if (!regions) abort();
  for (int64_t i = 0; i < all; i++) r[i] = NAN;
  for (int64_t b = 0; b < s->batch; b++) {
    regions[b] = region_of(s, prediction, b, 0);
    if (!counts(&regions[b])) continue;
    for (int64_t k = 0; k < regions[b].n; k++)
      r[regions[b].at[k]] = regions[b].p[k] - regions[b].q[k];
  }
  for (int64_t stride = 1; stride <= 8; stride *= 2) {
    double valid = 0;
    for (int pass = 0; pass < 2; pass++)
      for (int64_t i = 0; i < all; i++) {
        int64_t y = i % pixels / s->width, x = i % s->width;
        if (y % stride || x % stride || isnan(r[i])) continue;
        if (pass == 0) valid++;
        for (int down = 0; pass == 1 && down < 2; down++) {
          if (down ? y + stride >= s->height : x + stride >= s->width) continue;
          int64_t k = i + stride * (down ? s->width : 1);
          if (isnan(r[k])) continue;
          total += fabs(r[k] - r[i]) / valid;
          g[k] += sign(r[k] - r[i]) / valid;
          g[i] -= sign(r[k] - r[i]) / valid;
        }
      }
  }
  if (gradient) memset(gradient, 0, (size_t)all * sizeof *gradient);
  for (int64_t b = 0; b < s->batch; b++) {
    if (gradient && counts(&regions[b])) {
      double* own = numbers(regions[b].n);
      for (int64_t k = 0; k < regions[b].n; k++) own[k] = g[regions[b].at[k]];
      pull_back(&regions[b], own, gradient);
      free(own);
    }
    release(&regions[b]);
  }
  free(regions);
  free(r);
  free(g);
  return total;
}

double reference_silog(const loss_problem* s, double beta, const double* prediction,
                       double* gradient) {
  int64_t all = s->batch * s->height * s->width;
  double n = 0, mean = 0, variance = 0;
  double* g = numbers(all);
  for (int64_t i = 0; i < all; i++) {
    g[i] = s->mask && s->mask[i] == 0 ? NAN : log(prediction[i] + 1e-7) - log(s->target[i] + 1e-7);
    if (!isnan(g[i])) n++;
  }
  for (int64_t i = 0; i < all; i++)
    if (!isnan(g[i])) mean += g[i] / n;
  for (int64_t i = 0; i < all; i++)
    if (!isnan(g[i]) && n > 1) variance += (g[i] - mean) * (g[i] - mean) / (n - 1);
  double loss = 10 * sqrt(variance + beta * mean * mean);
  for (int64_t i = 0; gradient && i < all; i++) {
    gradient[i] = 0;
    if (isnan(g[i]) || loss == 0) continue;
    double d = (n > 1 ? (g[i] - mean) / (n - 1) : 0) + beta * mean / n;
    gradient[i] = 100 / loss * d / (prediction[i] + 1e-7);
  }
  free(g);
  return loss;
}

double reference_alignment(const double* student, const float* frozen, int64_t rows,
                           int64_t channels, double margin, int64_t* kept, double* gradient) {
  double total = 0;
  *kept = 0;
  for (int pass = 0; pass < 2; pass++)
    for (int64_t i = 0; i < rows; i++) {
      const double* s = student + i * channels;
      const float* f = frozen + i * channels;
      double sf = 0, ss = 0, ff = 0;
      for (int64_t c = 0; c < channels; c++) {
        sf += s[c] * f[c];
        ss += s[c] * s[c];
        ff += (double)f[c] * f[c];
      }
      int zero = ss == 0 || ff == 0;
      double cosine = zero ? 0 : sf / sqrt(ss * ff);
      int keep = cosine < margin;
      if (pass == 0) {
        *kept += keep;
        total += keep ? 1 - cosine : 0;
      }
      for (int64_t c = 0; pass == 1 && gradient && c < channels; c++)
        gradient[i * channels + c] =
            keep && !zero ? (cosine * s[c] / ss - f[c] / sqrt(ss * ff)) / (double)*kept : 0;
    }
  return *kept ? total / (double)*kept : 0;
}
