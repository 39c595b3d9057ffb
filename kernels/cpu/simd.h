/*
 * One source, several instruction sets: every operator family is compiled once per set with
 * FATHOM_ISA_LEVEL defined (1 portable, 2 AVX2 + FMA, 3 AVX-512) and written with the compiler's
 * vector extensions on `vf`, W floats wide. FN(x) gives each copy its own name.
 */
#ifndef FATHOM_SIMD_H
#define FATHOM_SIMD_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#ifndef FATHOM_ISA_LEVEL
#error "compile with -DFATHOM_ISA_LEVEL=1, 2 or 3"
#endif

/* W: floats in a vector. MR x NR: the GEMM register tile, NR = 2 W. */
#if FATHOM_ISA_LEVEL == 3
#include <immintrin.h>
#define FATHOM_ISA_SUFFIX avx512
#define W 16
#define MR 14
#elif FATHOM_ISA_LEVEL == 2
#include <immintrin.h>
#define FATHOM_ISA_SUFFIX avx2
#define W 8
#define MR 6
#else
#define FATHOM_ISA_SUFFIX portable
#define W 4
#define MR 6
#endif
#define NR (2 * W)

#define FATHOM_CONCAT3(a, b, c) a##b##_##c
#define FATHOM_CONCAT2(a, b, c) FATHOM_CONCAT3(a, b, c)
#define FN(name) FATHOM_CONCAT2(fathom_, FATHOM_ISA_SUFFIX, name)

#define FATHOM_INLINE static inline __attribute__((always_inline, unused))

typedef float vf __attribute__((vector_size(4 * W)));
typedef int32_t vi __attribute__((vector_size(4 * W)));
/* The same at any address. */
typedef float vf_any __attribute__((vector_size(4 * W), aligned(4), may_alias));

FATHOM_INLINE vf v_load(const float* p) { return *(const vf_any*)p; }
FATHOM_INLINE void v_store(float* p, vf v) { *(vf_any*)p = v; }
FATHOM_INLINE vf v_set(float x) { return x - (vf){0}; }
FATHOM_INLINE vi v_seti(int32_t x) { return x - (vi){0}; }

/* The first n < W floats; the others are 0 and are not touched in memory. */
FATHOM_INLINE vf v_load_part(const float* p, int64_t n) {
#if FATHOM_ISA_LEVEL == 3
  return (vf)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#else
  vf v = {0};
  memcpy(&v, p, (size_t)n * sizeof(float));
  return v;
#endif
}
FATHOM_INLINE void v_store_part(float* p, vf v, int64_t n) {
#if FATHOM_ISA_LEVEL == 3
  _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
#else
  memcpy(p, &v, (size_t)n * sizeof(float));
#endif
}

/* The same for any n: all W where there are as many, none where n is not positive. */
FATHOM_INLINE vf v_load_some(const float* p, int64_t n) {
  return n >= W ? v_load(p) : n > 0 ? v_load_part(p, n) : (vf){0};
}
FATHOM_INLINE void v_store_some(float* p, vf v, int64_t n) {
  if (n >= W)
    v_store(p, v);
  else if (n > 0)
    v_store_part(p, v, n);
}

/* mask lanes are all ones or all zeros, as vector comparisons give them. */
FATHOM_INLINE vf v_select(vi mask, vf yes, vf no) {
  return (vf)(((vi)yes & mask) | ((vi)no & ~mask));
}
FATHOM_INLINE vf v_max(vf a, vf b) {
#if FATHOM_ISA_LEVEL == 3
  return (vf)_mm512_max_ps((__m512)a, (__m512)b);
#elif FATHOM_ISA_LEVEL == 2
  return (vf)_mm256_max_ps((__m256)a, (__m256)b);
#else
  return v_select(a > b, a, b);
#endif
}
FATHOM_INLINE vf v_min(vf a, vf b) {
#if FATHOM_ISA_LEVEL == 3
  return (vf)_mm512_min_ps((__m512)a, (__m512)b);
#elif FATHOM_ISA_LEVEL == 2
  return (vf)_mm256_min_ps((__m256)a, (__m256)b);
#else
  return v_select(a < b, a, b);
#endif
}
/* NaN stays NaN, as in torch's relu: the second operand is returned when one is NaN. */
FATHOM_INLINE vf v_relu(vf a) { return v_max(v_set(0.0f), a); }
FATHOM_INLINE vf v_abs(vf a) { return (vf)((vi)a & 0x7fffffff); }

FATHOM_INLINE float v_sum(vf v) {
#if FATHOM_ISA_LEVEL == 3
  return _mm512_reduce_add_ps((__m512)v);
#else
  float s = 0;
  for (int i = 0; i < W; i++) s += v[i];
  return s;
#endif
}
FATHOM_INLINE float v_max_lane(vf v) {
#if FATHOM_ISA_LEVEL == 3
  return _mm512_reduce_max_ps((__m512)v);
#else
  float m = v[0];
  for (int i = 1; i < W; i++) m = v[i] > m ? v[i] : m;
  return m;
#endif
}

