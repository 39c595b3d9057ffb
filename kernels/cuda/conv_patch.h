/*
 * Operands of a 3x3 convolution with stride 1 that computes 8 x 16 output pixels in a block: the 10
 * x 18 pixels under them lie in shared memory, 32 channels at a time, and the nine taps read them
 * from there. A step of K is (32 channels, tap), with the taps running fastest.
 */
#ifndef FATHOM_CUDA_CONV_PATCH_H
#define FATHOM_CUDA_CONV_PATCH_H

#include "conv_sink.h"

enum {
  PATCH_ROWS = FATHOM_PATCH_HEIGHT + 2,
  PATCH_COLUMNS = FATHOM_PATCH_WIDTH + 2,
  PATCH_STRIDE = FATHOM_GEMM_K + FATHOM_GEMM_PAD,
  PATCH_SLOT = PATCH_ROWS * PATCH_COLUMNS * PATCH_STRIDE
};

/* Which 8 x 16 pixels of which map a block has. */
DEV PixelsOfPatch patch_place(int height, int width, int tiles_across_channels) {
  const int tile = (int)blockIdx.x / tiles_across_channels;
  const int down = ceil_div(height, FATHOM_PATCH_HEIGHT),
            across = ceil_div(width, FATHOM_PATCH_WIDTH);
  PixelsOfPatch p;
  p.b = tile / (down * across);
  p.y = tile / across % down * FATHOM_PATCH_HEIGHT;
  p.x = tile % across * FATHOM_PATCH_WIDTH;
  p.height = height;
  p.width = width;
  return p;
}

/* Fragments of the patch; of its two slots one can be filled while the other is in use. */
struct PatchOperand {
  elem* slots;
  DEV_MEMBER const elem* tile(int step, int slot) const {
    (void)slot;
    const int tap = step % 9;
    return slots + (step / 9 & 1) * PATCH_SLOT + (tap / 3 * PATCH_COLUMNS + tap % 3) * PATCH_STRIDE;
  }
  /* 16 rows of the product are 16 neighbours in a row of the patch. */
  DEV_MEMBER void load(FragA& a, const elem* tile, int row, int k) const {
    load_a(a, tile + row / FATHOM_PATCH_WIDTH * (PATCH_COLUMNS * PATCH_STRIDE) + k, PATCH_STRIDE);
  }
};

/* The patch of a map as it is; channels are a multiple of 8. */
template <int THREADS>
struct MapPatch : PatchOperand {
  const elem* map; /* picture b */
  int top, left, height, width, channels;

  DEV_MEMBER void init(elem* shared, const elem* x, const PixelsOfPatch& place, int channel_count) {
    slots = shared;
    map = x + (int64_t)place.b * place.height * place.width * channel_count;
    top = place.y - 1, left = place.x - 1;
    height = place.height, width = place.width;
    channels = channel_count;
  }
  DEV_MEMBER void fetch(int step, int slot) {
    (void)slot;
    if (step % 9 != 0) return;
    const int first = step / 9 * FATHOM_GEMM_K;
    elem* to = slots + (step / 9 & 1) * PATCH_SLOT;
#pragma unroll 1
    for (int i = (int)threadIdx.x; i < PATCH_ROWS * PATCH_COLUMNS * 4; i += THREADS) {
      const int pixel = i / 4, chunk = i % 4 * 8;
      const int y = top + pixel / PATCH_COLUMNS, x = left + pixel % PATCH_COLUMNS;
      const bool exists = (unsigned)y < (unsigned)height && (unsigned)x < (unsigned)width &&
                          first + chunk < channels;
      copy_async_8(to + pixel * PATCH_STRIDE + chunk,
                   map + ((int64_t)y * width + x) * channels + first + chunk, exists);
    }
  }
};

/* Position o of `out` in a line of `source` pixels, align_corners: index + fraction, exact in
 * integers. */
struct LinePosition {
  int index;
  float fraction;
};
DEV LinePosition line_position(int o, int source, int out) {
  const int64_t numerator = out > 1 ? (int64_t)o * (source - 1) : 0;
  const int denominator = out > 1 ? out - 1 : 1;
  LinePosition p;
  p.index = (int)(numerator / denominator);
  p.fraction = (float)(int)(numerator % denominator) / (float)denominator;
  return p;
}

/* The patch of a map that is resized as it is read. */
template <int THREADS>
struct ResizedPatch : PatchOperand {
  const elem* source; /* picture b */
  const LinePosition*
      lines; /* of the patch's rows, then columns, in shared memory; index -1: outside */
  int height, width, channels; /* of the source */

