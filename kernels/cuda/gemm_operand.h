/* Operands of products (gemm_tile.h) that are plain matrices. */
#ifndef FATHOM_CUDA_GEMM_OPERAND_H
#define FATHOM_CUDA_GEMM_OPERAND_H

#include "args_gemm.h"
#include "dev.h"

/* 8 elements to shared memory, the first n of which exist. Aligned: n is 8, or <= 0 for zeros. */
template <bool ALIGNED>
DEV void fetch_8(elem* to, const elem* from, int n) {
  if (ALIGNED) {
    copy_async_8(to, from, n > 0);
  } else {
    for (int i = 0; i < 8; i++) to[i] = i < n ? from[i] : from_float<elem>(0.0f);
  }
}

/* ROWS rows of a matrix whose K is contiguous: A as [M,K] or B as [N,K]. Past the end it is 0. */
template <int ROWS, int THREADS, bool ALIGNED>
struct RowOperand {
  static constexpr int STRIDE = FATHOM_GEMM_K + FATHOM_GEMM_PAD;
  static constexpr int CHUNKS = FATHOM_GEMM_K / 8;
  static constexpr int PASS = THREADS / CHUNKS; /* rows that the block copies at a time */
  elem* slots;
  const elem* from;
  int64_t pass_stride;
  int rows, depth; /* left from this thread's place on */
  int at;

  DEV_MEMBER void init(elem* shared, const elem* matrix, int64_t stride, int first, int row_count,
                       int k_count) {
    const int row = (int)threadIdx.x / CHUNKS, chunk = (int)threadIdx.x % CHUNKS * 8;
    slots = shared;
    at = row * STRIDE + chunk;
    from = matrix + (int64_t)(first + row) * stride + chunk;
    pass_stride = PASS * stride;
    rows = row_count - first - row;
    depth = k_count - chunk;
  }
  DEV_MEMBER void fetch(int step, int slot) {
    elem* to = slots + slot * (ROWS * STRIDE) + at;
    const int k = step * FATHOM_GEMM_K;
#pragma unroll
    for (int pass = 0; pass < ROWS / PASS; pass++)
      fetch_8<ALIGNED>(to + pass * PASS * STRIDE, from + pass * pass_stride + k,
                       pass * PASS < rows ? depth - k : 0);
  }
  DEV_MEMBER const elem* tile(int step, int slot) const {
    (void)step;
    return slots + slot * (ROWS * STRIDE);
  }
  DEV_MEMBER void load(FragA& a, const elem* tile, int row, int k) const {
    load_a(a, tile + row * STRIDE + k, STRIDE);
  }
  DEV_MEMBER void load(FragB (&b)[2], const elem* tile, int column, int k) const {
    load_b_pair(b, tile + column * STRIDE + k, STRIDE);
  }
};

/* How [32][COLUMNS] of a step, stored with columns contiguous, are shared among the threads. */
template <int COLUMNS, int THREADS>
struct ColumnTile {
  static constexpr int STRIDE = COLUMNS + FATHOM_GEMM_PAD;
  static constexpr int CHUNKS = COLUMNS / 8;
  static constexpr int PASS = THREADS / CHUNKS; /* k that the block copies at a time */
  static constexpr int PASSES = FATHOM_GEMM_K / PASS;
  static constexpr int SLOT = COLUMNS * (FATHOM_GEMM_K + FATHOM_GEMM_PAD);
  static_assert(PASSES >= 1 && PASSES * PASS == FATHOM_GEMM_K, "the block copies whole rows");
  elem* slots;

  DEV_MEMBER int my_k() const { return (int)threadIdx.x / CHUNKS; }
  DEV_MEMBER int my_column() const { return (int)threadIdx.x % CHUNKS * 8; }
  /* Where this thread puts its chunk of pass 0. */
  DEV_MEMBER elem* mine(int slot) const {
    return slots + slot * SLOT + my_k() * STRIDE + my_column();
  }
  DEV_MEMBER const elem* tile(int step, int slot) const {
    (void)step;
    return slots + slot * SLOT;
  }
  DEV_MEMBER void load(FragA& a, const elem* tile, int row, int k) const {
    load_a_transposed(a, tile + k * STRIDE + row, STRIDE);
  }
  DEV_MEMBER void load(FragB (&b)[2], const elem* tile, int column, int k) const {
    load_b_transposed_pair(b, tile + k * STRIDE + column, STRIDE);
  }
};

/* COLUMNS columns of a matrix stored as [K,M] (A) or [K,N] (B). Past the end it is 0. */
template <int COLUMNS, int THREADS, bool ALIGNED>
struct ColumnOperand : ColumnTile<COLUMNS, THREADS> {
  typedef ColumnTile<COLUMNS, THREADS> Base;
  const elem* from;
  int64_t row_stride;
  int columns, depth;

  DEV_MEMBER void init(elem* shared, const elem* matrix, int64_t stride, int first,
                       int column_count, int k_count) {
    this->slots = shared;
    from = matrix + this->my_k() * stride + first + this->my_column();
    row_stride = stride;
    columns = column_count - first - this->my_column();
    depth = k_count - this->my_k();
  }
  DEV_MEMBER void fetch(int step, int slot) {
    elem* to = this->mine(slot);
    const int k = step * FATHOM_GEMM_K;
#pragma unroll
    for (int pass = 0; pass < Base::PASSES; pass++)
      fetch_8<ALIGNED>(to + pass * Base::PASS * Base::STRIDE,
                       from + (k + pass * Base::PASS) * row_stride,
                       k + pass * Base::PASS < depth ? columns : 0);
  }
};

#endif
