/*
 * Matrix products, for linear layers, the patch embedding, convolutions and attention.
 *
 * The register tile:
 *
 *     tile[MR][NR] = sum over k of a[k][MR] (column) * b[k][NR] (row)
 *
 * 14 x 32 with AVX-512 (28 accumulators of 32 registers), 6 x 16 with AVX2 (12 of 16), 6 x 8 elsewhere.
 * The accumulators have names: as an array GCC 12 keeps them in memory, at a third of the speed.
 * Per step of k: MR broadcasts, 2 loads, 2 MR multiply-adds.
 *
 * Around it, the blocking (gemm_plan, gemm_block): B is packed once, A while it is used, by a function
 * of the operator (so a convolution packs from its picture: an implicit GEMM); what happens to a
 * finished tile is again a function of the operator. Each element of the result is summed over k in
 * blocks that depend on the depth alone, so threads and tasks do not change a bit of it.
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

/* gemm_tile for the first `rows` rows, a constant; the others are neither computed nor stored. */
FATHOM_INLINE void gemm_tile_rows(int rows, int64_t k, const float* restrict a, int64_t a_row,
                                  int64_t a_step, const float* restrict b, float* restrict c,
                                  int64_t c_stride, int accumulate) {
#define DECLARE(i) vf l##i = {0}, r##i = {0};
  FATHOM_ROWS(DECLARE)
#undef DECLARE
  for (int64_t kk = 0; kk < k; kk++) {
    vf bl = v_load(b), br = v_load(b + W);
#define STEP(i)                   \
  if ((i) < rows) {               \
    vf s = v_set(a[(i)*a_row]);   \
    l##i += s * bl;               \
    r##i += s * br;               \
  }
    FATHOM_ROWS(STEP)
#undef STEP
    a += a_step;
    b += NR;
  }
  if (accumulate) {
#define ADD(i)                        \
  if ((i) < rows) {                   \
    l##i += v_load(c + (i)*c_stride); \
    r##i += v_load(c + (i)*c_stride + W); \
  }
    FATHOM_ROWS(ADD)
#undef ADD
  }
#define STORE(i)                       \
  if ((i) < rows) {                    \
    v_store(c + (i)*c_stride, l##i);     \
    v_store(c + (i)*c_stride + W, r##i); \
  }
  FATHOM_ROWS(STORE)
#undef STORE
}

/*
 * c[i][j] (row stride c_stride) = or += the product; a element (i, kk) is at a[i * a_row + kk * a_step],
 * which folds into the addressing when both are constants: (1, MR) for a packed panel.
 */
FATHOM_INLINE void gemm_tile(int64_t k, const float* restrict a, int64_t a_row, int64_t a_step,
                             const float* restrict b, float* restrict c, int64_t c_stride,
                             int accumulate) {
  gemm_tile_rows(MR, k, a, a_row, a_step, b, c, c_stride, accumulate);
}

/* One function for each count of rows on packed panels, c [rows][NR]; an edge costs what it has. */
typedef void (*gemm_kernel)(int64_t k, const float* a, const float* b, float* c, int accumulate);
#define KERNEL(i)                                                                                \
  __attribute__((noinline, unused)) static void gemm_kernel_##i(                                 \
      int64_t k, const float* a, const float* b, float* c, int accumulate) {                     \
    gemm_tile_rows((i) + 1, k, a, 1, MR, b, c, NR, accumulate);                                  \
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

/* Floats of a packed B of `columns` columns: panels [columns / NR][depth][NR], padded with zeros. */
FATHOM_INLINE int64_t gemm_packed_size(int64_t columns, int64_t depth) {
  return fathom_ceil_div(columns, NR) * NR * depth;
}

/* W x W floats; out[j][i] = in[i][j]. Each round interleaves the upper half with the lower half. */
FATHOM_INLINE void gemm_transpose(vf v[W]) {
#if FATHOM_ISA_LEVEL == 3
#define ZIP_LOW 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define ZIP_HIGH 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#elif FATHOM_ISA_LEVEL == 2
#define ZIP_LOW 0, 8, 1, 9, 2, 10, 3, 11
#define ZIP_HIGH 4, 12, 5, 13, 6, 14, 7, 15
#else
#define ZIP_LOW 0, 4, 1, 5
#define ZIP_HIGH 2, 6, 3, 7
#endif
  for (int round = 1; round < W; round *= 2) {
    vf t[W];
    for (int i = 0; i < W / 2; i++) {
      t[2 * i] = __builtin_shufflevector(v[i], v[i + W / 2], ZIP_LOW);
      t[2 * i + 1] = __builtin_shufflevector(v[i], v[i + W / 2], ZIP_HIGH);
    }
    for (int i = 0; i < W; i++) v[i] = t[i];
  }
#undef ZIP_LOW
#undef ZIP_HIGH
}

/*
 * Packs B's panel of the columns [column, column + NR) from `weight` [columns][depth], the layout of a
 * linear layer's weight.
 */
FATHOM_INLINE void gemm_pack_columns(const float* weight, int64_t columns, int64_t depth,
                                     int64_t column, float* panel) {
  for (int64_t k = 0; k < depth; k += W) {
    const int64_t n = fathom_min(W, depth - k);
    for (int half = 0; half < 2; half++) {
      vf v[W];
      for (int i = 0; i < W; i++) {
        const int64_t row = column + half * W + i;
        const float* source = weight + row * depth + k;
        v[i] = row >= columns ? (vf){0} : n == W ? v_load(source) : v_load_part(source, n);
      }
      gemm_transpose(v);
      for (int j = 0; j < n; j++) v_store(panel + (k + j) * NR + half * W, v[j]);
    }
  }
}

/* Room for a packed A panel of one depth block; the last W floats take what a whole vector spills. */
#define GEMM_PANEL_SIZE(depth) (((depth)*MR + 2 * W - 1) / W * W)

/*
 * panel[k][MR] from MR rows of `depth` consecutive floats. Writes depth * MR floats and up to W more,
 * so pack in rising order. Rows that do not exist may point at any that does.
 */
FATHOM_INLINE void gemm_pack_rows(const float* const rows[MR], int64_t depth, float* panel) {
  for (int64_t k = 0; k < depth; k += W) {
    int64_t n = fathom_min(W, depth - k);
#if MR <= W
    vf v[W] = {{0}};
    if (n == W) {
      for (int i = 0; i < MR; i++) v[i] = v_load(rows[i] + k);
    } else {
      for (int i = 0; i < MR; i++) v[i] = v_load_part(rows[i] + k, n);
    }
    gemm_transpose(v);
    if (n == W) {
      for (int j = 0; j < W; j++) v_store(panel + j * MR, v[j]);
    } else {
      for (int j = 0; j < n; j++) v_store(panel + j * MR, v[j]);
    }
#else
    for (int64_t j = 0; j < n; j++)
      for (int i = 0; i < MR; i++) panel[j * MR + i] = rows[i][k + j];
#endif
    panel += n * MR;
  }
}

/* ---- blocking ---- */

typedef struct {
  int64_t rows, columns, depth;
  const float* b;       /* packed */
  int64_t depth_block;  /* k of one pass */
  int64_t row_tasks;    /* parts of the row tiles */
  int64_t column_tasks; /* parts of the column panels */
} gemm_plan;

/* Writes A's rows [row, row + rows), rows <= MR, and columns [k, k + depth) to panel[depth][MR]. */
typedef void (*gemm_pack)(const void* operator, int64_t row, int64_t rows, int64_t k, int64_t depth,
                          float* panel);
/* Takes the finished tile[rows][NR] whose first element is (row, column); columns <= NR are wanted. */
typedef void (*gemm_finish)(const void* operator, int64_t row, int64_t rows, int64_t column,
                            int64_t columns, const float* tile);

#ifndef GEMM_DEPTH
#define GEMM_DEPTH 512
#endif
#ifndef GEMM_ROWS
#define GEMM_ROWS 112
#endif
#ifndef GEMM_COLUMNS
#define GEMM_COLUMNS 1024
#endif

FATHOM_INLINE gemm_plan gemm_plan_make(int32_t threads, int64_t rows, int64_t columns, int64_t depth,
                                       const float* b) {
  gemm_plan plan = {.rows = rows, .columns = columns, .depth = depth, .b = b};
  int64_t blocks = fathom_ceil_div(depth, GEMM_DEPTH);
  plan.depth_block = fathom_ceil_div(depth, blocks);
  int64_t tiles = fathom_ceil_div(rows, MR), panels = fathom_ceil_div(columns, NR);
  int64_t tiles_max = fathom_max(1, GEMM_ROWS / MR);
  int64_t least_rows = fathom_ceil_div(tiles, tiles_max);
  int64_t least_columns = fathom_ceil_div(panels, GEMM_COLUMNS / NR);
  /* A search over column splits; the row split that fills the threads follows from each. */
  double best = INFINITY;
  for (int64_t c = least_columns; c <= panels && c <= least_columns + 4 * threads; c++) {
    int64_t r = least_rows;
    while (r * c % threads != 0 && r < tiles && r < least_rows + threads) r++;
    int64_t rounds = fathom_ceil_div(r * c, threads);
    double height = (double)fathom_ceil_div(tiles, r), width = (double)fathom_ceil_div(panels, c);
    double cost = (double)rounds * (height * width + 0.4 * height + 0.6 * width);
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
  const int64_t tiles = fathom_ceil_div(plan->rows, MR), panels = fathom_ceil_div(plan->columns, NR);
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
    for (int64_t t = tile_begin; t < tile_end; t++)
      pack(operator, t * MR, fathom_min(MR, plan->rows - t * MR), k, depth,
           a + (t - tile_begin) * pitch);
    float* c = sums;
    for (int64_t p = panel_begin; p < panel_end; p++) {
      const float* b = plan->b + (p * plan->depth + k) * NR;
      for (int64_t t = tile_begin; t < tile_end; t++) {
        const int64_t rows = fathom_min(MR, plan->rows - t * MR);
        gemm_kernel_for(rows)(depth, a + (t - tile_begin) * pitch, b, c, k > 0);
        if (last)
          finish(operator, t * MR, rows, p * NR, fathom_min(NR, plan->columns - p * NR), c);
        if (!single) c += MR * NR;
      }
    }
  }
}

#endif
