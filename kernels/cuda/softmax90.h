/* The softmax of attention90.cu: rows of scores in a warpgroup's accumulators, tile by tile. */
#ifndef FATHOM_CUDA_SOFTMAX90_H
#define FATHOM_CUDA_SOFTMAX90_H

#include "attention90.h"

constexpr int kKeys = 128; /* in a tile */

/*
 * 2^x for x <= 0, as 2^n times a polynomial on [-1/2,1/2] (minimax, relative error 7.5e-5, a
 * twentieth of bf16's rounding); 2^-126 for everything below.
 */
DEV float polynomial_exp2(float x) {
  x = fmaxf(x, -126.0f);
  const float shifted = x + 12582912.0f; /* 1.5 * 2^23: n in the low bits */
  const float r = x - (shifted - 12582912.0f);
  const float p =
      fmaf(fmaf(fmaf(0.0551716685f, r, 0.242611125f), r, 0.693260968f), r, 0.999928057f);
  return __int_as_float(__float_as_int(p) + (int)((unsigned)__float_as_int(shifted) << 23));
}

/* The softmax of a row so far; `sum` is over this thread's columns until the end. */
struct Row {
  float maximum, sum;
};

/*
 * Scores of a row to exp2(c * (score - maximum)), and the factor that what was summed before takes.
 * Rows are the elements of s with i / 2 % 2 = half; four threads share one.
 */
DEV float exponentiate(float (&s)[kKeys / 2], int half, float c, Row& row) {
  float maximum = row.maximum;
#pragma unroll
  for (int i = 0; i < kKeys / 2; i++)
    if (i / 2 % 2 == half) maximum = fmaxf(maximum, s[i]);
  maximum = fmaxf(maximum, __shfl_xor_sync(0xffffffffu, maximum, 1));
  maximum = fmaxf(maximum, __shfl_xor_sync(0xffffffffu, maximum, 2));
  const float shift = -c * maximum, rescale = fast_exp2(fmaf(c, row.maximum, shift));
  float sum = 0.0f;
#pragma unroll
  for (int i = 0; i < kKeys / 2; i++)
    if (i / 2 % 2 == half) {
      const float x = fmaf(c, s[i], shift);
      s[i] = i / 4 % 4 == 3 ? polynomial_exp2(x) : fast_exp2(x);
      sum += s[i];
    }
  row.sum = fmaf(row.sum, rescale, sum);
  row.maximum = maximum;
  return rescale;
}

struct Softmax {
  float c;
  bool negative;
  Row rows[2];

  /* Scores of a tile to probabilities, up to a factor for the row; the factors for the sums before.
   */
  DEV_MEMBER void apply(float (&s)[kKeys / 2], int left, float (&rescale)[2]) {
    if (negative) {
#pragma unroll
      for (int i = 0; i < kKeys / 2; i++) s[i] = -s[i];
    }
    if (left < kKeys) {
#pragma unroll
      for (int i = 0; i < kKeys / 2; i++)
        if (wgmma_column(i) >= left) s[i] = -INFINITY;
    }
#pragma unroll
    for (int half = 0; half < 2; half++) rescale[half] = exponentiate(s, half, c, rows[half]);
  }
};

#endif
