/*
 * Resampling: bilinear and bicubic resize of maps, and a picture to the network's input.
 *
 * All are bound by memory. Bilinear with many channels blends the four source pixels of an output
 * pixel directly, vectors of channels at a time: a source pixel is still in L1 when its neighbours
 * use it. Everything else goes through the two passes of resample.h.
 */
#include "resample.h"
#include "resample_window.h"

/* ---- bilinear, at least a vector of channels ---- */

typedef struct {
  const fathom_resize_bilinear_args* args;
  axis rows, columns;
  int64_t block, blocks;
} wide;

FATHOM_INLINE void blend(const float* const* x, const float* weight, const float* add, float* y,
                         int64_t channels) {
  const float *x0 = x[0], *x1 = x[1], *x2 = x[2], *x3 = x[3];
  vf w0 = v_set(weight[0]), w1 = v_set(weight[1]), w2 = v_set(weight[2]), w3 = v_set(weight[3]);
  int64_t c = 0;
  for (; c + W <= channels; c += W) {
    vf v = w0 * v_load(x0 + c) + w1 * v_load(x1 + c) + w2 * v_load(x2 + c) + w3 * v_load(x3 + c);
    if (add) v += v_load(add + c);
    v_store(y + c, v);
  }
  if (c == channels) return;
  int64_t rest = channels - c;
  vf v = w0 * v_load_part(x0 + c, rest) + w1 * v_load_part(x1 + c, rest) +
         w2 * v_load_part(x2 + c, rest) + w3 * v_load_part(x3 + c, rest);
  if (add) v += v_load_part(add + c, rest);
  v_store_part(y + c, v, rest);
}

static void wide_task(void* argument, int64_t index, int32_t thread) {
  (void)thread;
  const wide* p = argument;
  const fathom_resize_bilinear_args* a = p->args;
  int64_t image = index / p->blocks, first = index % p->blocks * p->block;
  int64_t last = fathom_min(first + p->block, a->out_height), channels = a->channels;
  const float* x = a->x + image * a->height * a->width * channels;
  for (int64_t o = first; o < last; o++) {
    const float* top = x + p->rows.index[2 * o] * a->width * channels;
    const float* bottom = x + p->rows.index[2 * o + 1] * a->width * channels;
    float h0 = p->rows.weight[2 * o], h1 = p->rows.weight[2 * o + 1];
    int64_t at = (image * a->out_height + o) * a->out_width * channels;
    for (int64_t i = 0; i < a->out_width; i++, at += channels) {
      int64_t left = p->columns.index[2 * i] * channels;
      int64_t right = p->columns.index[2 * i + 1] * channels;
      float w0 = p->columns.weight[2 * i], w1 = p->columns.weight[2 * i + 1];
      const float* source[4] = {top + left, top + right, bottom + left, bottom + right};
      const float weight[4] = {h0 * w0, h0 * w1, h1 * w0, h1 * w1};
      const float* add = a->add ? a->add + at : NULL;
      blend(source, weight, add, a->y + at, channels);
    }
  }
}

/* ---- horizontal passes ---- */

FATHOM_INLINE void narrow_row(const float* x, const axis* columns, int taps, int64_t channels,
                              float* out) {
  for (int64_t i = 0; i < columns->size; i++) {
    const int32_t* index = columns->index + i * taps;
    const float* weight = columns->weight + i * taps;
    for (int64_t c = 0; c < channels; c++) {
      float sum = weight[0] * x[index[0] * channels + c];
      for (int k = 1; k < taps; k++) sum += weight[k] * x[index[k] * channels + c];
      out[i * channels + c] = sum;
    }
  }
}

FATHOM_INLINE void wide_row(const float* x, const axis* columns, int taps, int64_t channels,
                            float* out) {
  for (int64_t i = 0; i < columns->size; i++) {
    const int32_t* index = columns->index + i * taps;
    const float* weight = columns->weight + i * taps;
    int64_t c = 0;
    for (; c + W <= channels; c += W) {
      vf sum = weight[0] * v_load(x + index[0] * channels + c);
      for (int k = 1; k < taps; k++) sum += weight[k] * v_load(x + index[k] * channels + c);
      v_store(out + i * channels + c, sum);
    }
    for (; c < channels; c++) {
      float sum = weight[0] * x[index[0] * channels + c];
      for (int k = 1; k < taps; k++) sum += weight[k] * x[index[k] * channels + c];
      out[i * channels + c] = sum;
    }
  }
}

