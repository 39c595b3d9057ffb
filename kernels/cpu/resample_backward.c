/*
 * Backward of the resizes: the transposed matrix. What an output took from a source pixel, its
 * gradient gives back, by the same taps in float32.
 *
 * The taps of an axis are transposed once, so that each pixel of dx is a sum over a stretch of
 * outputs: nothing is scattered, and the threads, which share out rows of dx, do not change a bit.
 * A row of dx is made in two passes: the sum of the rows of dy that it fed, vectors along the row,
 * then the same along the row. Rows are cut into tiles, so that the rows of dy which the next row
 * of dx needs again are still in the L2 cache.
 */
#include "resample.h"

#define TILE_FLOATS 8192 /* of a row of dy, about */

/* Source i is the sum over o = first[i] .. first[i + 1] - 1 of weight[...] * output[o]. */
typedef struct {
  int64_t size;    /* source pixels */
  int64_t* offset; /* [size + 1], of the weights of i */
  int32_t* first;  /* [size], first output that took from i */
  float* weight;   /* [offset[size]] */
} transposed;

FATHOM_INLINE int64_t outputs_of(const transposed* t, int64_t i) {
  return t->offset[i + 1] - t->offset[i];
}

/* Outputs that took from a source pixel are neighbours: there are at most taps * outputs. */
FATHOM_INLINE size_t transposed_bytes(int64_t size, int64_t outputs, int64_t taps) {
  const size_t ends = (size_t)(size + 1) * (sizeof(int64_t) + sizeof(int32_t));
  return (ends + (size_t)(outputs * taps) * sizeof(float) + 63) / 64 * 64;
}

/* Transposes an axis into *memory, which moves past it. */
FATHOM_INLINE transposed transpose(const axis* a, int64_t size, char** memory) {
  transposed t = {.size = size, .offset = (int64_t*)*memory};
  t.first = (int32_t*)(t.offset + size + 1);
  t.weight = (float*)(t.first + size + 1);
  *memory += transposed_bytes(size, a->size, a->taps);
  for (int64_t i = 0; i <= size; i++) t.offset[i] = 0;
  for (int64_t o = 0; o < a->size; o++)
    for (int64_t k = 0; k < a->taps; k++) {
      const int32_t i = a->index[o * a->taps + k];
      if (t.offset[i + 1] == 0) t.first[i] = (int32_t)o;
      t.offset[i + 1] = o + 1 - t.first[i];
    }
  for (int64_t i = 0; i < size; i++) {
    if (t.offset[i + 1] == 0) t.first[i] = 0;
    t.offset[i + 1] += t.offset[i];
  }
  for (int64_t i = 0; i < t.offset[size]; i++) t.weight[i] = 0;
  for (int64_t o = 0; o < a->size; o++)
    for (int64_t k = 0; k < a->taps; k++) {
      const int32_t i = a->index[o * a->taps + k];
      /* At an edge several taps are the same pixel. */
      t.weight[t.offset[i] + o - t.first[i]] += a->weight[o * a->taps + k];
    }
  return t;
}

/* ---- passes ---- */

typedef struct {
  fathom_context* context;
  int64_t batch, channels;
  int64_t out_height, out_width;
  transposed rows, columns;
  const float* dy;
  float* dx;
  int accumulate;
  int64_t tile; /* columns of dx in a tile */
  int64_t tile_floats;
  int64_t block, blocks; /* rows of dx in a task, tasks in an image */
} job;

