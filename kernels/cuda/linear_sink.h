/* The epilogues of linear layers and their gradients (gemm_sink.h). */
#ifndef FATHOM_CUDA_LINEAR_SINK_H
#define FATHOM_CUDA_LINEAR_SINK_H

#include "args_linear.h"
#include "gemm_sink.h"

/* y and pre_activation. */
struct LinearSink {
  const fathom_cuda_linear_args& args;
  TilePlace place;
  struct Columns {
    float bias[8], scale[8];
  };
  typedef Eight Before; /* the residual */

  DEV_MEMBER void load(int column, Columns& columns) const {
    const int c = place.column + column;
    const bool whole = args.out % 8 == 0;
#pragma unroll
    for (int i = 0; i < 8; i++) columns.bias[i] = 0.0f, columns.scale[i] = 1.0f;
    if (c >= args.out) return;
    if (args.bias) load_some(args.bias + c, args.out - c, whole, columns.bias);
    if (args.scale) load_some(args.scale + c, args.out - c, whole, columns.scale);
  }
  DEV_MEMBER void load(int row, int column, Before& residual) const {
    const int r = place.row + row, c = place.column + column;
    zero(residual);
    if (args.residual && r < args.rows && c < args.out)
      load_some((const elem*)args.residual + (int64_t)r * args.out + c, args.out - c,
                args.out % 8 == 0, residual);
  }
  DEV_MEMBER void finish(int row, int column, const Columns& columns, const Before& residual,
                         float (&v)[8]) const {
    const int r = place.row + row, c = place.column + column;
    if (r >= args.rows || c >= args.out) return;
    const int n = args.out - c;
    const bool whole = args.out % 8 == 0;
    const int64_t at = (int64_t)r * args.out + c;
#pragma unroll
    for (int i = 0; i < 8; i++) v[i] += columns.bias[i];
    if (args.pre_activation) store_some((elem*)args.pre_activation + at, n, whole, v);
    activate(args.activation, v);
#pragma unroll
    for (int i = 0; i < 8; i++) v[i] = fmaf(v[i], columns.scale[i], residual[i]);
    store_some((elem*)args.y + at, n, whole, v);
  }
};

/* dx, or what is added to it. */
struct DxSink {
  const fathom_cuda_linear_dx_args& args;
  TilePlace place;
  struct Columns {};
  typedef Eight Before; /* dx, to be added to */

  DEV_MEMBER void load(int, Columns&) const {}
  DEV_MEMBER void load(int row, int column, Before& old) const {
    const int r = place.row + row, c = place.column + column;
    zero(old);
    if (args.accumulate && r < args.rows && c < args.in)
      load_some((const elem*)args.dx + (int64_t)r * args.in + c, args.in - c, args.in % 8 == 0,
                old);
  }
  DEV_MEMBER void finish(int row, int column, const Columns&, const Before& old,
                         float (&v)[8]) const {
    const int r = place.row + row, c = place.column + column;
    if (r >= args.rows || c >= args.in) return;
#pragma unroll
    for (int i = 0; i < 8; i++) v[i] += old[i];
    store_some((elem*)args.dx + (int64_t)r * args.in + c, args.in - c, args.in % 8 == 0, v);
  }
};

/* d_weight += scale * G. */
struct WeightSink {
  const fathom_cuda_linear_d_weight_args& args;
  TilePlace place;
  struct Columns {};
  struct Before {
    float scale, d_weight[8];
  };

  DEV_MEMBER void load(int, Columns&) const {}
  DEV_MEMBER void load(int row, int column, Before& before) const {
    const int o = place.row + row, k = place.column + column;
    before = {};
    if (o >= args.out || k >= args.in) return;
    before.scale = args.scale ? args.scale[o] : 1.0f;
    load_some(args.d_weight + (int64_t)o * args.in + k, args.in - k, args.in % 8 == 0,
              before.d_weight);
  }
  DEV_MEMBER void finish(int row, int column, const Columns&, const Before& before,
                         float (&v)[8]) const {
    const int o = place.row + row, k = place.column + column;
    if (o >= args.out || k >= args.in) return;
#pragma unroll
    for (int i = 0; i < 8; i++) v[i] = fmaf(before.scale, v[i], before.d_weight[i]);
    store_some(args.d_weight + (int64_t)o * args.in + k, args.in - k, args.in % 8 == 0, v);
  }
};

#endif
