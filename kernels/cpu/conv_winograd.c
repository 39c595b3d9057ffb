/*
 * Winograd's minimal filtering F(4x4, 3x3): a 4x4 tile of outputs from a 6x6 patch with 36 instead of
 * 144 products per channel pair.
 *
 *     Y = A^T [ (G g G^T) . (B^T d B) ] A
 *
 * The interpolation points are 0, +-5/8, +-3/2 and infinity. Against the usual 0, +-1, +-2 they halve
 * the error, and every constant of A and B is exact in float; G is applied in double when the weights
 * are packed.
 *
 * A task takes a block of tiles: its transformed patches V and, for one block of NR output channels at
 * a time, the products M stay in L2, in thread-local memory. Each of the 36 products is a small GEMM,
 * M[36][tiles][NR] = V[36][tiles][in] U[36][in][NR].
 *
 * Infinities and NaN spread over their tile (inf - inf), not only over the 3x3 around them.
 *
 * Packed weights: [out/NR][36][in][NR], zero in columns past `out`.
 */
#include "conv.h"
#include "gemm.h"

#define TILE 4
#define PATCH 6
#define PRODUCTS 36

/* Thread-local floats for V: half of a 1 MB L2. */
#define V_FLOATS (128 * 1024)

/* The points' squares, their sum and product. */
#define P 0.625f
#define Q 1.5f
#define P2 0.390625f
#define Q2 2.25f
#define P3 0.244140625f
#define Q3 3.375f
#define SUM 2.640625f
#define PRODUCT 0.87890625f

/* ---- weights ---- */

int64_t FN(conv_winograd_packed_size)(int64_t out, int64_t in) {
  return conv_column_blocks(out) * PRODUCTS * in * NR;
}

typedef struct {
  int64_t out, in;
  const float* weight;
  float* packed;
} packing;

/* G's row for a point x: (1, x, x^2) over the product of x's distances to the other points. */
static void weight_transform(double g[PATCH][3]) {
  static const double points[5] = {0, P, -P, Q, -Q};
  for (int i = 0; i < 5; i++) {
    double distance = 1;
    for (int k = 0; k < 5; k++)
      if (k != i) distance *= points[i] - points[k];
    g[i][0] = 1 / distance;
    g[i][1] = points[i] / distance;
    g[i][2] = points[i] * points[i] / distance;
  }
  g[5][0] = g[5][1] = 0;
  g[5][2] = 1;
}

/* One input channel of one block of output channels. */
static void pack_task(void* argument, int64_t index, int32_t thread __attribute__((unused))) {
  const packing* p = argument;
  double g[PATCH][3];
  weight_transform(g);
  int64_t block = index / p->in, c = index % p->in;
  float* to = p->packed + (block * PRODUCTS * p->in + c) * NR;
  for (int64_t i = 0; i < NR; i++) {
    int64_t o = block * NR + i;
    const float* w = p->weight + (o * p->in + c) * 9;
    double half[PATCH][3] = {{0}};
    if (o < p->out)
      for (int r = 0; r < PATCH; r++)
        for (int k = 0; k < 3; k++)
          half[r][k] = g[r][0] * w[k] + g[r][1] * w[3 + k] + g[r][2] * w[6 + k];
    for (int r = 0; r < PATCH; r++)
      for (int k = 0; k < PATCH; k++)
        to[(r * PATCH + k) * p->in * NR + i] =
            (float)(half[r][0] * g[k][0] + half[r][1] * g[k][1] + half[r][2] * g[k][2]);
  }
}

fathom_status FN(conv_winograd_pack)(fathom_context* context, int64_t out, int64_t in,
                                     const float* weight, float* packed) {
  packing p = {out, in, weight, packed};
  fathom_pool_run(context->pool, conv_column_blocks(out) * in, pack_task, &p);
  return FATHOM_OK;
}

/* ---- transforms ---- */

/* t = B^T d */
FATHOM_INLINE void input_line(vf d0, vf d1, vf d2, vf d3, vf d4, vf d5, vf* t, int step) {
  vf even_p = d4 - Q2 * d2, odd_p = d3 - Q2 * d1;
  vf even_q = d4 - P2 * d2, odd_q = d3 - P2 * d1;
  t[0] = PRODUCT * d0 + (d4 - SUM * d2);
  t[step] = even_p + P * odd_p;
  t[2 * step] = even_p - P * odd_p;
  t[3 * step] = even_q + Q * odd_q;
  t[4 * step] = even_q - Q * odd_q;
  t[5 * step] = PRODUCT * d1 + (d5 - SUM * d3);
}

