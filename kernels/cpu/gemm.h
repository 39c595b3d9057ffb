/*
 * The register tile that linear layers, attention and convolutions share:
 *
 *     tile[MR][NR] = sum over k of a[k][MR] (column) * b[k][NR] (row)
 *
 * 14 x 32 with AVX-512 (28 accumulators of 32 registers), 6 x 16 with AVX2 (12 of 16), 6 x 8 elsewhere.
 * The accumulators have names: as an array GCC 12 keeps them in memory, at a third of the speed.
 * Per step of k: MR broadcasts, 2 loads, 2 MR multiply-adds.
 */
#ifndef FATHOM_GEMM_H
#define FATHOM_GEMM_H

#include "simd.h"

#if MR == 14
#define FATHOM_ROWS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13)
#else
#define FATHOM_ROWS(X) X(0) X(1) X(2) X(3) X(4) X(5)
#endif

/*
 * c[i][j] (row stride c_stride) = or += the product; a element (i, kk) is at a[i * a_row + kk * a_step],
 * which folds into the addressing when both are constants: (1, MR) for a packed panel.
 */
FATHOM_INLINE void gemm_tile(int64_t k, const float* restrict a, int64_t a_row, int64_t a_step,
                             const float* restrict b, float* restrict c, int64_t c_stride,
                             int accumulate) {
#define DECLARE(i) vf l##i = {0}, r##i = {0};
  FATHOM_ROWS(DECLARE)
#undef DECLARE
  for (int64_t kk = 0; kk < k; kk++) {
    vf bl = v_load(b), br = v_load(b + W);
#define STEP(i)                   \
  {                               \
    vf s = v_set(a[(i) * a_row]); \
    l##i += s * bl;               \
    r##i += s * br;               \
  }
    FATHOM_ROWS(STEP)
#undef STEP
    a += a_step;
    b += NR;
  }
  if (accumulate) {
#define ADD(i)                    \
  l##i += v_load(c + (i)*c_stride); \
  r##i += v_load(c + (i)*c_stride + W);
    FATHOM_ROWS(ADD)
#undef ADD
  }
#define STORE(i)                \
  v_store(c + (i)*c_stride, l##i); \
  v_store(c + (i)*c_stride + W, r##i);
  FATHOM_ROWS(STORE)
#undef STORE
}

#endif
