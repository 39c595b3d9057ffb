/* Where the sums of a convolution go: which pixel a tile's row is, and the epilogue. */
#ifndef FATHOM_CUDA_CONV_SINK_H
#define FATHOM_CUDA_CONV_SINK_H

#include "args_conv.h"
#include "conv_operand.h"
#include "gemm_sink.h"

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

/* activation(v + bias) + residual + residual2 for 8 channels of a pixel; those past `out` 0. */
template <class Order>
struct ConvSink {
  const fathom_cuda_conv2d_args& args;
  Order order;
  int first_column;
  struct Columns {
    float bias[8];
  };
  struct Before {
    int64_t pixel; /* -1: there is nothing to do */
    Eight residual, residual2;
  };

  DEV_MEMBER void load(int column, Columns& columns) const {
    const int c = first_column + column;
#pragma unroll
    for (int i = 0; i < 8; i++) columns.bias[i] = 0.0f;
    if (args.bias && c < args.out)
      load_some(args.bias + c, args.out - c, args.out % 8 == 0, columns.bias);
  }
  DEV_MEMBER void load(int row, int column, Before& before) const {
    const int c = first_column + column, n = args.out - c;
    const bool whole = args.out % 8 == 0;
    before.pixel = n > 0 ? order(row) : -1;
    zero(before.residual);
    zero(before.residual2);
    if (before.pixel < 0) return;
    const int64_t at = before.pixel * args.out + c;
    if (args.residual) load_some((const elem*)args.residual + at, n, whole, before.residual);
    if (args.residual2) load_some((const elem*)args.residual2 + at, n, whole, before.residual2);
  }
  DEV_MEMBER void complete(const Columns& columns, const Before& before, float (&v)[8]) const {
#pragma unroll
    for (int i = 0; i < 8; i++) v[i] += columns.bias[i];
    activate(args.activation, v);
#pragma unroll
    for (int i = 0; i < 8; i++) v[i] = v[i] + before.residual[i] + before.residual2[i];
  }
  DEV_MEMBER void finish(int, int column, const Columns& columns, const Before& before,
                         float (&v)[8]) const {
    const int c = first_column + column;
    if (before.pixel < 0) return;
    complete(columns, before, v);
    store_some((elem*)args.y + before.pixel * args.out + c, args.out - c, args.out % 8 == 0, v);
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
      const ConvSink<Order> channels = {args, order, 0};
      typename ConvSink<Order>::Columns columns;
      typename ConvSink<Order>::Before before;
      float weight[8];
      channels.load(c, columns);
      channels.load(row, c, before);
      channels.complete(columns, before, v);
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
    finish_tile<Tile>(sums, memory, at_once(ConvSink<Order>{args, order, first_column}));
}

/* dx = or += v for 8 channels of a pixel, 0 where the gate is closed. */
template <class Order>
struct ConvDxSink {
  const fathom_cuda_conv2d_dx_args& args;
  Order order;
  int first_column;
  struct Columns {};
  struct Before {
    int64_t pixel; /* -1: there is nothing to do */
    Eight gate, old;
  };

  DEV_MEMBER void load(int, Columns&) const {}
  DEV_MEMBER void load(int row, int column, Before& before) const {
    const int c = first_column + column, n = args.in - c;
    const bool whole = args.in % 8 == 0;
    before.pixel = n > 0 ? order(row) : -1;
    zero(before.gate);
    zero(before.old);
    if (before.pixel < 0) return;
    const int64_t at = before.pixel * args.in + c;
    if (args.gate) load_some((const elem*)args.gate + at, n, whole, before.gate);
    if (args.accumulate) load_some((const elem*)args.dx + at, n, whole, before.old);
  }
  DEV_MEMBER void finish(int, int column, const Columns&, const Before& before,
                         float (&v)[8]) const {
    const int c = first_column + column;
    if (before.pixel < 0) return;
    if (args.gate) {
#pragma unroll
      for (int i = 0; i < 8; i++) v[i] = before.gate[i] > 0.0f ? v[i] : 0.0f;
    }
#pragma unroll
    for (int i = 0; i < 8; i++) v[i] += before.old[i];
    store_some((elem*)args.dx + before.pixel * args.in + c, args.in - c, args.in % 8 == 0, v);
  }
};

#endif
