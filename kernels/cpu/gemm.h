/*
 * Matrix products, for linear layers, the patch embedding, convolutions and attention.
 *
 * The register tile:
 *
 *     tile[MR][NR] = sum over k of a[k][MR] (column) * b[k][NR] (row)
 *
 * 14 x 32 with AVX-512 (28 accumulators of 32 registers), 6 x 16 with AVX2 (12 of 16), 6 x 8
 * elsewhere. The accumulators have names: as an array GCC 12 keeps them in memory, at a third of
 * the speed. Per step of k: MR broadcasts, 2 loads, 2 MR multiply-adds.
 *
 * Around it, the blocking (gemm_plan, gemm_block): B is packed once, A while it is used, by a
 * function of the operator (so a convolution packs from its picture: an implicit GEMM); what
 * happens to a finished tile is again a function of the operator. Each element of the result is
 * summed over k in blocks that depend on the depth alone, so threads and tasks do not change a bit
 * of it.
 */
#ifndef FATHOM_GEMM_H
#define FATHOM_GEMM_H

#include "internal.h"
#include "simd.h"

#if MR == 14
#define FATHOM_ROWS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13)
#else
#define FATHOM_ROWS(X) X(0) X(1) X(2) X(3) X(4) X(5)
#endif

/* ---- the register tile ---- */

/*
 * What a tile fetches on the side, a little with every few steps of k, so that the lines arrive
 * under the arithmetic. Any address will do.
 */
typedef struct {
  const float* result; /* where the tile will be written: row i at result + i * result_stride */
  int64_t result_stride;
  const float* panel; /* a stretch of the panel of B that comes next, 16 floats every four steps */
  const float* read;  /* what the end of the tile will read, laid out as result; or NULL */
  int64_t read_stride;
} gemm_hints;

/*
 * gemm_tile for the first `rows` rows, a constant; the others are neither computed nor stored.
 * hints may be NULL.
 */
