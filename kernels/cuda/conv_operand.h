/*
 * Operands of convolutions as products (gemm_tile.h): pixels gathered from a map under the taps of
 * a kernel, with zeros outside of the map, and weights in the order in which the gradients need
 * them. Along (tap, channel), channels are rounded up to a multiple of 8, so that 8 neighbours have
 * one tap.
 */
#ifndef FATHOM_CUDA_CONV_OPERAND_H
#define FATHOM_CUDA_CONV_OPERAND_H

#include "gemm_tile.h"

/*
 * How a product reads a map: for output pixel (oy, ox) and tap (ty, tx) it takes the map's pixel
 * (oy * step + first_y + ty * tap_step, ...).
 */
struct Window {
  int height, width, channels;
  int out_height, out_width;
  int step, tap_step;
  int first_y, first_x;
  int taps_y, taps_x;
};

/* A convolution's own window. */
DEV Window conv_window(int height, int width, int channels, int out_height, int out_width,
                       int kernel, int stride, int margin) {
  Window w;
  w.height = height, w.width = width, w.channels = channels;
  w.out_height = out_height, w.out_width = out_width;
  w.step = stride, w.tap_step = 1;
  w.first_y = w.first_x = -margin;
  w.taps_y = w.taps_x = kernel;
  return w;
}

/* A place along (tap, channel), moved on by the steps of K. */
struct TapPosition {
  int ty, tx, c;

  DEV_MEMBER void start(int k, int channels8, int taps_x) {
    const int tap = k / channels8;
    ty = tap / taps_x;
    tx = tap % taps_x;
    c = k % channels8;
  }
  DEV_MEMBER void advance(int channels8, int taps_x) {
    c += FATHOM_GEMM_K;
    while (c >= channels8) {
      c -= channels8;
      if (++tx == taps_x) {
        tx = 0;
        ty++;
      }
    }
  }
};

/* A output pixel of a batch, from its number. */
struct Pixel {
  int b, y, x;

  DEV_MEMBER void start(int64_t number, int height, int width) {
    const int row = (int)(number / width);
    x = (int)(number % width);
    b = row / height;
    y = row % height;
  }
};

/* Operand A [pixels][tap,channel]: a convolution's input. */
template <int ROWS, int THREADS, bool ALIGNED>
struct GatherOperand {
  static constexpr int STRIDE = FATHOM_GEMM_K + FATHOM_GEMM_PAD;
  static constexpr int CHUNKS = FATHOM_GEMM_K / 8;
  static constexpr int PASS = THREADS / CHUNKS, PASSES = ROWS / PASS;
  elem* slots;
  Window window;
  int channels8, at;
  TapPosition position;
  const elem* from[PASSES]; /* the map's pixel under tap (0, 0), which may be outside */
  int y[PASSES], x[PASSES];

  DEV_MEMBER void init(elem* shared, const elem* map, const Window& w, int64_t first,
                       int64_t pixels, int first_step) {
    const int row = (int)threadIdx.x / CHUNKS, chunk = (int)threadIdx.x % CHUNKS * 8;
    slots = shared;
    window = w;
    channels8 = round_up_8(w.channels);
    at = row * STRIDE + chunk;
    position.start(first_step * FATHOM_GEMM_K + chunk, channels8, max(w.taps_x, 1));
#pragma unroll
    for (int pass = 0; pass < PASSES; pass++) {
      const int64_t number = first + row + pass * PASS;
      Pixel p;
      p.start(number, w.out_height, w.out_width);
      y[pass] = number < pixels ? p.y * w.step + w.first_y : -(1 << 29);
      x[pass] = p.x * w.step + w.first_x;
      from[pass] =
          map +
          (((int64_t)p.b * w.height + p.y * w.step + w.first_y) * w.width + x[pass]) * w.channels;
    }
  }
  DEV_MEMBER void fetch(int step, int slot) {
    (void)step;
    elem* to = slots + slot * (ROWS * STRIDE) + at;
    const int dy = position.ty * window.tap_step, dx = position.tx * window.tap_step;
    const int64_t offset = ((int64_t)dy * window.width + dx) * window.channels + position.c;
    const int n = position.ty < window.taps_y ? window.channels - position.c : 0;
#pragma unroll
    for (int pass = 0; pass < PASSES; pass++) {
      const bool inside = (unsigned)(y[pass] + dy) < (unsigned)window.height &&
                          (unsigned)(x[pass] + dx) < (unsigned)window.width;
      fetch_8<ALIGNED>(to + pass * PASS * STRIDE, from[pass] + offset, inside ? n : 0);
    }
    position.advance(channels8, window.taps_x);
  }
  DEV_MEMBER const elem* tile(int step, int slot) const {
    (void)step;
    return slots + slot * (ROWS * STRIDE);
  }
  DEV_MEMBER void load(FragA& a, const elem* tile, int row, int k) const {
    load_a(a, tile + row * STRIDE + k, STRIDE);
  }
};

