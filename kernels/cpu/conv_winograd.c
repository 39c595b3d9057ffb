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
 * M[36][tiles][NR] = V[36][tiles][in] U[36][in][NR]; V is kept as [36][tiles/MR][in/W][MR][W].
 *
 * Infinities and NaN spread over their tile (inf - inf), not only over the 3x3 around them.
 *
 * Packed weights: [out/NR][36][in/W][W][NR], zero past `in` and `out`.
 */
#include "conv.h"

#define TILE 4
#define PATCH 6
#define PRODUCTS 36

/* Thread-local floats for V; U and M share L2 with it. */
#define V_FLOATS (48 * 1024)
/* Tiles that share a pass over U at least, where U does not fit into L2. */
#define SHARING_TILES 28

/* The points, their squares and cubes; the sum and the product of the squares. */
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
  return conv_column_blocks(out) * PRODUCTS * conv_groups(in) * W * NR;
}

typedef struct {
  int64_t out, in;
  const float* weight;
  int adjoint; /* weight is [in,out,3,3] and is turned by 180 degrees */
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

/* One input channel, also of those past `in`, of one block of output channels. */
static void pack_task(void* argument, int64_t index, int32_t thread __attribute__((unused))) {
  const packing* p = argument;
  double g[PATCH][3], w[9][NR] = {{0}}, half[PATCH][3][NR];
  weight_transform(g);
  const int64_t depth = conv_groups(p->in) * W, block = index / depth, c = index % depth;
  const int64_t outputs = c < p->in ? fathom_min(NR, p->out - block * NR) : 0;
  for (int64_t i = 0; i < outputs; i++) {
    const int64_t o = block * NR + i;
    const float* from = p->weight + (p->adjoint ? c * p->out + o : o * p->in + c) * 9;
    for (int64_t tap = 0; tap < 9; tap++) w[tap][i] = from[p->adjoint ? 8 - tap : tap];
  }
  for (int r = 0; r < PATCH; r++)
    for (int k = 0; k < 3; k++)
      for (int64_t i = 0; i < NR; i++)
        half[r][k][i] = g[r][0] * w[k][i] + g[r][1] * w[3 + k][i] + g[r][2] * w[6 + k][i];
  float* to = p->packed + (block * PRODUCTS * depth + c) * NR;
  for (int r = 0; r < PATCH; r++)
    for (int k = 0; k < PATCH; k++, to += depth * NR)
      for (int64_t i = 0; i < NR; i++)
        to[i] = (float)(half[r][0][i] * g[k][0] + half[r][1][i] * g[k][1] +
                        half[r][2][i] * g[k][2]);
}

fathom_status FN(conv_winograd_pack)(fathom_context* context, int64_t out, int64_t in,
                                     const float* weight, float* packed) {
  packing p = {out, in, weight, 0, packed};
  fathom_pool_run(context->pool, conv_column_blocks(out) * conv_groups(in) * W, pack_task, &p);
  return FATHOM_OK;
}

void FN(conv_winograd_pack_adjoint)(fathom_context* context, int64_t out, int64_t in,
                                    const float* weight, float* packed) {
  packing p = {out, in, weight, 1, packed};
  fathom_pool_run(context->pool, conv_column_blocks(out) * conv_groups(in) * W, pack_task, &p);
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

/* V of one patch: product p to to + p * to_stride. n <= W channels. gate lies like the patch, or NULL. */
FATHOM_INLINE void input_patch(const float* from, const float* gate, int64_t row_stride,
                               int64_t pixel_stride, int64_t n, int relu, float* to,
                               int64_t to_stride) {
  vf t[PRODUCTS];
  /* Stores that miss L1 are drained one by one; asked for ahead of time, the lines come together. */
  for (int p = 0; p < PRODUCTS; p++) __builtin_prefetch(to + p * to_stride + MR * W, 1);
  for (int x = 0; x < PATCH; x++) {
    vf d[PATCH];
    for (int y = 0; y < PATCH; y++) {
      const int64_t at = y * row_stride + x * pixel_stride;
      d[y] = conv_load(from + at, n);
      if (relu) d[y] = v_relu(d[y]);
      if (gate) d[y] = conv_gate(d[y], conv_load(gate + at, n));
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

/* All channels of one patch, group g of which begins at from + g * group_stride. */
static void transform_patch(const float* from, const float* gate, int64_t row_stride,
                            int64_t pixel_stride, int64_t group_stride, int64_t in, int relu,
                            float* to, int64_t to_stride) {
  int64_t c = 0;
  for (; c + W <= in; c += W, from += group_stride, to += MR * W) {
    if (gate) {
      input_patch(from, gate + c / W * group_stride, row_stride, pixel_stride, W, 0, to, to_stride);
    } else if (relu) {
      input_patch(from, NULL, row_stride, pixel_stride, W, 1, to, to_stride);
    } else {
      input_patch(from, NULL, row_stride, pixel_stride, W, 0, to, to_stride);
    }
  }
  if (c == in) return;
  if (gate) gate += c / W * group_stride;
  input_patch(from, gate, row_stride, pixel_stride, in - c, relu, to, to_stride);
}

/* ---- the convolution ---- */

/* A tile's place: its first output, and how many of its 4x4 outputs there are. */
typedef struct {
  int64_t batch, row, column;
  int64_t pixel; /* (batch * height + row) * width + column */
  int rows, columns;
} place;

typedef struct {
  const fathom_conv2d_args* args;
  fathom_context* context;
  conv_output output;
  const float* x_gate;
  int64_t tile_rows, tile_columns; /* of one map */
  int64_t block_tiles;
  int64_t row_blocks;              /* blocks in a row of tiles; 0 when blocks run on across rows */
  int64_t blocks;
  int64_t groups, group_columns;   /* column blocks are split among tasks when blocks are few */
  int64_t v_panel, v_product;      /* floats of MR tiles and of all of a block, for one product */
  int64_t m_product;               /* stride of M [36][tiles][NR] */
  int64_t* offsets;                /* of the groups of channels in a panel of V */
  int64_t v_floats, m_floats, patch_floats, projection_floats, line_floats;
} winograd;

/* Thread-local memory of a task. */
typedef struct {
  float *v, *m, *patch, *projection, *lines;
  place* tiles;
  int64_t count;
} workspace;

/* Floats, as an odd number of cache lines: 36 rows a power of two apart would share a cache set. */
static int64_t odd_lines(int64_t floats) { return ((floats + 15) / 16 | 1) * 16; }

static void choose_blocks(winograd* w, int32_t threads) {
  const fathom_conv2d_args* a = w->args;
  w->v_panel = conv_groups(a->in) * W * MR;
  int64_t rows = a->batch * w->tile_rows, tiles = rows * w->tile_columns;
  /* With many channels U comes from memory: enough tiles must share a pass over it. */
  int64_t least = a->in < 256 ? 1 : fathom_ceil_div(SHARING_TILES, MR);
  int64_t most = fathom_max(V_FLOATS / (PRODUCTS * w->v_panel), least) * MR;
  /* Three blocks for each thread, if that leaves whole panels. */
  int64_t wanted = fathom_ceil_div(fathom_ceil_div(tiles, 3 * threads), MR) * MR;
  int64_t line = a->source_height ? w->tile_columns : tiles;
  int64_t parts = fathom_ceil_div(line, fathom_min(most, wanted));
  w->block_tiles = fathom_ceil_div(fathom_ceil_div(line, parts), MR) * MR;
  parts = fathom_ceil_div(line, w->block_tiles);
  w->row_blocks = a->source_height ? parts : 0;
  w->blocks = a->source_height ? rows * parts : parts;

  int64_t columns = conv_column_blocks(a->out);
  w->groups = a->project_weight ? 1 : fathom_min(fathom_ceil_div(2 * threads, w->blocks), columns);
  w->group_columns = fathom_ceil_div(columns, w->groups);
  w->groups = fathom_ceil_div(columns, w->group_columns);

  w->v_product = odd_lines(w->block_tiles / MR * w->v_panel);
  w->m_product = odd_lines(w->block_tiles * NR);
  w->v_floats = PRODUCTS * w->v_product;
  w->m_floats = PRODUCTS * w->m_product;
  int64_t strip = a->source_height ? w->block_tiles * TILE + 2 : PATCH;
  w->patch_floats = PATCH * strip * conv_groups(a->in) * W;
  w->line_floats = a->source_height ? odd_lines(2 * strip * a->in) : 0;
  w->projection_floats = a->project_weight ? w->block_tiles * TILE * TILE * W : 0;
}

static int64_t local_bytes(const winograd* w) {
  int64_t floats =
      w->v_floats + w->m_floats + w->patch_floats + w->projection_floats + w->line_floats;
  return floats * (int64_t)sizeof(float) + w->block_tiles * (int64_t)sizeof(place);
}

/* The vectors' parts come first: they are whole cache lines. */
static workspace workspace_of(const winograd* w, int32_t thread) {
  workspace s = {.v = fathom_local(w->context, thread)};
  s.m = s.v + w->v_floats;
  s.projection = s.m + w->m_floats;
  s.patch = s.projection + w->projection_floats;
  s.lines = s.patch + w->patch_floats;
  s.tiles = (place*)(s.lines + w->line_floats);
  return s;
}

/* Fills in where the tiles of a block are; with a resize they are neighbours in a row. */
static void place_tiles(const winograd* w, int64_t block, workspace* s) {
  const fathom_conv2d_args* a = w->args;
  int64_t first, count;
  if (w->row_blocks) {
    int64_t column = block % w->row_blocks * w->block_tiles;
    first = block / w->row_blocks * w->tile_columns + column;
    count = fathom_min(w->block_tiles, w->tile_columns - column);
  } else {
    first = block * w->block_tiles;
    count = fathom_min(w->block_tiles, a->batch * w->tile_rows * w->tile_columns - first);
  }
  s->count = count;
  int64_t column = first % w->tile_columns, row = first / w->tile_columns % w->tile_rows;
  int64_t batch = first / w->tile_columns / w->tile_rows;
  for (int64_t t = 0; t < count; t++) {
    int64_t y = row * TILE, x = column * TILE;
    s->tiles[t] = (place){batch,
                    y,
                    x,
                    (batch * a->height + y) * a->width + x,
                    (int)fathom_min(TILE, a->height - y),
                    (int)fathom_min(TILE, a->width - x)};
    if (++column < w->tile_columns) continue;
    column = 0;
    if (++row < w->tile_rows) continue;
    row = 0;
    batch++;
  }
}

__attribute__((noinline)) static void transform_inputs(const winograd* w, const workspace* s) {
  const fathom_conv2d_args* a = w->args;
  const int64_t in = a->in;
  for (int64_t t = 0; t < s->count; t++) {
    const place* tile = &s->tiles[t];
    const int64_t column = tile->column - 1, row = tile->row - 1;
    float* to = s->v + t / MR * w->v_panel + t % MR * W;
    if (!a->source_height && row >= 0 && column >= 0 && row + PATCH <= a->height &&
        column + PATCH <= a->width) {
      const int64_t at = (tile->pixel - a->width - 1) * in;
      transform_patch(a->x + at, w->x_gate ? w->x_gate + at : NULL, a->width * in, in, W, in,
                      (int)a->relu_input, to, w->v_product);
      continue;
    }
    /* Through scratch, which conv_read pads: this patch, or with a resize all of the block's at once. */
    const int64_t columns = a->source_height ? s->count * TILE + 2 : PATCH;
    const conv_window window = {
        .batch = tile->batch,
        .row = row,
        .rows = PATCH,
        .row_step = 1,
        .column = column,
        .columns = columns,
        .to = s->patch,
        .row_stride = columns * W,
        .group_stride = PATCH * columns * W,
        .lines = s->lines,
        .gate = w->x_gate,
    };
    if (!a->source_height || t == 0) FN(conv_read)(a, &window);
    transform_patch(s->patch + (a->source_height ? t * TILE * W : 0), NULL, window.row_stride, W,
                    window.group_stride, conv_groups(in) * W, 0, to, w->v_product);
  }
  /* The last panel is computed whole. */
  for (int64_t t = s->count; t % MR != 0; t++)
    for (int64_t p = 0; p < PRODUCTS; p++)
      for (int64_t g = 0; g < conv_groups(in); g++)
        v_store(s->v + p * w->v_product + t / MR * w->v_panel + (g * MR + t % MR) * W, (vf){0});
}

/* Y of a tile, W channels, from its products m + p * m_product. Rows first: 24 vectors in flight. */
FATHOM_INLINE void output_patch(const float* m, int64_t m_product, vf y[TILE * TILE]) {
  vf s[PATCH * TILE];
#pragma GCC unroll 6
  for (int i = 0; i < PATCH; i++) {
    const float* from = m + i * PATCH * m_product;
    output_line(v_load(from), v_load(from + m_product), v_load(from + 2 * m_product),
                v_load(from + 3 * m_product), v_load(from + 4 * m_product),
                v_load(from + 5 * m_product), s + i * TILE, 1);
  }
#pragma GCC unroll 4
  for (int j = 0; j < TILE; j++)
    output_line(s[j], s[TILE + j], s[2 * TILE + j], s[3 * TILE + j], s[4 * TILE + j],
                s[5 * TILE + j], y + j, TILE);
}

/* A whole tile and W channels from c, with `residuals` of them; that and `gated` are constants. */
FATHOM_INLINE void finish_whole(const winograd* w, const float* m, const place* tile, int64_t c,
                                int residuals, int gated) {
  const conv_output* o = &w->output;
  const vf bias = v_load(o->bias + c), floor = v_set(o->floor);
  const int64_t row = w->args->width * o->out;
  vf y[TILE * TILE];
  output_patch(m, w->m_product, y);
  int64_t at = tile->pixel * o->out + c;
#pragma GCC unroll 4
  for (int i = 0; i < TILE; i++, at += row) {
#pragma GCC unroll 4
    for (int j = 0; j < TILE; j++) {
      vf v = v_max(floor, y[i * TILE + j] + bias);
      if (gated) v = conv_gate(v, v_load(o->gate + at + j * o->out));
      if (residuals > 0) v += v_load(o->residual + at + j * o->out);
      if (residuals > 1) v += v_load(o->residual2 + at + j * o->out);
      v_store(o->y + at + j * o->out, v);
    }
  }
}

/* Any tile, n <= W channels from c. */
static void finish_part(const winograd* w, const float* m, const place* tile, int64_t c, int64_t n,
                        float* sums) {
  const conv_output* o = &w->output;
  vf y[TILE * TILE];
  output_patch(m, w->m_product, y);
  for (int i = 0; i < tile->rows; i++)
    conv_finish(o, y + i * TILE, tile->columns, (tile->pixel + i * w->args->width) * o->out, c, n,
                sums + i * TILE * W);
}

static void finish_tiles(const winograd* w, const workspace* s, int64_t block) {
  const conv_output* o = &w->output;
  const int general = o->project || (o->gate && o->residual2);
  const int residuals = general ? 3 : (o->residual != NULL) + (o->residual2 != NULL);
  for (int64_t t = 0; t < s->count; t++) {
    const place* tile = &s->tiles[t];
    for (int64_t i = 0; i < NR; i += W) {
      const int64_t c = block * NR + i, n = fathom_min(W, o->out - c);
      const float* m = s->m + t * NR + i;
      if (n <= 0) break;
      if (n < W || tile->rows < TILE || tile->columns < TILE || residuals > 2) {
        finish_part(w, m, tile, c, n, s->projection + t * TILE * TILE * W);
      } else if (residuals == 0) {
        if (o->gate) {
          finish_whole(w, m, tile, c, 0, 1);
        } else {
          finish_whole(w, m, tile, c, 0, 0);
        }
      } else if (residuals == 1) {
        if (o->gate) {
          finish_whole(w, m, tile, c, 1, 1);
        } else {
          finish_whole(w, m, tile, c, 1, 0);
        }
      } else {
        finish_whole(w, m, tile, c, 2, 0);
      }
    }
  }
}

static void project_tiles(const winograd* w, const workspace* s) {
  for (int64_t t = 0; t < s->count; t++) {
    const place* tile = &s->tiles[t];
    for (int i = 0; i < tile->rows; i++)
      conv_project(&w->output, s->projection + (t * TILE + i) * TILE * W, tile->columns,
                   w->output.y + tile->pixel + i * w->args->width);
  }
}

/* Not inlined: within the loops around it GCC would keep addresses in memory. */
__attribute__((noinline)) static void product(int64_t groups, const int64_t* offsets,
                                              const float* v, const float* u, float* m) {
  conv_tile(groups, offsets, v, 1, u, m, 0);
}

static void multiply(const winograd* w, const workspace* s, int64_t block) {
  const int64_t groups = conv_groups(w->args->in), panels = fathom_ceil_div(s->count, MR);
  for (int64_t p = 0; p < PRODUCTS; p++) {
    const float* u = w->args->packed + (block * PRODUCTS + p) * groups * W * NR;
    for (int64_t panel = 0; panel < panels; panel++)
      product(groups, w->offsets, s->v + p * w->v_product + panel * w->v_panel, u,
              s->m + p * w->m_product + panel * MR * NR);
  }
}

static void task(void* argument, int64_t index, int32_t thread) {
  const winograd* w = argument;
  int64_t first = index % w->groups * w->group_columns;
  int64_t end = fathom_min(first + w->group_columns, conv_column_blocks(w->args->out));
  workspace s = workspace_of(w, thread);
  place_tiles(w, index / w->groups, &s);
  transform_inputs(w, &s);
  memset(s.projection, 0, (size_t)w->projection_floats * sizeof *s.projection);
  for (int64_t block = first; block < end; block++) {
    multiply(w, &s, block);
    finish_tiles(w, &s, block);
  }
  if (w->output.project) project_tiles(w, &s);
}

fathom_status FN(conv_winograd)(fathom_context* context, const fathom_conv2d_args* args,
                                const float* x_gate, const float* y_gate) {
  winograd w = {.args = args, .context = context, .x_gate = x_gate};
  w.tile_rows = fathom_ceil_div(args->height, TILE);
  w.tile_columns = fathom_ceil_div(args->width, TILE);
  choose_blocks(&w, context->threads);
  const int64_t output_floats = conv_output_floats(args->out), groups = conv_groups(args->in);
  fathom_status status = fathom_reserve(
      context, (size_t)output_floats * sizeof(float) + (size_t)groups * sizeof *w.offsets,
      (size_t)local_bytes(&w));
  if (status != FATHOM_OK) return status;
  float* shared = fathom_shared(context);
  w.output = conv_output_of(args, args->width * args->out, args->out, shared);
  w.output.gate = y_gate;
  w.offsets = (int64_t*)(shared + output_floats);
  for (int64_t g = 0; g < groups; g++) w.offsets[g] = g * MR * W;
  fathom_pool_run(context->pool, w.blocks * w.groups, task, &w);
  return FATHOM_OK;
}
