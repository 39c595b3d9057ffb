/* How convolutions read their input: see conv_window in conv.h. */
#include "conv.h"

/* to = (1 - f) * a + f * b, n floats */
FATHOM_INLINE void blend(const float* a, const float* b, float f, int64_t n, float* to) {
  const vf low = v_set(1.0f - f), high = v_set(f);
  int64_t i = 0;
  for (; i + W <= n; i += W) v_store(to + i, low * v_load(a + i) + high * v_load(b + i));
  if (i == n) return;
  vf v = low * v_load_part(a + i, n - i) + high * v_load_part(b + i, n - i);
  v_store_part(to + i, v, n - i);
}

/* Source row `y` of x[b], its columns [column, column + columns) resized to the map's width. */
static void resize_line(const fathom_conv2d_args* a, int64_t b, int64_t y, int64_t column,
                        int64_t columns, float* to) {
  int64_t in = a->in, last = a->source_width - 1;
  const float* row = a->x + (b * a->source_height + y) * a->source_width * in;
  line_position p = line_start(column, a->source_width, a->width);
  for (int64_t c = 0; c < columns; c++) {
    const float* left = row + p.index * in;
    blend(left, p.index < last ? left + in : left, line_fraction(&p), in, to + c * in);
    line_next(&p);
  }
}

/*
 * `pixels` of them to the window's layout, ReLU applied: (1 - f) * a + f * b, or a alone when b is NULL.
 * `whole` is a constant: `in` is a multiple of W.
 */
FATHOM_INLINE void put(const float* a, const float* b, float f, int64_t pixels, int64_t in, int relu,
                       int whole, float* to, int64_t group_stride) {
  const vf low = v_set(1.0f - f), high = v_set(f);
  const vf floor = v_set(relu ? 0.0f : -INFINITY);
  for (int64_t p = 0; p < pixels; p++, to += W) {
    float* group = to;
    for (int64_t c = 0; c < in; c += W, group += group_stride) {
      const int64_t n = whole ? W : fathom_min(W, in - c), at = p * in + c;
      vf v = n == W ? v_load(a + at) : v_load_part(a + at, n);
      if (b) v = low * v + high * (n == W ? v_load(b + at) : v_load_part(b + at, n));
      v_store(group, v_max(floor, v));
    }
  }
}

static void put_pixels(const float* a, int64_t pixels, int64_t in, int relu, float* to,
                       int64_t group_stride) {
  if (in % W == 0) {
    put(a, NULL, 0, pixels, in, relu, 1, to, group_stride);
  } else {
    put(a, NULL, 0, pixels, in, relu, 0, to, group_stride);
  }
}

static void put_blended(const float* a, const float* b, float f, int64_t pixels, int64_t in,
                        int relu, float* to, int64_t group_stride) {
  if (in % W == 0) {
    put(a, b, f, pixels, in, relu, 1, to, group_stride);
  } else {
    put(a, b, f, pixels, in, relu, 0, to, group_stride);
  }
}

static void put_gated(const float* a, const float* gate, int64_t pixels, int64_t in, float* to,
                      int64_t group_stride) {
  for (int64_t p = 0; p < pixels; p++, to += W) {
    float* group = to;
    for (int64_t c = 0; c < in; c += W, group += group_stride) {
      const int64_t n = fathom_min(W, in - c), at = p * in + c;
      v_store(group, conv_gate(conv_load(a + at, n), conv_load(gate + at, n)));
    }
  }
}

static void zero_pixels(float* to, int64_t pixels, int64_t groups, int64_t group_stride) {
  for (int64_t g = 0; g < groups && pixels > 0; g++)
    memset(to + g * group_stride, 0, (size_t)(pixels * W) * sizeof *to);
}

void FN(conv_read)(const fathom_conv2d_args* a, const conv_window* w) {
  int64_t in = a->in, groups = conv_groups(in);
  int relu = (int)a->relu_input;
  int64_t first = fathom_min(fathom_max(w->column, 0), a->width);
  int64_t end = fathom_max(fathom_min(w->column + w->columns, a->width), first);
  int64_t left = fathom_min(first - w->column, w->columns), inside = end - first;
  int64_t cached[2] = {-1, -1};
  for (int64_t r = 0; r < w->rows; r++) {
    float* to = w->to + r * w->row_stride;
    int64_t y = w->row + r * w->row_step;
    if (y < 0 || y >= a->height || inside == 0) {
      zero_pixels(to, w->columns, groups, w->group_stride);
      continue;
    }
    zero_pixels(to, left, groups, w->group_stride);
    zero_pixels(to + (left + inside) * W, w->columns - left - inside, groups, w->group_stride);
    to += left * W;
    if (a->source_height == 0) {
      const int64_t at = ((w->batch * a->height + y) * a->width + first) * in;
      if (w->gate) {
        put_gated(a->x + at, w->gate + at, inside, in, to, w->group_stride);
      } else {
        put_pixels(a->x + at, inside, in, relu, to, w->group_stride);
      }
      continue;
    }
    line_position p = line_start(y, a->source_height, a->height);
    int64_t below = fathom_min(p.index + 1, a->source_height - 1);
    float* lines[2];
    for (int i = 0; i < 2; i++) {
      int64_t source = i ? below : p.index;
      lines[i] = w->lines + (source & 1) * w->columns * in;
      if (cached[source & 1] == source) continue;
      resize_line(a, w->batch, source, first, inside, lines[i]);
      cached[source & 1] = source;
    }
    put_blended(lines[0], lines[1], line_fraction(&p), inside, in, relu, to,
                w->group_stride);
  }
}