/* y = A^T m */
FATHOM_INLINE void output_line(vf m0, vf m1, vf m2, vf m3, vf m4, vf m5, vf* y, int step) {
  vf even_p = m1 + m2, odd_p = m1 - m2;
  vf even_q = m3 + m4, odd_q = m3 - m4;
  y[0] = m0 + even_p + even_q;
  y[step] = P * odd_p + Q * odd_q;
  y[2 * step] = P2 * even_p + Q2 * even_q;
  y[3 * step] = P3 * odd_p + (Q3 * odd_q + m5);
}

/* V of one patch: product p to to + p * to_stride. n <= W channels. */
FATHOM_INLINE void input_patch(const float* from, int64_t row_stride, int64_t pixel_stride,
                               int64_t n, int relu, float* to, int64_t to_stride) {
  vf t[PRODUCTS];
  for (int x = 0; x < PATCH; x++) {
    vf d[PATCH];
    for (int y = 0; y < PATCH; y++) {
      d[y] = conv_load(from + y * row_stride + x * pixel_stride, n);
      if (relu) d[y] = v_relu(d[y]);
    }
    input_line(d[0], d[1], d[2], d[3], d[4], d[5], t + x, PATCH);
  }
  for (int y = 0; y < PATCH; y++) {
    const vf* d = t + y * PATCH;
    vf v[PATCH];
    input_line(d[0], d[1], d[2], d[3], d[4], d[5], v, 1);
    for (int x = 0; x < PATCH; x++) v_store(to + (y * PATCH + x) * to_stride, v[x]);
  }
}

/* All channels; `to` has room for whole vectors. */
static void transform_patch(const float* from, int64_t row_stride, int64_t in, int relu, float* to,
                            int64_t to_stride) {
  int64_t c = 0;
  if (relu) {
    for (; c + W <= in; c += W) input_patch(from + c, row_stride, in, W, 1, to + c, to_stride);
  } else {
    for (; c + W <= in; c += W) input_patch(from + c, row_stride, in, W, 0, to + c, to_stride);
  }
  if (c < in) input_patch(from + c, row_stride, in, in - c, relu, to + c, to_stride);
}

/* ---- the convolution ---- */

typedef struct {
  const fathom_conv2d_args* args;
  fathom_context* context;
  conv_output output;
  int64_t tile_rows, tile_columns; /* of one map */
  int64_t block_tiles;
  int64_t row_blocks;              /* blocks in a row of tiles; 0 when blocks run on across rows */
  int64_t blocks;
  int64_t groups, group_columns;   /* column blocks are split among tasks when blocks are few */
  int64_t v_row, v_product;        /* strides of V [36][tiles][in] */
  int64_t m_product;               /* stride of M [36][tiles][NR] */
  int64_t v_floats, m_floats, patch_floats, projection_floats, line_floats;
} winograd;

/* Floats, as an odd number of cache lines: 36 rows a power of two apart would share a cache set. */
static int64_t odd_lines(int64_t floats) { return ((floats + 15) / 16 | 1) * 16; }

