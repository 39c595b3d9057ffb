/*
 * The k-th smallest of n floats without sorting: their bits as integers of the same order, chosen
 * 11, 11 and 10 bits at a time from the top. One pass counts, one keeps those of the bin that has
 * rank k; the rest works on what is left. NaN is above infinity, or below minus infinity with its
 * sign bit set.
 */
#ifndef FATHOM_RADIX_SELECT_H
#define FATHOM_RADIX_SELECT_H

#include "internal.h"
#include "simd.h"

#define RADIX_BINS 2048
/* Neighbours are often alike: with one table each increment would wait for the one before it. */
#define RADIX_TABLES 4

typedef struct {
  uint32_t counts[RADIX_TABLES][RADIX_BINS];
} radix_tables;

typedef uint32_t vu __attribute__((vector_size(4 * W)));

/* The order of the results, unsigned, is that of the floats. */
FATHOM_INLINE uint32_t ordered(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits ^ ((uint32_t)((int32_t)bits >> 31) | 0x80000000u);
}
FATHOM_INLINE vu v_ordered(vf x) { return (vu)((vi)x ^ (((vi)x >> 31) | INT32_MIN)); }
FATHOM_INLINE float unordered(uint32_t key) {
  uint32_t bits = key ^ (key >> 31 ? 0x80000000u : 0xffffffffu);
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* Stores the lanes that keep has set one after the other; how many. Writes up to W words. */
FATHOM_INLINE int64_t v_compact(void* out, vi keep, vi values) {
#if FATHOM_ISA_LEVEL == 3
  __mmask16 lanes = _mm512_movepi32_mask((__m512i)keep);
  _mm512_storeu_si512(out, _mm512_maskz_compress_epi32(lanes, (__m512i)values));
  return __builtin_popcount(lanes);
#else
  int64_t n = 0;
  for (int i = 0; i < W; i++) {
    int32_t value = values[i];
    memcpy((char*)out + 4 * n, &value, 4);
    n -= keep[i];
  }
  return n;
#endif
}

/* The bin of rank *rank, which becomes the rank within it; *count is how many it holds. */
static inline uint32_t radix_bin(const radix_tables* t, int64_t* rank, int64_t* count) {
  int64_t below = 0;
  for (uint32_t bin = 0; bin < RADIX_BINS; bin++) {
    int64_t here = 0;
    for (int k = 0; k < RADIX_TABLES; k++) here += t->counts[k][bin];
    if (*rank < below + here) {
      *rank -= below;
      *count = here;
      return bin;
    }
    below += here;
  }
  __builtin_unreachable();
}

/* rank 0 .. n-1, from 0 for the smallest; n < 2^32. keys has room for n + W words. */
static inline float radix_select(const float* x, int64_t n, int64_t rank, uint32_t* keys,
                                 radix_tables* t) {
  int64_t count;
  memset(t, 0, sizeof *t);
  for (int64_t i = 0; i + RADIX_TABLES <= n; i += RADIX_TABLES)
    for (int k = 0; k < RADIX_TABLES; k++) t->counts[k][ordered(x[i + k]) >> 21]++;
  for (int64_t i = n / RADIX_TABLES * RADIX_TABLES; i < n; i++) t->counts[0][ordered(x[i]) >> 21]++;
  uint32_t high = radix_bin(t, &rank, &count);

  int64_t kept = 0, i = 0;
  for (; i + W <= n; i += W) {
    vu key = v_ordered(v_load(x + i));
    kept += v_compact(keys + kept, (key >> 21) == high, (vi)key);
  }
  for (; i < n; i++) {
    keys[kept] = ordered(x[i]);
    kept += keys[kept] >> 21 == high;
  }

  memset(t, 0, sizeof *t);
  for (i = 0; i < kept; i++) t->counts[i % RADIX_TABLES][keys[i] >> 10 & 2047]++;
  uint32_t middle = radix_bin(t, &rank, &count);
  memset(t, 0, sizeof *t);
  for (i = 0; i < kept; i++)
    if ((keys[i] >> 10 & 2047) == middle) t->counts[i % RADIX_TABLES][keys[i] & 1023]++;
  uint32_t low = radix_bin(t, &rank, &count);
  return unordered(high << 21 | middle << 10 | low);
}

#endif