FATHOM_INLINE void float_row(const separable* s, int64_t image, int64_t row, int taps, float* out) {
  int64_t channels = s->channels;
  const float* x = (const float*)s->source + (image * s->height + row) * s->width * channels;
  if (channels >= W)
    wide_row(x, &s->columns, taps, channels, out);
  else if (channels == 1)
    narrow_row(x, &s->columns, taps, 1, out);
  else if (channels == 3)
    narrow_row(x, &s->columns, taps, 3, out);
  else
    narrow_row(x, &s->columns, taps, channels, out);
}
static void bilinear_row(const separable* s, int64_t image, int64_t row, float* out) {
  float_row(s, image, row, 2, out);
}
#if HAVE_WINDOW
static void bilinear_window_row(const separable* s, int64_t image, int64_t row, float* out) {
  const float* x = (const float*)s->source + (image * s->height + row) * s->width * s->channels;
  window_row(x, s->extra, &s->columns, s->channels, out);
}
#endif
static void bicubic_row(const separable* s, int64_t image, int64_t row, float* out) {
  float_row(s, image, row, 4, out);
}

typedef int32_t i32x4 __attribute__((vector_size(16)));
typedef float f32x4 __attribute__((vector_size(16)));

/* The three bytes at p; with spare also one more is read, in a single load. */
FATHOM_INLINE int32_t load_pixel(const uint8_t* p, int spare) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  if (spare) {
    int32_t v;
    memcpy(&v, p, sizeof v);
    return v;
  }
#endif
  (void)spare;
  return p[0] | p[1] << 8 | p[2] << 16;
}

/* The weighted sum of four pixels, channel c scaled by 256^c: the bytes are masked, not shifted. */
FATHOM_INLINE f32x4 blend_pixels(const uint8_t* x, const int32_t* at, const float* weight,
                                 int spare) {
  const i32x4 mask = {0xff, 0xff00, 0xff0000, 0};
  f32x4 sum = {0};
  for (int k = 0; k < 4; k++) {
    int32_t p = load_pixel(x + at[k], spare);
    sum += weight[k] * __builtin_convertvector((i32x4){p, p, p, p} & mask, f32x4);
  }
  return sum;
}

/*
 * The weights of the vertical pass add up to 1, so that scale and shift of the normalisation can be
 * applied before it, on pixels.
 */
static void picture_row(const separable* s, int64_t image, int64_t row, float* out) {
  (void)image;
  const fathom_preprocess_args* a = s->source;
  const uint8_t* x = a->pixels + row * a->row_stride;
  const double unit[3] = {255.0, 255.0 * 256, 255.0 * 65536};
  f32x4 scale = {0}, shift = {0};
  for (int c = 0; c < 3; c++) {
    scale[c] = (float)(1.0 / (unit[c] * (double)a->std[c]));
    shift[c] = (float)(-(double)a->mean[c] / (double)a->std[c]);
  }
  int64_t last = (a->width - 1) * a->pixel_stride;
  for (int64_t i = 0; i < s->columns.size; i++) {
    const int32_t* at = s->columns.index + 4 * i;
    const float* weight = s->columns.weight + 4 * i;
    f32x4 sum = at[3] < last ? blend_pixels(x, at, weight, 1) : blend_pixels(x, at, weight, 0);
    sum = sum * scale + shift;
    /* The fourth float is overwritten by the next pixel or is slack. */
    memcpy(out + 3 * i, &sum, sizeof sum);
  }
}

/* ---- operators ---- */

/* Scratch memory for the taps and `extra` bytes after them, and buffers for the two passes. */
static fathom_status reserve(fathom_context* context, int64_t taps, int64_t out_height,
                             int64_t out_width, int64_t channels, int buffers, size_t extra) {
  size_t floats = buffers ? row_floats(out_width, channels) * (size_t)taps : 0;
  return fathom_reserve(context, axis_bytes(out_height + out_width, taps) + extra,
                        floats * sizeof(float));
}