static void choose_blocks(winograd* w, int32_t threads) {
  const fathom_conv2d_args* a = w->args;
  w->v_row = fathom_ceil_div(a->in, W) * W;
  if (w->v_row % 512 == 0) w->v_row += 16;
  int64_t rows = a->batch * w->tile_rows, tiles = rows * w->tile_columns;
  int64_t most = fathom_max(V_FLOATS / (PRODUCTS * w->v_row) / MR, 1) * MR;
  /* Three blocks for each thread, if that leaves whole panels. */
  int64_t wanted = fathom_ceil_div(fathom_ceil_div(tiles, 3 * threads), MR) * MR;
  int64_t run = a->source_height ? w->tile_columns : tiles;
  int64_t parts = fathom_ceil_div(run, fathom_min(most, wanted));
  w->block_tiles = fathom_ceil_div(fathom_ceil_div(run, parts), MR) * MR;
  parts = fathom_ceil_div(run, w->block_tiles);
  w->row_blocks = a->source_height ? parts : 0;
  w->blocks = a->source_height ? rows * parts : parts;

  int64_t columns = conv_column_blocks(a->out);
  w->groups = a->project_weight ? 1 : fathom_min(fathom_ceil_div(2 * threads, w->blocks), columns);
  w->group_columns = fathom_ceil_div(columns, w->groups);
  w->groups = fathom_ceil_div(columns, w->group_columns);

  w->v_product = odd_lines(w->block_tiles * w->v_row);
  w->m_product = odd_lines(w->block_tiles * NR);
  w->v_floats = PRODUCTS * w->v_product;
  w->m_floats = PRODUCTS * w->m_product;
  int64_t strip = a->source_height ? w->block_tiles * TILE + 2 : PATCH;
  w->patch_floats = PATCH * strip * a->in;
  w->line_floats = a->source_height ? 2 * strip * a->in : 0;
  w->projection_floats = a->project_weight ? w->block_tiles * TILE * TILE * W : 0;
}

/* Where the tiles of a task are; with a resize they are neighbours in a row. */
typedef struct {
  int64_t first, count;
} tile_range;

static tile_range range_of(const winograd* w, int64_t block) {
  if (w->row_blocks == 0) {
    int64_t tiles = w->args->batch * w->tile_rows * w->tile_columns, first = block * w->block_tiles;
    return (tile_range){first, fathom_min(w->block_tiles, tiles - first)};
  }
  int64_t column = block % w->row_blocks * w->block_tiles;
  return (tile_range){block / w->row_blocks * w->tile_columns + column,
                      fathom_min(w->block_tiles, w->tile_columns - column)};
}

static void transform_inputs(const winograd* w, tile_range range, float* v, float* patch,
                             float* lines) {
  const fathom_conv2d_args* a = w->args;
  int64_t in = a->in;
  int relu = (int)a->relu_input;
  for (int64_t t = 0; t < range.count; t++) {
    int64_t tile = range.first + t;
    int64_t column = tile % w->tile_columns * TILE - 1;
    int64_t row = tile / w->tile_columns % w->tile_rows * TILE - 1;
    int64_t batch = tile / w->tile_columns / w->tile_rows;
    int inside = row >= 0 && column >= 0 && row + PATCH <= a->height && column + PATCH <= a->width;
    const float* from = patch;
    int64_t row_stride = PATCH * in;
    if (a->source_height) {
      row_stride = (range.count * TILE + 2) * in;
      from = patch + t * TILE * in;
    } else if (inside) {
      row_stride = a->width * in;
      from = a->x + (batch * a->height + row) * row_stride + column * in;
    }
    if (a->source_height ? t == 0 : !inside) {
      conv_window window = {
          .batch = batch,
          .row = row,
          .rows = PATCH,
          .row_step = 1,
          .column = column,
          .columns = row_stride / in,
          .to = patch,
          .row_stride = row_stride,
          .pixel_stride = in,
          .lines = lines,
      };
      FN(conv_read)(a, &window);
    }
    transform_patch(from, row_stride, in, relu, v + t * w->v_row, w->v_product);
  }
  /* The last panel is computed whole. */
  int64_t rest = fathom_ceil_div(range.count, MR) * MR - range.count;
  for (int64_t p = 0; p < PRODUCTS && rest > 0; p++)
    memset(v + p * w->v_product + range.count * w->v_row, 0,
           (size_t)(rest * w->v_row) * sizeof *v);
}

