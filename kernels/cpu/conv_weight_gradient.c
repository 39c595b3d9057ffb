/*
 * The gradient of a convolution's weight, an implicit GEMM whose depth are the pixels:
 *
 *     d_weight[o][tap][c] = sum over pixels p of gradient[p][o] * map[p under tap][c]
 *
 * With channels last both factors lie as the register tile wants them: a step of the depth is a pixel,
 * the rows of the tile are output channels (broadcast), its columns two runs of W input channels, each
 * of one tap. A task copies a chunk of the map, padded, as conv_direct.c does, and reads it once for
 * each tap where it lies.
 *
 * The pixels are cut into parts, each with sums of its own, which are added in rising order at the end.
 * The cut follows from the shape alone, so that the result does not depend on the number of threads;
 * the output channels of a part may go to several tasks.
 */
#include "conv_backward.h"

/* Pixels of a chunk, about, and columns of one at most. */
#define CHUNK_PIXELS 512
#define CHUNK_COLUMNS 256
/* Floats of a chunk of the map, about. */
#define STRIP_FLOATS (256 * 1024)
/*
 * Pixels multiplied at a time: two runs of the map stay in L1 for all output channels. Twice as many where
 * the sums, read and written once for each block, do not stay in L2.
 */
#define BLOCK_PIXELS 128
#define L2_SUM_FLOATS (128 * 1024)
/* A part has at least so many pixels; there are at most so many parts, and floats in their sums. */
#define PART_PIXELS 512
#define MOST_PARTS 16
#define PARTS_FLOATS (4 * 1024 * 1024)

/* MR rounded up to whole vectors. */
#define PADDED_ROWS ((MR + W - 1) / W * W)

typedef struct {
  const conv_weight_gradient_args* args;
  fathom_context* context;
  int64_t taps, runs, pairs;         /* runs [in/W][k*k] of the tile's columns, two by two */
  int64_t tiles;                     /* of output channels */
  int64_t rows, columns;             /* output pixels of a chunk */
  int64_t pictures;                  /* of a chunk; 1 unless it takes whole maps */
  int64_t row_chunks, column_chunks; /* of one map */
  int64_t chunks, parts, groups;     /* chunks in all; parts of them; groups of tiles */
  int64_t width, plane_rows;         /* positions in a row of a chunk; rows of one of stride planes */
  int64_t picture_floats;            /* a group of channels of one picture in the strip */
  int64_t group_floats;              /* of all pictures of the chunk */
  int64_t strip_floats, panel_floats, line_floats;
  int64_t sum_floats;                /* a part's sums, [tiles][pairs][MR][NR] */
  int64_t* offsets;                  /* of the runs in the strip */
  float* sums;
  float* bias;                       /* [parts][tiles][PADDED_ROWS] */
} weight_gradient;

static void choose_chunks(weight_gradient* g, int32_t threads) {
  const conv_weight_gradient_args* a = g->args;
  const int64_t k = (a->kernel - 1) / a->stride, planes = a->stride * a->stride;
  const int64_t channels = conv_groups(a->map.in) * W, capacity = STRIP_FLOATS / (channels * planes);
  const int64_t widest = fathom_max(fathom_min(CHUNK_COLUMNS, capacity / (1 + k) - k), 1);
  g->column_chunks = fathom_ceil_div(a->out_width, widest);
  g->columns = fathom_ceil_div(a->out_width, g->column_chunks);
  g->column_chunks = fathom_ceil_div(a->out_width, g->columns);
  g->width = g->columns + k;
  const int64_t tallest =
      fathom_max(fathom_min(CHUNK_PIXELS / g->columns, capacity / g->width - k), 1);
  g->row_chunks = fathom_ceil_div(a->out_height, tallest);
  g->rows = fathom_ceil_div(a->out_height, g->row_chunks);
  g->row_chunks = fathom_ceil_div(a->out_height, g->rows);
  g->plane_rows = g->rows + k;
  g->pictures = 1;
  if (g->row_chunks * g->column_chunks == 1)
    g->pictures = fathom_min(CHUNK_PIXELS / (g->rows * g->columns),
                             capacity / (g->plane_rows * g->width));
  g->pictures = fathom_max(fathom_min(g->pictures, a->map.batch), 1);
  g->chunks = fathom_ceil_div(a->map.batch, g->pictures) * g->row_chunks * g->column_chunks;

  g->picture_floats = planes * g->plane_rows * g->width * W;
  g->group_floats = g->pictures * g->picture_floats;
  g->strip_floats = conv_groups(a->map.in) * g->group_floats;
  g->line_floats = a->map.source_height ? 2 * a->stride * g->width * a->map.in : 0;
  g->taps = a->kernel * a->kernel;
  g->runs = g->taps * conv_groups(a->map.in);
  g->pairs = fathom_ceil_div(g->runs, 2);
  g->tiles = fathom_ceil_div(a->out, MR);
  g->sum_floats = g->tiles * g->pairs * MR * NR;

  const int64_t pixels = a->map.batch * a->out_height * a->out_width;
  g->parts = fathom_min(fathom_min(pixels / PART_PIXELS, MOST_PARTS), PARTS_FLOATS / g->sum_floats);
  g->parts = fathom_max(fathom_min(g->parts, g->chunks), 1);
  g->groups = fathom_min(fathom_ceil_div(4 * threads, g->parts), g->tiles);
  if (!a->d_weight || threads == 1) g->groups = 1;
  g->panel_floats =
      fathom_ceil_div(g->tiles, g->groups) * g->pictures * g->rows * g->columns * MR + PADDED_ROWS;
}

