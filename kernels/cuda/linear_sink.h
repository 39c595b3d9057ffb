/* The epilogue of linear layers. */
#ifndef FATHOM_CUDA_LINEAR_SINK_H
#define FATHOM_CUDA_LINEAR_SINK_H

#include "args_linear.h"
#include "gemm_tile.h"

/* y and pre_activation from the sums of 8 neighbours. */
struct LinearSink {
  const fathom_cuda_linear_args& args;
  TilePlace place;

  DEV_MEMBER void operator()(int row, int column, float (&v)[8]) const {
    const int r = place.row + row, c = place.column + column;
    if (r >= args.rows || c >= args.out) return;
    const int n = args.out - c;
    const bool whole = args.out % 8 == 0;
    const int64_t at = (int64_t)r * args.out + c;
    if (args.bias) {
      float bias[8];
      load_some(args.bias + c, n, whole, bias);
#pragma unroll
      for (int i = 0; i < 8; i++) v[i] += bias[i];
    }
    if (args.pre_activation) store_some((elem*)args.pre_activation + at, n, whole, v);
    activate(args.activation, v);
    if (args.scale) {
      float scale[8];
      load_some(args.scale + c, n, whole, scale);
#pragma unroll
      for (int i = 0; i < 8; i++) v[i] *= scale[i];
    }
    if (args.residual) {
      float residual[8];
      load_some((const elem*)args.residual + at, n, whole, residual);
#pragma unroll
      for (int i = 0; i < 8; i++) v[i] += residual[i];
    }
    store_some((elem*)args.y + at, n, whole, v);
  }
};

#endif
