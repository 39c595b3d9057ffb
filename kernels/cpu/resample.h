/*
 * What the resampling operators share: taps along one axis, and the separable two-pass driver.
 *
 * An output row is a weighted sum of 2 (bilinear) or 4 (bicubic) source rows that were first
 * resized horizontally into buffers of the thread. Neighbouring output rows need mostly the same
 * source rows, so the buffers are kept from row to row; source rows that no output row needs are
 * never read.
 */
#ifndef FATHOM_RESAMPLE_H
#define FATHOM_RESAMPLE_H

#include "internal.h"
#include "simd.h"

/* The largest number of taps, that of the cubic. */
#define MAX_TAPS 4
/* Tasks for each thread: few enough to share buffered rows, enough to level out a slow core. */
#define TASKS_PER_THREAD 8

/* ---- taps ---- */

/* Output o is the sum over k < taps of weight[o * taps + k] * source[index[o * taps + k]]. */
typedef struct {
  int64_t size, taps;
  int32_t* index;
  float* weight;
} axis;

FATHOM_INLINE size_t axis_bytes(int64_t size, int64_t taps) {
  return (size_t)(size * taps) * (sizeof(int32_t) + sizeof(float));
}

/* Places an axis at *memory, which moves past it. */
FATHOM_INLINE axis axis_place(int64_t size, int64_t taps, char** memory) {
  axis a = {size, taps, (int32_t*)*memory, NULL};
  a.weight = (float*)(*memory + (size_t)(size * taps) * sizeof(int32_t));
  *memory += axis_bytes(size, taps);
  return a;
}

/*
 * torch's upsample_bilinear2d: scale and position are floats. The double arithmetic between is
 * exact before the one rounding, so that every instruction set has the same taps.
 */
FATHOM_INLINE void axis_bilinear(axis* a, int64_t source, int64_t align_corners) {
  float scale = 0.0f;
  if (!align_corners)
    scale = (float)source / (float)a->size;
  else if (a->size > 1)
    scale = (float)(source - 1) / (float)(a->size - 1);
  for (int64_t o = 0; o < a->size; o++) {
    double exact = align_corners ? (double)scale * (double)o : scale * ((double)o + 0.5) - 0.5;
    float position = source == a->size ? (float)o : fmaxf((float)exact, 0.0f);
    int64_t low = fathom_min((int64_t)position, source - 1);
    float fraction = fminf(position - (float)low, 1.0f);
    a->index[2 * o] = (int32_t)low;
    a->index[2 * o + 1] = (int32_t)fathom_min(low + 1, source - 1);
    a->weight[2 * o] = 1.0f - fraction;
    a->weight[2 * o + 1] = fraction;
  }
}

/* x as a float of its own: keeps the compiler from contracting it into a multiply-add. */
FATHOM_INLINE float rounded(float x) {
  __asm__("" : "+m"(x));
  return x;
}

/* Keys' cubic kernel, A = -0.75, between its second and third tap at t. Step by step as OpenCV. */
FATHOM_INLINE void cubic_weights(float t, float* weight) {
  const float A = -0.75f;
  float s = 1.0f + t, u = 1.0f - t;
  float w0 = rounded(A * s) - 5.0f * A;
  w0 = rounded(w0 * s) + 8.0f * A;
  weight[0] = rounded(w0 * s) - 4.0f * A;
  weight[1] = rounded(rounded((rounded((A + 2) * t) - (A + 3)) * t) * t) + 1.0f;
  weight[2] = rounded(rounded((rounded((A + 2) * u) - (A + 3)) * u) * u) + 1.0f;
  weight[3] = 1.0f - weight[0] - weight[1] - weight[2];
}

/*
 * The position is rounded to float once, as in OpenCV: a picture 12000 wide is sampled up to 5e-4
 * pixels off, but just where the published preprocessing samples it.
 */
FATHOM_INLINE void axis_bicubic(axis* a, int64_t source, double step) {
  for (int64_t o = 0; o < a->size; o++) {
    /* Beyond source + 2 all taps are the last pixel. */
    float position = (float)fmin(((double)o + 0.5) * step - 0.5, (double)(source + 2));
    int64_t low = (int64_t)floorf(position);
    cubic_weights(position - (float)low, a->weight + 4 * o);
    for (int64_t k = 0; k < 4; k++)
      a->index[4 * o + k] = (int32_t)fathom_min(fathom_max(low + k - 1, 0), source - 1);
  }
}