/* Operand B [pixels][tap,channel]: the same seen from the gradient of the weight, K being the
 * pixels. */
template <int COLUMNS, int THREADS, bool ALIGNED>
struct PixelOperand : ColumnTile<COLUMNS, THREADS> {
  typedef ColumnTile<COLUMNS, THREADS> Base;
  const elem* map;
  Window window;
  int n, ty, tx, c; /* this thread's columns */
  int64_t number, pixels;
  int rows, rest; /* of the output map in a step: whole rows, then pixels */
  Pixel pixel[Base::PASSES];

  DEV_MEMBER void init(elem* shared, const elem* from, const Window& w, int first,
                       int64_t pixel_count, int first_step) {
    this->slots = shared;
    map = from;
    window = w;
    TapPosition position;
    position.start(first + this->my_column(), round_up_8(w.channels), w.taps_x);
    ty = position.ty, tx = position.tx, c = position.c;
    n = ty < w.taps_y ? w.channels - c : 0;
    number = (int64_t)first_step * FATHOM_GEMM_K + this->my_k();
    pixels = pixel_count;
    rows = FATHOM_GEMM_K / w.out_width;
    rest = FATHOM_GEMM_K % w.out_width;
#pragma unroll
    for (int pass = 0; pass < Base::PASSES; pass++)
      pixel[pass].start(number + pass * Base::PASS, w.out_height, w.out_width);
  }
  DEV_MEMBER void fetch(int step, int slot) {
    (void)step;
    elem* to = this->mine(slot);
#pragma unroll
    for (int pass = 0; pass < Base::PASSES; pass++) {
      Pixel& p = pixel[pass];
      const int y = p.y * window.step + window.first_y + ty,
                x = p.x * window.step + window.first_x + tx;
      const bool inside = number + pass * Base::PASS < pixels &&
                          (unsigned)y < (unsigned)window.height &&
                          (unsigned)x < (unsigned)window.width;
      fetch_8<ALIGNED>(
          to + pass * Base::PASS * Base::STRIDE,
          map + (((int64_t)p.b * window.height + y) * window.width + x) * window.channels + c,
          inside ? n : 0);
      p.x += rest;
      p.y += rows;
      if (p.x >= window.out_width) {
        p.x -= window.out_width;
        p.y++;
      }
      while (p.y >= window.out_height) {
        p.y -= window.out_height;
        p.b++;
      }
    }
    number += FATHOM_GEMM_K;
  }
};

/*
 * Operand B [tap,channel][columns]: weights seen from the gradient of the input. Row (tap, o)
 * begins at packed + (first + ty * step_y + tx * step_x) * tap_stride + o * row_stride.
 */
struct TapWeights {
  int first, step_y, step_x;
  int64_t tap_stride, row_stride;
};

template <int COLUMNS, int THREADS>
struct TapWeightOperand : ColumnTile<COLUMNS, THREADS> {
  typedef ColumnTile<COLUMNS, THREADS> Base;
  const elem* from;
  TapWeights weights;
  int columns, channels, taps_y, taps_x;
  TapPosition position[Base::PASSES];

  /* channels, taps: of the window of operand A */
  DEV_MEMBER void init(elem* shared, const elem* packed, const TapWeights& w, const Window& window,
                       int first, int column_count, int first_step) {
    this->slots = shared;
    from = packed + first + this->my_column();
    weights = w;
    columns = column_count - first - this->my_column();
    channels = window.channels;
    taps_y = window.taps_y, taps_x = window.taps_x;
#pragma unroll
    for (int pass = 0; pass < Base::PASSES; pass++)
      position[pass].start(first_step * FATHOM_GEMM_K + this->my_k() + pass * Base::PASS,
                           round_up_8(channels), max(taps_x, 1));
  }
  DEV_MEMBER void fetch(int step, int slot) {
    (void)step;
    elem* to = this->mine(slot);
    const int channels8 = round_up_8(channels);
#pragma unroll
    for (int pass = 0; pass < Base::PASSES; pass++) {
      TapPosition& p = position[pass];
      const bool exists = p.ty < taps_y && p.c < channels;
      const int64_t row =
          (weights.first + p.ty * weights.step_y + p.tx * weights.step_x) * weights.tap_stride +
          p.c * weights.row_stride;
      copy_async_8(to + pass * Base::PASS * Base::STRIDE, from + row, exists && columns > 0);
      p.advance(channels8, taps_x);
    }
  }
};

#endif