fathom_status FN(resize_bilinear)(fathom_context* context, const fathom_resize_bilinear_args* a) {
  int direct = a->channels >= W;
  int windowed = window_useful(a->width, a->out_width, a->channels);
  size_t extra = windowed ? window_bytes(a->out_width, a->channels) : 0;
  fathom_status status =
      reserve(context, 2, a->out_height, a->out_width, a->channels, !direct, extra);
  if (status != FATHOM_OK) return status;
  char* memory = fathom_shared(context);
  axis rows = axis_place(a->out_height, 2, &memory);
  axis columns = axis_place(a->out_width, 2, &memory);
  axis_bilinear(&rows, a->height, a->align_corners);
  axis_bilinear(&columns, a->width, a->align_corners);
  if (direct) {
    wide p = {.args = a, .rows = rows, .columns = columns};
    p.block = rows_in_task(context, a->batch, a->out_height);
    p.blocks = fathom_ceil_div(a->out_height, p.block);
    fathom_pool_run(context->pool, a->batch * p.blocks, wide_task, &p);
    return FATHOM_OK;
  }
  separable s = {.context = context, .batch = a->batch, .height = a->height, .width = a->width,
                 .channels = a->channels, .rows = rows, .columns = columns,
                 .horizontal = bilinear_row, .source = a->x, .add = a->add, .y = a->y};
#if HAVE_WINDOW
  window w;
  if (windowed) {
    w = window_place(&columns, a->width, a->channels, memory);
    s.horizontal = bilinear_window_row;
    s.extra = &w;
  }
#endif
  separable_run(&s);
  return FATHOM_OK;
}

fathom_status FN(resize_bicubic)(fathom_context* context, const fathom_resize_bicubic_args* a) {
  fathom_status status = reserve(context, 4, a->out_height, a->out_width, a->channels, 1, 0);
  if (status != FATHOM_OK) return status;
  char* memory = fathom_shared(context);
  separable s = {.context = context, .batch = a->batch, .height = a->height, .width = a->width,
                 .channels = a->channels, .horizontal = bicubic_row, .source = a->x, .y = a->y};
  s.rows = axis_place(a->out_height, 4, &memory);
  s.columns = axis_place(a->out_width, 4, &memory);
  axis_bicubic(&s.rows, a->height, a->step_y);
  axis_bicubic(&s.columns, a->width, a->step_x);
  separable_run(&s);
  return FATHOM_OK;
}

fathom_status FN(preprocess)(fathom_context* context, const fathom_preprocess_args* a) {
  fathom_status status = reserve(context, 4, a->out_height, a->out_width, 3, 1, 0);
  if (status != FATHOM_OK) return status;
  char* memory = fathom_shared(context);
  separable s = {.context = context, .batch = 1, .height = a->height, .width = a->width,
                 .channels = 3, .horizontal = picture_row, .source = a, .y = a->y};
  s.rows = axis_place(a->out_height, 4, &memory);
  s.columns = axis_place(a->out_width, 4, &memory);
  axis_bicubic(&s.rows, a->height, (double)a->height / (double)a->out_height);
  axis_bicubic(&s.columns, a->width, (double)a->width / (double)a->out_width);
  axis_scale(&s.columns, a->pixel_stride);
  separable_run(&s);
  return FATHOM_OK;
}

/* ---- entry ---- */

#ifdef FATHOM_ENTRY

/* Beyond 2^24 a float does not tell neighbouring pixels apart. */
#define LARGEST_SIDE ((int64_t)1 << 24)

/* Whether b h w c floats can be addressed, with room for what is computed from their number. */
static int addressable(int64_t b, int64_t h, int64_t w, int64_t c) {
  int64_t n;
  return !__builtin_mul_overflow(b, h, &n) && !__builtin_mul_overflow(n, w, &n) &&
         !__builtin_mul_overflow(n, c, &n) && n <= INT64_MAX / 64;
}

