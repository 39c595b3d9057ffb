/*
 * What the losses on depth maps share: which pixels belong together, the normalisation (d - t) / s of a
 * region, and the way back through it.
 *
 * A region is what is normalised on its own: a picture's valid pixels, or with CutMix those inside the
 * box and those outside. Each region has a row of blocks, blockIdx.y, which take a chunk of the picture
 * each and pass over pixels that are not the region's. With g the derivative of the loss by the
 * normalised prediction, n pixels, ties of them equal to the median t, and balance the number above t
 * less the number below:
 *
 *   d loss / d p_i = g_i / s - Q / (s n) sign(p_i - t) + [p_i = t] (Q balance / n - G) / (s ties)
 *
 * with G = sum g, Q = sum g (p - t) / s. The median's share is split evenly among its ties.
 *
 * Sums are in float within a thread (32 pixels), in float64 beyond.
 */
#ifndef FATHOM_CUDA_LOSS_H
#define FATHOM_CUDA_LOSS_H

#include "args_loss.h"
#include "radix_select.h"

constexpr int LOSS_THREADS = FATHOM_CUDA_LOSS_THREADS, LOSS_CHUNK = FATHOM_CUDA_LOSS_CHUNK;

typedef fathom_cuda_map_loss_args map_loss;

DEV float quiet_nan() { return __uint_as_float(0x7fc00000u); }
DEV float infinity() { return __uint_as_float(0x7f800000u); }
DEV bool is_finite(double x) { return x - x == 0; }
/* 1, -1, or 0 for 0 and NaN. */
DEV float sign(float x) { return (float)((x > 0) - (x < 0)); }

/* ---- the workspace ---- */

enum { REGION_EMPTY, REGION_ACTIVE, REGION_UNDEFINED }; /* as in the CPU's loss.h */
enum { MAP_PREDICTION, MAP_TARGET, MAP_RESIDUAL };

struct loss_header {
  uint32_t done; /* regions */
  float share[4];                /* gradient matching: 1 / valid pixels of each grid */
  float slope, offset;           /* SILog: d loss / d g = slope g + offset */
  float scale;                   /* alignment, cross-entropy: of the gradient */
};

struct loss_table {
  uint32_t counts[2][RADIX_BINS];
  uint32_t done; /* chunks, or tiles */
  uint32_t reserved[63];
};

struct loss_region {
  /* Selection: bits chosen so far, and the rank among the values that share them. */
  uint32_t prefix[3], rank[3];
  uint32_t count;
  int32_t state;
  float median[2], inverse[2]; /* prediction, target; inverse: 1 / s */
  double deviation;            /* s of the prediction */
  uint32_t ties;
  int32_t balance;
  /* Of the sizes of the residuals, `kept` count: those below threshold, those equal to it by `tie`. */
  uint32_t kept;
  float threshold, tie;
  float a, b, c; /* d loss / d p = a g + b sign(p - t) + [p = t] c */
  double loss;   /* this region's part of it */
  double match[8], valid[4]; /* gradient matching: see there */
};

static_assert(sizeof(loss_header) <= FATHOM_CUDA_LOSS_HEADER_BYTES, "args_loss.h");
static_assert(sizeof(loss_table) == FATHOM_CUDA_LOSS_TABLE_BYTES, "args_loss.h");
static_assert(sizeof(loss_region) <= FATHOM_CUDA_LOSS_REGION_BYTES, "args_loss.h");

DEV int64_t regions_of(const map_loss& a) { return a.boxes ? 2 * a.batch : a.batch; }
DEV loss_header* header_of(void* workspace) { return (loss_header*)workspace; }
DEV loss_table* table_of(const map_loss& a, int64_t region) {
  return (loss_table*)((char*)a.workspace + FATHOM_CUDA_LOSS_HEADER_BYTES) + region;
}
DEV loss_region* region_of(const map_loss& a, int64_t region) {
  char* first = (char*)table_of(a, regions_of(a));
  return (loss_region*)(first + region * FATHOM_CUDA_LOSS_REGION_BYTES);
}
/* What follows the regions: the parts of blocks. */
DEV char* parts_of(const map_loss& a) { return (char*)region_of(a, regions_of(a)); }

/* The sums of a chunk. */
struct loss_part {
  double sum[3];
  double reserved;
};
static_assert(sizeof(loss_part) == FATHOM_CUDA_LOSS_CHUNK_BYTES, "args_loss.h");

DEV loss_part* part_of(const map_loss& a, int64_t region, int64_t chunks, int64_t chunk) {
  return (loss_part*)parts_of(a) + region * chunks + chunk;
}

/* sum[i] = the sum over `count` parts; by a whole block. */
template <int N>
DEV void add_parts(const loss_part* parts, int64_t count, double (&sum)[N]) {
#pragma unroll
  for (int i = 0; i < N; i++) sum[i] = 0;
  for (int64_t k = threadIdx.x; k < count; k += LOSS_THREADS)
#pragma unroll
    for (int i = 0; i < N; i++) sum[i] += parts[k].sum[i];
  block_sums<LOSS_THREADS>(sum);
}

/* ---- pixels ---- */

