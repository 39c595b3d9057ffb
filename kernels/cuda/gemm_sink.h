/*
 * What a product's epilogue is made of. A sink takes 8 neighbours of a row of C:
 *
 *   Columns, load(column, columns)       what depends on the column alone: bias, scale
 *   Before, load(row, column, before)    what it reads for these 8 elements: residual, old sums
 *   finish(row, column, columns, before, v)
 *
 * so that a kernel can start the loads early. At once: sink(row, column, v), by AtOnce.
 */
#ifndef FATHOM_CUDA_GEMM_SINK_H
#define FATHOM_CUDA_GEMM_SINK_H

#include "gemm_tile.h"

/* 8 neighbouring activations as they are stored. */
struct alignas(16) Eight {
  elem v[8];
  DEV_MEMBER float operator[](int i) const { return to_float(v[i]); }
};
DEV void zero(Eight& e) {
#pragma unroll
  for (int i = 0; i < 8; i++) e.v[i] = from_float<elem>(0.0f);
}
/* The first n of them, the others 0; whole as in gemm_tile.h. */
DEV void load_some(const elem* p, int n, bool whole, Eight& e) {
  if (whole) {
    uint4* to = (uint4*)e.v;
    to[0] = load_16_bytes(p);
    if constexpr (sizeof(elem) == 4) to[1] = load_16_bytes(p + 4);
  } else {
#pragma unroll
    for (int i = 0; i < 8; i++) e.v[i] = i < n ? p[i] : from_float<elem>(0.0f);
  }
}

template <class Sink>
struct AtOnce {
  Sink sink;
  DEV_MEMBER void operator()(int row, int column, float (&v)[8]) const {
    typename Sink::Columns columns;
    typename Sink::Before before;
    sink.load(column, columns);
    sink.load(row, column, before);
    sink.finish(row, column, columns, before, v);
  }
};
template <class Sink>
DEV AtOnce<Sink> at_once(const Sink& sink) {
  return AtOnce<Sink>{sink};
}

#endif
