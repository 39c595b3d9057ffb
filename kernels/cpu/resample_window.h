/*
 * The horizontal bilinear pass with few channels and a scale below 2: the sources of W neighbouring
 * outputs lie within 2 W floats, so two loads and two permutations replace W pairs of scalar loads.
 */
#ifndef FATHOM_RESAMPLE_WINDOW_H
#define FATHOM_RESAMPLE_WINDOW_H

#include "resample.h"

#if FATHOM_ISA_LEVEL >= 2
#include <immintrin.h>
#define HAVE_WINDOW 1
#else
#define HAVE_WINDOW 0
#endif

/* For vector v of an output row: the window's offset in the source row, -1 if it is too narrow. */
typedef struct {
  int64_t vectors;
  int32_t* base;
  int32_t* lanes; /* [vectors,W]: the first tap's place in the window + 256 * the second's */
  float* weight;  /* [vectors,W]: the second tap's; the first's is 1 minus that */
} window;

FATHOM_INLINE int window_useful(int64_t width, int64_t out_width, int64_t channels) {
  return HAVE_WINDOW && channels < W && width * channels >= 2 * W && width < 2 * out_width;
}

FATHOM_INLINE size_t window_bytes(int64_t out_width, int64_t channels) {
  return (size_t)fathom_ceil_div(out_width * channels, W) * (4 + 8 * W);
}

FATHOM_INLINE window window_place(const axis* columns, int64_t width, int64_t channels,
                                  char* memory) {
  int64_t n = columns->size * channels;
  window w = {.vectors = fathom_ceil_div(n, W)};
  w.lanes = (int32_t*)memory;
  w.weight = (float*)(w.lanes + w.vectors * W);
  w.base = (int32_t*)(w.weight + w.vectors * W);
  int64_t pixel = 0, channel = 0;
  for (int64_t v = 0; v < w.vectors; v++) {
    int64_t base = fathom_min(columns->index[2 * pixel] * channels, width * channels - 2 * W);
    w.base[v] = (int32_t)base;
    for (int64_t lane = v * W; lane < (v + 1) * W; lane++) {
      w.lanes[lane] = 0;
      w.weight[lane] = 0;
      if (lane >= n) continue;
      int64_t first = columns->index[2 * pixel] * channels + channel - base;
      int64_t second = columns->index[2 * pixel + 1] * channels + channel - base;
      if (second >= 2 * W) w.base[v] = -1;
      w.lanes[lane] = (int32_t)(first | second << 8);
      w.weight[lane] = columns->weight[2 * pixel + 1];
      if (++channel == channels) {
        channel = 0;
        pixel++;
      }
    }
  }
  return w;
}

#if HAVE_WINDOW
/* Lane i is element index[i] mod 2 W of low and high. */
FATHOM_INLINE vf v_permute(vf low, vf high, vi index) {
#if FATHOM_ISA_LEVEL == 3
  return (vf)_mm512_permutex2var_ps((__m512)low, (__m512i)index, (__m512)high);
#else
  __m256 a = _mm256_permutevar8x32_ps((__m256)low, (__m256i)index);
  __m256 b = _mm256_permutevar8x32_ps((__m256)high, (__m256i)index);
  return (vf)_mm256_blendv_ps(a, b, (__m256)(index << 28));
#endif
}

FATHOM_INLINE void window_row(const float* x, const window* w, const axis* columns,
                              int64_t channels, float* out) {
  for (int64_t v = 0; v < w->vectors; v++) {
    if (w->base[v] >= 0) {
      vf low = v_load(x + w->base[v]), high = v_load(x + w->base[v] + W);
      vi lanes = (vi)v_load((const float*)(w->lanes + v * W));
      vf second = v_load(w->weight + v * W);
      vf sum = (1.0f - second) * v_permute(low, high, lanes);
      v_store(out + v * W, sum + second * v_permute(low, high, lanes >> 8));
      continue;
    }
    for (int64_t i = v * W; i < fathom_min((v + 1) * W, columns->size * channels); i++) {
      const int32_t* index = columns->index + i / channels * 2;
      const float* weight = columns->weight + i / channels * 2;
      const float* from = x + i % channels;
      out[i] = weight[0] * from[index[0] * channels] + weight[1] * from[index[1] * channels];
    }
  }
}
#endif

#endif