/* Turns pixel indices into offsets. */
FATHOM_INLINE void axis_scale(axis* a, int64_t pixel) {
  for (int64_t i = 0; i < a->size * a->taps; i++) a->index[i] *= (int32_t)pixel;
}

/* ---- vertical pass ---- */

FATHOM_INLINE vf weighted(float* const* rows, const vf* weight, int taps, int64_t j) {
  vf sum = weight[0] * v_load(rows[0] + j);
  for (int k = 1; k < taps; k++) sum += weight[k] * v_load(rows[k] + j);
  return sum;
}

/*
 * y[0,n) = sum of weight[k] * rows[k] (+ add). The rows have W readable floats past n. The stores
 * are ordinary ones: those that bypass the caches were not faster at any size.
 */
FATHOM_INLINE void vertical(float* const* rows, const float* weights, int taps, const float* add,
                            float* y, int64_t n) {
  vf weight[MAX_TAPS];
  for (int k = 0; k < taps; k++) weight[k] = v_set(weights[k]);
  int64_t j = 0;
  for (; j + W <= n; j += W) {
    vf v = weighted(rows, weight, taps, j);
    v_store(y + j, add ? v + v_load(add + j) : v);
  }
  if (j == n) return;
  vf v = weighted(rows, weight, taps, j);
  if (add) v += v_load_part(add + j, n - j);
  v_store_part(y + j, v, n - j);
}

/* ---- the driver ---- */

typedef struct separable separable;
struct separable {
  fathom_context* context;
  int64_t batch, height, width, channels;
  axis rows, columns;
  /* Resizes a source row horizontally: out [columns.size,channels], then W floats of slack. */
  void (*horizontal)(const separable*, int64_t image, int64_t row, float* out);
  const void* source; /* for horizontal: the map or the picture */
  const void* extra;  /* for horizontal: its tables, if any */
  const float* add;
  float* y;
  int64_t block, blocks; /* output rows in a task, tasks in an image */
};

FATHOM_INLINE size_t row_floats(int64_t columns, int64_t channels) {
  return (size_t)fathom_ceil_div(columns * channels + W, 16) * 16;
}

static void separable_task(void* argument, int64_t index, int32_t thread) {
  const separable* s = argument;
  int64_t image = index / s->blocks, first = index % s->blocks * s->block;
  int64_t last = fathom_min(first + s->block, s->rows.size);
  int64_t n = s->columns.size * s->channels, taps = s->rows.taps;
  float* buffers = fathom_local(s->context, thread);
  size_t stride = row_floats(s->columns.size, s->channels);
  int64_t held[MAX_TAPS] = {-1, -1, -1, -1};
  for (int64_t o = first; o < last; o++) {
    float* rows[MAX_TAPS];
    for (int64_t k = 0; k < taps; k++) {
      int64_t row = s->rows.index[o * taps + k];
      /* The taps of one output row are neighbours, so they fall into different buffers. */
      int64_t slot = row % taps;
      rows[k] = buffers + stride * (size_t)slot;
      if (held[slot] == row) continue;
      s->horizontal(s, image, row, rows[k]);
      held[slot] = row;
    }
    int64_t at = (image * s->rows.size + o) * n;
    const float* add = s->add ? s->add + at : NULL;
    const float* weight = s->rows.weight + o * taps;
    if (taps == 2)
      vertical(rows, weight, 2, add, s->y + at, n);
    else
      vertical(rows, weight, 4, add, s->y + at, n);
  }
}

/* Cuts the rows of each image into tasks of `block` rows: so many that no thread idles for long. */
FATHOM_INLINE int64_t rows_in_task(const fathom_context* context, int64_t batch, int64_t rows) {
  return fathom_max(1, batch * rows / ((int64_t)context->threads * TASKS_PER_THREAD));
}

/* The taps are in place, the scratch memory reserved with row_floats * taps floats per thread. */
FATHOM_INLINE void separable_run(separable* s) {
  s->block = rows_in_task(s->context, s->batch, s->rows.size);
  s->blocks = fathom_ceil_div(s->rows.size, s->block);
  fathom_pool_run(s->context->pool, s->batch * s->blocks, separable_task, s);
}

#endif