/* out[0,n) = the sum of weight[k] * rows[k * stride + (0,n)] over k < count. */
FATHOM_INLINE void sum_rows(const float* rows, int64_t stride, const float* weight, int64_t count,
                            float* out, int64_t n) {
  int64_t j = 0;
  for (; j + 4 * W <= n; j += 4 * W) {
    vf s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};
    const float* from = rows + j;
    for (int64_t k = 0; k < count; k++, from += stride) {
      const vf w = v_set(weight[k]);
      s0 += w * v_load(from);
      s1 += w * v_load(from + W);
      s2 += w * v_load(from + 2 * W);
      s3 += w * v_load(from + 3 * W);
    }
    v_store(out + j, s0);
    v_store(out + j + W, s1);
    v_store(out + j + 2 * W, s2);
    v_store(out + j + 3 * W, s3);
  }
  for (; j < n; j += W) {
    const int64_t rest = fathom_min(W, n - j);
    vf sum = {0};
    for (int64_t k = 0; k < count; k++) {
      const float* from = rows + k * stride + j;
      sum += weight[k] * (rest == W ? v_load(from) : v_load_part(from, rest));
    }
    if (rest == W)
      v_store(out + j, sum);
    else
      v_store_part(out + j, sum, rest);
  }
}

/* A pixel of dx from its neighbours in the summed row. */
FATHOM_INLINE void sum_pixels(const float* pixels, const float* weight, int64_t count,
                              int64_t channels, int accumulate, float* dx) {
  int64_t c = 0;
  for (; c + 4 * W <= channels; c += 4 * W) {
    vf s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};
    const float* from = pixels + c;
    for (int64_t k = 0; k < count; k++, from += channels) {
      const vf w = v_set(weight[k]);
      s0 += w * v_load(from);
      s1 += w * v_load(from + W);
      s2 += w * v_load(from + 2 * W);
      s3 += w * v_load(from + 3 * W);
    }
    if (accumulate) {
      s0 += v_load(dx + c);
      s1 += v_load(dx + c + W);
      s2 += v_load(dx + c + 2 * W);
      s3 += v_load(dx + c + 3 * W);
    }
    v_store(dx + c, s0);
    v_store(dx + c + W, s1);
    v_store(dx + c + 2 * W, s2);
    v_store(dx + c + 3 * W, s3);
  }
  for (; c + W <= channels; c += W) {
    vf sum = {0};
    for (int64_t k = 0; k < count; k++) sum += weight[k] * v_load(pixels + k * channels + c);
    v_store(dx + c, accumulate ? v_load(dx + c) + sum : sum);
  }
  for (; c < channels; c++) {
    float sum = 0;
    for (int64_t k = 0; k < count; k++) sum += weight[k] * pixels[k * channels + c];
    dx[c] = accumulate ? dx[c] + sum : sum;
  }
}

/* Columns [begin, end) of a row of dx; `row` holds the outputs from `from` on. */
FATHOM_INLINE void sum_columns(const job* j, const float* row, int64_t from, int64_t begin,
                               int64_t end, int64_t channels, int accumulate, float* dx) {
  const transposed* t = &j->columns;
  for (int64_t i = begin; i < end; i++)
    sum_pixels(row + (t->first[i] - from) * channels, t->weight + t->offset[i], outputs_of(t, i),
               channels, accumulate, dx + i * channels);
}

/* The outputs [*from, *to) that took from source columns [begin, end). */
FATHOM_INLINE void reach(const transposed* t, int64_t begin, int64_t end, int64_t* from,
                         int64_t* to) {
  *from = INT64_MAX;
  *to = 0;
  for (int64_t i = begin; i < end; i++) {
    const int64_t count = outputs_of(t, i);
    if (count == 0) continue;
    *from = fathom_min(*from, t->first[i]);
    *to = fathom_max(*to, t->first[i] + count);
  }
  if (*to == 0) *from = 0;
}

