/* Where the sums of a convolution go: which pixel a tile's row is, and the epilogue. */
#ifndef FATHOM_CUDA_CONV_SINK_H
#define FATHOM_CUDA_CONV_SINK_H

#include "args_conv.h"
#include "conv_operand.h"

/* A tile's rows are neighbours among all pixels. A pixel that does not exist is -1. */
struct PixelsInOrder {
  int64_t first, pixels;
  DEV_MEMBER int64_t operator()(int row) const { return first + row < pixels ? first + row : -1; }
};

/* A tile's rows are 8 rows of 16 pixels each of a map. */
struct PixelsOfPatch {
  int b, y, x, height, width;
  DEV_MEMBER int64_t operator()(int row) const {
    const int py = y + row / FATHOM_PATCH_WIDTH, px = x + row % FATHOM_PATCH_WIDTH;
    return py < height && px < width ? ((int64_t)b * height + py) * width + px : -1;
  }
};

/* A tile's rows are neighbours among the pixels whose row and column have a given parity. */
struct PixelsOfParity {
  int64_t first, pixels;
  int class_height, class_width, parity_y, parity_x, height, width;
  DEV_MEMBER int64_t operator()(int row) const {
    if (first + row >= pixels) return -1;
    Pixel p;
    p.start(first + row, class_height, class_width);
    return ((int64_t)p.b * height + 2 * p.y + parity_y) * width + 2 * p.x + parity_x;
  }
};

/* Parts of sums: partial [splits][pixels][columns]. */
template <class Order>
struct PartialPixelSink {
  float* partial;
  Order order;
  int first_column;
  int64_t pixels;
  int columns;
  DEV_MEMBER void operator()(int row, int column, const float (&v)[8]) const {
    const int64_t pixel = order(row);
    const int c = first_column + column;
    if (pixel < 0 || c >= columns) return;
    store_some(partial + (blockIdx.y * pixels + pixel) * columns + c, columns - c, columns % 8 == 0,
               v);
  }
};

/* v = activation(v + bias) + residual + residual2 for 8 channels from c of a pixel; those past
 * `out` 0. */
DEV void finish_channels(const fathom_cuda_conv2d_args& args, int64_t pixel, int c, float (&v)[8]) {
  const int n = args.out - c;
  const bool whole = args.out % 8 == 0;
  const int64_t at = pixel * args.out + c;
  float other[8];
  if (args.bias) {
    load_some(args.bias + c, n, whole, other);
#pragma unroll
    for (int i = 0; i < 8; i++) v[i] += other[i];
  }
  activate(args.activation, v);
  if (args.residual) {
    load_some((const elem*)args.residual + at, n, whole, other);
#pragma unroll
    for (int i = 0; i < 8; i++) v[i] += other[i];
  }
  if (args.residual2) {
    load_some((const elem*)args.residual2 + at, n, whole, other);
#pragma unroll
    for (int i = 0; i < 8; i++) v[i] += other[i];
  }
}

template <class Order>
struct ConvSink {
  const fathom_cuda_conv2d_args& args;
  Order order;
  int first_column;
  DEV_MEMBER void operator()(int row, int column, float (&v)[8]) const {
    const int64_t pixel = order(row);
    const int c = first_column + column;
    if (pixel < 0 || c >= args.out) return;
    finish_channels(args, pixel, c, v);
    store_some((elem*)args.y + pixel * args.out + c, args.out - c, args.out % 8 == 0, v);
  }
};

/* The channels reduced to one: the lanes that share a pixel add up what they have of it. */
template <class Tile, class Order>
struct ProjectSink {
  const fathom_cuda_conv2d_args& args;
  Order order;
  DEV_MEMBER void operator()(int row, int c, float (&v)[8]) const {
    const int64_t pixel = order(row);
    float sum = 0.0f;
    if (pixel >= 0 && c < args.out) {
      float weight[8];
      finish_channels(args, pixel, c, v);
      load_some(args.project_weight + c, args.out - c, args.out % 8 == 0, weight);
#pragma unroll
      for (int i = 0; i < 8; i++)
        if (c + i < args.out) sum += v[i] * weight[i];
    }
    sum = warp_reduce<Add, Tile::N / 8>(sum);
    if (pixel < 0 || c > 0) return;
    sum += args.project_bias[0];
    if (args.project_activation == ACTIVATION_RELU) sum = sum <= 0.0f ? 0.0f : sum;
    if (args.project_activation == ACTIVATION_SIGMOID) sum = sigmoid(sum);
    ((float*)args.y)[pixel] = args.project_scale * sum;
  }
};

template <class Tile, class Order>
DEV void finish_convolution(const GemmSums<Tile>& sums, unsigned char* memory,
                            const fathom_cuda_conv2d_args& args, const Order& order,
                            int first_column) {
  if (args.project_weight)
    finish_tile<Tile>(sums, memory, ProjectSink<Tile, Order>{args, order});
  else
    finish_tile<Tile>(sums, memory, ConvSink<Order>{args, order, first_column});
}

/* dx = or += v for 8 channels of a pixel, 0 where the gate is closed. */
template <class Order>
struct ConvDxSink {
  const fathom_cuda_conv2d_dx_args& args;
  Order order;
  int first_column;
  DEV_MEMBER void operator()(int row, int column, float (&v)[8]) const {
    const int64_t pixel = order(row);
    const int c = first_column + column, n = args.in - c;
    if (pixel < 0 || n <= 0) return;
    const bool whole = args.in % 8 == 0;
    const int64_t at = pixel * args.in + c;
    float other[8];
    if (args.gate) {
      load_some((const elem*)args.gate + at, n, whole, other);
#pragma unroll
      for (int i = 0; i < 8; i++) v[i] = other[i] > 0.0f ? v[i] : 0.0f;
    }
    elem* dx = (elem*)args.dx + at;
    if (args.accumulate) {
      load_some(dx, n, whole, other);
#pragma unroll
      for (int i = 0; i < 8; i++) v[i] += other[i];
    }
    store_some(dx, n, whole, v);
  }
};

#endif