/* Up to 4 neighbouring floats; `n` of them exist. Those that do not are 0. */
DEV void load_up_to_4(const float* x, uint32_t n, bool aligned, float (&v)[4]) {
  if (aligned && n >= 4) {
    load_4(x, v);
    return;
  }
#pragma unroll
  for (uint32_t k = 0; k < 4; k++) v[k] = k < n ? x[k] : 0.0f;
}

/* Neighbouring pixels, the first of them `at` in the batch; bit k of own: pixel k is the region's. */
struct pixel_group {
  int64_t at;
  uint32_t n, own;
};

/* A picture's pixels, seen from a region of it. */
struct region_pixels {
  int64_t base;
  uint32_t pixels, width;
  uint32_t top, left, bottom, right; /* of the box */
  bool boxed, inside, aligned;       /* not boxed: all are the region's */
  const float *prediction, *target, *mask;

  DEV_MEMBER region_pixels(const map_loss& a, int64_t region) {
    const int64_t picture = a.boxes ? region / 2 : region;
    pixels = (uint32_t)(a.height * a.width);
    width = (uint32_t)a.width;
    base = picture * pixels;
    boxed = a.boxes != nullptr;
    top = boxed ? (uint32_t)a.boxes[4 * picture] : 0;
    left = boxed ? (uint32_t)a.boxes[4 * picture + 1] : 0;
    bottom = boxed ? (uint32_t)a.boxes[4 * picture + 2] : 0;
    right = boxed ? (uint32_t)a.boxes[4 * picture + 3] : 0;
    inside = region % 2 == 0;
    aligned = pixels % 4 == 0;
    prediction = a.prediction;
    target = boxed && !inside ? a.outside : a.target;
    mask = a.mask;
  }

  DEV_MEMBER bool owns(uint32_t row, uint32_t column) const {
    return (row >= top && row < bottom && column >= left && column < right) == inside;
  }
  DEV_MEMBER pixel_group group(uint32_t first) const {
    pixel_group g = {base + first, first < pixels ? pixels - first : 0, 0};
    if (g.n > 4) g.n = 4;
    if (!boxed) {
      g.own = (1u << g.n) - 1;
      return g;
    }
    uint32_t row = first / width, column = first % width;
#pragma unroll
    for (uint32_t k = 0; k < 4; k++) {
      if (k < g.n && owns(row, column)) g.own |= 1u << k;
      if (++column == width) column = 0, row++;
    }
    return g;
  }
  DEV_MEMBER void load(const float* map, const pixel_group& g, float (&v)[4]) const {
    load_up_to_4(map + g.at, g.n, aligned, v);
  }
  /* Which of the region's pixels count. */
  DEV_MEMBER uint32_t valid(const pixel_group& g) const {
    if (!mask) return g.own;
    float v[4];
    load(mask, g, v);
    uint32_t bits = 0;
#pragma unroll
    for (uint32_t k = 0; k < 4; k++) bits |= (uint32_t)(v[k] != 0) << k;
    return g.own & bits;
  }
};

/*
 * Calls visit(group, valid, prediction, target) for the groups of this block's chunk that have pixels of
 * the region. 4 bytes are read of each pixel of the prediction, the target and the mask.
 */
template <class Visit>
DEV void each_group(const region_pixels& r, Visit visit) {
  const uint32_t first = blockIdx.x * LOSS_CHUNK;
#pragma unroll 2
  for (uint32_t i = 4 * threadIdx.x; i < LOSS_CHUNK; i += 4 * LOSS_THREADS) {
    const pixel_group g = r.group(first + i);
    if (g.own == 0) continue;
    float p[4], q[4];
    r.load(r.prediction, g, p);
    r.load(r.target, g, q);
    visit(g, r.valid(g), p, q);
  }
}

/*
 * Normalised prediction - normalised target. Both products are rounded before the subtraction, so that
 * equal maps give 0 and every kernel that compares residuals sees the same bits.
 */
DEV float residual(const loss_region& r, float p, float q) {
  return __fsub_rn(__fmul_rn(__fsub_rn(p, r.median[0]), r.inverse[0]),
                   __fmul_rn(__fsub_rn(q, r.median[1]), r.inverse[1]));
}
DEV float normalised(const loss_region& r, float p) { return (p - r.median[0]) * r.inverse[0]; }

/* ---- the way back ---- */

/* The pullback, from factor and the sums G and Q. */
DEV void pullback_of(loss_region* r, double g, double q, double factor) {
  if (r->state != REGION_ACTIVE) {
    r->a = r->b = r->c = r->state == REGION_EMPTY ? 0.0f : quiet_nan();
    return;
  }
  const double a = factor / r->deviation, n = (double)r->count;
  r->a = (float)a;
  r->b = (float)(-a * q / n);
  r->c = (float)(a * ((q * (double)r->balance / n - g) / (double)r->ties));
}
DEV float pull_back(const loss_region& r, float g, float p) {
  const float deviation = p - r.median[0];
  return r.a * g + r.b * sign(deviation) + (deviation == 0 ? r.c : 0.0f);
}

/* Writes the region's pixels of a group. */
DEV void store_group(const region_pixels& r, const pixel_group& g, const float (&d)[4], float* gradient) {
  if (r.aligned && g.own == 15) {
    store_4(gradient + g.at, d);
    return;
  }
#pragma unroll
  for (uint32_t k = 0; k < 4; k++)
    if (g.own >> k & 1) gradient[g.at + k] = d[k];
}

#endif