static void rows_task(void* argument, int64_t index, int32_t thread) {
  const job* j = argument;
  const int64_t image = index / j->blocks, first = index % j->blocks * j->block;
  const int64_t last = fathom_min(first + j->block, j->rows.size), channels = j->channels;
  const int64_t stride = j->out_width * channels;
  const float* dy = j->dy + image * j->out_height * stride;
  float* dx = j->dx + image * j->rows.size * j->columns.size * channels;
  float* row = fathom_local(j->context, thread);
  for (int64_t begin = 0; begin < j->columns.size; begin += j->tile) {
    const int64_t end = fathom_min(begin + j->tile, j->columns.size);
    int64_t from, to;
    reach(&j->columns, begin, end, &from, &to);
    for (int64_t i = first; i < last; i++) {
      const transposed* t = &j->rows;
      sum_rows(dy + t->first[i] * stride + from * channels, stride, t->weight + t->offset[i],
               outputs_of(t, i), row, (to - from) * channels);
      float* to_row = dx + i * j->columns.size * channels;
      if (channels == 1)
        sum_columns(j, row, from, begin, end, 1, j->accumulate, to_row);
      else if (j->accumulate)
        sum_columns(j, row, from, begin, end, channels, 1, to_row);
      else
        sum_columns(j, row, from, begin, end, channels, 0, to_row);
    }
  }
}

/* ---- operators ---- */

typedef struct {
  int64_t batch, height, width, channels, out_height, out_width, taps;
} shape;

/* Reserves scratch memory and fills in all but dy, dx and accumulate, given the taps' `fill`. */
static fathom_status run(fathom_context* context, shape s, job* j,
                         void (*fill)(const void* args, axis* rows, axis* columns),
                         const void* args) {
  j->tile = fathom_max(1, TILE_FLOATS / s.channels * s.width / s.out_width);
  j->tile = fathom_min(j->tile, s.width);
  const size_t tables = transposed_bytes(s.height, s.out_height, s.taps) +
                        transposed_bytes(s.width, s.out_width, s.taps);
  const size_t axes = axis_bytes(s.out_height + s.out_width, s.taps);
  const size_t row = (size_t)(s.out_width * s.channels) * sizeof(float);
  fathom_status status = fathom_reserve(context, tables + axes, row);
  if (status != FATHOM_OK) return status;
  char* memory = (char*)fathom_shared(context) + tables;
  axis rows = axis_place(s.out_height, s.taps, &memory);
  axis columns = axis_place(s.out_width, s.taps, &memory);
  fill(args, &rows, &columns);
  memory = fathom_shared(context);
  j->rows = transpose(&rows, s.height, &memory);
  j->columns = transpose(&columns, s.width, &memory);
  j->context = context;
  j->batch = s.batch;
  j->channels = s.channels;
  j->out_height = s.out_height;
  j->out_width = s.out_width;
  j->block = rows_in_task(context, s.batch, s.height);
  j->blocks = fathom_ceil_div(s.height, j->block);
  fathom_pool_run(context->pool, s.batch * j->blocks, rows_task, j);
  return FATHOM_OK;
}

static void bilinear_taps(const void* args, axis* rows, axis* columns) {
  const fathom_resize_bilinear_backward_args* a = args;
  axis_bilinear(rows, a->height, a->align_corners);
  axis_bilinear(columns, a->width, a->align_corners);
}

static void bicubic_taps(const void* args, axis* rows, axis* columns) {
  const fathom_resize_bicubic_backward_args* a = args;
  axis_bicubic(rows, a->height, a->step_y);
  axis_bicubic(columns, a->width, a->step_x);
}

fathom_status FN(resize_bilinear_backward)(fathom_context* context,
                                           const fathom_resize_bilinear_backward_args* a) {
  job j = {.dy = a->dy, .dx = a->dx, .accumulate = a->accumulate != 0};
  const shape s = {a->batch, a->height, a->width, a->channels, a->out_height, a->out_width, 2};
  return run(context, s, &j, bilinear_taps, a);
}

fathom_status FN(resize_bicubic_backward)(fathom_context* context,
                                          const fathom_resize_bicubic_backward_args* a) {
  job j = {.dy = a->dy, .dx = a->dx, .accumulate = 1};
  const shape s = {a->batch, a->height, a->width, a->channels, a->out_height, a->out_width, 4};
  return run(context, s, &j, bicubic_taps, a);
}