/* The first 4 floats of W rows, transposed: out[j][i] = rows[i][j]. */
FATHOM_INLINE void v_transpose4(const float* const rows[W], vf out[4]) {
  typedef float v4 __attribute__((vector_size(16), aligned(4), may_alias));
  vf v[4]; /* the 128-bit lane l of v[i] is from row 4 l + i */
#define LANE(l) (*(const v4*)rows[4 * (l) + i])
#if FATHOM_ISA_LEVEL == 3
  /* Masked broadcasts from memory, for they leave the only port that can shuffle to the rest. */
  for (int i = 0; i < 4; i++) {
    __m512 whole = _mm512_castps128_ps512((__m128)LANE(0));
    whole = _mm512_mask_broadcast_f32x4(whole, 0x00f0, (__m128)LANE(1));
    whole = _mm512_mask_broadcast_f32x4(whole, 0x0f00, (__m128)LANE(2));
    v[i] = (vf)_mm512_mask_broadcast_f32x4(whole, 0xf000, (__m128)LANE(3));
  }
#define LOW 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29
#define HIGH 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31
#elif FATHOM_ISA_LEVEL == 2
  for (int i = 0; i < 4; i++)
    v[i] = __builtin_shufflevector(LANE(0), LANE(1), 0, 1, 2, 3, 4, 5, 6, 7);
#define LOW 0, 8, 1, 9, 4, 12, 5, 13
#define HIGH 2, 10, 3, 11, 6, 14, 7, 15
#else
  for (int i = 0; i < 4; i++) v[i] = LANE(0);
#define LOW 0, 4, 1, 5
#define HIGH 2, 6, 3, 7
#endif
  vf even_low = __builtin_shufflevector(v[0], v[2], LOW);
  vf even_high = __builtin_shufflevector(v[0], v[2], HIGH);
  vf odd_low = __builtin_shufflevector(v[1], v[3], LOW);
  vf odd_high = __builtin_shufflevector(v[1], v[3], HIGH);
  out[0] = __builtin_shufflevector(even_low, odd_low, LOW);
  out[1] = __builtin_shufflevector(even_low, odd_low, HIGH);
  out[2] = __builtin_shufflevector(even_high, odd_high, LOW);
  out[3] = __builtin_shufflevector(even_high, odd_high, HIGH);
#undef LANE
#undef LOW
#undef HIGH
}

/*
 * exp(x), relative error below 2e-7 on [-87, 88]; 0 below that and +inf above. Cody-Waite reduction to
 * |r| <= ln 2 / 2, then the degree-6 polynomial of Cephes' expf.
 */
FATHOM_INLINE vf v_exp(vf x) {
  const vf low = v_set(-87.33654f), high = v_set(88.72283f);
  vi underflow = x < low;
  vi overflow = x > high;
  x = v_min(v_max(x, low), high);
  const vf magic = v_set(12582912.0f); /* 1.5 * 2^23: adding it rounds to an integer */
  vf shifted = x * 1.44269504088896341f + magic;
  vf n = shifted - magic;
  vf r = x - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  vf p = v_set(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + (r + 1.0f);
#if FATHOM_ISA_LEVEL == 3
  vf y = (vf)_mm512_scalef_ps((__m512)p, (__m512)n);
#else
  /* 2^n in two steps: n reaches 128. */
  vi k = (vi)shifted - (vi)magic;
  vi half = k >> 1;
  vf y = p * (vf)((half + 127) << 23) * (vf)((k - half + 127) << 23);
#endif
  y = v_select(underflow, v_set(0.0f), y);
  return v_select(overflow, v_set(INFINITY), y);
}

/*
 * p = Phi(x) - 1/2, Phi the standard normal distribution, of four vectors at once, error below 2e-7.
 * It is x times a polynomial in x^2, mapped from [0, 5.3^2] to s in [-1, 1] so that Horner's scheme
 * loses nothing; the coefficients are a minimax fit (error 1.7e-8). Beyond 5.3 the polynomial only
 * grows, so that the clamp makes Phi exactly 0 or 1. Four, because one chain of multiply-adds leaves
 * the units idle.
 */
FATHOM_INLINE void v_normal4(const vf x[4], vf p[4]) {
  static const float coefficients[] = {
      -7.53595203e-4f, 7.65558332e-4f,  -1.12630881e-3f, 3.09870671e-3f,  -5.81761403e-3f,
      8.84700567e-3f,  -1.32013783e-2f, 1.89210158e-2f,  -2.52945125e-2f, 3.20800729e-2f,
      -3.95893082e-2f, 4.92641404e-2f,  -6.65184930e-2f, 1.33392558e-1f};
  vf s[4];
  for (int i = 0; i < 4; i++) s[i] = (x[i] * x[i]) * 0.0711997151f - 1.0f;
  for (int i = 0; i < 4; i++) p[i] = v_set(2.71765865e-4f);
#pragma GCC unroll 16
  for (int k = 0; k < 14; k++)
    for (int i = 0; i < 4; i++) p[i] = p[i] * s[i] + coefficients[k];
  for (int i = 0; i < 4; i++) p[i] = v_max(v_set(-0.5f), v_min(v_set(0.5f), x[i] * p[i]));
}

/* GELU, x * Phi(x), of four vectors at once, error below 2e-7 max(1, |x|). */
FATHOM_INLINE void v_gelu4(vf x[4]) {
  vf p[4];
  v_normal4(x, p);
  for (int i = 0; i < 4; i++) x[i] = x[i] * p[i] + 0.5f * x[i];
}

/*
 * GELU's derivative, Phi(x) + x phi(x) with phi the normal density, of four vectors at once, error
 * below 4e-7. The clamp keeps NaN and makes infinity times a density of 0 zero.
 */
FATHOM_INLINE void v_gelu_slope4(vf x[4]) {
  vf p[4];
  v_normal4(x, p);
  for (int i = 0; i < 4; i++) {
    vf at = v_min(v_set(100.0f), v_max(v_set(-100.0f), x[i]));
    x[i] = (p[i] + 0.5f) + at * (v_exp(at * at * -0.5f) * 0.398942280f);
  }
}

#endif