  DEV_MEMBER void init(elem* shared, LinePosition* shared_lines, const elem* x,
                       const PixelsOfPatch& place, int source_height, int source_width,
                       int channel_count) {
    slots = shared;
    source = x + (int64_t)place.b * source_height * source_width * channel_count;
    height = source_height, width = source_width;
    channels = channel_count;
    lines = shared_lines;
    const int i = (int)threadIdx.x;
    if (i < PATCH_ROWS + PATCH_COLUMNS) {
      const bool row = i < PATCH_ROWS;
      const int o = row ? place.y - 1 + i : place.x - 1 + i - PATCH_ROWS;
      const int extent = row ? place.height : place.width;
      LinePosition p = {-1, 0.0f};
      if (o >= 0 && o < extent) p = line_position(o, row ? source_height : source_width, extent);
      shared_lines[i] = p;
    }
    __syncthreads();
  }
  DEV_MEMBER void fetch(int step, int slot) {
    (void)slot;
    if (step % 9 != 0) return;
    const int first = step / 9 * FATHOM_GEMM_K;
    const bool whole = channels % 8 == 0;
    elem* to = slots + (step / 9 & 1) * PATCH_SLOT;
#pragma unroll 1
    for (int i = (int)threadIdx.x; i < PATCH_ROWS * PATCH_COLUMNS * 4; i += THREADS) {
      const int pixel = i / 4, chunk = i % 4 * 8, n = channels - first - chunk;
      const LinePosition row = lines[pixel / PATCH_COLUMNS];
      const LinePosition column = lines[PATCH_ROWS + pixel % PATCH_COLUMNS];
      float v[8] = {0, 0, 0, 0, 0, 0, 0, 0};
      if (row.index >= 0 && column.index >= 0 && n > 0) {
        const elem* upper =
            source + ((int64_t)row.index * width + column.index) * channels + first + chunk;
        const elem* lower = row.index + 1 < height ? upper + (int64_t)width * channels : upper;
        const int right = column.index + 1 < width ? channels : 0;
        float a[8], b[8];
        load_some(upper, n, whole, a);
        load_some(upper + right, n, whole, b);
        blend(a, b, column.fraction, v);
        load_some(lower, n, whole, a);
        load_some(lower + right, n, whole, b);
        blend(a, b, column.fraction, a);
        blend(v, a, row.fraction, v);
      }
      store_8(to + pixel * PATCH_STRIDE + chunk, v);
    }
  }

 private:
  /* to = (1 - f) * a + f * b */
  static DEV_MEMBER void blend(const float (&a)[8], const float (&b)[8], float f, float (&to)[8]) {
#pragma unroll
    for (int i = 0; i < 8; i++) to[i] = (1.0f - f) * a[i] + f * b[i];
  }
};

/* Operand B [N][tap,channel] in the patch's order of steps: the rows of a packed weight. */
template <int ROWS, int THREADS>
struct PatchWeightRows {
  static constexpr int STRIDE = FATHOM_GEMM_K + FATHOM_GEMM_PAD;
  static constexpr int PASS = THREADS / 4;
  elem* slots;
  const elem* from;
  int tap_stride, rows, channels8, at;

  DEV_MEMBER void init(elem* shared, const elem* packed, int in8, int first, int row_count) {
    const int row = (int)threadIdx.x / 4, chunk = (int)threadIdx.x % 4 * 8;
    slots = shared;
    tap_stride = in8;
    from = packed + (int64_t)(first + row) * 9 * in8 + chunk;
    rows = row_count - first - row;
    channels8 = in8 - chunk;
    at = row * STRIDE + chunk;
  }
  DEV_MEMBER void fetch(int step, int slot) {
    elem* to = slots + slot * (ROWS * STRIDE) + at;
    const int first = step / 9 * FATHOM_GEMM_K;
    const elem* p = from + step % 9 * tap_stride + first;
#pragma unroll
    for (int pass = 0; pass < ROWS / PASS; pass++)
      copy_async_8(to + pass * PASS * STRIDE, p + pass * PASS * 9 * tap_stride,
                   pass * PASS < rows && first < channels8);
  }
  DEV_MEMBER const elem* tile(int step, int slot) const {
    (void)step;
    return slots + slot * (ROWS * STRIDE);
  }
  DEV_MEMBER void load(FragB (&b)[2], const elem* tile, int column, int k) const {
    load_b_pair(b, tile + column * STRIDE + k, STRIDE);
  }
};

/* Operand B [tap,channel][N] in the patch's order, for the adjoint: taps turned round, K being
 * `out`. */
template <int COLUMNS, int THREADS>
struct PatchWeightColumns : ColumnTile<COLUMNS, THREADS> {
  typedef ColumnTile<COLUMNS, THREADS> Base;
  const elem* from;
  int in8, columns, out;

  DEV_MEMBER void init(elem* shared, const elem* packed, int column_count8, int first,
                       int out_count) {
    this->slots = shared;
    in8 = column_count8;
    from = packed + (int64_t)this->my_k() * 9 * in8 + first + this->my_column();
    columns = in8 - first - this->my_column();
    out = out_count - this->my_k();
  }
  DEV_MEMBER void fetch(int step, int slot) {
    elem* to = this->mine(slot);
    const int first = step / 9 * FATHOM_GEMM_K, tap = 8 - step % 9;
    const elem* p = from + (int64_t)first * 9 * in8 + tap * in8;
#pragma unroll
    for (int pass = 0; pass < Base::PASSES; pass++)
      copy_async_8(to + pass * Base::PASS * Base::STRIDE,
                   p + (int64_t)(pass * Base::PASS) * 9 * in8,
                   columns > 0 && first + pass * Base::PASS < out);
  }
};

/* Shared memory of the patch kernels: two patches, the weight's slots, the lines. */
template <class Tile>
struct PatchMemory {
  static_assert(Tile::M == FATHOM_PATCH_HEIGHT * FATHOM_PATCH_WIDTH, "rows are the patch's pixels");
  static_assert(Tile::M * Tile::C_STRIDE * 4 <=
                    (2 * PATCH_SLOT + FATHOM_GEMM_STAGES * Tile::B_SLOT) * 2 + 256,
                "C fits");
  static DEV_MEMBER elem* weights(unsigned char* memory) { return (elem*)memory + 2 * PATCH_SLOT; }
  static DEV_MEMBER LinePosition* lines(unsigned char* memory) {
    return (LinePosition*)(weights(memory) + FATHOM_GEMM_STAGES * Tile::B_SLOT);
  }
};

#endif