/* ---- exported functions ---- */

#ifdef FATHOM_ENTRY

/* Beyond 2^24 a float does not tell neighbouring pixels apart. */
#define LARGEST_SIDE ((int64_t)1 << 24)

/* Whether b h w c floats can be addressed, with room for what is computed from their number. */
static int addressable(int64_t b, int64_t h, int64_t w, int64_t c) {
  int64_t n;
  return !__builtin_mul_overflow(b, h, &n) && !__builtin_mul_overflow(n, w, &n) &&
         !__builtin_mul_overflow(n, c, &n) && n <= INT64_MAX / 64;
}

static fathom_status check_maps(const char* name, shape s, const float* dy, const float* dx) {
#define SIZES                                                                               \
  name, (long long)s.batch, (long long)s.height, (long long)s.width, (long long)s.channels, \
      (long long)s.out_height, (long long)s.out_width
#define MAPS "%s: [%lld,%lld,%lld,%lld] from %lld x %lld: "
  FATHOM_CHECK(s.batch >= 1 && s.height >= 1 && s.width >= 1 && s.channels >= 1 &&
                   s.out_height >= 1 && s.out_width >= 1,
               MAPS "every size must be at least 1", SIZES);
  FATHOM_CHECK(s.height <= LARGEST_SIDE && s.width <= LARGEST_SIDE &&
                   s.out_height <= LARGEST_SIDE && s.out_width <= LARGEST_SIDE &&
                   addressable(s.batch, s.height, s.width, s.channels) &&
                   addressable(s.batch, s.out_height, s.out_width, s.channels),
               MAPS "too large", SIZES);
  FATHOM_CHECK(dy && dx, MAPS "%s is NULL", SIZES, dy ? "dx" : "dy");
  const int64_t in = s.batch * s.height * s.width * s.channels;
  const int64_t out = s.batch * s.out_height * s.out_width * s.channels;
  FATHOM_CHECK(dx + in <= dy || dy + out <= dx, MAPS "dx overlaps dy", SIZES);
  return FATHOM_OK;
}

fathom_status fathom_resize_bilinear_backward(fathom_context* context,
                                              const fathom_resize_bilinear_backward_args* a) {
  FATHOM_CHECK(context && a, "resize_bilinear_backward: %s is NULL",
               context ? "args" : "the context");
  const shape s = {a->batch, a->height, a->width, a->channels, a->out_height, a->out_width, 2};
  fathom_status status = check_maps("resize_bilinear_backward", s, a->dy, a->dx);
  if (status != FATHOM_OK) return status;
  FATHOM_CHECK((a->align_corners == 0 || a->align_corners == 1) &&
                   (a->accumulate == 0 || a->accumulate == 1),
               "resize_bilinear_backward: align_corners is %lld, accumulate %lld; 0 or 1 are possible",
               (long long)a->align_corners, (long long)a->accumulate);
  FATHOM_DISPATCH(context, resize_bilinear_backward, a);
}

fathom_status fathom_resize_bicubic_backward(fathom_context* context,
                                             const fathom_resize_bicubic_backward_args* a) {
  FATHOM_CHECK(context && a, "resize_bicubic_backward: %s is NULL",
               context ? "args" : "the context");
  const shape s = {a->batch, a->height, a->width, a->channels, a->out_height, a->out_width, 4};
  fathom_status status = check_maps("resize_bicubic_backward", s, a->dy, a->dx);
  if (status != FATHOM_OK) return status;
  FATHOM_CHECK(isfinite(a->step_y) && a->step_y > 0 && isfinite(a->step_x) && a->step_x > 0,
               "resize_bicubic_backward: steps %g and %g; both must be positive and finite",
               a->step_y, a->step_x);
  FATHOM_DISPATCH(context, resize_bicubic_backward, a);
}

#endif