/* One tile, n <= W channels from c: m points at the tile's products for channel c. */
FATHOM_INLINE void finish_tile(const winograd* w, const float* m, int64_t tile, int64_t c,
                               int64_t n, float* projection) {
  const fathom_conv2d_args* a = w->args;
  vf s[TILE * PATCH];
  for (int x = 0; x < PATCH; x++) {
    const float* from = m + x * w->m_product;
    int64_t step = PATCH * w->m_product;
    output_line(v_load(from), v_load(from + step), v_load(from + 2 * step), v_load(from + 3 * step),
                v_load(from + 4 * step), v_load(from + 5 * step), s + x, PATCH);
  }
  int64_t column = tile % w->tile_columns * TILE, map_row = tile / w->tile_columns;
  int64_t row = map_row % w->tile_rows * TILE, batch = map_row / w->tile_rows;
  int64_t rows = fathom_min(TILE, a->height - row), columns = fathom_min(TILE, a->width - column);
  int64_t at = ((batch * a->height + row) * a->width + column) * a->out;
  for (int64_t i = 0; i < rows; i++) {
    const vf* d = s + i * PATCH;
    vf y[TILE];
    output_line(d[0], d[1], d[2], d[3], d[4], d[5], y, 1);
    for (int64_t j = 0; j < columns; j++)
      conv_finish(&w->output, y[j], at + (i * a->width + j) * a->out, c, n,
                  projection + (i * TILE + j) * W);
  }
}

static void finish_tiles(const winograd* w, tile_range range, const float* m, int64_t block,
                         float* projection) {
  int64_t out = w->args->out;
  for (int64_t t = 0; t < range.count; t++) {
    float* sums = projection + t * TILE * TILE * W;
    for (int64_t i = 0; i < NR; i += W) {
      int64_t c = block * NR + i;
      const float* from = m + t * NR + i;
      if (c + W <= out) {
        finish_tile(w, from, range.first + t, c, W, sums);
      } else if (c < out) {
        finish_tile(w, from, range.first + t, c, out - c, sums);
      }
    }
  }
}

static void project_tiles(const winograd* w, tile_range range, const float* projection) {
  const fathom_conv2d_args* a = w->args;
  for (int64_t t = 0; t < range.count; t++) {
    int64_t tile = range.first + t;
    int64_t column = tile % w->tile_columns * TILE, map_row = tile / w->tile_columns;
    int64_t row = map_row % w->tile_rows * TILE, batch = map_row / w->tile_rows;
    for (int64_t i = 0; i < fathom_min(TILE, a->height - row); i++)
      conv_project(&w->output, projection + (t * TILE + i) * TILE * W,
                   fathom_min(TILE, a->width - column),
                   a->y + (batch * a->height + row + i) * a->width + column);
  }
}

static void task(void* argument, int64_t index, int32_t thread) {
  const winograd* w = argument;
  const fathom_conv2d_args* a = w->args;
  tile_range range = range_of(w, index / w->groups);
  int64_t first = index % w->groups * w->group_columns;
  int64_t end = fathom_min(first + w->group_columns, conv_column_blocks(a->out));
  float* v = fathom_local(w->context, thread);
  float* m = v + w->v_floats;
  float* patch = m + w->m_floats;
  float* projection = patch + w->patch_floats;
  float* lines = projection + w->projection_floats;
  transform_inputs(w, range, v, patch, lines);
  memset(projection, 0, (size_t)w->projection_floats * sizeof *projection);
  int64_t panels = fathom_ceil_div(range.count, MR);
  for (int64_t block = first; block < end; block++) {
    const float* u = a->packed + block * PRODUCTS * a->in * NR;
    for (int64_t p = 0; p < PRODUCTS; p++)
      for (int64_t panel = 0; panel < panels; panel++)
        gemm_tile(a->in, v + p * w->v_product + panel * MR * w->v_row, w->v_row, 1,
                  u + p * a->in * NR, m + p * w->m_product + panel * MR * NR, NR, 0);
    finish_tiles(w, range, m, block, projection);
  }
  if (w->output.project) project_tiles(w, range, projection);
}

fathom_status FN(conv_winograd)(fathom_context* context, const fathom_conv2d_args* args) {
  winograd w = {.args = args, .context = context};
  w.tile_rows = fathom_ceil_div(args->height, TILE);
  w.tile_columns = fathom_ceil_div(args->width, TILE);
  choose_blocks(&w, context->threads);
  int64_t local =
      w.v_floats + w.m_floats + w.patch_floats + w.projection_floats + w.line_floats;
  fathom_status status =
      fathom_reserve(context, (size_t)conv_output_floats(args->out) * sizeof(float),
                     (size_t)local * sizeof(float));
  if (status != FATHOM_OK) return status;
  w.output =
      conv_output_of(args, args->width * args->out, args->out, fathom_shared(context));
  fathom_pool_run(context->pool, w.blocks * w.groups, task, &w);
  return FATHOM_OK;
}
