/*
 * What attention and its gradient share: exponentials of scores, packing, the sum in a register tile.
 */
#ifndef FATHOM_ATTENTION_H
#define FATHOM_ATTENTION_H

#include "gemm.h"
#include "internal.h"
#include "simd.h"

#define FLOOR -100.0f /* terms of the softmax are at least 2^FLOOR */

/*
 * 2^x for x below about 100, relative error below 2e-7; NaN for NaN. A degree 5 minimax polynomial on
 * an interval of length 1, with 1 as its constant.
 *
 * Below FLOOR it is 2^FLOOR, which is nothing next to a row's sum of 1 or more. Denormal terms would
 * cost a hundred cycles each in the products that follow: scores that spread over 100 and more made
 * everything 30 times slower.
 */
FATHOM_INLINE vf exp2_terms(vf x) {
  x = v_max(v_set(FLOOR), x);
#if FATHOM_ISA_LEVEL == 3
  /* r = x - floor(x); scalef takes the floor of its exponent. */
  vf r = (vf)_mm512_reduce_ps((__m512)x, 1);
  vf p = v_set(1.8671304e-3f);
  p = p * r + 9.01702978e-3f;
  p = p * r + 5.57999127e-2f;
  p = p * r + 2.40164444e-1f;
  p = p * r + 6.93151295e-1f;
  p = p * r + 1.0f;
  return (vf)_mm512_scalef_ps((__m512)p, (__m512)x);
#else
  /*
   * Adding magic rounds to an integer n and leaves n + 127, the exponent's bits of 2^n, at the bottom.
   * The product with 2^n, rather than a sum of bits, keeps NaN.
   */
  const vf magic = v_set(12582912.0f + 127.0f);
  vf shifted = x + magic;
  vf r = x - (shifted - magic);
  vf p = v_set(1.32647273e-3f);
  p = p * r + 9.67151299e-3f;
  p = p * r + 5.55073358e-2f;
  p = p * r + 2.40222424e-1f;
  p = p * r + 6.93147004e-1f;
  p = p * r + 1.0f;
  return p * (vf)((vi)shifted << 23);
#endif
}

/* ---- packing ---- */

/*
 * Asks for n rows of head_dim floats ahead of their use. Every row of a head lies on another page,
 * where the hardware does not look ahead: without this, packing mostly waits for memory.
 */
FATHOM_INLINE void fetch_rows(const float* row, int64_t stride, int64_t n, int64_t head_dim,
                              const int write) {
  for (int64_t i = 0; i < n; i++, row += stride) {
    for (int64_t d = 0; d < head_dim; d += 64 / sizeof(float)) {
      if (write)
        __builtin_prefetch(row + d, 1);
      else
        __builtin_prefetch(row + d, 0, 2);
    }
  }
}

/* W x W in place: log2 W perfect shuffles of the elements. */
FATHOM_INLINE void transpose(vf* rows) {
#if W == 16
  const vi low = {0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23};
#elif W == 8
  const vi low = {0, 8, 1, 9, 2, 10, 3, 11};
#else
  const vi low = {0, 4, 1, 5};
#endif
  const vi high = low + W / 2;
  for (int stage = 1; stage < W; stage *= 2) {
    vf next[W];
    for (int i = 0; i < W / 2; i++) {
      next[2 * i] = __builtin_shuffle(rows[i], rows[i + W / 2], low);
      next[2 * i + 1] = __builtin_shuffle(rows[i], rows[i + W / 2], high);
    }
    memcpy(rows, next, sizeof next);
  }
}

/* Up to NR keys [n][D] (row stride in floats) -> panel [D][NR], zeros past n. */
__attribute__((unused)) static void pack_keys(const float* k, int64_t stride, int64_t n,
                                              int64_t head_dim, float* panel) {
  for (int64_t half = 0; half < 2; half++) {
    for (int64_t d = 0; d < head_dim; d += W) {
      vf rows[W];
      int64_t width = fathom_min(W, head_dim - d);
      for (int64_t i = 0; i < W; i++) {
        int64_t key = half * W + i;
        rows[i] = key >= n     ? v_set(0.0f)
                  : width == W ? v_load(k + key * stride + d)
                               : v_load_part(k + key * stride + d, width);
      }
      transpose(rows);
      for (int64_t i = 0; i < width; i++) v_store(panel + (d + i) * NR + half * W, rows[i]);
    }
  }
}

/* n rows [n][D] times factor -> the same rows of every panel [T][NR], zeros past D. */
__attribute__((unused)) static void pack_rows(const float* from, int64_t stride, int64_t n,
                                              int64_t head_dim, float factor, float* panel,
                                              int64_t panel_floats) {
  for (int64_t d = 0; d < head_dim; d += W) {
    float* column = panel + d / NR * panel_floats + d % NR;
    int64_t width = fathom_min(W, head_dim - d);
    for (int64_t i = 0; i < n; i++)
      v_store(column + i * NR, v_load_some(from + i * stride + d, width) * factor);
  }
  if ((head_dim + W - 1) / W % 2 != 0) {
    float* column = panel + head_dim / NR * panel_floats + W;
    for (int64_t i = 0; i < n; i++) v_store(column + i * NR, v_set(0.0f));
  }
}

/* ---- products ---- */

/*
 * gemm_tile's accumulators l0, r0, l1, ... and sum over k, a element (i, k) at a[i * a_row + k *
 * a_step]. As macros, because the scores must stay in the registers; unrolled, because with AVX2 the
 * loop's own instructions are what limits otherwise (84 instead of 97% of the peak).
 */
#define ZERO(i) vf l##i = {0}, r##i = {0};
#define MULTIPLY(steps, a, a_row, a_step, b)               \
  {                                                        \
    const float *a_ = (a), *b_ = (b);                      \
    const int64_t steps_ = (steps);                        \
    _Pragma("GCC unroll 4")                                \
    for (int64_t i_ = 0; i_ < steps_; i_++, b_ += NR) {    \
      const vf bl = v_load(b_), br = v_load(b_ + W);       \
      const int64_t a_row_ = (a_row), a_step_ = (a_step);  \
      FATHOM_ROWS(MULTIPLY_ROW)                            \
    }                                                      \
  }
#define MULTIPLY_ROW(i)                                \
  {                                                    \
    const vf s = v_set(a_[(i)*a_row_ + i_ * a_step_]); \
    l##i += s * bl;                                    \
    r##i += s * br;                                    \
  }

/* ---- arguments ---- */

/* a * b, or -1 where it does not fit. */
FATHOM_INLINE int64_t product(int64_t a, int64_t b) {
  int64_t r;
  return a < 0 || b < 0 || __builtin_mul_overflow(a, b, &r) ? -1 : r;
}

#endif