FATHOM_INLINE void gemm_tile_rows(int rows, int64_t k, const float* restrict a, int64_t a_row,
                                  int64_t a_step, const float* restrict b, float* restrict c,
                                  int64_t c_stride, int accumulate, const gemm_hints* hints) {
#define DECLARE(i) vf l##i = {0}, r##i = {0};
  FATHOM_ROWS(DECLARE)
#undef DECLARE
#define ROW(i)                  \
  if ((i) < rows) {             \
    vf s = v_set(a[(i)*a_row]); \
    l##i += s * bl;             \
    r##i += s * br;             \
  }
#define STEP                              \
  {                                       \
    vf bl = v_load(b), br = v_load(b + W); \
    FATHOM_ROWS(ROW)                      \
    a += a_step;                          \
    b += NR;                              \
  }
  if (hints) {
    const float* panel = hints->panel;
    const float* result = hints->result;
    for (int row = 0; row < rows && k >= 4; row++, k -= 4) {
      __builtin_prefetch(result, 1);
      if (NR > 16) __builtin_prefetch(result + 16, 1);
      result += hints->result_stride;
      __builtin_prefetch(panel, 0, 2);
      panel += 16;
      STEP STEP STEP STEP
    }
    if (hints->read) {
      const float* read = hints->read;
      for (int row = 0; row < rows && k >= 4; row++, k -= 4) {
        __builtin_prefetch(read, 0);
        if (NR > 16) __builtin_prefetch(read + 16, 0);
        read += hints->read_stride;
        __builtin_prefetch(panel, 0, 2);
        panel += 16;
        STEP STEP STEP STEP
      }
    }
    for (; k >= 4; k -= 4) {
      __builtin_prefetch(panel, 0, 2);
      panel += 16;
      STEP STEP STEP STEP
    }
  }
  for (; k > 0; k--) STEP
#undef STEP
#undef ROW
  if (accumulate) {
#define ADD(i)                            \
  if ((i) < rows) {                       \
    l##i += v_load(c + (i)*c_stride);     \
    r##i += v_load(c + (i)*c_stride + W); \
  }
    FATHOM_ROWS(ADD)
#undef ADD
  }
#define STORE(i)                         \
  if ((i) < rows) {                      \
    v_store(c + (i)*c_stride, l##i);     \
    v_store(c + (i)*c_stride + W, r##i); \
  }
  FATHOM_ROWS(STORE)
#undef STORE
}

/*
 * c[i][j] (row stride c_stride) = or += the product; a element (i, kk) is at a[i * a_row + kk *
 * a_step], which folds into the addressing when both are constants: (1, MR) for a packed panel.
 */
FATHOM_INLINE void gemm_tile(int64_t k, const float* restrict a, int64_t a_row, int64_t a_step,
                             const float* restrict b, float* restrict c, int64_t c_stride,
                             int accumulate) {
  gemm_tile_rows(MR, k, a, a_row, a_step, b, c, c_stride, accumulate, NULL);
}

/* One function for each count of rows on packed panels, c [rows][NR]; an edge costs what it has. */
typedef void (*gemm_kernel)(int64_t k, const float* a, const float* b, float* c, int accumulate,
                            const gemm_hints* hints);
#define KERNEL(i)                                                                             \
  __attribute__((noinline, unused)) static void gemm_kernel_##i(                              \
      int64_t k, const float* a, const float* b, float* c, int accumulate,                    \
      const gemm_hints* hints) {                                                              \
    gemm_tile_rows((i) + 1, k, a, 1, MR, b, c, NR, accumulate, hints);                        \
  }
FATHOM_ROWS(KERNEL)
#undef KERNEL

FATHOM_INLINE gemm_kernel gemm_kernel_for(int64_t rows) {
#define ENTRY(i) gemm_kernel_##i,
  static const gemm_kernel kernels[MR] = {FATHOM_ROWS(ENTRY)};
#undef ENTRY
  return kernels[rows - 1];
}

/* ---- packing ---- */

/* Floats of a packed B: panels [columns / NR][depth][NR], columns padded with zeros. */
FATHOM_INLINE int64_t gemm_packed_size(int64_t columns, int64_t depth) {
  return fathom_ceil_div(columns, NR) * NR * depth;
}

/*
 * panel[k][width] from `width` rows of `depth` consecutive floats, rounded up to whole vectors of
 * rows: after depth * width floats come up to W more that a later call, or nobody, overwrites. So
 * pack in rising order.
 */
FATHOM_INLINE void gemm_pack_rows(int width, const float* const* rows, int64_t depth,
                                  float* panel) {
  int64_t k = 0;
  for (; k + 4 <= depth; k += 4) {
    vf v[NR / W][4];
    for (int g = 0; g * W < width; g++) {
      const float* here[W];
      for (int i = 0; i < W; i++) here[i] = rows[g * W + i] + k;
      v_transpose4(here, v[g]);
    }
    for (int j = 0; j < 4; j++)
      for (int g = 0; g * W < width; g++) v_store(panel + (k + j) * width + g * W, v[g][j]);
  }
  for (; k < depth; k++)
    for (int i = 0; i < width; i++) panel[k * width + i] = rows[i][k];
}

/* MR rounded up to whole vectors: rows that gemm_pack_rows takes for a panel of A. */
#define GEMM_PACK_ROWS ((MR + W - 1) / W * W)

/*
 * Packs B's panel of the columns [column, column + NR) from `weight` [columns][depth], the layout
 * of a linear layer's weight. Columns past the last are zeros.
 */
FATHOM_INLINE void gemm_pack_columns(const float* weight, int64_t columns, int64_t depth,
                                     int64_t column, float* panel) {
  const float* rows[NR];
  for (int64_t j = 0; j < NR; j++)
    rows[j] = weight + fathom_min(column + j, columns - 1) * depth;
  gemm_pack_rows(NR, rows, depth, panel);
  for (int64_t k = 0; k < depth; k++)
    for (int64_t j = columns - column; j < NR; j++) panel[k * NR + j] = 0.0f;
}

/* ---- blocking ---- */

/* Floats of A's packed panel of one depth block, with room for what gemm_pack_rows spills. */
#define GEMM_PANEL_SIZE(depth) (((depth)*MR + 2 * W - 1) / W * W)

/* A product [rows,depth] x [depth,columns] and how it is cut. */
typedef struct {
  int64_t rows, columns, depth;
  const float* b;       /* packed */
  int64_t depth_block;  /* k of one pass */
  int64_t row_tasks;    /* parts of the row tiles */
  int64_t column_tasks; /* parts of the column panels */
  const float* result;  /* what finish writes, for prefetching: [rows,columns], or NULL */
  int64_t result_stride;
  const float* read;    /* what finish reads beside the tile, likewise, or NULL */
  int64_t read_stride;
} gemm_plan;

/* Writes A's rows [row, row + rows), rows <= MR, and columns [k, k + depth) to panel[depth][MR]. */
typedef void (*gemm_pack)(const void* operator, int64_t row, int64_t rows, int64_t k, int64_t depth,
                          float* panel);
/* Takes the finished tile[rows][NR] that begins at (row, column); columns <= NR are wanted. */
typedef void (*gemm_finish)(const void* operator, int64_t row, int64_t rows, int64_t column,
                            int64_t columns, const float* tile);

/*
 * Steps of k in a block: with 384, a panel of A is 21 KB and one of B 48 KB with AVX-512, 9 and 24
 * KB with AVX2. Rows and columns of a task are at most so many that its A (168 KB), the running
 * panels of B and, when there are several blocks of k, its sums (448 KB) stay in an L2 cache of 1
 * MB.
 */
#define GEMM_DEPTH 384
#define GEMM_ROWS 112
#define GEMM_COLUMNS 1024

/*
 * The split into tasks, by their cost in multiplied tiles: packing A costs 0.4 of a panel of B for
 * each tile, fetching B 0.6 of a tile for each panel. All splits of the columns are tried; the rows
 * are then split into as many parts as fill the threads evenly.
 */
FATHOM_INLINE gemm_plan gemm_plan_make(int32_t threads, int64_t rows, int64_t columns,
                                       int64_t depth, const float* b) {
  gemm_plan plan = {.rows = rows, .columns = columns, .depth = depth, .b = b};
  const int64_t blocks = fathom_ceil_div(depth, GEMM_DEPTH);
  plan.depth_block = fathom_ceil_div(depth, blocks);
  const int64_t tiles = fathom_ceil_div(rows, MR), panels = fathom_ceil_div(columns, NR);
  const int64_t least_rows = fathom_ceil_div(tiles, GEMM_ROWS / MR);
  const int64_t least_columns = blocks > 1 ? fathom_ceil_div(panels, GEMM_COLUMNS / NR) : 1;
  const int64_t most_columns = fathom_min(panels, least_columns + 4 * threads);
  double best = INFINITY;
  for (int64_t c = least_columns; c <= most_columns; c++) {
    int64_t common = threads; /* the greatest divisor of threads and c */
    for (int64_t x = c % threads; x != 0;) {
      const int64_t rest = common % x;
      common = x;
      x = rest;
    }
    const int64_t unit = threads / common;
    const int64_t r = fathom_min(tiles, fathom_ceil_div(least_rows, unit) * unit);
    const double rounds = (double)fathom_ceil_div(r * c, threads);
    const double height = (double)fathom_ceil_div(tiles, r);
    const double width = (double)fathom_ceil_div(panels, c);
    const double cost = rounds * (height * width + 0.4 * height + 0.6 * width);
    if (cost < best) {
      best = cost;
      plan.row_tasks = r;
      plan.column_tasks = c;
    }
  }
  return plan;
}

FATHOM_INLINE int64_t gemm_tasks(const gemm_plan* plan) {
  return plan->row_tasks * plan->column_tasks;
}

FATHOM_INLINE int64_t gemm_block_tiles(const gemm_plan* plan) {
  return fathom_ceil_div(fathom_ceil_div(plan->rows, MR), plan->row_tasks);
}

/* Bytes of scratch memory that gemm_block takes per thread. */
FATHOM_INLINE size_t gemm_scratch(const gemm_plan* plan) {
  int64_t tiles = gemm_block_tiles(plan);
  int64_t panels = fathom_ceil_div(fathom_ceil_div(plan->columns, NR), plan->column_tasks);
  int64_t sums = plan->depth_block < plan->depth ? tiles * panels * MR * NR : MR * NR;
  return sizeof(float) * (size_t)(tiles * GEMM_PANEL_SIZE(plan->depth_block) + sums);
}

/* One task of the plan, index in [0, gemm_tasks). scratch: gemm_scratch bytes, aligned to 64. */
FATHOM_INLINE void gemm_block(const gemm_plan* plan, int64_t index, void* scratch, gemm_pack pack,
                              gemm_finish finish, const void* operator) {
  const int64_t tiles = fathom_ceil_div(plan->rows, MR);
  const int64_t panels = fathom_ceil_div(plan->columns, NR);
  const int64_t row_task = index / plan->column_tasks, column_task = index % plan->column_tasks;
  const int64_t tile_begin = tiles * row_task / plan->row_tasks;
  const int64_t tile_end = tiles * (row_task + 1) / plan->row_tasks;
  const int64_t panel_begin = panels * column_task / plan->column_tasks;
  const int64_t panel_end = panels * (column_task + 1) / plan->column_tasks;
  const int64_t pitch = GEMM_PANEL_SIZE(plan->depth_block);
  const int single = plan->depth_block >= plan->depth;
  float* a = scratch;
  float* sums = a + gemm_block_tiles(plan) * pitch;

  for (int64_t k = 0; k < plan->depth; k += plan->depth_block) {
    const int64_t depth = fathom_min(plan->depth_block, plan->depth - k);
    const int last = k + depth == plan->depth;
    float* c = sums;
    for (int64_t p = panel_begin; p < panel_end; p++) {
      const float* b = plan->b + (p * plan->depth + k) * NR;
      const float* ahead = b + plan->depth * NR;
      for (int64_t t = tile_begin; t < tile_end; t++) {
        const int64_t rows = fathom_min(MR, plan->rows - t * MR);
        gemm_hints hints = {.result = c, .panel = ahead};
        ahead += depth / 4 * 16;
        if (last && plan->result) {
          hints.result = plan->result + t * MR * plan->result_stride + p * NR;
          hints.result_stride = plan->result_stride;
        }
        if (last && plan->read) {
          hints.read = plan->read + t * MR * plan->read_stride + p * NR;
          hints.read_stride = plan->read_stride;
        }
        float* panel = a + (t - tile_begin) * pitch;
        if (p == panel_begin) pack(operator, t * MR, rows, k, depth, panel);
        gemm_kernel_for(rows)(depth, panel, b, c, k > 0, &hints);
        if (last)
          finish(operator, t * MR, rows, p * NR, fathom_min(NR, plan->columns - p * NR), c);
        if (!single) c += MR * NR;
      }
    }
  }
}

#endif