static fathom_status check_maps(const char* name, int64_t b, int64_t h, int64_t w, int64_t c,
                                int64_t oh, int64_t ow) {
  FATHOM_CHECK(b >= 1 && h >= 1 && w >= 1 && c >= 1 && oh >= 1 && ow >= 1,
               "%s: every size must be at least 1, got [%lld,%lld,%lld,%lld] to %lld x %lld", name,
               (long long)b, (long long)h, (long long)w, (long long)c, (long long)oh,
               (long long)ow);
  FATHOM_CHECK(h <= LARGEST_SIDE && w <= LARGEST_SIDE && oh <= LARGEST_SIDE && ow <= LARGEST_SIDE &&
                   addressable(b, h, w, c) && addressable(b, oh, ow, c) &&
                   addressable(MAX_TAPS, 1, ow, c),
               "%s: [%lld,%lld,%lld,%lld] to %lld x %lld is too large", name, (long long)b,
               (long long)h, (long long)w, (long long)c, (long long)oh, (long long)ow);
  return FATHOM_OK;
}

fathom_status fathom_resize_bilinear(fathom_context* context,
                                     const fathom_resize_bilinear_args* args) {
  FATHOM_CHECK(context && args, "resize_bilinear: %s is NULL", context ? "args" : "the context");
  fathom_status status = check_maps("resize_bilinear", args->batch, args->height, args->width,
                                    args->channels, args->out_height, args->out_width);
  if (status != FATHOM_OK) return status;
  FATHOM_CHECK(args->x && args->y, "resize_bilinear: %s is NULL", args->x ? "y" : "x");
  FATHOM_CHECK(args->align_corners == 0 || args->align_corners == 1,
               "resize_bilinear: align_corners is %lld; 0 or 1 are possible",
               (long long)args->align_corners);
  FATHOM_DISPATCH(context, resize_bilinear, args);
}

fathom_status fathom_resize_bicubic(fathom_context* context,
                                    const fathom_resize_bicubic_args* args) {
  FATHOM_CHECK(context && args, "resize_bicubic: %s is NULL", context ? "args" : "the context");
  fathom_status status = check_maps("resize_bicubic", args->batch, args->height, args->width,
                                    args->channels, args->out_height, args->out_width);
  if (status != FATHOM_OK) return status;
  FATHOM_CHECK(args->x && args->y, "resize_bicubic: %s is NULL", args->x ? "y" : "x");
  FATHOM_CHECK(isfinite(args->step_y) && args->step_y > 0 && isfinite(args->step_x) &&
                   args->step_x > 0,
               "resize_bicubic: steps %g and %g; both must be positive and finite", args->step_y,
               args->step_x);
  FATHOM_DISPATCH(context, resize_bicubic, args);
}

fathom_status fathom_preprocess(fathom_context* context, const fathom_preprocess_args* args) {
  FATHOM_CHECK(context && args, "preprocess: %s is NULL", context ? "args" : "the context");
  fathom_status status = check_maps("preprocess", 1, args->height, args->width, 3,
                                    args->out_height, args->out_width);
  if (status != FATHOM_OK) return status;
  FATHOM_CHECK(args->pixels && args->y, "preprocess: %s is NULL", args->pixels ? "y" : "pixels");
  FATHOM_CHECK(args->pixel_stride == 3 || args->pixel_stride == 4,
               "preprocess: pixel_stride is %lld; 3 or 4 are possible",
               (long long)args->pixel_stride);
  FATHOM_CHECK(args->row_stride >= (args->width - 1) * args->pixel_stride + 3,
               "preprocess: row_stride %lld is too small for %lld pixels of %lld bytes",
               (long long)args->row_stride, (long long)args->width, (long long)args->pixel_stride);
  FATHOM_CHECK(addressable(1, args->height, args->row_stride, 1),
               "preprocess: %lld rows of %lld bytes are too large", (long long)args->height,
               (long long)args->row_stride);
  for (int c = 0; c < 3; c++)
    FATHOM_CHECK(isfinite(args->mean[c]) && isfinite(args->std[c]) && args->std[c] > 0,
                 "preprocess: mean %g, std %g of channel %d; both must be finite and std > 0",
                 (double)args->mean[c], (double)args->std[c], c);
  FATHOM_DISPATCH(context, preprocess, args);
}

#endif