static void choose_offsets(weight_gradient* g) {
  const int64_t k = g->args->kernel, s = g->args->stride;
  for (int64_t r = 0; r < g->runs; r++) {
    const int64_t ky = r % g->taps / k, kx = r % g->taps % k;
    const int64_t row = (ky % s) * g->plane_rows + ky / s;
    g->offsets[r] = r / g->taps * g->group_floats + (row * s * g->width + kx) * W;
  }
  /* A last run without a partner is multiplied twice. */
  g->offsets[2 * g->pairs - 1] = g->offsets[g->runs - 1];
}

/* ---- the register tile ---- */

/*
 * The pixels of a product: pictures of lines of consecutive ones, step apart in the strip; skip is what
 * lies between two lines, picture_skip what lies between two pictures.
 */
typedef struct {
  int64_t pictures, lines, columns, step, skip, picture_skip;
} extent;

/*
 * c[rows][NR] = or += sum over pixels of a[pixel][MR] (column) * the runs at left and right (row); rows
 * is a constant.
 */
FATHOM_INLINE void tile_rows(int rows, const extent* e, const float* restrict a,
                             const float* restrict left, const float* restrict right,
                             float* restrict c, int accumulate) {
  const int64_t step = e->step, skip = e->skip;
#define DECLARE(i) vf l##i = {0}, r##i = {0};
  FATHOM_ROWS(DECLARE)
#undef DECLARE
  for (int64_t picture = e->pictures; picture > 0; picture--) {
    for (int64_t line = e->lines; line > 0; line--) {
      for (int64_t k = e->columns; k > 0; k--) {
        vf bl = v_load(left), br = v_load(right);
#define ROW(i)          \
  if ((i) < rows) {     \
    vf s = v_set(a[i]); \
    l##i += s * bl;     \
    r##i += s * br;     \
  }
        FATHOM_ROWS(ROW)
#undef ROW
        a += MR;
        left += step;
        right += step;
      }
      left += skip;
      right += skip;
    }
    left += e->picture_skip;
    right += e->picture_skip;
  }
  if (accumulate) {
#define ADD(i)                      \
  if ((i) < rows) {                 \
    l##i += v_load(c + (i)*NR);     \
    r##i += v_load(c + (i)*NR + W); \
  }
    FATHOM_ROWS(ADD)
#undef ADD
  }
#define STORE(i)                   \
  if ((i) < rows) {                \
    v_store(c + (i)*NR, l##i);     \
    v_store(c + (i)*NR + W, r##i); \
  }
  FATHOM_ROWS(STORE)
#undef STORE
}

typedef void (*tile_kernel)(const extent* e, const float* a, const float* left, const float* right,
                            float* c, int accumulate);
#define KERNEL(i)                                                                               \
  __attribute__((noinline)) static void tile_##i(const extent* e, const float* a,               \
                                                 const float* left, const float* right, float* c, \
                                                 int accumulate) {                              \
    tile_rows((i) + 1, e, a, left, right, c, accumulate);                                       \
  }
FATHOM_ROWS(KERNEL)
#undef KERNEL
#define ENTRY(i) tile_##i,
static const tile_kernel kernels[MR] = {FATHOM_ROWS(ENTRY)};
#undef ENTRY

/* ---- tasks ---- */

/* Tiles are of even height, so that the last is not the least efficient. */
FATHOM_INLINE int64_t tile_begin(const weight_gradient* g, int64_t tile) {
  return g->args->out * tile / g->tiles;
}

/* A chunk, the task's tiles and thread-local memory. */
typedef struct {
  int64_t batch, row, column, pictures, rows, columns;
  int64_t first_tile, end_tile;
  float *strip, *panels, *lines;
} chunk;

static void read_strip(const weight_gradient* g, const chunk* t) {
  const conv_weight_gradient_args* a = g->args;
  const int64_t s = a->stride;
  for (int64_t i = 0; i < t->pictures * s; i++) {
    const int64_t picture = i / s, plane = i % s;
    const conv_window window = {
        .batch = t->batch + picture,
        .row = t->row * s - a->margin + plane,
        .rows = g->plane_rows,
        .row_step = s,
        .column = t->column * s - a->margin,
        .columns = s * g->width,
        .to = t->strip + picture * g->picture_floats + plane * g->plane_rows * s * g->width * W,
        .row_stride = s * g->width * W,
        .group_stride = g->group_floats,
        .lines = t->lines,
    };
    FN(conv_read)(&a->map, &window);
  }
}

/*
 * A tile's panel [pixels][MR] of the gradient, in rising order: a pixel's vectors spill into the next.
 * Lanes past the tile's rows hold what comes next in memory and are never used. bias: added to, or NULL.
 */
static void pack_panel(const weight_gradient* g, const chunk* t, int64_t tile, float* panel,
                       float* bias) {
  const conv_weight_gradient_args* a = g->args;
  const int64_t out = a->out, first = tile_begin(g, tile);
  const int64_t end = a->map.batch * a->out_height * a->out_width * out;
  vf sums[PADDED_ROWS / W] = {{0}};
  for (int64_t r = 0; r < t->pictures * t->rows; r++) {
    const int64_t picture = t->batch + r / t->rows, y = t->row + r % t->rows;
    const int64_t pixel = (picture * a->out_height + y) * a->out_width + t->column;
    for (int64_t p = 0; p < t->columns; p++, panel += MR) {
      for (int64_t i = 0; i < PADDED_ROWS / W; i++) {
        const int64_t at = (pixel + p) * out + first + i * W, n = fathom_min(W, end - at);
        if (n <= 0) continue;
        vf v = conv_load(a->gradient + at, n);
        if (a->gate) v = conv_gate(v, conv_load(a->gate + at, n));
        sums[i] += v;
        v_store(panel + i * W, v);
      }
    }
  }
  if (!bias) return;
  for (int64_t i = 0; i < PADDED_ROWS / W; i++) v_store(bias + i * W, v_load(bias + i * W) + sums[i]);
}

/* All products of a chunk, added to the part's sums unless it is the part's first. */
static void multiply(const weight_gradient* g, const chunk* t, float* sums, int first_chunk) {
  const conv_weight_gradient_args* a = g->args;
  const int64_t s = a->stride, line = s * g->width * W, pixels = t->rows * t->columns;
  const int64_t block = g->sum_floats > L2_SUM_FLOATS ? 2 * BLOCK_PIXELS : BLOCK_PIXELS;
  const int64_t rows = fathom_min(fathom_max(block / t->columns, 1), t->rows);
  const int64_t pictures = rows < t->rows ? 1 : fathom_max(block / pixels, 1);
  extent e = {.columns = t->columns,
              .step = s * W,
              .skip = line - t->columns * s * W,
              .picture_skip = g->picture_floats - t->rows * line};
  for (int64_t picture = 0; picture < t->pictures; picture += pictures) {
    e.pictures = fathom_min(pictures, t->pictures - picture);
    for (int64_t row = 0; row < t->rows; row += rows) {
      e.lines = fathom_min(rows, t->rows - row);
      const float* strip = t->strip + picture * g->picture_floats + row * line;
      const float* panels = t->panels + (picture * pixels + row * t->columns) * MR;
      const int accumulate = !first_chunk || picture > 0 || row > 0;
      for (int64_t pair = 0; pair < g->pairs; pair++) {
        const float* left = strip + g->offsets[2 * pair];
        const float* right = strip + g->offsets[2 * pair + 1];
        const float* panel = panels;
        for (int64_t tile = t->first_tile; tile < t->end_tile; tile++) {
          const int64_t height = tile_begin(g, tile + 1) - tile_begin(g, tile);
          kernels[height - 1](&e, panel, left, right, sums + (tile * g->pairs + pair) * MR * NR,
                              accumulate);
          panel += t->pictures * pixels * MR;
        }
      }
    }
  }
}

static void part_task(void* argument, int64_t index, int32_t thread) {
  const weight_gradient* g = argument;
  const conv_weight_gradient_args* a = g->args;
  const int64_t group = index % g->groups, part = index / g->groups;
  const int64_t first = g->chunks * part / g->parts, end = g->chunks * (part + 1) / g->parts;
  float* sums = g->sums + part * g->sum_floats;
  float* bias = g->bias + part * g->tiles * PADDED_ROWS;
  chunk t = {.first_tile = g->tiles * group / g->groups,
             .end_tile = g->tiles * (group + 1) / g->groups};
  t.strip = fathom_local(g->context, thread);
  t.panels = t.strip + g->strip_floats;
  t.lines = t.panels + g->panel_floats;
  memset(bias + t.first_tile * PADDED_ROWS, 0,
         (size_t)((t.end_tile - t.first_tile) * PADDED_ROWS) * sizeof *bias);
  for (int64_t i = first; i < end; i++) {
    t.batch = i / g->column_chunks / g->row_chunks * g->pictures;
    t.pictures = fathom_min(g->pictures, a->map.batch - t.batch);
    t.row = i / g->column_chunks % g->row_chunks * g->rows;
    t.column = i % g->column_chunks * g->columns;
    t.rows = fathom_min(g->rows, a->out_height - t.row);
    t.columns = fathom_min(g->columns, a->out_width - t.column);
    for (int64_t tile = t.first_tile; tile < t.end_tile; tile++)
      pack_panel(g, &t, tile, t.panels + (tile - t.first_tile) * t.pictures * t.rows * t.columns * MR,
                 a->d_bias ? bias + tile * PADDED_ROWS : NULL);
    if (!a->d_weight) continue;
    read_strip(g, &t);
    multiply(g, &t, sums, i == first);
  }
}

/* ---- the sum of the parts ---- */

/*
 * The weights [in][taps] of one output channel, whose sums lie at `from`: [pairs], MR * NR apart, NR floats
 * each. taps is a constant, or not.
 */
FATHOM_INLINE void add_weights(const weight_gradient* g, int64_t taps, const float* from,
                               float* restrict group, float* restrict d_weight) {
  const int64_t in = g->args->map.in;
  for (int64_t c = 0; c < in; c += W, d_weight += W * taps) {
    for (int64_t tap = 0; tap < taps; tap++) {
      const int64_t r = c / W * taps + tap;
      const float* run = from + r / 2 * MR * NR + r % 2 * W;
      vf v = v_load(run);
      for (int64_t part = 1; part < g->parts; part++) v += v_load(run + part * g->sum_floats);
      v_store(group + tap * W, v);
    }
    const int64_t lanes = fathom_min(W, in - c);
    for (int64_t lane = 0; lane < lanes; lane++)
      for (int64_t tap = 0; tap < taps; tap++)
        d_weight[lane * taps + tap] += group[tap * W + lane];
  }
}

static void sum_task(void* argument, int64_t tile, int32_t thread) {
  const weight_gradient* g = argument;
  const conv_weight_gradient_args* a = g->args;
  float* group = fathom_local(g->context, thread);
  const int64_t first = tile_begin(g, tile), rows = tile_begin(g, tile + 1) - first;
  for (int64_t i = 0; i < rows; i++) {
    if (a->d_weight) {
      const float* from = g->sums + (tile * g->pairs * MR + i) * NR;
      float* to = a->d_weight + (first + i) * a->map.in * g->taps;
      if (g->taps == 9) {
        add_weights(g, 9, from, group, to);
      } else {
        add_weights(g, g->taps, from, group, to);
      }
    }
    if (!a->d_bias) continue;
    float sum = 0;
    for (int64_t part = 0; part < g->parts; part++)
      sum += g->bias[(part * g->tiles + tile) * PADDED_ROWS + i];
    a->d_bias[first + i] += sum;
  }
}

fathom_status FN(conv_weight_gradient)(fathom_context* context,
                                       const conv_weight_gradient_args* args) {
  weight_gradient g = {.args = args, .context = context};
  choose_chunks(&g, context->threads);
  const int64_t sum_floats = args->d_weight ? g.parts * g.sum_floats : 0;
  const int64_t bias_floats = g.parts * g.tiles * PADDED_ROWS;
  const int64_t offsets = fathom_ceil_div(2 * g.pairs, 8) * 8; /* the sums begin on a cache line */
  const int64_t local =
      fathom_max(g.strip_floats + g.panel_floats + g.line_floats, g.taps * W);
  fathom_status status = fathom_reserve(
      context,
      (size_t)(sum_floats + bias_floats) * sizeof(float) + (size_t)offsets * sizeof *g.offsets,
      (size_t)local * sizeof(float));
  if (status != FATHOM_OK) return status;
  g.offsets = fathom_shared(context);
  g.sums = (float*)(g.offsets + offsets);
  g.bias = g.sums + sum_floats;
  choose_offsets(&g);
  fathom_pool_run(context->pool, g.parts * g.groups, part_task, &g);
  fathom_pool_run(context->pool, g.tiles, sum_task, &g);
  return FATHOM_OK;
}
